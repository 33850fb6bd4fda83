import type { Clock, Timer } from './clock.ts';
import { type PendingTimer, TimerHeap } from './timer-heap.ts';

/**
 * A clock that moves only when told to, for tests and simulations.
 *
 * Timers fire in order of their due time, those due at the same moment in the order they were
 * started. Between two timers the microtask queue is drained, so that what the first timer set in
 * motion has happened before the second one fires.
 */
export class VirtualClock implements Clock {
  #elapsedMs = 0;
  #sequence = 0;
  #startUnixMs: number;
  #pendingTimers = 0;
  readonly #timers = new TimerHeap();

  /** @param startUnixMs wall time at the start, default 2026-01-01T00:00:00Z. */
  constructor(startUnixMs: number = Date.UTC(2026, 0, 1)) {
    this.#startUnixMs = startUnixMs;
  }

  nowUnixMs(): number {
    return Math.floor(this.#startUnixMs + this.#elapsedMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  startTimer(delayMs: number, callback: () => void): Timer {
    this.#sequence += 1;
    const timer: PendingTimer = {
      dueMs: this.#elapsedMs + Math.max(0, delayMs),
      sequence: this.#sequence,
      callback,
    };
    this.#timers.push(timer);
    this.#pendingTimers += 1;
    return { cancel: () => void this.#takeCallback(timer) };
  }

  /** How many timers wait to fire. */
  get pendingTimers(): number {
    return this.#pendingTimers;
  }

  /** Moves wall time alone, as an operator or a time daemon would; no timer fires by it. */
  jumpWallTime(byMs: number): void {
    this.#startUnixMs += byMs;
  }

  /** Moves time forward by `byMs`, firing every timer that comes due on the way. */
  async advance(byMs: number): Promise<void> {
    await this.advanceUntil(() => false, byMs);
  }

  /**
   * Moves time forward until `isDone` holds, which is asked before the first timer and after each, by
   * at most `limitMs`. True as soon as it holds, with the time at which it came to hold; false when it
   * never did, with the whole time passed.
   */
  async advanceUntil(isDone: () => boolean, limitMs: number): Promise<boolean> {
    const untilMs = this.#elapsedMs + limitMs;
    await settleMicrotasks();
    while (!isDone()) {
      const next = this.#timers.peek();
      if (!next || next.dueMs > untilMs) {
        this.#elapsedMs = untilMs;
        return false;
      }
      this.#timers.pop();
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      this.#takeCallback(next)?.();
      await settleMicrotasks();
    }
    return true;
  }

  /** Moves time to the next timer and fires it. False when no timer waits. */
  async advanceToNextTimer(): Promise<boolean> {
    await settleMicrotasks();
    const next = this.#timers.peek();
    if (!next) return false;
    await this.advance(Math.max(0, next.dueMs - this.#elapsedMs));
    return true;
  }

  /** A timer that has fired or was cancelled has no callback any more, so that it counts once. */
  #takeCallback(timer: PendingTimer): (() => void) | undefined {
    const { callback } = timer;
    if (callback) this.#pendingTimers -= 1;
    timer.callback = undefined;
    return callback;
  }
}

/** Lets every promise that is already settled run its continuations, chained ones too. */
function settleMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
