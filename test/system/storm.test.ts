import { setTimeout as delay } from 'node:timers/promises';
import type { JobHandle } from '@holdfast/client';
import { createSeededRandom, type JobStatus } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import {
  Cluster,
  type ClusterStore,
  eventually,
  type LogLine,
  type WorkerProcess,
} from '../support/cluster.ts';
import { judgeLedger, readLedger } from '../support/ledger.ts';
import type { ledgerSteps } from '../support/ledger-flows.ts';

/** The storm on ZooKeeper is a shorter one, to keep the whole run of tests short. */
const STORES: readonly { readonly store: ClusterStore; readonly jobs: number }[] = [
  { store: 'etcd', jobs: 500 },
  { store: 'zookeeper', jobs: 250 },
];
const WORKERS = 4;
const LEASE_TTL_MS = 1500;
const WORK_MS = 200;
const SEED = 20_261_120;

describe.each(STORES)(
  'a storm of kills, stops and wake-ups during $jobs three-task jobs on $store',
  ({ store, jobs: count }) => {
    it('loses no job, commits no task twice, and counts every refused zombie', async () => {
      await using cluster = await Cluster.open(store);
      const { client } = await cluster.startServer();
      const workers = await Promise.all(
        Array.from({ length: WORKERS }, (_, n) =>
          cluster.startWorker({ name: `w${n}`, leaseTtlMs: LEASE_TTL_MS, concurrency: 8 }),
        ),
      );
      const input = { ledger: cluster.ledger, gate: '', workMs: WORK_MS };
      const outcomes = await client.postMany<typeof ledgerSteps>(
        Array.from({ length: count }, () => ({ flow: 'ledger-steps', input, maxAttempts: 100 })),
      );
      const jobs: JobHandle<unknown>[] = outcomes.flatMap((outcome) =>
        outcome.kind === 'posted' ? [outcome.job] : [],
      );
      expect(jobs).toHaveLength(count);

      let isOver = false;
      const storm = injectFaults(workers, () => isOver);
      await Promise.all(jobs.map((job) => job.result({ deadlineMs: 200_000 })));
      isOver = true;
      const { kills, stops } = await storm;
      expect(Math.min(kills, stops)).toBeGreaterThanOrEqual(2);

      const views = await Promise.all(jobs.map((job) => cluster.board.getJob(job.id)));
      for (const view of views) {
        expect(view?.status.phase.kind).toBe('succeeded');
        expect(view?.atoms.map((atom) => atom.state)).toEqual(['success', 'success', 'success']);
      }
      expect(judgeLedger(await readLedger(cluster.ledger))).toEqual([]);
      expect(committedTwice(workers)).toEqual([]);
      const lost = views.flatMap((view) => (view ? lostAttempts(view.status) : []));
      expect(startedAfterCommit(workers, lost)).toEqual([]);
      const noticed = await everyZombieNoticed(workers, lost);
      expect((await cluster.board.doctor({ repair: false })).problems).toEqual([]);
      console.log(
        `storm: ${kills} kills, ${stops} stops, ${lost.length} attempts lost, ${noticed} of them refused to zombies`,
      );
    }, 300_000);
  },
);

/** Kills and stops workers by turns until told to end; each that was stopped is woken again. */
async function injectFaults(
  workers: readonly WorkerProcess[],
  isOver: () => boolean,
): Promise<{ kills: number; stops: number }> {
  const random = createSeededRandom(SEED);
  const injected = { kills: 0, stops: 0 };
  await delay(500);
  while (!isOver()) {
    const worker = workers[Math.floor(random.next() * workers.length)];
    if (worker?.childPid !== undefined && injected.kills <= injected.stops) {
      worker.signalChild('SIGKILL');
      injected.kills += 1;
    } else if (worker?.childPid !== undefined) {
      worker.signal('SIGSTOP', true);
      injected.stops += 1;
      await delay(LEASE_TTL_MS * (0.7 + 1.3 * random.next()));
      worker.signal('SIGCONT', true);
    }
    await delay(200 + random.next() * 600);
  }
  return injected;
}

/** Tasks of which two workers saw the success committed. */
function committedTwice(workers: readonly WorkerProcess[]): readonly string[] {
  const seen = new Set<string>();
  const twice: string[] = [];
  for (const line of workers.flatMap((worker) => worker.log)) {
    if (line.msg !== 'task committed' || line['state'] !== 'success') continue;
    const task = `${String(line['jobId'])}/${String(line['task'])}`;
    if (seen.has(task)) twice.push(task);
    seen.add(task);
  }
  return twice;
}

/**
 * Tasks that were handed to user code after their success had been committed. A zombie that was
 * stopped right before a call makes it when it wakes; that is what fences are for, so starts of
 * attempts that were lost are left out.
 */
function startedAfterCommit(
  workers: readonly WorkerProcess[],
  lost: readonly LostAttempt[],
): readonly string[] {
  const zombies = new Set(lost.map(({ jobId, attempt }) => `${jobId}/${attempt}`));
  const committedAt = new Map<string, number>();
  const lines = workers.flatMap((worker) => worker.log);
  const taskOf = (line: LogLine): string => `${String(line['jobId'])}/${String(line['task'])}`;
  for (const line of lines) {
    if (line.msg !== 'task committed' || line['state'] !== 'success') continue;
    committedAt.set(taskOf(line), Number(line['time']));
  }
  return lines
    .filter((line) => line.msg === 'task started')
    .filter((line) => !zombies.has(`${String(line['jobId'])}/${String(line['attempt'])}`))
    .filter(
      (line) => Number(line['time']) > (committedAt.get(taskOf(line)) ?? Number.POSITIVE_INFINITY),
    )
    .map(taskOf);
}

interface LostAttempt {
  readonly jobId: string;
  readonly attempt: number;
  readonly worker: string;
}

function lostAttempts(status: JobStatus): readonly LostAttempt[] {
  return status.attempts
    .filter((attempt) => attempt.end === 'lost')
    .map(({ number, worker }) => ({ jobId: status.id, attempt: number, worker }));
}

/** Waits until each attempt that was lost by a worker which still lives was noted by it; how many those were. */
async function everyZombieNoticed(
  workers: readonly WorkerProcess[],
  lost: readonly LostAttempt[],
): Promise<number> {
  const lines = (): readonly LogLine[] => workers.flatMap((worker) => worker.log);
  const killed = new Set(
    lines().flatMap((line) => (Array.isArray(line['workers']) ? line['workers'].map(String) : [])),
  );
  const expected = lost.filter((attempt) => !killed.has(attempt.worker));
  const isNoted = ({ jobId, attempt }: LostAttempt): boolean =>
    lines().some(
      (line) =>
        line.msg.startsWith('attempt lost') &&
        line['jobId'] === jobId &&
        line['attempt'] === attempt,
    );
  await eventually('every zombie has noticed', async () => expected.every(isNoted));
  return expected.length;
}
