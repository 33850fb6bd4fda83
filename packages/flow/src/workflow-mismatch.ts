// What becomes of a job whose checkpoints the code doesn't fit: it waits for a worker with other code,
// of which there is one during a rolling upgrade, and fails when none has taken it up in time.
import { backoffMs, type Failure, type RetryPolicy, toFailure } from '@holdfast/core';
import type { RunOptions } from './run-options.ts';
import { isReverting, type WorkflowBook } from './workflow-book.ts';
import { WorkflowChangedError } from './workflow-failure.ts';

/** Fifteen times, which is about three quarters of an hour. */
export const MISMATCH_RETRY: RetryPolicy = {
  attempts: 15,
  backoff: { initialMs: 5000, factor: 2, maxMs: 300_000, jitter: 0.2 },
  doNotRetry: [],
};

/** What is wrong. `mayWait`: other code might go with the checkpoints. */
export interface FoundMismatch {
  readonly problem: string;
  readonly cause?: unknown;
  readonly mayWait: boolean;
}

/** What the run is to end with; it fails when `untilUnixMs` is undefined. */
export interface MismatchEnd {
  readonly failure: Failure;
  readonly untilUnixMs: number | undefined;
}

/** See the head of this file. */
export class WorkflowMismatch {
  readonly #workflow: string;
  readonly #options: RunOptions;
  readonly #book: WorkflowBook;
  #found: { readonly failure: Failure; readonly mayWait: boolean } | undefined;

  constructor(workflow: string, options: RunOptions, book: WorkflowBook) {
    this.#workflow = workflow;
    this.#options = options;
    this.#book = book;
  }

  /** The first mismatch that was found; undefined while there is none. */
  get failure(): Failure | undefined {
    return this.#found?.failure;
  }

  /** `step` doesn't fit. */
  note(step: string, { problem, cause, mayWait }: FoundMismatch): void {
    const at = { workflow: this.#workflow, jobId: this.#options.identity.jobId, step };
    const error = new WorkflowChangedError(at, problem, cause);
    this.#options.logger.error({ step, error }, 'the code does not fit the checkpoints of the job');
    this.#found ??= { failure: toFailure(error, step), mayWait };
  }

  /** Records the mismatch; nothing may run any more. A run that is to wait here for whatever it waits for fails at once. */
  end(failure: Failure): MismatchEnd {
    const { releaseAfterMs, clock, random } = this.#options;
    const { root } = this.#book;
    const number = isReverting(root)
      ? root.revertTries - root.forgivenRevertTries + 1
      : root.tries - root.forgivenTries;
    const mayWait =
      this.#found?.mayWait === true &&
      releaseAfterMs !== Number.POSITIVE_INFINITY &&
      number < MISMATCH_RETRY.attempts;
    const untilUnixMs = mayWait
      ? clock.nowUnixMs() + backoffMs(MISMATCH_RETRY.backoff, number, random)
      : undefined;
    this.#book.noteMismatch(failure, untilUnixMs);
    return { failure, untilUnixMs };
  }
}
