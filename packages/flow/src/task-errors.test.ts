// The sentences about what a task declares: bindings of names that it doesn't have, and values that
// go by another name in the flow than in the task.
import { type SentenceCase, testSentences } from './compiler-sentences.fixture.ts';

const PREAMBLE = `
import { z } from 'zod';
import { flow, graph, linear, named, optional, task, type, unordered } from '@holdfast/flow';

interface User {
  readonly id: number;
  readonly tags: readonly string[];
}

const fetchSource = task({
  name: 'fetch',
  provides: { source: z.string() },
  execute: () => ({ source: 'text' }),
});
const copy = task({
  name: 'copy',
  requires: { input: z.string() },
  rebind: { input: 'source' },
  provides: { path: z.string() },
  rename: { path: 'archivePath' },
  execute: ({ input }) => ({ path: input }),
});
const load = task({
  name: 'load',
  provides: { user: type<User>() },
  execute: () => ({ user: { id: 1, tags: [] } }),
});
const greet = task({
  name: 'greet',
  requires: { user: type<User>() },
  execute: ({ user }) => void user.id.toFixed(),
});
const execute = (): void => undefined;
void [flow, graph, linear, named, optional, unordered, fetchSource, copy, load, greet, execute];
`;

const CASES: Readonly<Record<string, SentenceCase>> = {
  'missing-rebound': {
    code: `flow({ name: 'f', body: copy });`,
    says: ["task 'copy' requires 'source' (its 'input'), which nothing before it provides"],
  },
  'missing-rebound-in-a-graph': {
    code: `flow({ name: 'f', body: graph('g', { tasks: [copy, load] }) });`,
    says: ["task 'copy' requires 'source' (its 'input'), which nothing before it provides"],
  },
  'missing-for-a-revert': {
    code: `flow({ name: 'f', body: task({ name: 'a', execute, revertRequires: { backup: z.string() }, revert: execute }) });`,
    says: ["task 'a' requires 'backup', which nothing before it provides"],
  },
  'missing-of-any-type': {
    code: `flow({ name: 'f', body: task({ name: 'a', requires: { x: z.unknown() }, execute }) });`,
    says: ["task 'a' requires 'x', which nothing before it provides"],
  },
  'missing-plain-type': {
    code: `flow({ name: 'f', body: greet });`,
    says: ["task 'greet' requires 'user', which nothing before it provides"],
  },
  'missing-for-one-of-two': {
    code: `flow({ name: 'f', body: linear('main', fetchSource, named('again', copy, { rebind: { input: 'draft' } })) });`,
    says: ["task 'again' requires 'draft' (its 'input'), which nothing before it provides"],
  },
  'missing-for-a-copy-that-reads-what-was-fixed': {
    code: `
      const fixed = task({ name: 'fixed', requires: { region: z.string() }, inject: { region: 'eu' }, execute });
      flow({ name: 'f', body: linear('main', fixed, named('free', fixed, { rebind: { region: 'where' } })) });
    `,
    says: ["task 'free' requires 'where' (its 'region'), which nothing before it provides"],
  },
  'mistyped-rebound': {
    code: `linear('main', task({ name: 'count', provides: { source: z.number() }, execute: () => ({ source: 1 }) }), copy);`,
    says: [
      "task 'copy' requires 'source' (its 'input') as a string, but task 'count' provides a number",
    ],
  },
  'mistyped-rebound-input': {
    code: `flow({ name: 'f', input: z.object({ source: z.number() }), body: copy });`,
    says: [
      "task 'copy' requires 'source' (its 'input') as a string, but the flow's input has a number",
    ],
  },
  'mistyped-renamed': {
    code: `linear('main', fetchSource, copy, task({ name: 'a', requires: { archivePath: z.number() }, execute }));`,
    says: ["task 'a' requires 'archivePath' as a number, but task 'copy' provides a string"],
  },
  'mistyped-optional': {
    code: `linear('main', fetchSource, task({ name: 'a', requires: { source: z.number().default(1) }, execute }));`,
    says: [
      "task 'a' requires 'source' as a number or undefined, but task 'fetch' provides a string",
    ],
  },
  'mistyped-for-a-revert': {
    code: `linear('main', fetchSource, task({ name: 'a', execute, revertRequires: { source: z.number() }, revert: execute }));`,
    says: ["task 'a' requires 'source' as a number, but task 'fetch' provides a string"],
  },
  'mistyped-plain-type': {
    code: `linear('main', load, task({ name: 'a', requires: { user: type<{ name: string }>() }, execute }));`,
    says: [
      "task 'a' requires 'user' as an object, but task 'load' provides an object of another type",
    ],
  },
  'ambiguous-by-renaming': {
    code: `graph('main', { tasks: [copy, task({ name: 'a', provides: { archivePath: z.string() }, execute: () => ({ archivePath: '' }) })] });`,
    says: [
      "task 'a' provides 'archivePath', and so does task 'copy' beside it; give one of the values another name",
    ],
  },
  'cyclic-by-renaming': {
    code: `graph('main', { tasks: [named('back', copy, { rebind: { input: 'archivePath' }, rename: { path: 'source' } }), copy] });`,
    says: [
      "task 'back' requires 'archivePath' (its 'input') from task 'copy', which in turn waits for it: a cycle",
      "task 'copy' requires 'source' (its 'input') from task 'back', which in turn waits for it: a cycle",
    ],
  },
  'duplicate-copy': {
    code: `linear('main', load, named('twice', greet), named('twice', greet));`,
    says: ["two tasks are named 'twice'; the name of a task is unique in its flow"],
  },
  'unknown-renamed-output': {
    code: `flow({ name: 'f', body: linear('main', fetchSource, copy), output: ['path'] });`,
    says: ["no task of the flow provides 'path'"],
  },
  'unknown-rebind': {
    code: `task({ name: 'a', requires: { input: z.string() }, rebind: { inptu: 'source' }, execute });`,
    says: ["task 'a' requires no 'inptu'; only what it requires can be rebound"],
  },
  'unknown-rebind-of-nothing': {
    code: `task({ name: 'a', rebind: { input: 'source' }, execute });`,
    says: ["task 'a' requires no 'input'; only what it requires can be rebound"],
  },
  'unknown-rename': {
    code: `task({ name: 'a', provides: { path: z.string() }, rename: { pth: 'archivePath' }, execute: () => ({ path: '' }) });`,
    says: ["task 'a' provides no 'pth'; only what it provides can be renamed"],
  },
  'doubled-rename': {
    code: `task({ name: 'a', provides: { x: z.string(), y: z.string() }, rename: { x: 'y' }, execute: () => ({ x: '', y: '' }) });`,
    says: ["task 'a' provides 'y' twice; give one of the values another name"],
  },
  'unknown-inject': {
    code: `task({ name: 'a', requires: { region: z.string() }, inject: { regoin: 'eu' }, execute });`,
    says: ["task 'a' requires no 'regoin'; only what it requires can be injected"],
  },
  'mistyped-inject': {
    code: `task({ name: 'a', requires: { region: z.enum(['eu', 'us']) }, inject: { region: 'mars' }, execute });`,
    says: [`Type '"mars"' is not assignable to type '"eu" | "us"'`],
  },
  'rebound-and-injected': {
    code: `task({ name: 'a', requires: { x: z.string() }, rebind: { x: 'y' }, inject: { x: '' }, execute });`,
    says: ["task 'a' can't both rebind and inject 'x'"],
  },
  'unknown-in-a-copy': {
    code: `named('b', copy, { rebind: { source: 'x' }, rename: { archivePath: 'y' }, inject: { region: 'eu' } });`,
    says: [
      "task 'b' requires no 'source'; only what it requires can be rebound",
      "task 'b' provides no 'archivePath'; only what it provides can be renamed",
      "task 'b' requires no 'region'; only what it requires can be injected",
    ],
  },
  'mistyped-inject-in-a-copy': {
    code: `named('b', copy, { inject: { input: 1 } });`,
    says: [`Type 'number' is not assignable to type 'string'`],
  },
  'undefined-plain-type': {
    code: `type<string | undefined>();`,
    says: [`Type 'string | undefined' does not satisfy the constraint '{} | null'`],
  },
  'mistyped-fallback': {
    code: `optional(z.string(), 1);`,
    says: [`Argument of type 'number' is not assignable to parameter of type 'string'`],
  },
  right: {
    code: `
      flow({ name: 'f', body: linear('main', fetchSource, copy), output: ['archivePath'] });
      flow({ name: 'f', body: graph('main', { tasks: [copy, fetchSource] }) });
      flow({ name: 'f', body: linear('main', load, greet) });
      flow({ name: 'f', input: z.object({ other: z.string() }), body: named('b', copy, { rebind: { input: 'other' } }) });
      flow({ name: 'f', body: named('b', copy, { inject: { input: 'fixed' } }) });
      flow({ name: 'f', body: linear('main', fetchSource, copy, named('b', copy, { rebind: { input: 'archivePath' }, rename: { path: 'second' } })) });
      flow({ name: 'f', body: task({ name: 'a', requires: { a: z.string().optional(), b: z.number().default(1), c: optional(z.unknown()), d: optional(type<User>()), e: optional(z.string(), '') }, execute }) });
      flow({ name: 'f', body: graph('g', { tasks: [task({ name: 'a', requires: { a: z.string().optional() }, execute }), fetchSource] }) });
      flow({ name: 'f', body: task({ name: 'a', requires: { region: z.enum(['eu', 'us']) }, inject: { region: 'eu' }, execute }) });
      flow({ name: 'f', body: linear('main', fetchSource, task({ name: 'a', requires: { x: z.string(), y: z.string() }, rebind: { x: 'source', y: 'source' }, execute })) });
      task({ name: 'a', provides: { x: z.string(), y: z.string() }, rename: { x: 'y', y: 'x' }, execute: () => ({ x: '', y: '' }) });
    `,
    says: [],
  },
};

testSentences('task-errors', PREAMBLE, CASES);
