import { type Clock, MAX_TIMER_MS, type Timer } from '@holdfast/core';
import { Heap } from './heap.ts';

/** Somebody who waits. */
export interface Waiter {
  readonly index: number;
  readonly untilUnixMs: number;
}

/** How many times as many entries the heap may have as there are waiters before it is made anew. */
const STALE_FACTOR = 2;

/**
 * Tasks that wait for a time: the pause before their next try. Wall time decides, because it is what
 * a record holds across a crash; the timer only makes the run look. However many wait, adding one,
 * removing one and asking for the first look at few of the others.
 */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #waiters = new Map<number, Waiter>();
  /** By time. May hold some who wait no longer, or for another time by now; never as the first. */
  #byTime = new Heap<Waiter>(isSooner);
  #timer: Timer | undefined;
  #timerUnixMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  add(index: number, untilUnixMs: number): void {
    const waiter = { index, untilUnixMs };
    this.#waiters.set(index, waiter);
    this.#byTime.add(waiter);
    this.#tidy();
  }

  /** The one that may go on first; undefined when nobody waits. */
  get first(): Waiter | undefined {
    return this.#byTime.first;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /** Those whose time has come, by their times; each once. */
  takeDue(): readonly number[] {
    const nowUnixMs = this.#clock.nowUnixMs();
    const due: number[] = [];
    for (let { first } = this; first && first.untilUnixMs <= nowUnixMs; { first } = this) {
      due.push(first.index);
      this.#waiters.delete(first.index);
      this.#tidy();
    }
    return due;
  }

  /** Wakes the run when the first one may go on. */
  arm(): void {
    const firstUnixMs = this.first?.untilUnixMs ?? Number.POSITIVE_INFINITY;
    if (firstUnixMs === this.#timerUnixMs) return;
    this.disarm();
    if (firstUnixMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(1, firstUnixMs - this.#clock.nowUnixMs());
    this.#timerUnixMs = firstUnixMs;
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
    for (const index of indexes) this.#waiters.delete(index);
    this.#tidy();
  }

  /** Drops who waits no longer: from the top at once, else when they have become the larger part. */
  #tidy(): void {
    if (this.#byTime.size > STALE_FACTOR * this.#waiters.size) {
      this.#byTime = new Heap<Waiter>(isSooner);
      for (const waiter of this.#waiters.values()) this.#byTime.add(waiter);
    }
    for (
      let { first } = this;
      first && this.#waiters.get(first.index) !== first;
      { first } = this
    ) {
      this.#byTime.take();
    }
  }
}

/** Of two who wait for the same time, the one that comes first in the graph. */
function isSooner(one: Waiter, other: Waiter): boolean {
  if (one.untilUnixMs !== other.untilUnixMs) return one.untilUnixMs < other.untilUnixMs;
  return one.index < other.index;
}
