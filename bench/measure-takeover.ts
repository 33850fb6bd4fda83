// Takeover: a supervised worker process is killed while it holds a job; how long until another
// worker has finished that job?
import { openBenchBoard } from './bench-board.ts';
import type { BenchStore } from './bench-store.ts';
import { type Figure, percentile } from './figure.ts';

const ROUNDS = 11;

export async function measureTakeover(store: BenchStore): Promise<readonly Figure[]> {
  const gaps: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) gaps.push(await takeOverOnce(store));
  return [
    {
      name: 'crash of a worker process → its job done, p50',
      value: percentile(gaps, 0.5),
      unit: 'ms',
    },
    { name: 'crash of a worker process → its job done, max', value: Math.max(...gaps), unit: 'ms' },
  ];
}

async function takeOverOnce(store: BenchStore): Promise<number> {
  await using board = await openBenchBoard(store);
  await using victim = await board.startSupervisedWorker();
  const job = await board.client.post<typeof board.hold>('bench-hold', {});
  for await (const view of job.watch()) if (view.status.phase.kind === 'running') break;
  await using _heir = await board.startWorker(8);
  const killedAt = performance.now();
  victim.killChild();
  await job.result();
  return performance.now() - killedAt;
}
