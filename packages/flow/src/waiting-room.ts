import { type Clock, MAX_TIMER_MS, type Timer } from '@holdfast/core';

/**
 * Tasks that wait for a time: the pause before their next try. Wall time decides, because it is what
 * a record holds across a crash; the timer only makes the run look.
 */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #until = new Map<number, number>();
  #firstUnixMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #timerUnixMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  add(index: number, untilUnixMs: number): void {
    this.#until.set(index, untilUnixMs);
    this.#firstUnixMs = Math.min(this.#firstUnixMs, untilUnixMs);
  }

  /** The one that may go on first; undefined when nobody waits. */
  get first(): { readonly index: number; readonly untilUnixMs: number } | undefined {
    for (const [index, untilUnixMs] of this.#until) {
      if (untilUnixMs === this.#firstUnixMs) return { index, untilUnixMs };
    }
    return undefined;
  }

  /** How many wait. */
  get size(): number {
    return this.#until.size;
  }

  /** Those whose time has come; each once. */
  takeDue(): readonly number[] {
    const nowUnixMs = this.#clock.nowUnixMs();
    if (this.#firstUnixMs > nowUnixMs) return [];
    const due: number[] = [];
    this.#firstUnixMs = Number.POSITIVE_INFINITY;
    for (const [index, untilUnixMs] of this.#until) {
      if (untilUnixMs <= nowUnixMs) due.push(index);
      else this.#firstUnixMs = Math.min(this.#firstUnixMs, untilUnixMs);
    }
    for (const index of due) this.#until.delete(index);
    return due;
  }

  /** Wakes the run when the first one may go on. */
  arm(): void {
    if (this.#firstUnixMs === this.#timerUnixMs) return;
    this.disarm();
    if (this.#firstUnixMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(1, this.#firstUnixMs - this.#clock.nowUnixMs());
    this.#timerUnixMs = this.#firstUnixMs;
    this.#timer = this.#clock.startTimer(Math.min(waitMs, MAX_TIMER_MS), () => {
      // Whoever is woken arms it again: the time may not have come, when the wall clock went back.
      this.#timerUnixMs = Number.POSITIVE_INFINITY;
      this.#wake();
    });
  }

  disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerUnixMs = Number.POSITIVE_INFINITY;
  }

  /** Forgets those who wait among these. */
  remove(indexes: Iterable<number>): void {
    for (const index of indexes) this.#until.delete(index);
    this.#firstUnixMs = Number.POSITIVE_INFINITY;
    for (const untilUnixMs of this.#until.values()) {
      this.#firstUnixMs = Math.min(this.#firstUnixMs, untilUnixMs);
    }
  }
}
