// Maps: items known only at run time, each with checkpoints of its own.
import { LIMITS, sleep } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { map } from './map.ts';
import { linear, unordered } from './pattern.ts';
import { reduce } from './reduce.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { compareCrashes, Job, outputOf } from './run-harness.fixture.ts';
import { task } from './task.ts';

const WORDS = ['a', 'bb', 'ccc', 'dddd', 'eeeee'];
const input = z.object({ words: z.array(z.string()) });

function measuring(
  log: string[],
  options: { readonly fails?: (word: string, round: number) => boolean } = {},
) {
  return task({
    name: 'measure',
    requires: { word: z.string() },
    provides: { size: z.number() },
    retry: { attempts: 1 },
    execute: ({ word }, ctx) => {
      log.push(`${ctx.task} ${word}`);
      if (options.fails?.(word, ctx.try)) throw new Error(`${word} can't be measured`);
      return { size: word.length };
    },
    revert: (_args, ctx) => {
      log.push(`undo ${ctx.task}`);
    },
  });
}

describe('a map', () => {
  test('runs its body for each item and gives lists in the order of the items', async () => {
    const log: string[] = [];
    const body = linear(
      'main',
      map('each', { over: 'words', as: 'word', body: measuring(log), collect: { size: 'sizes' } }),
      reduce('sum', {
        over: 'sizes',
        item: z.number(),
        initial: 0,
        provides: 'total',
        execute: (total, size) => total + size,
      }),
    );
    const job = new Job(flow({ name: 'f', input, body }));
    const output = outputOf(await job.run({ input: { words: WORDS } }));
    expect(output).toEqual({ sizes: [1, 2, 3, 4, 5], total: 15 });
    expect(log.sort()).toEqual(WORDS.map((word, index) => `measure[${index}] ${word}`).sort());
    expect(job.states()).toMatchObject({ each: 'success', 'measure[4]': 'success' });
  });

  test('of an empty list gives empty lists', async () => {
    const body = map('each', { over: 'words', as: 'word', body: measuring([]) });
    const job = new Job(flow({ name: 'f', input, body }));
    expect(outputOf(await job.run({ input: { words: [] } }))).toEqual({ size: [] });
  });

  test('runs no more items at once than it says, and each next one as soon as one is done', async () => {
    let running = 0;
    let most = 0;
    const holder: { job?: Job } = {};
    const slow = task({
      name: 'slow',
      requires: { word: z.string(), place: z.number() },
      execute: async ({ place }) => {
        running += 1;
        most = Math.max(most, running);
        // The first one takes longest, and nobody waits for it.
        if (holder.job) await sleep(holder.job.clock, place === 0 ? 1000 : 100);
        running -= 1;
      },
    });
    const body = map('each', {
      over: 'words',
      as: 'word',
      index: 'place',
      concurrency: 2,
      body: slow,
    });
    const job = new Job(flow({ name: 'f', input, body }));
    holder.job = job;
    const fromMs = job.clock.nowUnixMs();
    await job.run({ input: { words: WORDS } });
    expect(most).toBe(2);
    expect(job.clock.nowUnixMs() - fromMs).toBeLessThan(1100);
  });

  test('goes on in the middle of its list after a crash at any commit', async () => {
    const log: string[] = [];
    const createJob = () => {
      const body = map('each', {
        over: 'words',
        as: 'word',
        concurrency: 2,
        body: linear(
          'both',
          measuring(log),
          task({
            name: 'double',
            requires: { size: z.number() },
            provides: { twice: z.number() },
            execute: ({ size }) => ({ twice: 2 * size }),
          }),
        ),
      });
      return new Job(flow({ name: 'f', input, body }));
    };
    const { result, different, calm } = await compareCrashes(createJob, {
      input: { words: WORDS },
    });
    expect(outputOf(result)).toEqual({ size: [1, 2, 3, 4, 5], twice: [2, 4, 6, 8, 10] });
    expect(calm.commits.length).toBeGreaterThan(3);
    expect(different).toEqual([]);
  });

  test('of an item that fails reverts the others, and after a crash at any commit too', async () => {
    const log: string[] = [];
    const createJob = () => {
      const fails = (word: string): boolean => word === 'dddd';
      const body = map('each', { over: 'words', as: 'word', body: measuring(log, { fails }) });
      return new Job(flow({ name: 'f', input, body }));
    };
    const job = createJob();
    const request = { input: { words: WORDS }, concurrency: 1 };
    expect(await job.run(request)).toMatchObject({
      kind: 'failed',
      failure: { task: 'measure[3]', message: "dddd can't be measured" },
    });
    expect(log.filter((line) => line.startsWith('undo'))).toHaveLength(4);
    expect((await compareCrashes(createJob, request)).different).toEqual([]);
  });

  test('with a controller around each item tries that item anew, and no other', async () => {
    const log: string[] = [];
    const createJob = () => {
      log.length = 0;
      const fails = (word: string, round: number): boolean => word === 'bb' && round < 3;
      const body = map('each', {
        over: 'words',
        as: 'word',
        body: withRetry(times({ attempts: 3 }), linear('one', measuring(log, { fails }))),
      });
      return new Job(flow({ name: 'f', input, body, output: ['size'] }));
    };
    const job = createJob();
    expect(outputOf(await job.run({ input: { words: WORDS } }))).toEqual({ size: [1, 2, 3, 4, 5] });
    expect(log.filter((line) => line === 'measure[1] bb')).toHaveLength(3);
    expect(log.filter((line) => line === 'measure[0] a')).toHaveLength(1);
    expect(job.record('one.retry[1]').rounds).toHaveLength(3);
    const request = { input: { words: WORDS }, concurrency: 2 };
    expect((await compareCrashes(createJob, request)).different).toEqual([]);
  });

  test('within a scope reads its list anew in each round, longer or shorter', async () => {
    const log: string[] = [];
    const createJob = () => {
      const list = task({
        name: 'list',
        requires: { round: z.number() },
        provides: { words: z.array(z.string()) },
        execute: ({ round }) => ({
          words: round === 2 ? ['x'] : ['a', 'b', 'c'].slice(0, round === 1 ? 2 : 3),
        }),
      });
      const last = task({
        name: 'last',
        requires: { round: z.number() },
        retry: { attempts: 1 },
        execute: ({ round }) => {
          if (round < 3) throw new Error(`round ${round}`);
        },
      });
      const inner = linear(
        'inner',
        list,
        map('each', { over: 'words', as: 'word', body: measuring(log) }),
        last,
      );
      return new Job(
        flow({
          name: 'f',
          body: withRetry(times({ attempts: 3, provides: 'round' }), inner),
          output: ['size'],
        }),
      );
    };
    expect(outputOf(await createJob().run())).toEqual({ size: [1, 1, 1] });
    expect((await compareCrashes(createJob)).different).toEqual([]);
  });

  test('in a map gives lists of lists', async () => {
    const log: string[] = [];
    const split = task({
      name: 'split',
      requires: { line: z.string() },
      provides: { words: z.array(z.string()) },
      execute: ({ line }) => ({ words: line.split(' ') }),
    });
    const createJob = () =>
      new Job(
        flow({
          name: 'f',
          input: z.object({ lines: z.array(z.string()) }),
          body: map('lines', {
            over: 'lines',
            as: 'line',
            body: linear(
              'one',
              split,
              map('each', { over: 'words', as: 'word', body: measuring(log) }),
            ),
          }),
          output: ['size'],
        }),
      );
    const request = { input: { lines: ['a bb', 'ccc', 'd e f'] } };
    const job = createJob();
    expect(outputOf(await job.run(request))).toEqual({ size: [[1, 2], [3], [1, 1, 1]] });
    expect(job.states()).toMatchObject({ 'measure[2][1]': 'success' });
    expect((await compareCrashes(createJob, request)).different).toEqual([]);
  });

  test('of what is no list fails, and of one that is too long too', async () => {
    const body = map('each', { over: 'words', as: 'word', body: measuring([]) });
    const job = new Job(flow({ name: 'f', input: z.object({ words: z.any() }), body }));
    expect(await job.run({ input: { words: 'abc' } })).toMatchObject({
      kind: 'failed',
      failure: { task: 'each' },
    });
    const long = new Job(flow({ name: 'f', input, body }));
    const words = Array.from({ length: LIMITS.tasksPerFlow }, () => 'a');
    const result = await long.run({ input: { words } });
    expect(result).toMatchObject({ kind: 'failed', failure: { task: 'each' } });
    expect(JSON.stringify(result)).toContain('at most 10000 tasks');
  });

  test('beside another one fails when there is no room for the items of both', async () => {
    const one = task({ name: 'one', requires: { word: z.string() }, execute: () => undefined });
    const two = task({ name: 'two', requires: { word: z.string() }, execute: () => undefined });
    const body = unordered(
      'both',
      map('m1', { over: 'words', as: 'word', body: one }),
      map('m2', { over: 'words', as: 'word', body: two }),
    );
    const job = new Job(flow({ name: 'f', input, body }));
    const words = Array.from({ length: 0.6 * LIMITS.tasksPerFlow }, () => 'a');
    expect(await job.run({ input: { words } })).toMatchObject({
      kind: 'failed',
      failure: { task: 'm2', message: expect.stringContaining('at most 10000 tasks') },
    });
    expect(job.state('m1')).toBe('reverted');
  });

  test('costs about what its tasks would cost in a row', async () => {
    const words = Array.from({ length: 3000 }, (_, index) => `w${index}`);
    const body = map('each', { over: 'words', as: 'word', body: measuring([]), concurrency: 1000 });
    const job = new Job(flow({ name: 'f', input, body, output: [] }));
    expect(await job.run({ input: { words } })).toMatchObject({ kind: 'succeeded' });
    expect(Object.keys(job.states())).toHaveLength(3001);
  });
});
