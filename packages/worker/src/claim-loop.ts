// Claims jobs for a member, up to its free places: one loop, at its own pace, in bounded batches.
//
//   room and jobs      claim at once, again and again
//   room, no jobs      arm a watch, look once more, then wait for a wake-up or the resync
//   no room            no watch; wait for a place, and look up claims whose answers were lost
//
// Invariants:
//   L1. After a watch was armed the loop looks once more before it waits, so what came between its
//       last look and the watch is seen.
//   L2. Nothing but the signal ends the loop: a board that can't be read is tried again, ever more
//       slowly.
import { type Claim, MAX_CLAIMS_AT_ONCE, type Member } from '@holdfast/board';
import type { Watch } from '@holdfast/coord';
import {
  AssertionError,
  backoffMs,
  type Clock,
  fromUnknown,
  jitter,
  type Logger,
  type Random,
  SessionLostError,
  sleep,
} from '@holdfast/core';
import {
  EMPTY_CLAIM_BACKOFF,
  EMPTY_CLAIMS_FREE,
  READY_RESYNC_MS,
  STORE_BACKOFF,
} from './limits.ts';
import { isPassing, type Patience } from './patience.ts';
import { WakeUp } from './wake-up.ts';

export interface ClaimLoopParts {
  readonly member: Member;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How many more jobs there is room for. */
  readonly freePlaces: () => number;
  /** The span id of the next attempt, where there is tracing. */
  readonly spanId: () => string | undefined;
  /** Runs what a claim brought, which may be nothing. Must not throw. */
  readonly take: (claims: readonly Claim[]) => void;
  /** Called when the board says that this member is none any more. */
  readonly expelled: (error: SessionLostError) => void;
}

export class ClaimLoop {
  readonly #parts: ClaimLoopParts;
  readonly #changed: WakeUp;
  #watch: Watch | undefined;
  #isClaiming = false;
  #failures = 0;

  constructor(parts: ClaimLoopParts) {
    this.#parts = parts;
    this.#changed = new WakeUp(parts.clock);
  }

  /** True while a claim is under way, so that a job may be this member's without having been taken. */
  get isClaiming(): boolean {
    return this.#isClaiming;
  }

  /** Tells that a place has become free. */
  wake(): void {
    this.#changed.wake();
  }

  /** Claims until `signal` aborts; what is claimed by then is still taken. */
  async run(options: { readonly signal: AbortSignal }): Promise<void> {
    try {
      await this.#loop(options.signal);
    } finally {
      await this.#closeWatch();
    }
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts;
    let empty = 0;
    while (!signal.aborted) {
      const free = this.#parts.freePlaces();
      if (free <= 0) {
        await this.#closeWatch();
        await this.#changed.wait(jitter(random, READY_RESYNC_MS), { signal });
        if (this.#parts.freePlaces() <= 0 && !signal.aborted) await this.lookUp({ signal });
        continue;
      }
      if ((await this.#claim(free, signal)) > 0) {
        empty = 0;
        continue;
      }
      if (signal.aborted) return;
      this.#armWatch();
      const sinceMs = clock.monotonicMs();
      await this.#changed.wait(jitter(random, READY_RESYNC_MS), { signal });
      const wasQuick = clock.monotonicMs() - sinceMs < EMPTY_CLAIM_BACKOFF.maxMs;
      empty = wasQuick ? empty + 1 : 0;
      await this.#slowDown(empty - EMPTY_CLAIMS_FREE, signal);
    }
  }

  /** Takes the claims that this member has without knowing it; not while {@link run} runs. */
  async lookUp({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    await this.#obtain(() => this.#parts.member.lookUp(), signal);
  }

  /** Claims once; the number of jobs, 0 after a failure too. */
  async #claim(free: number, signal: AbortSignal): Promise<number> {
    const { member, spanId } = this.#parts;
    const limit = Math.min(free, MAX_CLAIMS_AT_ONCE);
    return await this.#obtain(() => member.claim({ limit, spanId }), signal);
  }

  async #obtain(claim: () => Promise<readonly Claim[]>, signal: AbortSignal): Promise<number> {
    const { patience } = this.#parts;
    this.#isClaiming = true;
    try {
      const claims = await claim();
      this.#failures = 0;
      patience.succeeded();
      this.#parts.take(claims);
      return claims.length;
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.#isClaiming = false;
      await this.#recover(error, signal);
      return 0;
    } finally {
      this.#isClaiming = false;
    }
  }

  /** L2. */
  async #recover(thrown: unknown, signal: AbortSignal): Promise<void> {
    const { clock, random, logger, patience } = this.#parts;
    if (thrown instanceof SessionLostError) this.#parts.expelled(thrown);
    this.#failures += 1;
    const failures = this.#failures;
    const error = fromUnknown(thrown);
    if (isPassing(error)) {
      await patience.pause(error, { signal, what: 'claim', failures });
    } else {
      if (failures === 1) {
        logger.error({ code: error.code, error }, 'jobs cannot be claimed; trying again');
      }
      await sleep(clock, backoffMs(STORE_BACKOFF, failures, random), { signal });
    }
    this.#changed.wake(); // Look again at once: the pause was the wait.
  }

  #armWatch(): void {
    if (this.#watch) return;
    const wake = (): void => this.#changed.wake();
    try {
      this.#watch = this.#parts.member.watchReady(wake);
    } catch (error) {
      // The store's client is stopped; the resync goes on, and the session is lost soon.
      this.#parts.logger.debug({ error: fromUnknown(error).message }, 'no watch on ready jobs');
      return;
    }
    // L1. A watch that can't be armed is backed by the resync.
    this.#watch.armed.then(wake, wake);
  }

  async #closeWatch(): Promise<void> {
    const watch = this.#watch;
    this.#watch = undefined;
    await watch?.close();
  }

  async #slowDown(tooMany: number, signal: AbortSignal): Promise<void> {
    if (tooMany <= 0) return;
    const { clock, random } = this.#parts;
    await sleep(clock, backoffMs(EMPTY_CLAIM_BACKOFF, tooMany, random), { signal });
  }
}
