// What is to be reverted next, once a durable function has failed: everything that was completed, in
// reverse order of its completion, one after another.
//
// Invariants:
//   S1. A step is reverted only after everything completed later is, durably.
//   S2. Where a revert has failed for good, what was completed before it is left as it is: it may be
//       what the step was built on.
import type { AtomRecord } from '@holdfast/core';
import { hasFinished, type WorkflowBook } from './workflow-book.ts';
import type { Ask } from './workflow-spec.ts';

export type SagaStep =
  | { readonly kind: 'call'; readonly ask: Ask }
  /** The next try of a revert is to wait. */
  | { readonly kind: 'wait'; readonly ask: Ask; readonly untilUnixMs: number }
  /** The end of the revert before is not durable yet. */
  | { readonly kind: 'commit' }
  | { readonly kind: 'done' };

/** See the head of this file. */
export class WorkflowSaga {
  readonly #book: WorkflowBook;
  readonly #order: readonly Ask[];
  #next = 0;
  /** The step whose revert has ended, a try of it at least, but not durably. */
  #unwritten: string | undefined;

  /** `asks`: what the function has asked for; what it hasn't can't be reverted, and is left alone. */
  constructor(book: WorkflowBook, asks: Iterable<Ask>) {
    this.#book = book;
    this.#order = [...asks]
      .filter(({ name }) => hasFinished(book.get(name)))
      .sort((a, b) => finishOf(book.get(b.name)) - finishOf(book.get(a.name)));
  }

  /** True when user code has something to revert. */
  get hasWork(): boolean {
    return this.#order.some((ask) => this.#isWork(ask));
  }

  /** What is next; passes over what there is nothing to revert of. */
  next(nowUnixMs: number): SagaStep {
    for (let ask = this.#order[this.#next]; ask; ask = this.#order[this.#next]) {
      const { name } = ask;
      const { state, nextAtUnixMs } = this.#book.get(name);
      if (state === 'revertFailure') return { kind: 'done' }; // S2
      if (this.#isWork(ask)) {
        if (this.#unwritten !== undefined) return { kind: 'commit' }; // S1
        const isEarly = nextAtUnixMs !== undefined && nextAtUnixMs > nowUnixMs;
        return isEarly ? { kind: 'wait', ask, untilUnixMs: nextAtUnixMs } : { kind: 'call', ask };
      }
      if (state !== 'reverted') this.#book.skipRevert(name);
      this.#next += 1;
    }
    return { kind: 'done' };
  }

  /** A try of the step's revert has ended, and that was put to be written. */
  ended(name: string): void {
    this.#unwritten = name;
  }

  committed({ name, state, nextAtUnixMs }: AtomRecord): void {
    if (name !== this.#unwritten) return;
    // The mark that the revert began may be written together with nothing else.
    if (state !== 'reverting' || nextAtUnixMs !== undefined) this.#unwritten = undefined;
  }

  #isWork({ name, spec }: Ask): boolean {
    if (spec.kind !== 'step' || !spec.revert) return false;
    const { state } = this.#book.get(name);
    return state === 'success' || state === 'failure' || state === 'reverting';
  }
}

function finishOf({ finishedAtUnixMs }: AtomRecord): number {
  return finishedAtUnixMs ?? 0;
}
