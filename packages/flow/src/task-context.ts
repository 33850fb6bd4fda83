import type { Failure, Logger } from '@holdfast/core';

/** What user code gets besides its values, whether it executes or reverts. */
export interface CallContext {
  /**
   * Aborts when the result is no longer wanted: the job is cancelled, the worker drains or has lost
   * its lease, or the task's timeout passed. Its `reason` says which. Pass it on to whatever the
   * task waits for; code that ignores it is left behind after a grace period, and its result with it.
   */
  readonly signal: AbortSignal;
  /**
   * The same for every repeat of this very try, on whichever worker, and different for any other:
   * `<job>/<task>/<try>`, and `<job>/<task>/revert/<try>` for a revert. Hand it to outside systems
   * that can tell a repeat.
   */
  readonly idempotencyKey: string;
  /** Grows with each attempt of the job. An outside system that remembers the highest can refuse a zombie. */
  readonly fence: bigint;
  /** Number of the job's attempt, from 1. */
  readonly attempt: number;
  /** Number of this try of the task, from 1; a try that was cut off by a crash keeps its number. */
  readonly try: number;
  readonly jobId: string;
  readonly task: string;
  /** A logger whose lines carry the job, the task and the try. */
  readonly log: Logger;
  /**
   * Tells how far the task is, from 0 to 1. Stored now and then, not at every call.
   * Throws a RangeError for anything that isn't a number from 0 to 1.
   */
  readonly progress: (fraction: number, message?: string) => void;
  /** Tells that the task is alive; see `heartbeatMs`. Nothing is stored. */
  readonly heartbeat: () => void;
  /**
   * Records an error that doesn't end the task. It is kept with the task, also when the task fails
   * later; at most `LIMITS.errorsPerTask` are, of later ones only the number.
   */
  readonly recordError: (error: unknown) => void;
}

/** What `execute` gets besides its values. */
export interface TaskContext extends CallContext {}

/** What `revert` gets besides the values that the task required. */
export interface RevertContext<Result = unknown> extends CallContext {
  /**
   * What the task provided, as it was stored. `undefined` when the task didn't succeed, or was cut
   * off by a crash: then undo whatever `executeIdempotencyKey` may have begun.
   */
  readonly result: Result | undefined;
  /** Why the task itself failed; `undefined` when it had succeeded. */
  readonly failure: Failure | undefined;
  /** Why the flow is reverted: the first failure. */
  readonly flowFailure: Failure;
  /** The key that the last try of `execute` had. */
  readonly executeIdempotencyKey: string;
}
