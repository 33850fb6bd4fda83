import { setTimeout as delay } from 'node:timers/promises';
import type { JobHandle } from '@holdfast/client';
import { createSeededRandom } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { Cluster, type WorkerProcess } from '../support/cluster.ts';
import { judgeLedger, readLedger } from '../support/ledger.ts';
import type { ledgerSteps } from '../support/ledger-flows.ts';

const JOBS = 500;
const WORKERS = 4;
const LEASE_TTL_MS = 1500;
const SEED = 20_261_120;

describe('a storm', () => {
  it('of kills, stops and wake-ups during 500 three-task jobs on etcd loses none and commits no task twice', async () => {
    await using cluster = await Cluster.open('etcd');
    const { client } = await cluster.startServer();
    const workers = await Promise.all(
      Array.from({ length: WORKERS }, (_, n) =>
        cluster.startWorker({ name: `w${n}`, leaseTtlMs: LEASE_TTL_MS, concurrency: 8 }),
      ),
    );
    const input = { ledger: cluster.ledger, gate: '' };
    let isOver = false;
    const faults = injectFaults(workers, () => isOver);
    const jobs: JobHandle<unknown>[] = [];
    for (let posted = 0; posted < JOBS; posted += 10) {
      const posting = Array.from({ length: 10 }, () =>
        client.post<typeof ledgerSteps>('ledger-steps', input, { maxAttempts: 100 }),
      );
      jobs.push(...(await Promise.all(posting)));
      await delay(150); // Spreads the jobs over the storm.
    }
    await Promise.all(jobs.map((job) => job.result({ deadlineMs: 120_000 })));
    isOver = true;
    const injected = await faults;
    expect(injected.kills).toBeGreaterThan(2);
    expect(injected.stops).toBeGreaterThan(2);

    // No task was committed twice: a record that says "success" was written by one attempt, and no
    // attempt started a task after another one's success had been committed.
    const lines = await readLedger(cluster.ledger);
    expect(judgeLedger(lines)).toEqual([]);
    const commits = workers
      .flatMap((worker) => worker.log)
      .filter((line) => line.msg === 'task committed' && line['state'] === 'success');
    const committed = commits.map((line) => `${String(line['jobId'])}/${String(line['task'])}`);
    expect(committed.length - new Set(committed).size).toBe(0);
    const views = await Promise.all(jobs.map((job) => cluster.board.getJob(job.id)));
    for (const view of views) {
      expect(view?.status.phase.kind).toBe('succeeded');
      expect(view?.atoms.map((atom) => atom.state)).toEqual(['success', 'success', 'success']);
    }
    // Every attempt that was lost is in the history, and every zombie's refused write was noted.
    const lost = views.reduce((sum, view) => sum + (view?.status.lostAttempts ?? 0), 0);
    const refused = workers
      .flatMap((worker) => worker.log)
      .filter((line) => line.msg.startsWith('attempt lost')).length;
    console.log(
      `storm: ${injected.kills} kills, ${injected.stops} stops, ${lost} attempts lost, ${refused} noticed by zombies`,
    );
    expect((await cluster.board.doctor({ repair: false })).problems).toEqual([]);
  }, 300_000);
});

/** Kills and stops workers by turns until told to end; wakes all of them at the end. */
async function injectFaults(
  workers: readonly WorkerProcess[],
  isOver: () => boolean,
): Promise<{ kills: number; stops: number }> {
  const random = createSeededRandom(SEED);
  const injected = { kills: 0, stops: 0 };
  while (!isOver()) {
    await delay(300 + random.next() * 700);
    const worker = workers[Math.floor(random.next() * workers.length)];
    if (worker?.childPid === undefined) continue;
    if (random.next() < 0.5) {
      worker.signalChild('SIGKILL');
      injected.kills += 1;
    } else {
      worker.signal('SIGSTOP', true);
      injected.stops += 1;
      await delay(LEASE_TTL_MS * (0.5 + 1.5 * random.next()));
      worker.signal('SIGCONT', true);
    }
  }
  return injected;
}
