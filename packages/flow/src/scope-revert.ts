// The revert of a scope: every atom in it that has begun, against the order of the graph (S3).
import type { Failure } from '@holdfast/core';
import { type CallOutcome, type FailedCall, retryDelayMs } from './call-outcome.ts';
import { Fifo } from './fifo.ts';
import { revertPolicy } from './retry-options.ts';
import { RevertOrder } from './revert-order.ts';
import type { Launch, RunParts, RunPlace } from './run-parts.ts';
import { failedTry } from './run-words.ts';

export interface ScopeRevertParts {
  readonly run: RunParts;
  readonly members: readonly number[];
  /** Why. */
  readonly cause: Failure;
  readonly launch: (launch: Launch<unknown>) => void;
}

/** See the head of this file. */
export class ScopeRevert {
  readonly #parts: ScopeRevertParts;
  readonly #order: RevertOrder;
  readonly #members: ReadonlySet<number>;
  readonly #ready: Readonly<Record<RunPlace, Fifo<number>>> = {
    here: new Fifo(),
    elsewhere: new Fifo(),
  };
  readonly #resting = new Set<number>();
  #running = 0;
  /** Atoms that user code has to revert yet. */
  #left: number;
  /** What was known when the last revert ended, as a mark of the writer. */
  #mark = 0;

  constructor(parts: ScopeRevertParts) {
    this.#parts = parts;
    this.#members = new Set(parts.members);
    this.#order = new RevertOrder(parts.run.graph, parts.members);
    this.#left = parts.members.filter((index) => hasRevertWork(parts.run, index)).length;
  }

  /** True while nothing of it is under way or about to be, and nothing rests. */
  get isIdle(): boolean {
    this.#takeReady();
    return this.#running === 0 && !this.#hasReady && this.#resting.size === 0;
  }

  /** True when everything is reverted, or can't be. */
  get isDone(): boolean {
    // What is not durable yet may let another revert start.
    return this.isIdle && (this.#left === 0 || this.#parts.run.writer.isWritten(this.#mark));
  }

  /** Atoms whose revert failed for good. */
  get failed(): readonly number[] {
    const { book } = this.#parts.run;
    return this.#parts.members.filter((index) => book.get(index).state === 'revertFailure');
  }

  has(index: number): boolean {
    return this.#members.has(index);
  }

  /** Starts one revert; false when none can start now. */
  startNext(place: RunPlace): boolean {
    this.#takeReady();
    const index = this.#ready[place].take();
    if (index === undefined) return false;
    const { run, cause, launch } = this.#parts;
    this.#running += 1;
    if (place === 'elsewhere') {
      run.remote.revert(index, cause, () => this.#endedElsewhere(index));
      return true;
    }
    launch({
      index,
      call: () => run.runner.revert(index, cause),
      ended: (outcome) => this.#ended(index, outcome),
    });
    return true;
  }

  /** The pause before the revert's next try is over. */
  wake(index: number): void {
    if (this.#resting.delete(index)) this.#enqueue(index);
  }

  get #hasReady(): boolean {
    return this.#ready.here.size > 0 || this.#ready.elsewhere.size > 0;
  }

  #enqueue(index: number): void {
    this.#ready[this.#parts.run.remote.isFor(index) ? 'elsewhere' : 'here'].add(index);
  }

  /** The atom's revert, or the failure of its last try, is durable, and still what is known last. */
  committed(index: number): void {
    const { book, waiting } = this.#parts.run;
    const { state, nextAtUnixMs } = book.get(index);
    if (state === 'reverted') this.#order.settle(index);
    const isWaiting = state === 'reverting' && nextAtUnixMs !== undefined;
    const isReady = this.#ready.here.has(index) || this.#ready.elsewhere.has(index);
    if (!isWaiting || isReady || this.#resting.has(index)) return;
    this.#resting.add(index);
    waiting.add(index, nextAtUnixMs);
  }

  /** Sorts what may be reverted now: by user code, at its time, or not at all. */
  #takeReady(): void {
    const { book, options, waiting } = this.#parts.run;
    for (let found = this.#order.takeReady(); found.length > 0; found = this.#order.takeReady()) {
      for (const index of found) {
        if (this.#pass(index)) continue;
        const { nextAtUnixMs, state } = book.get(index);
        const isLater = state === 'reverting' && (nextAtUnixMs ?? 0) > options.clock.nowUnixMs();
        if (isLater && nextAtUnixMs !== undefined) {
          this.#resting.add(index);
          waiting.add(index, nextAtUnixMs);
        } else {
          this.#enqueue(index);
        }
      }
    }
  }

  /** Passes over an atom that there is nothing to revert of; false when user code has to. */
  #pass(index: number): boolean {
    const { run, cause } = this.#parts;
    const { book } = run;
    const { state } = book.get(index);
    if (state === 'revertFailure') return true; // S3: not settled, so nothing behind it is ready.
    if (hasRevertWork(run, index)) return false;
    if (state === 'success' || state === 'failure' || state === 'retrying') {
      book.skipRevert(index, cause);
    } else if (state === 'reverting') {
      book.reverted(index); // Its revert was removed from the flow.
    }
    this.#order.settle(index);
    return true;
  }

  #ended(index: number, outcome: CallOutcome<unknown>): void {
    this.#running -= 1;
    if (outcome.kind === 'success') {
      this.#parts.run.book.reverted(index);
      this.#resolved();
    } else if (outcome.kind === 'failure') {
      this.#failed(index, outcome);
    }
    this.#mark = this.#parts.run.writer.mark;
  }

  /** The task job has come to its end, with all tries of the revert, or never began. */
  #endedElsewhere(index: number): void {
    this.#running -= 1;
    const { book, options, writer } = this.#parts.run;
    this.#mark = writer.mark;
    const record = book.get(index);
    const { state, revertFailure: error } = record;
    if (state !== 'reverted' && state !== 'revertFailure') return;
    this.#resolved();
    if (state === 'reverted') return;
    options.logger.error(failedTry(record, error), 'a revert failed for good; undo it by hand');
  }

  /** After the last revert by user code nobody has to wait for a commit: the rest has nothing to revert. */
  #resolved(): void {
    this.#left -= 1;
    if (this.#left > 0) return;
    const { book } = this.#parts.run;
    for (const index of this.#members) {
      if (book.get(index).state === 'reverted') this.#order.settle(index);
    }
  }

  #failed(index: number, outcome: FailedCall): void {
    const { book, graph, options, plan } = this.#parts.run;
    const { clock, random, logger } = options;
    const { thrown } = outcome;
    const { revertTries, forgivenRevertTries } = book.get(index);
    const counted = revertTries - forgivenRevertTries;
    const policy = revertPolicy(graph.node(index).task, plan.retry);
    const delayMs = retryDelayMs({ ...outcome, counted }, policy, random);
    const fields = failedTry(book.get(index), thrown);
    if (delayMs === undefined) {
      book.failRevert(index, thrown);
      this.#resolved();
      logger.error(fields, 'a revert failed for good; undo it by hand');
      return;
    }
    book.retryRevertLater(index, thrown, clock.nowUnixMs() + delayMs);
    logger.warn({ ...fields, delayMs }, 'a revert failed; it is tried again');
  }
}

/** True when user code has to revert this atom yet. */
export function hasRevertWork({ book, graph }: RunParts, index: number): boolean {
  const { state, tries, forgivenTries } = book.get(index);
  const isToRevert =
    state === 'success' || state === 'failure' || state === 'reverting' || state === 'retrying';
  // One that a decider failed before its first try has done nothing yet.
  return isToRevert && tries > forgivenTries && graph.node(index).task?.revert !== undefined;
}
