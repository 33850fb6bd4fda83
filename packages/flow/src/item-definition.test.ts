// What is refused where an item is defined, and what the built-in ones do when they run.
import { InvalidArgumentError, LIMITS } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { choose, when } from './choice.ts';
import { waitFor } from './event-wait.ts';
import { flow } from './flow.ts';
import { link } from './link.ts';
import { map } from './map.ts';
import { graph, linear } from './pattern.ts';
import { reduce } from './reduce.ts';
import { withRetry } from './retry-controller.ts';
import { forEach, parameterizedForEach, retryController, times } from './retry-rounds.ts';
import { Job, outputOf } from './run-harness.fixture.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';

const good = task({ name: 'good', execute: () => {} });
const decide = (): boolean => true;

/** The fields that a definition is refused for. */
function refused(define: () => unknown): string[] {
  try {
    define();
    return [];
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return error.violations.map(({ field }) => field);
  }
}

describe('a malformed definition is refused, and the field is named', () => {
  const cases: [string, () => unknown, string][] = [
    ['no rounds', () => times({ attempts: 0 }), 'times.attempts'],
    [
      'more rounds than are kept',
      () => times({ attempts: LIMITS.roundsPerController + 1 }),
      'times.attempts',
    ],
    ['rounds left out', () => times({} as never), 'times.attempts'],
    ['a name for the round', () => times({ attempts: 1, provides: 'a b' }), 'times.provides'],
    ['an empty list of values', () => forEach({ values: [], provides: 'x' }), 'forEach.values'],
    [
      'a name instead of values',
      () => forEach({ values: 'hosts' as never, provides: 'x' }),
      'forEach.values',
    ],
    [
      'values instead of a name',
      () => parameterizedForEach({ values: ['a'] as never, provides: 'x' }),
      'parameterizedForEach.values',
    ],
    ['no decision', () => retryController({} as never), 'retryController.onFailure'],
    ['a controller’s name', () => times({ name: 'a b', attempts: 1 }), 'times.name'],
    [
      'a time limit',
      () => times({ name: 'often', attempts: 1, totalMs: 0 }),
      'times(often).totalMs',
    ],
    ['a backoff', () => times({ attempts: 1, backoff: { factor: 0.5 } }), 'times.backoff.factor'],
    ['a controller that is none', () => withRetry(good as never, good), 'withRetry.controller'],
    ['nothing to control', () => withRetry(times({ attempts: 1 }), {} as never), 'withRetry.item'],
    ['no condition', () => when('w', { do: good } as never), 'when(w).if.decide'],
    ['nothing to do', () => when('w', { if: { decide }, do: {} as never }), 'when(w).cases.do'],
    [
      'nothing to do otherwise',
      () => when('w', { if: { decide }, do: good, otherwise: {} as never }),
      'when(w).otherwise',
    ],
    ['no cases', () => choose('c', { case: () => 'a', cases: {} } as never), 'choose(c).cases'],
    [
      'a case named otherwise',
      () => choose('c', { case: () => 'otherwise', cases: { otherwise: good } }),
      'choose(c).cases.otherwise',
    ],
    [
      'a choice that names no case',
      () => choose('c', { cases: { a: good } } as never),
      'choose(c).case',
    ],
    ['a list’s name', () => map('m', { over: 'a b', as: 'x', body: good }), 'map(m).over'],
    [
      'no concurrency',
      () => map('m', { over: 'a', as: 'x', concurrency: 0, body: good }),
      'map(m).concurrency',
    ],
    [
      'too much concurrency',
      () => map('m', { over: 'a', as: 'x', concurrency: 1001, body: good }),
      'map(m).concurrency',
    ],
    [
      'one name for the item and its place',
      () => map('m', { over: 'a', as: 'x', index: 'x', body: good as never }),
      'map(m).index',
    ],
    [
      'nothing to collect',
      () => map('m', { over: 'a', as: 'x', body: good, collect: {} }),
      'map(m).collect',
    ],
    [
      'one name for two lists',
      () => map('m', { over: 'a', as: 'x', body: good, collect: { p: 'all', q: 'all' } as never }),
      'map(m).collect.q',
    ],
    [
      'a body that is none',
      () => map('m', { over: 'a', as: 'x', body: {} as never }),
      'map(m).body',
    ],
    ['a pause into the past', () => sleep('s', { ms: -1 }), 'sleep(s).ms'],
    ['a pause of nothing', () => sleep('s', {} as never), 'sleep(s).ms'],
    ['a wait for nothing', () => waitFor('w', {} as never), 'waitFor(w).event'],
    [
      'a wait that is over at once',
      () => waitFor('w', { event: 'e', timeoutMs: 0 }),
      'waitFor(w).timeoutMs',
    ],
    [
      'a payload without a schema',
      () => waitFor('w', { event: 'e', schema: 'string' as never }),
      'waitFor(w).schema',
    ],
    [
      'a decider that is none',
      () => link(good, good, { decide: true as never }),
      'link(good, good).decide',
    ],
    [
      'a depth that there is not',
      () => graph('g', { tasks: [good], links: [[good, good, { decide, depth: 'far' }]] as never }),
      'graph(g).links[0].depth',
    ],
    [
      'a target that is none',
      () => graph('g', { tasks: [good], target: 'good' as never }),
      'graph(g).target',
    ],
  ];
  test.each(cases)('%s', (_what, define, field) => {
    expect(refused(define)).toEqual([field]);
  });
});

describe('reduce', () => {
  const sum = reduce('sum', {
    over: 'sizes',
    item: z.number(),
    initial: { total: 0, seen: [] as number[] },
    provides: 'result',
    execute: async (accumulated, size) => {
      accumulated.seen.push(size);
      return { ...accumulated, total: accumulated.total + size };
    },
  });
  const built = flow({
    name: 'f',
    input: z.object({ sizes: z.array(z.unknown()) }),
    body: sum as never,
  });

  test('folds the list from first to last, and starts from the same value each time', async () => {
    for (const _ of [1, 2]) {
      const result = await new Job(built).run({ input: { sizes: [3, 1, 2] } });
      expect(outputOf(result)).toEqual({ result: { total: 6, seen: [3, 1, 2] } });
    }
  });

  test('gives what it began with when the list is empty', async () => {
    const result = await new Job(built).run({ input: { sizes: [] } });
    expect(outputOf(result)).toEqual({ result: { total: 0, seen: [] } });
  });

  test('refuses an item that its schema refuses, by its place', async () => {
    const result = await new Job(built).run({ input: { sizes: [1, 'x'] } });
    expect(result).toMatchObject({ kind: 'failed' });
    expect(JSON.stringify(result)).toContain('requires.sizes[1]');
  });
});

describe('a single task', () => {
  test('is a flow, and so is anything else that may stand in one', async () => {
    const one = task({ name: 'one', provides: { x: z.number() }, execute: () => ({ x: 1 }) });
    expect(outputOf(await new Job(flow({ name: 'f', body: one })).run())).toEqual({ x: 1 });
    const often = withRetry(times({ attempts: 2, provides: 'round' }), one);
    expect(outputOf(await new Job(flow({ name: 'f', body: often })).run())).toEqual({
      x: 1,
      round: 1,
    });
    const nothing = flow({ name: 'f', body: linear('nothing') });
    expect(outputOf(await new Job(nothing).run())).toEqual({});
  });
});
