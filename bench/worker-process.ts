// A worker in a process of its own, that tells its parent how many jobs it has finished and when.
// Arguments: store URL, concurrency.
import { Board } from '@holdfast/board';
import { openStore } from '@holdfast/cli';
import { silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { Worker } from '@holdfast/worker';
import { hold, noop, stamp, threeSteps } from './flows.ts';

/** What the process tells, each time it has changed, at most every {@link REPORT_MS}. */
export interface WorkerReport {
  readonly finished: number;
  readonly collisions: number;
  /** Wall times of the last job finished. */
  readonly lastFinishedAtUnixMs: number;
}

const REPORT_MS = 20;

const [url = '', concurrency = '64'] = process.argv.slice(2);
let report: WorkerReport = { finished: 0, collisions: 0, lastFinishedAtUnixMs: 0 };
let told = report;

const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };
const coord = await openStore(url, parts);
const board = new Board({
  coord,
  observer: {
    finished: () => {
      report = {
        ...report,
        finished: report.finished + 1,
        lastFinishedAtUnixMs: performance.timeOrigin + performance.now(),
      };
    },
    claimCollision: () => {
      report = { ...report, collisions: report.collisions + 1 };
    },
  },
});
const worker = new Worker({
  board,
  coord,
  flows: [noop, threeSteps, stamp, hold],
  concurrency: Number(concurrency),
  name: 'bench',
});
await worker.start();
process.send?.({ ready: true });
const telling = setInterval(() => {
  if (report === told) return;
  told = report;
  process.send?.(report);
}, REPORT_MS);
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => {
  clearInterval(telling);
  void worker
    .stop({ immediately: true })
    .then(() => coord.stop())
    .then(() => process.exit());
});
