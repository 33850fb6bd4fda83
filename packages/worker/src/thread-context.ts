import type { TaskContext } from '@holdfast/flow';

/**
 * What a function in a thread gets besides its values: all of the task's context but the logger.
 *
 * `signal` only aborts once the function lets the thread's event loop run. A function that computes
 * without a pause never sees it, and is ended with its thread {@link THREAD_ABORT_GRACE_MS} later.
 * `recordError` sends the first `LIMITS.errorsPerTask` errors of a try; later ones are dropped.
 */
export type ThreadContext = Omit<TaskContext, 'log'>;

/** A function that a module exports for `ThreadPool.run`. */
export type ThreadFunction<Args, Result> = (
  args: Args,
  ctx: ThreadContext,
) => Result | PromiseLike<Result>;

/**
 * How long a running function has after its signal was aborted, in milliseconds, before its thread
 * is terminated. Less than the time after which a run leaves user code behind.
 */
export const THREAD_ABORT_GRACE_MS = 500;
