// Reverts what a durable function did: one step after another, each with its tries, until the saga says
// that there is nothing left to revert.
import { type AtomRecord, assert, type Failure, type RetryPolicy } from '@holdfast/core';
import { type CallOutcome, type FailedCall, retryDelayMs } from './call-outcome.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { mergeRetry } from './retry-options.ts';
import { DEFAULT_RELEASE_AFTER_MS, type RunOptions } from './run-options.ts';
import { failedTry, waitReason } from './run-words.ts';
import type { WaitingRoom } from './waiting-room.ts';
import type { WorkflowAsks } from './workflow-asks.ts';
import type { WorkflowBook } from './workflow-book.ts';
import { WorkflowSaga } from './workflow-saga.ts';
import type { Ask, StepSpec } from './workflow-spec.ts';
import type { WorkflowSteps } from './workflow-steps.ts';

export interface WorkflowRevertsParts {
  readonly options: RunOptions;
  /** The policy of steps that have none of their own. */
  readonly retry: RetryPolicy;
  readonly book: WorkflowBook;
  readonly asks: WorkflowAsks;
  readonly steps: WorkflowSteps;
  readonly writer: CheckpointWriter;
  readonly waiting: WaitingRoom;
  readonly launch: (
    call: Promise<CallOutcome<unknown>>,
    ended: (outcome: CallOutcome<unknown>) => void,
  ) => void;
}

/** What has become of the reverts so far. */
export type RevertState =
  /** There is something to wait for, and whatever it is wakes the run. */
  | { readonly kind: 'underWay' }
  /** Nothing can be done for longer than the run is to wait. */
  | { readonly kind: 'waiting'; readonly untilUnixMs: number; readonly reason: string }
  | { readonly kind: 'done' };

/** See the head of this file. */
export class WorkflowReverts {
  readonly #parts: WorkflowRevertsParts;
  #saga: WorkflowSaga | undefined;

  constructor(parts: WorkflowRevertsParts) {
    this.#parts = parts;
  }

  /**
   * Decides, durably, that everything is reverted; nothing may run any more. False when that is yet
   * to be written before the first revert is called: then it is to be asked again.
   */
  begin(failure: Failure, wake: () => void): boolean {
    const { book, asks, writer } = this.#parts;
    book.failRoot(failure);
    const saga = new WorkflowSaga(book, asks.all);
    if (saga.hasWork && !writer.isSettled) {
      void writer.flush().then(wake);
      return false;
    }
    this.#saga = saga;
    return true;
  }

  /** Does what can be done now; nothing may run. */
  advance(failure: Failure): RevertState {
    const { options, book, asks, waiting } = this.#parts;
    const { clock, releaseAfterMs = DEFAULT_RELEASE_AFTER_MS } = options;
    assert(this.#saga, 'the reverts have begun');
    const next = this.#saga.next(clock.nowUnixMs());
    switch (next.kind) {
      case 'call':
        this.#call(next.ask, failure);
        return { kind: 'underWay' };
      case 'commit':
        return { kind: 'underWay' };
      case 'wait': {
        const { untilUnixMs, ask } = next;
        if (untilUnixMs - clock.nowUnixMs() > releaseAfterMs) {
          return { kind: 'waiting', untilUnixMs, reason: waitReason(book.get(ask.name), 0) };
        }
        waiting.add(ask.index, untilUnixMs);
        waiting.arm();
        return { kind: 'underWay' };
      }
      case 'done':
        if (book.root.state === 'reverting')
          book.endRevert((name) => asks.find(name) !== undefined);
        return { kind: 'done' };
      default:
        return next satisfies never;
    }
  }

  committed(record: AtomRecord): void {
    this.#saga?.committed(record);
  }

  #call(ask: Ask, failure: Failure): void {
    const { steps, waiting, launch, book } = this.#parts;
    const { name, index, spec } = ask;
    assert(spec.kind === 'step', `${name} is a step`);
    waiting.remove([index]);
    launch(steps.revert(ask, failure), (outcome) => {
      if (outcome.kind === 'interrupted') return;
      if (outcome.kind === 'success') book.reverted(name);
      else this.#failed(name, spec, outcome);
      this.#saga?.ended(name);
    });
  }

  #failed(name: string, step: StepSpec, outcome: FailedCall): void {
    const { options, book, retry } = this.#parts;
    const { clock, logger, random } = options;
    const { revertTries, forgivenRevertTries } = book.get(name);
    const counted = revertTries - forgivenRevertTries;
    const delayMs = retryDelayMs({ ...outcome, counted }, mergeRetry(step.retry, retry), random);
    const fields = failedTry(book.get(name), outcome.thrown);
    if (delayMs === undefined) {
      book.failRevert(name, outcome.thrown);
      logger.error(fields, 'a revert failed for good; undo it by hand');
      return;
    }
    book.retryRevertLater(name, outcome.thrown, clock.nowUnixMs() + delayMs);
    logger.warn({ ...fields, delayMs }, 'a revert failed; it is tried again');
  }
}
