// The sentences about retry controllers, choices, maps, waits and graphs with targets or deciders that are
// wired wrongly.
import { type SentenceCase, testSentences } from './compiler-sentences.fixture.ts';

const PREAMBLE = `
import { z } from 'zod';
import {
  alwaysRevert, choose, flow, forEach, graph, linear, link, map, parameterizedForEach, reduce, retryController,
  sleep, task, times, unordered, waitFor, when, withRetry,
} from '@holdfast/flow';

const measure = task({ name: 'measure', provides: { size: z.number() }, execute: () => ({ size: 1 }) });
const label = task({ name: 'label', provides: { size: z.string() }, execute: () => ({ size: 'x' }) });
const pack = task({
  name: 'pack',
  requires: { size: z.number() },
  provides: { path: z.string() },
  execute: () => ({ path: '' }),
});
const copy = task({ name: 'copy', provides: { path: z.string() }, execute: () => ({ path: '' }) });
const send = task({ name: 'send', requires: { path: z.string() }, execute: () => {} });
const list = task({ name: 'list', provides: { files: z.array(z.string()) }, execute: () => ({ files: [] }) });
const scan = task({
  name: 'scan',
  requires: { file: z.string() },
  provides: { lines: z.number() },
  execute: () => ({ lines: 1 }),
});
const place = task({ name: 'place', requires: { index: z.string() }, execute: () => {} });
const isLarge = { requires: { size: z.number() }, decide: ({ size }: { size: number }) => size > 10 };
void [
  alwaysRevert, choose, flow, forEach, graph, linear, link, map, parameterizedForEach, reduce, retryController,
  sleep, times, unordered, waitFor, when, withRetry, measure, label, pack, copy, send, list, scan, place, isLarge,
];
`;

const CASES: Readonly<Record<string, SentenceCase>> = {
  'retry-missing': {
    code: `flow({ name: 'f', body: withRetry(parameterizedForEach({ values: 'sizes', provides: 'size' }), pack) });`,
    says: ["task 'pack.retry' requires 'sizes', which nothing before it provides"],
  },
  'retry-missing-inside': {
    code: `flow({ name: 'f', body: withRetry(times({ attempts: 2 }), linear('main', pack)) });`,
    says: ["task 'pack' requires 'size', which nothing before it provides"],
  },
  'retry-mistyped': {
    code: `withRetry(forEach({ values: ['a'], provides: 'size' }), linear('main', pack));`,
    says: ["task 'pack' requires 'size' as a number, but task 'main.retry' provides 'a'"],
  },
  'retry-mistyped-round': {
    code: `withRetry(times({ attempts: 2, provides: 'path' }), send);`,
    says: ["task 'send' requires 'path' as a string, but task 'send.retry' provides a number"],
  },
  'retry-mistyped-values': {
    code: `linear('main', list, withRetry(parameterizedForEach({ values: 'files', provides: 'size' }), pack));`,
    says: [
      "task 'pack.retry' requires 'files' as an array, but task 'list' provides an array of another type",
    ],
  },
  'retry-doubled': {
    code: `linear('main', withRetry(times({ attempts: 2 }), linear('l', copy)), withRetry(alwaysRevert(), linear('l', measure)));`,
    says: [
      "two tasks are named 'l.retry'; the name of a task is unique in its flow: give one of the retry controllers a name",
    ],
  },
  'retry-doubled-around': {
    code: `withRetry(alwaysRevert(), withRetry(times({ attempts: 2 }), copy));`,
    says: [
      "two tasks are named 'copy.retry'; the name of a task is unique in its flow: give one of the retry controllers a name",
    ],
  },
  'retry-doubled-with-task': {
    code: `withRetry(alwaysRevert({ name: 'copy' }), copy);`,
    says: ["two tasks are named 'copy'; the name of a task is unique in its flow"],
  },
  'retry-ambiguous': {
    code: `unordered('main', withRetry(times({ attempts: 2, provides: 'size' }), copy), measure);`,
    says: [
      "task 'measure' provides 'size', and so does task 'copy.retry' beside it; give one of the values another name",
    ],
  },
  'retry-cyclic': {
    code: `graph('main', { tasks: [withRetry(parameterizedForEach({ values: 'lines', provides: 'round' }), list), map('each', { over: 'paths', as: 'file', body: scan }), reduce('r', { over: 'files', initial: [''], provides: 'paths', execute: (all, _file: string) => all })] });`,
    says: [
      "task 'list.retry' requires 'lines' from task 'each', which in turn waits for it: a cycle",
      "task 'each' requires 'paths' from task 'r', which in turn waits for it: a cycle",
      "task 'r' requires 'files' from task 'list', which in turn waits for it: a cycle",
    ],
  },
  'choice-missing': {
    code: `flow({ name: 'f', body: when('large', { if: isLarge, do: copy }) });`,
    says: ["task 'large' requires 'size', which nothing before it provides"],
  },
  'choice-missing-in-a-case': {
    code: `flow({ name: 'f', body: when('large', { if: { decide: () => true }, do: copy, otherwise: pack }) });`,
    says: ["task 'pack' requires 'size', which nothing before it provides"],
  },
  'choice-cases-apart': {
    code: `flow({ name: 'f', body: when('large', { if: { decide: () => true }, do: copy, otherwise: send }) });`,
    says: ["task 'send' requires 'path', which nothing before it provides"],
  },
  'choice-maybe': {
    code: `linear('main', when('large', { if: { decide: () => true }, do: copy }), send);`,
    says: [
      "task 'send' requires 'path' as a string, but task 'copy' provides a string or undefined",
    ],
  },
  'choice-mistyped': {
    code: `linear('main', label, when('large', { if: isLarge, do: copy }));`,
    says: ["task 'large' requires 'size' as a number, but task 'label' provides a string"],
  },
  'choice-mistyped-case': {
    code: `linear('main', choose('c', { case: () => 'a', cases: { a: measure, b: label } }), pack);`,
    says: ["task 'pack' requires 'size' as a number, but task 'label' provides a string"],
  },
  'choice-unknown-case': {
    code: `choose('c', { case: () => 'c', cases: { a: measure, b: copy } });`,
    says: [`Type '"c"' is not assignable to type '"a" | "b"`],
  },
  'choice-unknown-case-computed': {
    code: `choose('c', { requires: { size: z.number() }, case: ({ size }) => (size > 1 ? 'large' : 'a'), cases: { a: measure, b: copy } });`,
    says: ['"a" | "b"'],
  },
  'choice-unknown-case-promised': {
    code: `choose('c', { requires: { size: z.number() }, case: async ({ size }) => (size > 1 ? 'large' : 'a'), cases: { a: measure, b: copy } });`,
    says: ['"a" | "b"'],
  },
  'choice-no-case': {
    code: `choose('c', { requires: { size: z.number() }, case: ({ size }) => (size > 1 ? 'a' : undefined), cases: { a: measure, b: copy } });`,
    says: ['"a" | "b"'],
  },
  'choice-doubled': {
    code: `choose('c', { case: () => 'a', cases: { a: copy, b: linear('l', copy) } });`,
    says: [
      "two tasks are named 'copy'; the name of a task is unique in its flow",
      "two tasks are named 'copy'; the name of a task is unique in its flow",
    ],
  },
  'choice-doubled-with-itself': {
    code: `when('copy', { if: { decide: () => true }, do: measure, otherwise: copy });`,
    says: ["two tasks are named 'copy'; the name of a task is unique in its flow"],
  },
  'choice-ambiguous': {
    code: `unordered('main', measure, when('w', { if: { decide: () => true }, do: copy, otherwise: label }));`,
    says: [
      "task 'label' provides 'size', and so does task 'measure' beside it; give one of the values another name",
    ],
  },
  'choice-cyclic': {
    code: `graph('main', { tasks: [when('large', { if: isLarge, do: copy }), task({ name: 'weigh', requires: { path: z.string().optional() }, provides: { size: z.number() }, execute: () => ({ size: 1 }) })] });`,
    says: [
      "task 'large' requires 'size' from task 'weigh', which in turn waits for it: a cycle",
      "task 'weigh' requires 'path' from task 'copy', which in turn waits for it: a cycle",
    ],
  },
  'map-missing': {
    code: `flow({ name: 'f', body: map('each', { over: 'files', as: 'file', body: scan }) });`,
    says: ["task 'each' requires 'files', which nothing before it provides"],
  },
  'map-missing-outside': {
    code: `flow({ name: 'f', body: linear('main', list, map('each', { over: 'files', as: 'item', body: scan })) });`,
    says: ["task 'scan' requires 'file', which nothing before it provides"],
  },
  'map-mistyped': {
    code: `linear('main', measure, map('each', { over: 'size', as: 'file', body: scan }));`,
    says: ["task 'each' requires 'size' as an array, but task 'measure' provides a number"],
  },
  'map-mistyped-item': {
    code: `linear('main', list, map('each', { over: 'files', as: 'size', body: pack }));`,
    says: [
      "task 'each' requires 'files' as an array, but task 'list' provides an array of another type",
    ],
  },
  'map-mistyped-index': {
    code: `map('each', { over: 'files', as: 'file', index: 'index', body: linear('l', scan, place) });`,
    says: ["task 'place' requires 'index' as a string, but map 'each' provides a number"],
  },
  'map-mistyped-list': {
    code: `linear('main', list, map('each', { over: 'files', as: 'file', body: scan, collect: { lines: 'size' } }), pack);`,
    says: ["task 'pack' requires 'size' as a number, but task 'each' provides an array"],
  },
  'map-same-name': {
    code: `map('each', { over: 'files', as: 'file', index: 'file', body: scan });`,
    says: ["map 'each' calls both the item and its place 'file'"],
  },
  'map-doubled': {
    code: `map('scan', { over: 'files', as: 'file', body: scan });`,
    says: ["two tasks are named 'scan'; the name of a task is unique in its flow"],
  },
  'map-collect': {
    code: `map('each', { over: 'files', as: 'file', body: scan, collect: { words: 'all' } });`,
    says: ["map 'each' can't collect 'words', which no task in it provides"],
  },
  'map-ambiguous': {
    code: `unordered('main', measure, map('each', { over: 'files', as: 'file', body: scan, collect: { lines: 'size' } }));`,
    says: [
      "task 'each' provides 'size', and so does task 'measure' beside it; give one of the values another name",
    ],
  },
  'map-cyclic': {
    code: `graph('main', { tasks: [map('each', { over: 'all', as: 'file', body: scan }), reduce('r', { over: 'lines', initial: [''], provides: 'all', execute: (all, _line: number) => all })] });`,
    says: [
      "task 'each' requires 'all' from task 'r', which in turn waits for it: a cycle",
      "task 'r' requires 'lines' from task 'each', which in turn waits for it: a cycle",
    ],
  },
  'reduce-mistyped': {
    code: `linear('main', list, reduce('r', { over: 'files', item: z.number(), initial: 0, provides: 'sum', execute: (sum, size) => sum + size }));`,
    says: [
      "task 'r' requires 'files' as an array, but task 'list' provides an array of another type",
    ],
  },
  'sleep-mistyped': {
    code: `linear('main', label, sleep('nap', { requires: { size: z.number() }, ms: ({ size }) => size }));`,
    says: ["task 'nap' requires 'size' as a number, but task 'label' provides a string"],
  },
  'sleep-missing': {
    code: `flow({ name: 'f', body: sleep('nap', { requires: { size: z.number() }, ms: ({ size }) => size }) });`,
    says: ["task 'nap' requires 'size', which nothing before it provides"],
  },
  'event-mistyped': {
    code: `linear('main', waitFor('answer', { event: 'answered', schema: z.string(), provides: 'size' }), pack);`,
    says: ["task 'pack' requires 'size' as a number, but task 'answer' provides a string"],
  },
  'event-ambiguous': {
    code: `unordered('main', measure, waitFor('answer', { event: 'answered', provides: 'size' }));`,
    says: [
      "task 'answer' provides 'size', and so does task 'measure' beside it; give one of the values another name",
    ],
  },
  'link-decider': {
    code: `graph('g', { tasks: [measure, copy], links: [link(measure, copy, { decide: ({ measure }) => measure.length > 1 })] });`,
    says: ["Property 'length' does not exist on type"],
  },
  'link-stranger': {
    code: `graph('g', { tasks: [copy], links: [link(measure, copy, { decide: () => true })] });`,
    says: ["task 'measure' is not in this graph; only what is can be linked"],
  },
  'link-cyclic': {
    code: `graph('g', { tasks: [measure, pack], links: [link(pack, measure, { decide: () => true })] });`,
    says: [
      "task 'measure' is linked to run after task 'pack', which in turn waits for it: a cycle",
      "task 'pack' requires 'size' from task 'measure', which in turn waits for it: a cycle",
    ],
  },
  'target-stranger': {
    code: `graph('g', { tasks: [measure, pack], target: copy });`,
    says: ["task 'copy' is not in this graph; only what is can be its target"],
  },
  'target-missing': {
    code: `flow({ name: 'f', body: graph('g', { tasks: [measure, pack, scan], target: scan }) });`,
    says: ["task 'scan' requires 'file', which nothing before it provides"],
  },
  'target-hides': {
    code: `flow({ name: 'f', body: linear('l', graph('g', { tasks: [measure, copy], target: measure }), send) });`,
    says: ["task 'send' requires 'path', which nothing before it provides"],
  },
  'target-cyclic': {
    code: `graph('g', { tasks: [measure, pack, send], links: [[send, measure]], target: pack });`,
    says: [
      "task 'measure' is linked to run after task 'send', which in turn waits for it: a cycle",
      "task 'pack' requires 'size' from task 'measure', which in turn waits for it: a cycle",
      "task 'send' requires 'path' from task 'pack', which in turn waits for it: a cycle",
    ],
  },
  right: {
    code: `
      flow({ name: 'f', input: z.object({ sizes: z.array(z.number()) }), body: withRetry(parameterizedForEach({ values: 'sizes', provides: 'size' }), pack), output: ['path'] });
      flow({ name: 'f', input: z.object({ sizes: z.array(z.number()) }), body: withRetry(parameterizedForEach({ values: 'sizes', schema: z.number(), provides: 'size' }), linear('l', pack, send)) });
      flow({ name: 'f', body: linear('l', measure, when('large', { if: isLarge, do: pack, otherwise: copy }), send) });
      flow({ name: 'f', body: linear('l', measure, when('large', { if: isLarge, do: linear('inner', pack, send) })), output: ['path'] });
      flow({ name: 'f', body: graph('g', { tasks: [send, choose('c', { case: () => 'a', cases: { a: copy, b: pack } }), measure] }) });
      flow({ name: 'f', body: linear('l', list, map('each', { over: 'files', as: 'file', body: withRetry(times({ attempts: 2 }), scan) })), output: ['lines'] });
      flow({ name: 'f', body: linear('l', list, map('each', { over: 'files', as: 'file', body: linear('body', scan, when('w', { if: { decide: () => true }, do: copy })), collect: { path: 'paths' } })), output: ['paths'] });
      flow({ name: 'f', body: linear('l', measure, sleep('nap', { requires: { size: z.number() }, ms: ({ size }) => size }), waitFor('w', { event: 'e', schema: z.string(), provides: 'path' }), send) });
      flow({ name: 'f', body: graph('g', { tasks: [measure, pack, scan], links: [link(measure, pack, { decide: ({ measure: { size } }) => size > 1 })], target: pack }), output: ['path'] });
    `,
    says: [],
  },
};

testSentences('pattern-errors', PREAMBLE, CASES);
