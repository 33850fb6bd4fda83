// The part of a session that is the same on every store: keeping a lease alive, and knowing until
// when it can be trusted.
//
// It owns the keep-alive loop, the trust arithmetic and `lost`. The driver owns the lease itself: how
// it is granted, renewed and revoked, and what happens to its keys.
//
// NOT guaranteed: that `lost` fires before the store has let go of the lease of a process that was
// paused; timers fire late then. `isTrusted()` is arithmetic and is right even then, except after a
// machine was suspended, because monotonic clocks stand still meanwhile. No write is safe because a
// session is trusted: fences decide that.
//
// Why `sent + ttl - margin`: a store can start counting the TTL at the earliest when the request
// that renews the lease was sent, so it can't give the lease away before `sent + ttl`. The margin
// pays for a store's clock that runs faster than ours, and for the time a holder needs to stop.
//
// Invariants:
//   I1. trustedUntil is never later than the time at which some answered keep-alive (or the grant)
//       was sent, plus the TTL, less the margin. The answer's own time plays no part.
//   I2. trustedUntil never goes back, so an answer that arrives out of order changes nothing.
//   I3. Trust that has ended stays ended: an answer that is handled after trustedUntil has passed
//       counts for nothing, though the store may hold the lease still.
//   I4. At most one keep-alive is sent per `ttl / 3`, plus retries after errors; none after the end.
import type { Clock, Logger, Timer } from '@holdfast/core';
import { fromUnknown, SessionLostError, silentLogger } from '@holdfast/core';
import type { Session } from './coord.ts';

/** Keep-alives per TTL: two may be lost before trust ends. */
const KEEP_ALIVES_PER_TTL = 3;
/** Tries per TTL when the store doesn't answer or refuses; one every 50 ms at most. */
const RETRIES_PER_TTL = 20;
const RETRY_MIN_MS = 50;
/** The least time a timer is armed for, in milliseconds. */
const TIMER_MIN_MS = 1;
/** The least margin, in milliseconds: a holder can't stop faster than its event loop turns. */
const MARGIN_MIN_MS = 100;
/** Part of the TTL that is not trusted: room for clocks that differ in speed by a tenth. */
const MARGIN_PART = 10;

/** How long before its end at the store a lease stops being trusted, in milliseconds: `max(ttl / 10, 100)`. */
export function trustMarginMs(ttlMs: number): number {
  return Math.max(ttlMs / MARGIN_PART, MARGIN_MIN_MS);
}

/** What a driver does for a lease at its store. */
export interface LeaseStore {
  /**
   * Renews the lease once. Resolves with what the store said; rejects when it did not say (then it is
   * tried again while the lease is trusted). `signal` aborts when the answer is of no use any more.
   */
  keepAlive(options: { readonly signal: AbortSignal }): Promise<'alive' | 'gone'>;
  /** Ends the lease at the store, with its keys. Rejects when the store can't be reached. */
  revoke(): Promise<void>;
}

export interface SessionLeaseOptions {
  /** The store's name for the lease; unique for ever. */
  readonly id: string;
  /** What the store granted, in milliseconds. */
  readonly ttlMs: number;
  /** `clock.monotonicMs()` from before the request that granted the lease was sent. */
  readonly grantSentAtMs: number;
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
}

type LeaseState =
  | { readonly kind: 'held' }
  | { readonly kind: 'lost' }
  /** Closed by its holder. */
  | { readonly kind: 'closed'; readonly done: Promise<void> };

/** A {@link Session} over a driver's {@link LeaseStore}. The keep-alive loop runs from the start. */
export class SessionLease implements Session {
  readonly id: string;
  readonly ttlMs: number;
  readonly #store: LeaseStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();
  #state: LeaseState = { kind: 'held' };
  #trustedUntilMs: number;
  #keepAliveTimer: Timer | undefined;
  #trustTimer: Timer | undefined;

  constructor(options: SessionLeaseOptions) {
    this.id = options.id;
    this.ttlMs = options.ttlMs;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#logger = (options.logger ?? silentLogger).child({ session: options.id });
    this.#trustedUntilMs = this.#trustFrom(options.grantSentAtMs);
    this.#armTrustTimer();
    const firstAtMs = options.grantSentAtMs + this.ttlMs / KEEP_ALIVES_PER_TTL;
    this.#scheduleKeepAlive(firstAtMs - this.#clock.monotonicMs());
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  trustedUntilMs(): number {
    return this.#trustedUntilMs;
  }

  isTrusted(): boolean {
    return this.#state.kind === 'held' && this.#clock.monotonicMs() < this.#trustedUntilMs;
  }

  /** For drivers: the store was heard to say, by whatever call, that the lease is gone. */
  markGone(): void {
    this.#lose('the store has ended it');
  }

  /**
   * For drivers that stop: ends the keep-alive and all timers, and leaves the lease to lapse at the
   * store. `lost` aborts now, because nobody will notice its end later.
   */
  abandon(): void {
    this.#lose('the client of the store was stopped');
  }

  close(): Promise<void> {
    if (this.#state.kind === 'closed') return this.#state.done;
    const isLost = this.#state.kind === 'lost';
    // A lost session is revoked all the same: the store may hold it still, when only trust has ended.
    const done = this.#revoke(isLost);
    this.#state = { kind: 'closed', done };
    this.#stopTimers();
    return done;
  }

  async #revoke(isLost: boolean): Promise<void> {
    try {
      await this.#store.revoke();
    } catch (error) {
      // The store is away, so the lease lapses by itself; closing must not fail because of it.
      const { code, message } = fromUnknown(error);
      this.#logger.info(
        { code, error: message, isLost },
        'session could not be revoked; it lapses',
      );
    }
  }

  #trustFrom(sentAtMs: number): number {
    return sentAtMs + this.ttlMs - trustMarginMs(this.ttlMs);
  }

  #scheduleKeepAlive(delayMs: number): void {
    this.#keepAliveTimer?.cancel();
    this.#keepAliveTimer = this.#clock.startTimer(Math.max(0, delayMs), () => {
      void this.#keepAlive(); // Handles its own errors, and ends with the session.
    });
  }

  async #keepAlive(): Promise<void> {
    if (this.#loseWhenPast()) return;
    const sentAtMs = this.#clock.monotonicMs();
    // The next one is due whether or not this one is answered; a hanging request costs only itself.
    this.#scheduleKeepAlive(this.ttlMs / KEEP_ALIVES_PER_TTL);
    try {
      const answer = await this.#store.keepAlive({ signal: this.#ended.signal });
      if (answer === 'gone') this.markGone();
      else this.#renewed(sentAtMs);
    } catch (error) {
      if (this.#state.kind !== 'held') return;
      const { code, message } = fromUnknown(error);
      this.#logger.warn({ code, error: message }, 'keep-alive failed; trying again');
      this.#scheduleKeepAlive(Math.max(this.ttlMs / RETRIES_PER_TTL, RETRY_MIN_MS));
    }
  }

  #renewed(sentAtMs: number): void {
    if (this.#state.kind !== 'held' || this.#loseWhenPast()) return; // I3
    const untilMs = this.#trustFrom(sentAtMs); // I1
    if (untilMs <= this.#trustedUntilMs) return; // I2
    this.#trustedUntilMs = untilMs;
    this.#armTrustTimer();
  }

  #armTrustTimer(): void {
    this.#trustTimer?.cancel();
    const delayMs = this.#trustedUntilMs - this.#clock.monotonicMs();
    // A timer may fire a fraction of a millisecond early; armed for that fraction alone, it might do so
    // again and again.
    this.#trustTimer = this.#clock.startTimer(Math.max(TIMER_MIN_MS, delayMs), () => {
      if (!this.#loseWhenPast()) this.#armTrustTimer();
    });
  }

  /** Ends the trust when its time is over; true when the session is not held (any more). */
  #loseWhenPast(): boolean {
    if (this.#state.kind !== 'held') return true;
    if (this.#clock.monotonicMs() < this.#trustedUntilMs) return false;
    this.#lose('no keep-alive was answered in time');
    return true;
  }

  #lose(why: string): void {
    if (this.#state.kind !== 'held') return;
    this.#state = { kind: 'lost' };
    this.#stopTimers();
    this.#lost.abort(
      new SessionLostError(
        `session ${this.id} can no longer be trusted: ${why}; stop what depends on it and open a new one`,
        { ids: { session: this.id } },
      ),
    );
  }

  #stopTimers(): void {
    this.#keepAliveTimer?.cancel();
    this.#trustTimer?.cancel();
    this.#ended.abort();
  }
}
