// Taking turns at the lock of the file.
//
// SQLite's lock has no queue: whoever asks at the right moment gets it. A process that commits without
// a pause is always there at the right moment, and one that waits in a timer hardly ever. So a process
// that has met others at the lock lately makes a short pause now and then, for them to get in. One
// that is alone never pauses.
import type { Clock } from '@holdfast/core';

/** How long after having met somebody at the lock a process still makes room, in milliseconds. */
const CONTENTION_MEMORY_MS = 1000;
/** How long a process may go on committing without a pause when others wait, in milliseconds. */
const TURN_MS = 10;
/** A gap between two transactions, in milliseconds, in which others can get in anyway. */
const GAP_MS = 3;

/** Remembers how this process has used the lock; see the head of this file. */
export class LockTurns {
  readonly #clock: Clock;
  #blockedAtMs = Number.NEGATIVE_INFINITY;
  #turnStartedAtMs = 0;
  #lastEndedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Somebody else has the lock, so that a turn of this process begins afterwards at the earliest. */
  blocked(): void {
    this.#blockedAtMs = this.#clock.monotonicMs();
    this.#turnStartedAtMs = this.#blockedAtMs;
  }

  /** This process is about to take the lock; true when it should make a pause first. */
  isPauseDue(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lastEndedAtMs >= GAP_MS) this.#turnStartedAtMs = nowMs;
    const isContended = nowMs - this.#blockedAtMs < CONTENTION_MEMORY_MS;
    return isContended && nowMs - this.#turnStartedAtMs >= TURN_MS;
  }

  /** This process has let go of the lock. */
  ended(): void {
    this.#lastEndedAtMs = this.#clock.monotonicMs();
  }
}
