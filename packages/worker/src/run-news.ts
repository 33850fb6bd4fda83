// What the outside wants of the job of one attempt, and has told it: kept up to date while the attempt
// runs.
//
// A message in the worker's inbox says only that there is something new. What it is, is read from the
// board, so that messages may come twice, late, or many at once.
//
// Invariants:
//   N1. After `look` was called, whatever was on the board by then is read, unless the attempt ends
//       first. At most one read is under way, and at most one more is to follow it.
//   N2. Signals are handed on in the order of their numbers, each once.
import type { Claim, JobControl, Member } from '@holdfast/board';
import { fromUnknown, type JobSignal, type Logger } from '@holdfast/core';
import type { SignalSource } from '@holdfast/flow';
import type { Patience } from './patience.ts';

export interface RunNewsParts {
  readonly member: Member;
  readonly claim: Claim;
  readonly patience: Patience;
  readonly logger: Logger;
  /** Aborts when the attempt is over: nothing is read any more. */
  readonly done: AbortSignal;
  /** Told what is wanted of the job, each time it was read. Must not throw. */
  readonly wanted: (control: JobControl) => void;
}

/** See the head of this file. */
export class RunNews implements SignalSource {
  readonly #parts: RunNewsParts;
  readonly #signals: JobSignal[];
  readonly #listeners = new Set<() => void>();
  #reading: Promise<void> | undefined;
  #isToldAgain = false;

  constructor(parts: RunNewsParts) {
    this.#parts = parts;
    this.#signals = [...parts.claim.signals];
  }

  received(): readonly JobSignal[] {
    return this.#signals;
  }

  onArrival(listener: () => void): () => void {
    // A function of its own for each call, so that the same listener may be given twice.
    const call = (): void => listener();
    this.#listeners.add(call);
    return () => void this.#listeners.delete(call);
  }

  /** Tells that there is something new. */
  look(): void {
    if (this.#reading) this.#isToldAgain = true;
    else this.#reading = this.#readAll();
  }

  /** Resolves once nothing is read any more. Call it when the attempt is over. */
  async settled(): Promise<void> {
    await this.#reading;
  }

  /** N1. Never rejects. */
  async #readAll(): Promise<void> {
    const { patience, done, logger } = this.#parts;
    do {
      this.#isToldAgain = false;
      try {
        await patience.keepTrying(() => this.#read(), {
          signal: done,
          what: 'read what is wanted',
        });
      } catch (error) {
        // An attempt that is over wants to know nothing more; any other guards its end on what it missed.
        if (!done.aborted) {
          const { code, message } = fromUnknown(error);
          logger.error({ code, error: message }, 'what is wanted of the job cannot be read');
        }
      }
    } while (this.#isToldAgain && !done.aborted);
    this.#reading = undefined;
  }

  async #read(): Promise<void> {
    const { member, claim, done, wanted } = this.#parts;
    const after = this.#signals.at(-1)?.seq ?? 0;
    const { control, signals } = await member.readNews(claim, { after, signal: done });
    if (done.aborted) return;
    this.#signals.push(...signals); // N2
    if (control) wanted(control);
    if (signals.length > 0) for (const listener of [...this.#listeners]) listener();
  }
}
