// Writes checkpoints: one call of the port at a time, with all records that have changed meanwhile.
//
// Invariants:
//   C1. One checkpoint is under way at a time, and records of one task are written in their order;
//       one that was overtaken by a newer one before it was sent is never sent.
//   C2. Once a checkpoint was refused, nothing more is written.
import type { AtomRecord, Clock, Timer } from '@holdfast/core';
import {
  CHECKPOINT_BYTES_MAX,
  CHECKPOINT_RECORDS_MAX,
  PROGRESS_INTERVAL_MS,
} from './run-options.ts';

/**
 * How long the mark that a task runs may wait for company, in milliseconds. A task that is done
 * before never has it written: nobody would read it.
 */
export const RUNNING_MARK_DELAY_MS = 10;

/** How soon a record is to be written. */
export type Urgency = 'now' | 'soon' | 'eventually';

const DELAY_MS: Readonly<Record<Urgency, number>> = {
  now: 0,
  soon: RUNNING_MARK_DELAY_MS,
  eventually: PROGRESS_INTERVAL_MS,
};

export interface CheckpointWriterParts {
  readonly clock: Clock;
  readonly checkpoint: (atoms: readonly AtomRecord[]) => Promise<void>;
  /** These records are durable. */
  readonly committed: (atoms: readonly AtomRecord[]) => void;
  /** The port refused; nothing more will be written (C2). */
  readonly refused: (error: unknown) => void;
}

/** See the head of this file. Nothing is sent before {@link CheckpointWriter.kick}. */
export class CheckpointWriter {
  readonly #parts: CheckpointWriterParts;
  /** In the order of their numbers, which are those of the first put since the name was last sent. */
  readonly #pending = new Map<string, { readonly record: AtomRecord; readonly since: number }>();
  #puts = 0;
  #dueMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #underWay: Promise<void> | undefined;
  #sent: readonly AtomRecord[] = [];
  /** The lowest number of those under way. */
  #sentSince = 0;
  #isClosed = false;

  constructor(parts: CheckpointWriterParts) {
    this.#parts = parts;
  }

  /** True when everything that was put has been written. */
  get isSettled(): boolean {
    return this.#pending.size === 0 && this.#underWay === undefined;
  }

  /** Stands for all that was put by now; see {@link CheckpointWriter.isWritten}. */
  get mark(): number {
    return this.#puts;
  }

  /** True when everything has been written that was put before the mark was taken, or what replaced it. */
  isWritten(mark: number): boolean {
    const [first] = this.#pending.values();
    if (first && first.since <= mark) return false;
    return this.#underWay === undefined || this.#sentSince > mark;
  }

  /** Makes everything that waits due: whoever waits for it waits for nothing else. */
  hurry(): void {
    if (this.#pending.size > 0) this.#dueMs = this.#parts.clock.monotonicMs();
  }

  /** Takes the newest record of a task; an older one that was not sent yet is dropped. */
  put(record: AtomRecord, urgency: Urgency): void {
    this.#puts += 1;
    const since = this.#pending.get(record.name)?.since ?? this.#puts;
    this.#pending.set(record.name, { record, since });
    this.#dueMs = Math.min(this.#dueMs, this.#parts.clock.monotonicMs() + DELAY_MS[urgency]);
  }

  /** Sends what is due, now or when its time has come. */
  kick(): void {
    if (this.#isClosed || this.#underWay || this.#pending.size === 0) return;
    this.#timer?.cancel();
    const waitMs = this.#dueMs - this.#parts.clock.monotonicMs();
    if (waitMs <= 0) void this.flush();
    else this.#timer = this.#parts.clock.startTimer(waitMs, () => void this.flush());
  }

  /** Sends one checkpoint of what waits; resolves when it, or the one under way, has ended. Never rejects. */
  async flush(): Promise<void> {
    if (!this.#underWay && !this.#isClosed && this.#pending.size > 0) {
      const sent = Promise.withResolvers<void>();
      // Before the port is called: what that leads to at once may ask whether all is written.
      this.#underWay = sent.promise;
      void this.#send(this.#takeBatch()).then(sent.resolve);
    }
    await this.#underWay;
  }

  /**
   * Stops sending, and returns what isn't known to be durable: what was not sent, and what is under
   * way. Writing a record once more does no harm.
   */
  close(): readonly AtomRecord[] {
    this.#isClosed = true;
    this.#timer?.cancel();
    const underWay = this.#underWay ? this.#sent : [];
    const overtaken = underWay.filter((record) => !this.#pending.has(record.name));
    return [...overtaken, ...Array.from(this.#pending.values(), ({ record }) => record)];
  }

  /** How many records wait to be sent. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#underWay;
  }

  async #send(batch: readonly AtomRecord[]): Promise<void> {
    this.#sent = batch;
    try {
      await this.#parts.checkpoint(batch);
    } catch (error) {
      this.#underWay = undefined;
      if (this.#isClosed) return; // Nobody waits for it any more.
      this.#isClosed = true; // C2
      this.#parts.refused(error);
      return;
    }
    this.#underWay = undefined;
    this.#parts.committed(batch);
  }

  #takeBatch(): readonly AtomRecord[] {
    const batch: AtomRecord[] = [];
    let bytes = 0;
    const [first] = this.#pending.values();
    this.#sentSince = first?.since ?? 0;
    for (const { record } of this.#pending.values()) {
      bytes += record.result?.data.length ?? 0;
      const isFull = batch.length >= CHECKPOINT_RECORDS_MAX || bytes > CHECKPOINT_BYTES_MAX;
      if (isFull && batch.length > 0) break;
      batch.push(record);
    }
    for (const record of batch) this.#pending.delete(record.name);
    if (this.#pending.size === 0) this.#dueMs = Number.POSITIVE_INFINITY;
    return batch;
  }
}
