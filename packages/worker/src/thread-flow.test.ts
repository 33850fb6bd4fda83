import { Board } from '@holdfast/board';
import { createMemoryStore, openMemoryCoord } from '@holdfast/coord';
import { decodeJson, encodeJson, LIMITS, systemClock, systemRandom } from '@holdfast/core';
import { type AnyFlow, flow, linear, task, type } from '@holdfast/flow';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createCells, GO, TURNS, untilTurning } from './thread-functions.fixture.ts';
import { ThreadPool } from './thread-pool.ts';
import { Worker } from './worker.ts';

// Real threads, on a machine that may be busy.
vi.setConfig({ testTimeout: 30_000 });

const FUNCTIONS = new URL('./thread-functions.fixture.ts', import.meta.url);

describe('a flow with tasks in threads', () => {
  test('runs on a worker whose event loop goes on serving other jobs', async () => {
    await using threads = new ThreadPool({ threads: 2 });
    await threads.start();
    const cells = createCells();
    const compute = flow({
      name: 'compute',
      input: z.object({ count: z.number() }),
      body: linear(
        'main',
        task({
          name: 'double',
          requires: { count: z.number() },
          provides: { doubled: z.number() },
          execute: async ({ count }, ctx) => {
            const run = threads.run<{ count: number }, { count: number }>(FUNCTIONS, {
              exportName: 'double',
            });
            return { doubled: (await run({ count }, ctx)).count };
          },
        }),
        task({
          name: 'spin',
          requires: { cells: type<Int32Array>() },
          inject: { cells },
          provides: { turns: z.number() },
          execute: threads.run<{ cells: Int32Array }, { turns: number }>(FUNCTIONS, {
            exportName: 'spin',
          }),
        }),
        task({
          name: 'survive',
          provides: { lived: z.number() },
          retry: { attempts: 2, backoff: { initialMs: 1, factor: 1, maxMs: 1, jitter: 0 } },
          execute: threads.run<unknown, { lived: number }>(FUNCTIONS, { exportName: 'exitOnce' }),
        }),
      ),
    });
    const release = flow({
      name: 'release',
      body: linear(
        'main',
        task({ name: 'release', execute: () => void Atomics.store(cells, GO, 1) }),
      ),
    });
    await using jobs = await startWorker([compute, release]);
    const computing = jobs.run('compute', { count: 3 });
    await untilTurning(cells);
    expect(await jobs.run('release', {})).toMatchObject({ state: 'succeeded' });
    expect(await computing).toEqual({
      state: 'succeeded',
      output: { doubled: 6, turns: expect.any(Number), lived: 2 },
    });
  });

  test.each(['throwTerminal', 'throwQuota'])(
    'gives up at what its policy calls final: %s',
    async (name) => {
      await using threads = new ThreadPool({ threads: 1 });
      await threads.start();
      const cells = createCells();
      const failing = flow({
        name: 'failing',
        body: linear(
          'main',
          task({
            name: 'fail',
            requires: { cells: type<Int32Array>() },
            inject: { cells },
            retry: { attempts: 3, doNotRetry: ['QuotaError'] },
            execute: threads.run<{ cells: Int32Array }, void>(FUNCTIONS, { exportName: name }),
          }),
        ),
      });
      await using jobs = await startWorker([failing]);
      expect(await jobs.run('failing', {})).toMatchObject({ state: 'failed' });
      expect(Atomics.load(cells, TURNS)).toBe(1);
    },
  );

  test('ends CANCELLED while it computes', async () => {
    await using threads = new ThreadPool({ threads: 1 });
    await threads.start();
    const cells = createCells();
    const compute = flow({
      name: 'compute',
      body: linear(
        'main',
        task({
          name: 'spin',
          requires: { cells: type<Int32Array>() },
          inject: { cells },
          execute: threads.run<{ cells: Int32Array }, void>(FUNCTIONS, { exportName: 'spin' }),
        }),
      ),
    });
    await using jobs = await startWorker([compute]);
    const computing = jobs.run('compute', {});
    await untilTurning(cells);
    await jobs.cancelAll();
    expect(await computing).toMatchObject({ state: 'cancelled' });
    await threads.stop();
    expect(Atomics.load(cells, GO)).toBe(0);
  });
});

interface Jobs extends AsyncDisposable {
  run(
    flowName: string,
    input: object,
  ): Promise<{ readonly state: string; readonly output: unknown }>;
  cancelAll(): Promise<void>;
}

/** A worker on a store in memory, in real time. */
async function startWorker(flows: readonly AnyFlow[]): Promise<Jobs> {
  const clock = systemClock;
  const coord = openMemoryCoord(createMemoryStore({ clock }), { clock, random: systemRandom });
  await coord.start();
  const board = new Board({ coord });
  const worker = new Worker({ board, coord, flows, name: 'w' });
  await worker.start();
  const posted: Parameters<Board['getJob']>[0][] = [];
  return {
    async run(flowName, input) {
      const [result] = await board.post([
        {
          flow: flowName,
          input: encodeJson(input),
          queue: 'default',
          priority: LIMITS.priorityDefault,
          maxAttempts: 1,
          deadlines: {},
          retentionMs: LIMITS.retentionDefaultMs,
          labels: {},
        },
      ]);
      if (result?.kind !== 'posted') throw new Error('not posted');
      posted.push(result.id);
      let last: { state: string; output: unknown } = { state: 'unknown', output: undefined };
      for await (const { status, output } of board.watchJob(result.id, {})) {
        last = { state: status.phase.kind, output: output && decodeJson(output) };
      }
      return last;
    },
    async cancelAll() {
      for (const id of posted) await board.cancel(id, { reason: 'not wanted any more' });
    },
    async [Symbol.asyncDispose]() {
      await worker.stop({ immediately: true });
      await coord.stop();
    },
  };
}
