// Reads that wait to be sent to a store across a network.
//
// It owns who waits, for how long, and who has given up. When reads are sent, and which of them travel
// together, is the driver's business.
//
// Invariants:
//   Q1. Every read has exactly one answer: what the driver settles it with, or an error from here.
//   Q2. At most `maxQueued` reads wait.
//   Q3. A read that waited longer than `maxWaitMs` fails instead of being taken, so that those that
//       queue up while a store hangs fail when they are due to, not one batch after the other.
import type { Clock } from '@holdfast/core';
import { HoldfastError } from '@holdfast/core';
import type { CallOptions } from './coord.ts';
import { cancelledRead, staleCall, storeStopped } from './store-errors.ts';

export interface ReadQueueOptions {
  /** The kind of store, for messages. */
  readonly store: string;
  readonly maxQueued: number;
  /** How long a read may wait, in milliseconds: as long as a call may take. */
  readonly maxWaitMs: number;
  readonly clock: Clock;
}

/** A read that is to be answered, once; answering one whose caller has given up does nothing. */
export interface QueuedRead<Request, Answer> {
  readonly request: Request;
  settle(outcome: Answer | HoldfastError): void;
}

interface Waiting<Request, Answer> extends QueuedRead<Request, Answer> {
  /** On the monotonic clock. */
  readonly askedAtMs: number;
}

/** See the head of this file. */
export class ReadQueue<Request, Answer> {
  readonly #options: ReadQueueOptions;
  readonly #waiting = new Set<Waiting<Request, Answer>>();
  #isClosed = false;

  constructor(options: ReadQueueOptions) {
    this.#options = options;
  }

  /** How many wait now. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Lines up. Rejects with CANCELLED when `signal` aborts, RESOURCE_EXHAUSTED when too many wait (Q2),
   * UnavailableError when it waited too long (Q3) or the queue is closed, and with whatever HoldfastError
   * it is settled with.
   */
  ask(request: Request, { signal }: CallOptions = {}): Promise<Answer> {
    const { store, clock, maxQueued } = this.#options;
    if (this.#isClosed) return Promise.reject(storeStopped());
    if (this.#waiting.size >= maxQueued) return Promise.reject(fullError(store, maxQueued));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => read.settle(cancelledRead(store, signal?.reason));
      const read: Waiting<Request, Answer> = {
        request,
        askedAtMs: clock.monotonicMs(),
        settle: (outcome) => {
          this.#waiting.delete(read);
          signal?.removeEventListener('abort', onAbort);
          if (outcome instanceof HoldfastError) reject(outcome);
          else resolve(outcome);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(read);
    });
  }

  /** Takes the reads that have waited longest, up to the first for which `fits` is false. */
  take(fits: (request: Request) => boolean): QueuedRead<Request, Answer>[] {
    const { store, clock, maxWaitMs } = this.#options;
    const taken: QueuedRead<Request, Answer>[] = [];
    const staleAtMs = clock.monotonicMs() - maxWaitMs;
    for (const read of this.#waiting) {
      if (read.askedAtMs < staleAtMs) {
        read.settle(staleCall(store, 'read')); // Q3
        continue;
      }
      if (!fits(read.request)) break;
      this.#waiting.delete(read);
      taken.push(read);
    }
    return taken;
  }

  /** Fails all that wait. */
  fail(error: HoldfastError): void {
    for (const read of this.#waiting) read.settle(error);
  }

  /** Fails all that wait and all that come. */
  close(): void {
    this.#isClosed = true;
    this.fail(storeStopped());
  }
}

function fullError(store: string, maxQueued: number): HoldfastError {
  return new HoldfastError(
    'RESOURCE_EXHAUSTED',
    `${maxQueued} reads wait for ${store} already, which is the limit; ask less at a time, or try again after a pause`,
  );
}
