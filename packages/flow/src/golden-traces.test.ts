// Golden traces: the order of the states of every atom, of each thing that the engine does. Whatever
// commit the process dies after, the flow ends as it does here.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { choose } from './choice.ts';
import { waitFor } from './event-wait.ts';
import { ONCE } from './failing-task.fixture.ts';
import { type AnyFlow, flow } from './flow.ts';
import { link } from './link.ts';
import { map } from './map.ts';
import { graph, linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { alwaysRevertAll, times } from './retry-rounds.ts';
import { EXACT } from './run-harness.fixture.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';
import {
  type FlowTrial,
  type TestFlowOptions,
  type TraceEvent,
  testEveryCrash,
} from './testing/index.ts';
import type { Item } from './wiring-type.ts';

/** What a flow of this body takes and does. Bodies are put together by the tests, so `flow` checks them. */
interface Golden {
  readonly body: Item;
  readonly options?: Omit<TestFlowOptions, 'concurrency'>;
  /** One line for each atom as long as no other one moves: its states in their order. */
  readonly trace: string;
}

const step = (name: string) => task({ name, retry: ONCE, execute: () => {}, revert: () => {} });
const [a, b, c, d, e] = [step('a'), step('b'), step('c'), step('d'), step('e')];
const pausing = (attempts: number, name: string) =>
  times({ attempts, name, backoff: { initialMs: 1000, factor: 1, jitter: 0 } });
/** `b` and `c` follow each other in a pattern, `d` follows that; the link to the pattern says no. */
const deciding = (depth: 'all' | 'flow' | 'neighbours' | 'atom') => {
  const inner = linear('inner', b, c, e);
  const links = [link(a, inner, { decide: () => false, depth }), [inner, d]] as const;
  return graph('g', { tasks: [a, inner, d], links });
};

const lines = (...all: string[]): string => all.join('\n');

const GOLDEN: Readonly<Record<string, Golden>> = {
  'tasks in a row': {
    body: linear('l', a, b),
    trace: lines('a: pending > running > success', 'b: pending > running > success'),
  },
  'a task that is tried again': {
    body: linear(
      'l',
      task({ name: 'a', retry: { attempts: 3, backoff: EXACT }, execute: () => {} }),
      b,
    ),
    options: { fail: { a: 2 } },
    trace: lines(
      'a: pending > running > pending > running > pending > running > success',
      'b: pending > running > success',
    ),
  },
  'a flow that fails': {
    body: linear('l', a, unordered('u', b, c), d),
    options: { fail: { d: 1 } },
    trace: lines(
      'a: pending > running > success',
      'b: pending > running > success',
      'c: pending > running > success',
      'd: pending > running > failure > reverting > reverted',
      'b: success > reverting > reverted',
      'c: success > reverting > reverted',
      'a: success > reverting > reverted',
    ),
  },
  'a revert that is tried again': {
    body: linear(
      'l',
      task({
        name: 'a',
        retry: { attempts: 2, backoff: EXACT },
        execute: () => {},
        revert: () => {},
      }),
      b,
    ),
    options: { fail: { b: 1 }, failRevert: { a: 1 } },
    trace: lines(
      'a: pending > running > success',
      'b: pending > running > failure > reverting > reverted',
      'a: success > reverting > reverting > reverting > reverted',
    ),
  },
  'a revert that fails for good': {
    body: linear('l', a, b, c),
    options: { fail: { c: 1 }, failRevert: { b: 1 } },
    trace: lines(
      'a: pending > running > success',
      'b: pending > running > success',
      'c: pending > running > failure > reverting > reverted',
      'b: success > reverting > revertFailure',
    ),
  },
  'a retry controller': {
    body: linear('l', a, withRetry(pausing(2, 'r'), linear('i', b, c)), d),
    options: { fail: { c: 1 } },
    trace: lines(
      'a: pending > running > success',
      'r: pending > running > success',
      'b: pending > running > success',
      'c: pending > running > failure',
      'r: success > retrying',
      'c: failure > reverting > reverted',
      'b: success > reverting > reverted',
      'r: retrying > running > success',
      'b: pending > running > success',
      'c: pending > running > success',
      'd: pending > running > success',
    ),
  },
  'nested retry controllers, the inner one giving up once': {
    body: withRetry(
      pausing(2, 'outer'),
      linear('o', a, withRetry(pausing(2, 'inner'), linear('i', b, c))),
    ),
    options: { fail: { c: 3 } },
    trace: lines(
      'outer: pending > running > success',
      'a: pending > running > success',
      'inner: pending > running > success',
      'b: pending > running > success',
      'c: pending > running > failure',
      'inner: success > retrying',
      'c: failure > reverting > reverted',
      'b: success > reverting > reverted',
      'inner: retrying > running > success',
      'b: pending > running > success',
      'c: pending > running > failure',
      'outer: success > retrying',
      'c: failure > reverting > reverted',
      'b: success > reverting > reverted',
      'inner: success > reverting > reverted',
      'a: success > reverting > reverted',
      'outer: retrying > running > success',
      'a: pending > running > success',
      'inner: pending > running > success',
      'b: pending > running > success',
      'c: pending > running > failure',
      'inner: success > retrying',
      'c: failure > reverting > reverted',
      'b: success > reverting > reverted',
      'inner: retrying > running > success',
      'b: pending > running > success',
      'c: pending > running > success',
    ),
  },
  'nested retry controllers that both give up': {
    body: linear(
      'l',
      d,
      withRetry(pausing(2, 'outer'), linear('o', a, withRetry(pausing(1, 'inner'), b))),
    ),
    options: { fail: { b: 9 } },
    trace: lines(
      'd: pending > running > success',
      'outer: pending > running > success',
      'a: pending > running > success',
      'inner: pending > running > success',
      'b: pending > running > failure',
      'outer: success > retrying',
      'b: failure > reverting > reverted',
      'inner: success > reverting > reverted',
      'a: success > reverting > reverted',
      'outer: retrying > running > success',
      'a: pending > running > success',
      'inner: pending > running > success',
      'b: pending > running > failure > reverting > reverted',
      'inner: success > reverting > reverted',
      'a: success > reverting > reverted',
      'outer: success > reverting > reverted',
      'd: success > reverting > reverted',
    ),
  },
  'a controller that reverts everything at once': {
    body: withRetry(
      pausing(9, 'outer'),
      linear('o', a, withRetry(alwaysRevertAll({ name: 'inner' }), b)),
    ),
    options: { fail: { b: 9 } },
    trace: lines(
      'outer: pending > running > success',
      'a: pending > running > success',
      'inner: pending > running > success',
      'b: pending > running > failure > reverting > reverted',
      'inner: success > reverting > reverted',
      'a: success > reverting > reverted',
      'outer: success > reverting > reverted',
    ),
  },
  "a decider's no of depth all": {
    body: deciding('all'),
    trace: lines(
      'a: pending > running > success',
      'b: pending > ignore',
      'c: pending > ignore',
      'e: pending > ignore',
      'd: pending > ignore',
    ),
  },
  "a decider's no of depth flow": {
    body: deciding('flow'),
    trace: lines(
      'a: pending > running > success',
      'b: pending > ignore',
      'c: pending > ignore',
      'e: pending > ignore',
      'd: pending > running > success',
    ),
  },
  "a decider's no of depth neighbours": {
    body: deciding('neighbours'),
    trace: lines(
      'a: pending > running > success',
      'b: pending > ignore',
      'c: pending > ignore',
      'e: pending > running > success',
      'd: pending > running > success',
    ),
  },
  "a decider's no of depth atom": {
    body: deciding('atom'),
    trace: lines(
      'a: pending > running > success',
      'b: pending > ignore',
      'c: pending > running > success',
      'e: pending > running > success',
      'd: pending > running > success',
    ),
  },
  'a decider that throws': {
    body: graph('g', {
      tasks: [a, b],
      links: [
        link(a, b, {
          decide: () => {
            throw new Error('undecided');
          },
        }),
      ],
    }),
    trace: lines(
      'a: pending > running > success',
      'b: pending > failure > reverting > reverted',
      'a: success > reverting > reverted',
    ),
  },
  'a choice amid a round': {
    body: withRetry(
      pausing(2, 'r'),
      linear('i', choose('which', { case: () => 'one', cases: { one: b, two: c } }), d),
    ),
    options: { fail: { d: 1 } },
    trace: lines(
      'r: pending > running > success',
      'which: pending > running > success',
      'c: pending > ignore',
      'b: pending > running > success',
      'd: pending > running > failure',
      'r: success > retrying',
      'd: failure > reverting > reverted',
      'b: success > reverting > reverted',
      'which: success > reverting > reverted',
      'r: retrying > running > success',
      'which: pending > running > success',
      'c: pending > ignore',
      'b: pending > running > success',
      'd: pending > running > success',
    ),
  },
  'a map of which one item is tried again': {
    body: map('each', {
      over: 'names',
      as: 'name',
      concurrency: 1,
      body: withRetry(pausing(2, 'r'), linear('i', a, b)),
    }),
    options: { input: { names: ['x', 'y'] }, fail: { b: 1 } },
    trace: lines(
      'each: pending > running > success',
      'r[0]: pending > running > success',
      'a[0]: pending > running > success',
      'b[0]: pending > running > failure',
      'r[0]: success > retrying',
      'b[0]: failure > reverting > reverted',
      'a[0]: success > reverting > reverted',
      'r[0]: retrying > running > success',
      'a[0]: pending > running > success',
      'b[0]: pending > running > success',
      'r[1]: pending > running > success',
      'a[1]: pending > running > success',
      'b[1]: pending > running > failure',
      'r[1]: success > retrying',
      'b[1]: failure > reverting > reverted',
      'a[1]: success > reverting > reverted',
      'r[1]: retrying > running > success',
      'a[1]: pending > running > success',
      'b[1]: pending > running > success',
    ),
  },
  'a sleep and a wait': {
    body: linear('l', sleep('rest', { ms: 60_000 }), waitFor('ok', { event: 'go' }), a),
    options: { signals: [{ name: 'go', payload: null, afterMs: 120_000 }] },
    trace: lines(
      'rest: pending > running > success',
      'ok: pending > running > success',
      'a: pending > running > success',
    ),
  },
};

const NAMES = z.object({ names: z.array(z.string()).default([]) });

function flowOf({ body }: Golden): AnyFlow {
  return flow({ name: 'golden', input: NAMES, body: body as never });
}

/** The trace, with what follows each other of one atom on one line. */
function compact(events: readonly TraceEvent[]): string {
  const found: string[] = [];
  let last = '';
  for (const event of events) {
    if (event.kind !== 'transition') continue;
    const { task: name, from, to } = event;
    if (name === last) found.push(`${found.pop()} > ${to}`);
    else found.push(`${name}: ${from} > ${to}`);
    last = name;
  }
  return found.join('\n');
}

/** How it ended: everything but how often things were called. */
function endOf(trial: FlowTrial): unknown {
  const states = Object.entries(trial.tasks).map(([name, { state }]) => `${name}: ${state}`);
  return { kind: trial.kind, failure: trial.failure?.message, states: states.toSorted() };
}

describe('the golden trace of', () => {
  test.each(Object.entries(GOLDEN))('%s', async (_name, golden) => {
    const options = { ...golden.options, concurrency: 1 };
    const { uninterrupted, interrupted } = await testEveryCrash(flowOf(golden), options);
    expect(compact(uninterrupted.trace.events)).toBe(golden.trace);
    for (const { crashAfter, trial } of interrupted) {
      expect({ crashAfter, ...(endOf(trial) as object) }).toEqual({
        crashAfter,
        ...(endOf(uninterrupted) as object),
      });
    }
  });
});

test('the golden trace of what a flow that fails does after a crash, at each of its commits', async () => {
  const failing = { body: linear('l', a, b), trace: '' };
  const options = { fail: { b: 1 }, concurrency: 1 };
  const { interrupted } = await testEveryCrash(flowOf(failing), options);
  const traces = interrupted.map(({ trial: { trace } }) => {
    const second = trace.events.findIndex(({ kind }) => kind === 'attempt');
    return compact(trace.events.slice(second));
  });
  expect(traces).toEqual([
    lines(
      'a: pending > running > success',
      'b: pending > running > failure > reverting > reverted',
      'a: success > reverting > reverted',
    ),
    lines(
      'b: pending > running > failure > reverting > reverted',
      'a: success > reverting > reverted',
    ),
    lines('b: failure > reverting > reverted', 'a: success > reverting > reverted'),
    'a: success > reverting > reverted',
  ]);
});
