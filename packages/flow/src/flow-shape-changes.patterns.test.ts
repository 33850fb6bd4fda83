// What flow-shape-changes.test.ts is about, for what isn't a plain task: choices, deciders, maps, controllers.
import type { TaskState } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { choose } from './choice.ts';
import { waitFor } from './event-wait.ts';
import { failing, ONCE, signal } from './failing-task.fixture.ts';
import { link } from './link.ts';
import { map } from './map.ts';
import { graph, linear, unordered } from './pattern.ts';
import { begun, goOn } from './redeployed-job.fixture.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { noting } from './run-harness.fixture.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';
import type { Item } from './wiring-type.ts';

describe('a step that became one of another kind', () => {
  const request = { input: { names: ['x'] } };
  const bodies = (log: string[]): Record<string, Item> => ({
    task: noting(log, 'step'),
    sleep: sleep('step', { ms: 1 }),
    wait: waitFor('step', { event: 'go' }),
    choice: choose('step', { case: () => 'only', cases: { only: noting(log, 'only') } }),
    map: map('step', { over: 'names', as: 'name', body: noting(log, 'each') }),
    controller: withRetry(times({ attempts: 2, name: 'step' }), noting(log, 'inner')),
  });
  const signals = { received: () => [signal(1)], onArrival: () => () => {} };
  const kinds = Object.keys(bodies([]));
  const unreadable = new Set(['choice', 'map', 'controller']);
  const changes = kinds.flatMap((from) =>
    kinds.flatMap((to) => (from === to ? [] : [{ from, to }])),
  );
  const of = (log: string[], kind: string): Item =>
    linear('l', bodies(log)[kind] ?? linear('none'), noting(log, 'end'));
  const all = { ...request, signals };

  test.each(changes.filter(({ to }) => !unreadable.has(to)))(
    'a $from that is a $to now is done',
    async ({ from, to }) => {
      const log: string[] = [];
      const job = await begun(of(log, from), { step: 'success' }, all);
      log.length = 0;
      const { result } = await goOn(job, of(log, to), all);
      expect([result.kind, log]).toEqual(['succeeded', ['end']]);
    },
  );

  test.each(changes.filter(({ to }) => unreadable.has(to)))(
    'a $from that is a $to now makes the job wait for code that fits',
    async ({ from, to }) => {
      const log: string[] = [];
      const job = await begun(of(log, from), { step: 'success' }, all);
      log.length = 0;
      const { result } = await goOn(job, of(log, to), all);
      const reason = expect.stringContaining("'step' was recorded");
      expect(result).toMatchObject({ kind: 'waiting', reason });
      expect(log).toEqual([]);
      expect((await goOn(job, of(log, from), all)).result.kind).toBe('succeeded');
    },
  );

  test.each(changes)(
    'a $from that had only begun, and is a $to now, begins as that',
    async ({ from, to }) => {
      const log: string[] = [];
      const job = await begun(of(log, from), { step: 'success' }, all);
      const { result: _result, ...record } = job.record('step');
      job.records.clear();
      job.records.set('step', { ...record, state: 'running', rounds: [] });
      const { result } = await goOn(job, of(log, to), all);
      expect(result.kind).toBe('succeeded');
    },
  );
});

test('a step whose name stands in a map now is not taken for what it was', async () => {
  const log: string[] = [];
  const request = { input: { names: ['x'] } };
  const job = await begun(linear('l', noting(log, 'c'), noting(log, 'end')), { c: 'success' });
  const chosen = choose('c', { case: () => 'only', cases: { only: noting(log, 'only') } });
  const body = linear(
    'l',
    map('m', { over: 'names', as: 'name', body: chosen }),
    noting(log, 'end'),
  );
  const { result } = await goOn(job, body, request);
  expect([result.kind, log]).toEqual(['succeeded', ['c', 'only', 'end']]);
});

describe('a choice', () => {
  const cases = (log: string[], ...names: string[]) =>
    Object.fromEntries(names.map((name) => [name, noting(log, name)]));
  const choosing = (log: string[], taken: string, ...names: string[]) =>
    linear(
      'l',
      noting(log, 'a'),
      choose('c', { case: () => taken as never, cases: cases(log, ...names) }),
    );

  test('that was made stands, whatever it would be now', async () => {
    const log: string[] = [];
    const job = await begun(choosing(log, 'one', 'one', 'two'), { c: 'success' });
    const { result } = await goOn(job, choosing(log, 'three', 'one', 'two', 'three'));
    expect([result.kind, log]).toEqual(['succeeded', ['a', 'one']]);
  });

  test('of a case that there is no more makes the job wait', async () => {
    const log: string[] = [];
    const job = await begun(choosing(log, 'one', 'one', 'two'), { c: 'success' });
    const { result } = await goOn(job, choosing(log, 'two', 'two'));
    expect(result).toMatchObject({
      kind: 'waiting',
      reason: expect.stringContaining(
        "'c' was recorded as a choice of the case 'one', which there is no more",
      ),
    });
    expect(log).toEqual(['a']);
  });

  test('that is gone leaves what it passed over to be run', async () => {
    const log: string[] = [];
    const job = await begun(choosing(log, 'one', 'one', 'two'), { c: 'success', two: 'ignore' });
    const { result } = await goOn(job, linear('l', noting(log, 'one'), noting(log, 'two')));
    expect([result.kind, log]).toEqual(['succeeded', ['a', 'one', 'two']]);
  });
});

describe('a decider', () => {
  const linked = (log: string[], decide?: () => boolean) => {
    const [a, b, c] = [noting(log, 'a'), noting(log, 'b'), noting(log, 'c')];
    const tasks = [a, b, c] as const;
    return decide
      ? graph('g', { tasks, links: [link(a, b, { decide }), [b, c]] })
      : graph('g', {
          tasks,
          links: [
            [a, b],
            [b, c],
          ],
        });
  };

  test('that said no has said it, also when it is gone', async () => {
    const log: string[] = [];
    const body = unordered(
      'u',
      linked(log, () => false),
      linear('l', sleep('rest', { ms: 1 }), noting(log, 'end')),
    );
    const job = await begun(body, { b: 'ignore', c: 'ignore' });
    const { result } = await goOn(job, linear('l', linked(log), noting(log, 'late')));
    expect([result.kind, log]).toEqual(['succeeded', ['a']]);
  });

  test('that is new is asked about what has not begun', async () => {
    const log: string[] = [];
    const job = await begun(linked(log), { a: 'success' });
    const { result } = await goOn(
      job,
      linked(log, () => false),
    );
    expect([result.kind, log]).toEqual(['succeeded', ['a']]);
  });
});

describe('the list of a map', () => {
  const over = (log: string[], list: 'names' | 'more') =>
    map('m', {
      over: list,
      as: 'name',
      concurrency: 1,
      body: task({
        name: 'each',
        retry: ONCE,
        requires: { name: z.string() },
        execute: ({ name }) => {
          log.push(name);
        },
      }),
    });

  test('is as long as it was when the map began, also where it is another one now', async () => {
    const log: string[] = [];
    const request = { input: { names: ['a', 'b'], more: ['x', 'y', 'z'] } };
    const job = await begun(over(log, 'names'), { 'each[0]': 'success' }, request);
    const { result } = await goOn(job, over(log, 'more'), request);
    expect([result.kind, log]).toEqual(['succeeded', ['a', 'y']]);
  });

  test('that is shorter now fails the task of the item that is not there', async () => {
    const log: string[] = [];
    const request = { input: { names: ['a', 'b', 'c'], more: ['x', 'y'] } };
    const job = await begun(over(log, 'names'), { 'each[0]': 'success' }, request);
    const { result } = await goOn(job, over(log, 'more'), request);
    expect(result).toMatchObject({ kind: 'failed', failure: { task: 'each[2]' } });
    expect(log).toEqual(['a', 'y']);
  });
});

describe('a retry controller', () => {
  const work = (log: string[], failures: number): Item =>
    linear('i', noting(log, 'a'), failing(log, 'fails', failures));
  const controlled = (name: string, attempts: number, item: Item): Item =>
    withRetry(
      times({ attempts, name, backoff: { initialMs: 1000, factor: 1, jitter: 0 } }),
      item as never,
    );

  test('that has other rounds now judges by these, with the history that there is', async () => {
    const log: string[] = [];
    const job = await begun(controlled('r', 2, work(log, 9)), { r: 'retrying', a: 'reverted' });
    const more = await goOn(job, controlled('r', 3, work(log, 1)));
    const fewer = await goOn(job, controlled('r', 2, work(log, 1)));
    expect([more.result.kind, fewer.result.kind]).toEqual(['succeeded', 'failed']);
    expect(more.job.record('r').rounds).toHaveLength(3);
  });

  const moments: Record<string, Record<string, TaskState>> = {
    'amid the reverts of a round': { r: 'retrying', fails: 'failure' },
    'between two rounds': { r: 'retrying', a: 'reverted' },
  };
  test.each(
    Object.keys(moments).flatMap((when) => [
      { how: 'removed', when },
      { how: 'renamed', when },
    ]),
  )('that was $how $when leaves the failure of the round to the flow', async ({ how, when }) => {
    const log: string[] = [];
    const job = await begun(controlled('r', 2, work(log, 9)), moments[when] ?? {});
    const body = how === 'removed' ? work(log, 0) : controlled('s', 2, work(log, 0));
    const { result } = await goOn(job, body);
    expect(result).toMatchObject({ kind: 'failed', failure: { message: 'fails fails' } });
  });
});
