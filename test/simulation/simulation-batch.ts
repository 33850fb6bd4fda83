// Worlds one after the other, in threads of their own, each for so many.
//
// A process that crashes in a world leaves abort listeners behind that nobody will ever remove, and
// Node keeps what they refer to for as long as their thread lives. So a thread ends with its batch.
import { on } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { tamperOf } from './planted-bugs.ts';
import { runSeed } from './seeded-run.ts';
import type { RunReport } from './simulated-run.ts';

/** Worlds of one thread. */
const BATCH = 100;

interface Batch {
  readonly first: number;
  readonly last: number;
  /** The bug to plant. */
  readonly plant: string | undefined;
}

/** What became of each seed, in their order. Leaving the loop ends the thread. */
export async function* simulateSeeds(wanted: Batch): AsyncGenerator<RunReport> {
  for (let first = wanted.first; first <= wanted.last; first += BATCH) {
    const last = Math.min(wanted.last, first + BATCH - 1);
    yield* runBatch({ ...wanted, first, last });
  }
}

async function* runBatch(batch: Batch): AsyncGenerator<RunReport> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: batch });
  let left = batch.last - batch.first + 1;
  try {
    // What the thread throws ends the loop with that error.
    for await (const [report] of on(worker, 'message')) {
      yield report as RunReport; // Posted below.
      left -= 1;
      if (left === 0) return;
    }
  } finally {
    await worker.terminate();
  }
}

async function main({ first, last, plant }: Batch): Promise<void> {
  for (let seed = first; seed <= last; seed += 1) {
    parentPort?.postMessage(await runSeed(seed, { tamper: tamperOf(plant) }));
  }
}

if (!isMainThread && parentPort) await main(workerData as Batch); // Given above.
