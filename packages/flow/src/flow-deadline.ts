import { type Clock, HoldfastError, MAX_TIMER_MS, type Timer } from '@holdfast/core';
import { planOf } from './flow.ts';
import type { RunOptions } from './run-options.ts';

/**
 * Until when a flow has to have come to its end, over all of its attempts. Wall time decides, because the
 * first attempt may have begun elsewhere; the timer only makes the run look.
 */
export class FlowDeadline {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #totalMs: number | undefined;
  /** Undefined: the flow may take as long as it likes. */
  readonly untilUnixMs: number | undefined;
  #timer: Timer | undefined;

  /** `wake` is told that the time may be over. */
  constructor(options: RunOptions, wake: () => void) {
    const { flow, clock, startedAtUnixMs = clock.nowUnixMs() } = options;
    const { totalMs } = planOf(flow);
    this.#clock = clock;
    this.#wake = wake;
    this.#totalMs = totalMs;
    this.untilUnixMs = totalMs === undefined ? undefined : startedAtUnixMs + totalMs;
  }

  /** What the flow has failed with when its time is over; undefined before that. */
  get failure(): HoldfastError | undefined {
    if (this.untilUnixMs === undefined || this.#clock.nowUnixMs() < this.untilUnixMs) {
      return undefined;
    }
    return new HoldfastError(
      'TASK_TIMEOUT',
      `the flow has not come to its end within ${this.#totalMs} ms`,
    );
  }

  /** Wakes the run when the time is over; once is enough. */
  arm(): void {
    if (this.untilUnixMs === undefined || this.#timer) return;
    const leftMs = Math.max(1, this.untilUnixMs - this.#clock.nowUnixMs());
    this.#timer = this.#clock.startTimer(Math.min(leftMs, MAX_TIMER_MS), () => {
      // Whoever is woken arms it again: the time may not have come, when the wall clock went back.
      this.#timer = undefined;
      this.#wake();
    });
  }

  disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

/** The earlier of two times; undefined stands for never. */
export function earlier(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
