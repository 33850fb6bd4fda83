// Latency on an idle board: one job at a time, a worker that waits.
import { openBenchBoard } from './bench-board.ts';
import type { BenchStore } from './bench-store.ts';
import { type Figure, latencyFigures } from './figure.ts';

const SAMPLES = 300;
const WARM_UP = 50;

export async function measureLatency(store: BenchStore): Promise<readonly Figure[]> {
  await using board = await openBenchBoard(store);
  await using _worker = await board.startWorker(8);
  const started: number[] = [];
  const done: number[] = [];
  for (let sample = 0; sample < SAMPLES + WARM_UP; sample += 1) {
    const postedAt = performance.timeOrigin + performance.now();
    const job = await board.client.post<typeof board.stamp>('bench-stamp', {});
    const { startedAtUnixMs } = await job.result();
    const doneAt = performance.timeOrigin + performance.now();
    if (sample < WARM_UP) continue;
    started.push(startedAtUnixMs - postedAt);
    done.push(doneAt - postedAt);
  }
  return [
    ...latencyFigures('idle, post → task started', started),
    ...latencyFigures('idle, post → result at the producer', done),
  ];
}
