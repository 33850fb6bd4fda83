import type { Clock, Timer } from './clock.ts';

interface PendingTimer {
  readonly dueMs: number;
  readonly sequence: number;
  readonly callback: () => void;
}

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
  readonly #timers = new Set<PendingTimer>();

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
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** How many timers wait to fire. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves wall time alone, as an operator or a time daemon would; no timer fires by it. */
  jumpWallTime(byMs: number): void {
    this.#startUnixMs += byMs;
  }

  /** Moves time forward by `byMs`, firing every timer that comes due on the way. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#elapsedMs + byMs;
    await settleMicrotasks();
    for (let next = this.#nextTimer(untilMs); next; next = this.#nextTimer(untilMs)) {
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      next.callback();
      await settleMicrotasks();
    }
    this.#elapsedMs = untilMs;
  }

  /** Moves time to the next timer and fires it. False when no timer waits. */
  async advanceToNextTimer(): Promise<boolean> {
    await settleMicrotasks();
    const next = this.#nextTimer(Number.POSITIVE_INFINITY);
    if (!next) return false;
    await this.advance(Math.max(0, next.dueMs - this.#elapsedMs));
    return true;
  }

  #nextTimer(untilMs: number): PendingTimer | undefined {
    let best: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > untilMs) continue;
      const isEarlier =
        !best ||
        timer.dueMs < best.dueMs ||
        (timer.dueMs === best.dueMs && timer.sequence < best.sequence);
      if (isEarlier) best = timer;
    }
    return best;
  }
}

/** Lets every promise that is already settled run its continuations, chained ones too. */
function settleMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
