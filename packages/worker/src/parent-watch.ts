// Whether anybody still waits for the task job that an attempt runs: its parent may have ended, or gone on
// with another version of its flow, without a word to the task job. Whoever ends a parent cancels its task
// jobs, but may crash before that.
//
// Invariants:
//   P1. No user code of a task job is called before its parent was looked at.
//   P2. While the attempt runs, its parent is looked at on every message, and every PARENT_RESYNC_MS anyway.
//       Nothing rests on how soon: a task that runs in vain writes to its own job alone.
import type { Claim, Member } from '@holdfast/board';
import { type Clock, fromUnknown, jitter, type Logger, type Random } from '@holdfast/core';
import { PARENT_RESYNC_MS } from './limits.ts';
import type { Patience } from './patience.ts';
import { WakeUp } from './wake-up.ts';

export interface ParentWatchParts {
  readonly member: Member;
  readonly claim: Claim;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Aborts when the attempt is over. */
  readonly done: AbortSignal;
  /** Called once, when nobody waits for the task job any more. Must not throw. */
  readonly orphaned: () => void;
}

/** See the head of this file. Does nothing for the attempt of any other job. */
export class ParentWatch {
  readonly #parts: ParentWatchParts;
  readonly #changed: WakeUp;
  #watching: Promise<void> | undefined;

  constructor(parts: ParentWatchParts) {
    this.#parts = parts;
    this.#changed = new WakeUp(parts.clock);
  }

  /** Resolves once the parent was looked at for the first time (P1), or the attempt is over. */
  async start(): Promise<void> {
    if (!this.#parts.claim.spec.remoteTask || (await this.#isOver())) return;
    this.#watching = this.#watch();
  }

  /** Tells that something may have changed. */
  look(): void {
    this.#changed.wake();
  }

  /** Resolves once nothing is read any more. Call it when the attempt is over. */
  async settled(): Promise<void> {
    await this.#watching;
  }

  /** P2. */
  async #watch(): Promise<void> {
    const { random, done } = this.#parts;
    do {
      await this.#changed.wait(jitter(random, PARENT_RESYNC_MS), { signal: done });
    } while (!done.aborted && !(await this.#isOver()));
  }

  /** True when there is nothing to look for any more. Never rejects. */
  async #isOver(): Promise<boolean> {
    const { member, claim, patience, done, logger, orphaned } = this.#parts;
    try {
      const isOrphan = await patience.keepTrying(() => member.isOrphan(claim), {
        signal: done,
        what: 'look at the parent of a task job',
      });
      if (isOrphan && !done.aborted) orphaned();
      return isOrphan;
    } catch (error) {
      if (done.aborted) return true;
      // The task is run nevertheless: at the worst it runs in vain.
      const { code, message } = fromUnknown(error);
      logger.error({ code, error: message }, 'the parent of a task job cannot be read');
      return false;
    }
  }
}
