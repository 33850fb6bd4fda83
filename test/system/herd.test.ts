import { setTimeout as delay } from 'node:timers/promises';
import { Board } from '@holdfast/board';
import { openStore } from '@holdfast/cli';
import type { Coord } from '@holdfast/coord';
import { encodeJson, LIMITS, silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { flow, task } from '@holdfast/flow';
import { Worker } from '@holdfast/worker';
import { expect, test } from 'vitest';
import { eventually } from '../support/cluster.ts';
import { startZooKeeper } from '../support/zookeeper-server.ts';

const WORKERS = 50;
const WINDOW_MS = 3000;

/**
 * Reads that one wake-up may cost a worker: the buckets of its lane and the head one, who is in the
 * fleet, the job, and once more after the pause in which the preferred worker goes first.
 */
const READS_PER_WAKE_UP = 8;

test('one post to a queue of 50 idle workers costs each of them a few reads, and one a claim', async () => {
  await using resources = new AsyncDisposableStack();
  const server = resources.use(await startZooKeeper());
  const coords: Coord[] = [];
  const openBoard = async (): Promise<Board> => {
    const source = { clock: systemClock, random: systemRandom, logger: silentLogger };
    const coord = await openStore(`zk://${server.endpoint}/herd`, source);
    resources.use(coord);
    coords.push(coord);
    return new Board({ coord });
  };
  const nothing = flow({ name: 'nothing', body: task({ name: 'only', execute: () => undefined }) });
  const producer = await openBoard();
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, n) => {
      const board = await openBoard();
      const { coord } = board.parts;
      const worker = new Worker({ board, coord, flows: [nothing], name: `w${n}` });
      await worker.start();
      resources.defer(() => worker.stop({ immediately: true }));
    }),
  );
  const reads = (): number => coords.reduce((sum, { stats }) => sum + stats.reads, 0);
  const readsOfWindow = async (work: () => Promise<void>): Promise<number> => {
    const before = reads();
    const [, after] = await Promise.all([work(), delay(WINDOW_MS).then(reads)]);
    return after - before;
  };
  await delay(WINDOW_MS); // Until all have joined and looked for the first time.
  const idle = await readsOfWindow(async () => undefined);
  const posted = await readsOfWindow(async () => {
    const [result] = await producer.post([
      {
        flow: 'nothing',
        input: encodeJson({}),
        queue: 'default',
        priority: LIMITS.priorityDefault,
        maxAttempts: LIMITS.maxAttemptsDefault,
        deadlines: {},
        retentionMs: LIMITS.retentionDefaultMs,
        labels: {},
      },
    ]);
    if (result?.kind !== 'posted') throw new Error('the job was not posted');
    await eventually('it has run', async () => {
      return (await producer.getJob(result.id))?.status.phase.kind === 'succeeded';
    });
  });
  console.log(`herd: ${idle} reads while idle, ${posted} with one post, in ${WINDOW_MS} ms each`);
  // What an idle fleet reads by itself differs a little from one window to the next.
  expect(posted).toBeLessThan(idle * 1.2 + WORKERS * READS_PER_WAKE_UP);
});
