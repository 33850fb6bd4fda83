// A backlog: is the last job as cheap as the first? Drains N waiting jobs and compares the rates of
// the first and the last tenth; and claims from a short queue beside the long one (G8).
import { openBenchBoard } from './bench-board.ts';
import type { BenchStore } from './bench-store.ts';
import type { Figure } from './figure.ts';

const CONCURRENCY = 256;
const WARM_UP_JOBS = 2000;

export async function measureBacklog(store: BenchStore, jobs: number): Promise<readonly Figure[]> {
  await using board = await openBenchBoard(store);
  await board.fill({ flow: 'bench-noop', input: {}, jobs: jobs + WARM_UP_JOBS });
  await using worker = await board.startWorker(CONCURRENCY);
  const slice = jobs / 10;
  const rates: number[] = [];
  await worker.finished(WARM_UP_JOBS);
  const first = worker.report;
  let before = first;
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    await worker.finished(tenth === 10 ? jobs + WARM_UP_JOBS : first.finished + tenth * slice);
    const now = worker.report;
    rates.push(
      ((now.finished - before.finished) * 1000) /
        (now.lastFinishedAtUnixMs - before.lastFinishedAtUnixMs),
    );
    before = now;
  }
  const total =
    ((before.finished - first.finished) * 1000) /
    (before.lastFinishedAtUnixMs - first.lastFinishedAtUnixMs);
  const [firstRate = 0] = rates;
  const lastRate = rates.at(-1) ?? 0;
  const label = `backlog of ${jobs.toLocaleString('en')}`;
  return [
    { name: `${label}: drain`, value: total, unit: '/s', ofRaw: total / store.raw.grouped },
    {
      name: `${label}: first tenth`,
      value: firstRate,
      unit: '/s',
      ofRaw: firstRate / store.raw.grouped,
    },
    {
      name: `${label}: last tenth`,
      value: lastRate,
      unit: '/s',
      ofRaw: lastRate / store.raw.grouped,
    },
    { name: `${label}: last tenth to first`, value: (lastRate / firstRate) * 100, unit: '%' },
  ];
}
