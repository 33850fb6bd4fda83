// Draining: jobs wait, one worker process starts and runs them all.
import { openBenchBoard } from './bench-board.ts';
import type { BenchStore } from './bench-store.ts';
import type { Figure } from './figure.ts';

const NOOP_JOBS = 20_000;
const STEP_JOBS = 5000;
const CONCURRENCY = 256;

export async function measureDrain(store: BenchStore): Promise<readonly Figure[]> {
  const noop = await drain(store, { flow: 'bench-noop', input: {}, jobs: NOOP_JOBS });
  const steps = await drain(store, {
    flow: 'bench-three-steps',
    input: { start: 1 },
    jobs: STEP_JOBS,
  });
  return [
    { name: 'drain, no-op jobs', value: noop, unit: '/s', ofRaw: noop / store.raw.grouped },
    { name: 'drain, three-task jobs', value: steps, unit: '/s', ofRaw: steps / store.raw.grouped },
    {
      name: 'drain, tasks of three-task jobs',
      value: steps * 3,
      unit: '/s',
      ofRaw: (steps * 3) / store.raw.grouped,
    },
  ];
}

async function drain(
  store: BenchStore,
  work: { readonly flow: string; readonly input: object; readonly jobs: number },
): Promise<number> {
  await using board = await openBenchBoard(store);
  await board.fill(work);
  const started = performance.timeOrigin + performance.now();
  await using worker = await board.startWorker(CONCURRENCY);
  await worker.finished(Math.floor(work.jobs * WARM_UP));
  const warm = worker.report;
  await worker.finished(work.jobs);
  const elapsedMs =
    worker.report.lastFinishedAtUnixMs - Math.max(started, warm.lastFinishedAtUnixMs);
  return ((work.jobs - warm.finished) * 1000) / elapsedMs;
}

/** The first share of jobs, while the process warms up, isn't counted. */
const WARM_UP = 0.1;
