import type { Clock, Timer } from '@holdfast/core';
import { MAX_TIMER_MS } from '@holdfast/core';

/** Tasks that wait for a time: the pause before their next try. */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #until = new Map<number, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  add(index: number, untilUnixMs: number): void {
    this.#until.set(index, untilUnixMs);
  }

  /** When the first one may go on; undefined when nobody waits. */
  get nextAtUnixMs(): number | undefined {
    return this.#until.size === 0 ? undefined : Math.min(...this.#until.values());
  }

  /** Those whose time has come; each once. */
  takeDue(): readonly number[] {
    const nowUnixMs = this.#clock.nowUnixMs();
    const due = [...this.#until].filter(([, until]) => until <= nowUnixMs).map(([index]) => index);
    for (const index of due) this.#until.delete(index);
    return due;
  }

  /** Wakes the run when the first one may go on. */
  arm(): void {
    this.disarm();
    const next = this.nextAtUnixMs;
    if (next === undefined) return;
    const waitMs = Math.min(Math.max(1, next - this.#clock.nowUnixMs()), MAX_TIMER_MS);
    this.#timer = this.#clock.startTimer(waitMs, this.#wake);
  }

  disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
