import { decodeJson, TerminalError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { link } from './link.ts';
import { optional } from './optional-schema.ts';
import { graph, linear, unordered } from './pattern.ts';
import { Job, outputOf } from './run-harness.fixture.ts';
import { named, task } from './task.ts';
import { type } from './unchecked-schema.ts';

const text = z.string();
const give = task({ name: 'give', provides: { source: text }, execute: () => ({ source: 'abc' }) });
const shout = task({
  name: 'shout',
  requires: { input: text, mark: text },
  provides: { output: text },
  rebind: { input: 'source' },
  rename: { output: 'shouted' },
  inject: { mark: '!' },
  execute: ({ input, mark }) => ({ output: input.toUpperCase() + mark }),
});

/** What a job stored of a task. */
function storedBy(job: Job, name: string): unknown {
  const { result } = job.record(name);
  return result && decodeJson(result);
}

/** What went wrong in a run; '' when nothing did. */
async function failureOf(job: Job, input: unknown = {}): Promise<string> {
  const result = await job.run({ input });
  return result.kind === 'failed' ? result.failure.message : '';
}

describe('a task whose values have other names in the flow', () => {
  test('sees its own names, the flow sees the flow’s, and the checkpoint keeps the task’s', async () => {
    const job = new Job(flow({ name: 'f', body: linear('main', give, shout) }));
    expect(outputOf(await job.run())).toEqual({ source: 'abc', shouted: 'ABC!' });
    expect(storedBy(job, 'shout')).toEqual({ output: 'ABC!' });
  });

  test('is found by the flow’s names in a graph, whatever the order', async () => {
    const again = named('again', shout, {
      rebind: { input: 'shouted' },
      rename: { output: 'twice' },
    });
    const both = flow({ name: 'f', body: graph('g', { tasks: [again, shout, give] }) });
    expect(outputOf(await new Job(both).run())).toMatchObject({ twice: 'ABC!!' });
    expect(both.graph.edges).toEqual([
      { from: 'give', to: 'shout', values: ['source'] },
      { from: 'shout', to: 'again', values: ['shouted'] },
    ]);
  });

  test('reads one value as two, if it is told to', async () => {
    const twice = task({
      name: 'twice',
      requires: { a: text, b: text },
      rebind: { a: 'source', b: 'source' },
      provides: { sum: text },
      execute: ({ a, b }) => ({ sum: a + b }),
    });
    const doubled = flow({ name: 'f', body: linear('main', give, twice), output: ['sum'] });
    expect(outputOf(await new Job(doubled).run())).toEqual({ sum: 'abcabc' });
  });

  test('reads the flow’s input by the flow’s name', async () => {
    const input = z.strictObject({ source: text });
    const job = new Job(flow({ name: 'f', input, body: shout }));
    expect(outputOf(await job.run({ input: { source: 'x' } }))).toEqual({ shouted: 'X!' });
  });

  test('is refused a wrong value under both names', async () => {
    const wrong = named('wrong', shout, { rebind: { input: 'n' } });
    const input = z.looseObject({});
    const job = new Job(flow({ name: 'f', input, body: wrong as never }));
    expect(await failureOf(job, { n: 1 })).toMatch(/requires\.input: .*\(the flow's 'n'\)/);
  });

  test('gives its revert its own names too', async () => {
    const seen: unknown[] = [];
    const undone = task({
      name: 'undone',
      requires: { input: text },
      rebind: { input: 'source' },
      provides: { output: text },
      rename: { output: 'elsewhere' },
      execute: ({ input }) => ({ output: input }),
      revert: (args, { result }) => void seen.push(args, result),
    });
    const fail = task({
      name: 'fail',
      execute: () => {
        throw new TerminalError('no');
      },
    });
    await new Job(flow({ name: 'f', body: linear('main', give, undone, fail) })).run();
    expect(seen).toEqual([{ input: 'abc' }, { output: 'abc' }]);
  });
});

describe('an injected value', () => {
  test('hides what the flow has under that name', async () => {
    const input = z.strictObject({ mark: text, source: text });
    const job = new Job(flow({ name: 'f', input, body: shout }));
    const result = await job.run({ input: { mark: '?', source: 'x' } });
    expect(outputOf(result)).toEqual({ shouted: 'X!' });
  });

  test('passes the schema when the task runs', async () => {
    const counted = task({
      name: 'counted',
      requires: { n: z.number().transform((n) => n * 2) },
      provides: { twice: z.number() },
      inject: { n: 4 },
      execute: ({ n }) => ({ twice: n }),
    });
    const job = new Job(flow({ name: 'f', body: counted }));
    expect(outputOf(await job.run())).toEqual({ twice: 8 });
    const wrong = named('wrong', counted, { inject: { n: 'four' as never } });
    expect(await failureOf(new Job(flow({ name: 'f', body: wrong })))).toContain('requires.n');
  });
});

describe('an optional value', () => {
  const greet = task({
    name: 'greet',
    requires: { name: text.default('you'), source: text.optional(), constructor: optional(text) },
    provides: { greeting: text },
    execute: ({ name, source, constructor }) => ({
      greeting: `${name} ${source ?? 'none'} ${constructor ?? 'none'}`,
    }),
  });

  test('nobody has to provide, and has its default then', async () => {
    const alone = flow({ name: 'f', body: greet });
    expect(outputOf(await new Job(alone).run())).toEqual({ greeting: 'you none none' });
    expect(alone.graph.nodes[0]?.sources).toEqual([]);
  });

  test('is taken from whoever provides it', async () => {
    const input = z.strictObject({ name: text });
    const job = new Job(flow({ name: 'f', input, body: linear('main', give, greet) }));
    const result = await job.run({ input: { name: 'Ada' } });
    expect(outputOf(result)).toMatchObject({ greeting: 'Ada abc none' });
  });

  test('has its default when its provider is out of scope', async () => {
    const late = flow({ name: 'f', body: linear('main', greet, give), output: ['greeting'] });
    expect(outputOf(await new Job(late).run())).toEqual({ greeting: 'you none none' });
  });

  test('has its default when its provider was ignored', async () => {
    const gate = task({ name: 'gate', execute: () => undefined });
    const body = graph('g', {
      tasks: [gate, give, greet],
      links: [link(gate, give, { decide: () => false, depth: 'atom' })],
    });
    const job = new Job(flow({ name: 'f', body, output: ['greeting'] }));
    expect(outputOf(await job.run())).toEqual({ greeting: 'you none none' });
    expect(job.state('give')).toBe('ignore');
  });

  test('is not taken for one that any value would do for', () => {
    const names = (requires: Record<string, z.ZodType>) => () =>
      flow({ name: 'f', body: task({ name: 'a', requires, execute: () => undefined }) } as never);
    expect(names({ x: z.coerce.number() })).toThrow(
      "task 'a' requires 'x', which nothing before it provides",
    );
    expect(names({ x: z.unknown() })).not.toThrow();
  });

  test('is decided about when the task runs, where its schema answers asynchronously', async () => {
    const requires = { x: z.unknown().refine(async (x) => x !== undefined, 'is needed') };
    const body = task({ name: 'a', requires, execute: () => {} });
    const job = new Job(flow({ name: 'f', body } as never));
    expect(await failureOf(job)).toContain('requires.x: is needed');
  });

  test('of a plain type is refused when it is required and its provider was ignored', async () => {
    const gate = task({ name: 'gate', execute: () => undefined });
    const take = task({ name: 'take', requires: { source: type<string>() }, execute: () => {} });
    const body = graph('g', {
      tasks: [gate, give, take],
      links: [link(gate, give, { decide: () => false, depth: 'atom' })],
    });
    const message = await failureOf(new Job(flow({ name: 'f', body })));
    expect(message).toContain('requires.source: is missing');
  });
});

describe('what only a revert requires', () => {
  const fail = task({
    name: 'fail',
    execute: () => {
      throw new TerminalError('no');
    },
  });

  test('comes from the same providers, and execute doesn’t see it', async () => {
    const seen: unknown[] = [];
    const write = task({
      name: 'write',
      requires: { source: text },
      revertRequires: { backup: text, limit: z.number().default(3) },
      rebind: { backup: 'copy' },
      execute: (args) => void seen.push(args),
      revert: (args) => void seen.push(args),
    });
    const save = task({ name: 'save', provides: { copy: text }, execute: () => ({ copy: 'old' }) });
    const body = graph('g', {
      tasks: [write, save, give, fail],
      links: [[write, fail]],
    });
    const saved = flow({ name: 'f', body });
    expect(saved.graph.edges).toContainEqual({ from: 'save', to: 'write', values: ['copy'] });
    await new Job(saved).run();
    expect(seen).toEqual([{ source: 'abc' }, { backup: 'old', limit: 3 }]);
  });

  test('may be wrong without keeping the task from being executed', async () => {
    const seen: string[] = [];
    const write = task({
      name: 'write',
      revertRequires: { source: z.string().max(2) },
      execute: () => void seen.push('executed'),
      revert: () => void seen.push('reverted'),
    });
    const job = new Job(flow({ name: 'f', body: linear('main', give, write, fail) }));
    await job.run();
    expect(seen).toEqual(['executed']);
    expect(job.state('write')).toBe('revertFailure');
  });
});

test('of tasks that could start at once, the one of the highest priority does', async () => {
  const log: string[] = [];
  const ranked = (name: string, priority?: number) =>
    task({ name, priority, execute: () => void log.push(name) });
  const tasks = [ranked('low', -1), ranked('default'), ranked('high', 5), ranked('also-high', 5)];
  const body = unordered('u', ...tasks);
  await new Job(flow({ name: 'f', body } as never)).run({ concurrency: 1 });
  expect(log).toEqual(['high', 'also-high', 'default', 'low']);
});
