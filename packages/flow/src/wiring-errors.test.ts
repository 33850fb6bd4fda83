// The sentences about patterns and flows that are wired wrongly.
import { type SentenceCase, testSentences } from './compiler-sentences.fixture.ts';

const PREAMBLE = `
import { z } from 'zod';
import { flow, graph, linear, task, unordered } from '@holdfast/flow';

const resolve = task({
  name: 'resolve',
  provides: { commit: z.string() },
  execute: () => ({ commit: 'c0ffee' }),
});
const report = task({
  name: 'report',
  requires: { commit: z.string() },
  provides: { text: z.string() },
  execute: ({ commit }) => ({ text: commit }),
});
const count = task({
  name: 'count',
  requires: { commit: z.number() },
  provides: { lines: z.number() },
  execute: ({ commit }) => ({ lines: commit }),
});
const publish = task({
  name: 'publish',
  requires: { text: z.string() },
  provides: { commit: z.string() },
  execute: ({ text }) => ({ commit: text }),
});
const clock = task({
  name: 'clock',
  provides: { at: z.date() },
  execute: () => ({ at: new Date(0) }),
});
const late = task({ name: 'late', requires: { at: z.date() }, execute: () => {} });
void [flow, graph, linear, unordered, resolve, report, count, publish, clock, late];
`;

const CASES: Readonly<Record<string, SentenceCase>> = {
  missing: {
    code: `flow({ name: 'f', body: linear('main', report) });`,
    says: ["task 'report' requires 'commit', which nothing before it provides"],
  },
  'missing-because-later': {
    code: `flow({ name: 'f', body: linear('main', report, resolve) });`,
    says: ["task 'report' requires 'commit', which nothing before it provides"],
  },
  'missing-because-beside': {
    code: `flow({ name: 'f', body: unordered('main', resolve, report) });`,
    says: ["task 'report' requires 'commit', which nothing before it provides"],
  },
  mistyped: {
    code: `linear('main', resolve, count);`,
    says: ["task 'count' requires 'commit' as a number, but task 'resolve' provides a string"],
  },
  'mistyped-literal': {
    code: `linear('main', task({ name: 'mode', provides: { mode: z.literal('fast') }, execute: () => ({ mode: 'fast' as const }) }), task({ name: 'go', requires: { mode: z.literal('slow') }, execute: () => {} }));`,
    says: ["task 'go' requires 'mode' as 'slow', but task 'mode' provides 'fast'"],
  },
  'mistyped-enum': {
    code: `linear('main', task({ name: 'mode', provides: { mode: z.enum(['fast', 'slow']) }, execute: () => ({ mode: 'fast' as const }) }), task({ name: 'go', requires: { mode: z.enum(['slow', 'safe']) }, execute: () => {} }));`,
    says: [
      "task 'go' requires 'mode' as one of several strings, but task 'mode' provides one of several other strings",
    ],
  },
  'mistyped-in-a-graph': {
    code: `graph('main', { tasks: [count, resolve] });`,
    says: ["task 'count' requires 'commit' as a number, but task 'resolve' provides a string"],
  },
  'mistyped-input': {
    code: `flow({ name: 'f', input: z.object({ commit: z.number() }), body: report });`,
    says: ["task 'report' requires 'commit' as a string, but the flow's input has a number"],
  },
  'mistyped-optional-input': {
    code: `flow({ name: 'f', input: z.object({ commit: z.string().optional() }), body: report });`,
    says: [
      "task 'report' requires 'commit' as a string, but the flow's input has a string or undefined",
    ],
  },
  'mistyped-by-storage': {
    code: `linear('main', clock, late);`,
    says: ["task 'late' requires 'at' as a Date, but task 'clock' provides a string"],
  },
  'ambiguous-unordered': {
    code: `linear('main', unordered('both', resolve, task({ name: 'other', provides: { commit: z.string() }, execute: () => ({ commit: '' }) })), report);`,
    says: [
      "task 'other' provides 'commit', and so does task 'resolve' beside it; give one of the values another name",
    ],
  },
  'ambiguous-graph': {
    code: `graph('main', { tasks: [report, resolve, task({ name: 'other', provides: { commit: z.string() }, execute: () => ({ commit: '' }) })] });`,
    says: [
      "task 'other' provides 'commit', and so does task 'resolve' beside it; give one of the values another name",
    ],
  },
  cyclic: {
    code: `graph('main', { tasks: [report, publish] });`,
    says: [
      "task 'report' requires 'commit' from task 'publish', which in turn waits for it: a cycle",
      "task 'publish' requires 'text' from task 'report', which in turn waits for it: a cycle",
    ],
  },
  'cyclic-by-link': {
    code: `graph('main', { tasks: [resolve, report], links: [[report, resolve]] });`,
    says: [
      "task 'resolve' is linked to run after task 'report', which in turn waits for it: a cycle",
      "task 'report' requires 'commit' from task 'resolve', which in turn waits for it: a cycle",
    ],
  },
  duplicate: {
    code: `linear('main', resolve, unordered('again', resolve));`,
    says: ["two tasks are named 'resolve'; the name of a task is unique in its flow"],
  },
  'unknown-output': {
    code: `flow({ name: 'f', body: linear('main', resolve, report), output: ['text', 'html'] });`,
    says: ["no task of the flow provides 'html'"],
  },
  'unknown-link': {
    code: `graph('main', { tasks: [resolve], links: [[resolve, report]] });`,
    says: ["task 'report' is not in this graph; only what is can be linked"],
  },
  'input-no-object': {
    code: `flow({ name: 'f', input: z.string(), body: resolve });`,
    says: ['the input of a flow is an object: its keys are the names that tasks require'],
  },
  right: {
    code: `
      flow({ name: 'f', body: linear('main', resolve, report, publish), output: ['text'] });
      flow({ name: 'f', body: graph('main', { tasks: [report, resolve], links: [[resolve, report]] }) });
      flow({ name: 'f', input: z.object({ commit: z.string() }), body: unordered('main', report, clock) });
      flow({ name: 'f', body: linear('main', unordered('two', resolve, clock), graph('g', { tasks: [report] })) });
    `,
    says: [],
  },
};

testSentences('wiring-errors', PREAMBLE, CASES);
