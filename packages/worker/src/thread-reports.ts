import type { MessagePort } from 'node:worker_threads';
import { type Clock, LIMITS, type Timer } from '@holdfast/core';
import { packError } from './carried-error.ts';
import type { ThreadMessage, ThreadReport } from './thread-messages.ts';

/** Least time between two reports of one call, in milliseconds. Of those in between, the last counts. */
const REPORT_INTERVAL_MS = 50;

/**
 * What a function tells while it runs. However often it does, the process it works for hears of it
 * at a bounded rate: that process has other things to do, and the port between them has no limit.
 */
export class ThreadReports {
  readonly #port: MessagePort;
  readonly #clock: Clock;
  #sentMs = Number.NEGATIVE_INFINITY;
  #waiting: ThreadReport | undefined;
  #timer: Timer | undefined;
  #errors = 0;
  #isOver = false;

  constructor(port: MessagePort, clock: Clock) {
    this.#port = port;
    this.#clock = clock;
  }

  /** Sends a report, or keeps it until the interval is over. */
  report(report: ThreadReport): void {
    if (this.#isOver) return;
    // A progress is a sign of life too, and says more.
    if (report.kind === 'progress' || !this.#waiting) this.#waiting = report;
    const leftMs = this.#sentMs + REPORT_INTERVAL_MS - this.#clock.monotonicMs();
    if (leftMs <= 0) this.#flush();
    else this.#timer ??= this.#clock.startTimer(Math.ceil(leftMs), () => this.#flush());
  }

  /** Sends an error, of the first {@link LIMITS.errorsPerTask}. */
  recordError(error: unknown): void {
    if (this.#isOver || this.#errors === LIMITS.errorsPerTask) return;
    this.#errors += 1;
    this.#port.postMessage({ kind: 'error', error: packError(error) } satisfies ThreadMessage);
  }

  /** Sends what waits; whatever is reported after that is ignored. */
  end(): void {
    if (this.#waiting) this.#flush();
    this.#isOver = true;
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#port.postMessage(this.#waiting);
    this.#waiting = undefined;
    this.#sentMs = this.#clock.monotonicMs();
  }
}
