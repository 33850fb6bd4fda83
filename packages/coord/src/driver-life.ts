// The life of a driver whose parts have to be opened: from its start to the end of its stop.
//
// It owns which parts there are, who may use them, and what was counted. What they are, and how they
// are opened and closed, is the driver's business.
//
// Invariants:
//   L1. Parts are opened once, however often `start` is called; after a start that failed, afresh.
//   L2. From the moment `stop` is called nobody is given the parts, though they may still be closing.
//   L3. What was stopped stays stopped.
import type { Service } from '@holdfast/core';
import { checkNotCancelled } from './call-options.ts';
import type { CallOptions, CoordStats } from './coord.ts';
import { storeNotStarted, storeStopped } from './store-errors.ts';

export interface DriverLifeOptions<Parts> {
  /** Connects, as `Coord.start` does; when it fails, it leaves nothing behind. */
  open(): Promise<Parts>;
  /** Lets go of what `open` gave, as `Coord.stop` does. */
  close(parts: Parts): Promise<void>;
  /** What the parts have counted so far. */
  count(parts: Parts): Pick<CoordStats, 'commits' | 'groups'>;
}

/** See the head of this file. */
export class DriverLife<Parts> implements Service {
  readonly #options: DriverLifeOptions<Parts>;
  #starting: Promise<Parts> | undefined;
  #stopping: Promise<void> | undefined;
  #parts: Parts | undefined;
  #counted: Pick<CoordStats, 'commits' | 'groups'> = { commits: 0, groups: 0 };
  #reads = 0;

  constructor(options: DriverLifeOptions<Parts>) {
    this.#options = options;
  }

  /** Also of a driver that was stopped. */
  get stats(): CoordStats {
    if (this.#parts) this.#counted = this.#options.count(this.#parts);
    return { ...this.#counted, reads: this.#reads };
  }

  async start(): Promise<void> {
    if (this.#stopping) throw storeStopped();
    this.#starting ??= this.#options.open();
    try {
      this.#parts = await this.#starting;
    } catch (error) {
      // Whoever starts again tries afresh (L1).
      this.#starting = undefined;
      throw error;
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#close();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * The parts, for a call. Throws UnavailableError before the start and after the stop (L2), and a
   * CANCELLED error when the caller has given up already.
   */
  running(options?: CallOptions): Parts {
    if (this.#stopping) throw storeStopped();
    if (!this.#parts) throw storeNotStarted();
    checkNotCancelled(options);
    return this.#parts;
  }

  /** Counts a call of `get` or `list` that asked the store. */
  countRead(): void {
    this.#reads += 1;
  }

  async #close(): Promise<void> {
    const parts = await this.#starting?.catch(() => undefined); // `start` has told its caller.
    if (!parts) return;
    await this.#options.close(parts);
    this.#counted = this.#options.count(parts);
    this.#parts = undefined;
  }
}
