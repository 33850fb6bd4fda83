import {
  type BackoffPolicy,
  DEFAULT_RETRY,
  InvalidArgumentError,
  LIMITS,
  type RetryPolicy,
} from '@holdfast/core';
import type { TaskSpec } from './task.ts';

/** How a failed task is tried again; what is left out is taken from the flow's policy, or core's `DEFAULT_RETRY`. */
export interface RetryOptions {
  /** Tries in total, the first one included: 1 to 1,000. */
  readonly attempts?: number | undefined;
  readonly backoff?: Partial<BackoffPolicy> | undefined;
  /** Names of error classes that are final at once, besides `TerminalError`. */
  readonly doNotRetry?: readonly string[] | undefined;
}

/** Most tries that a policy may ask for. */
export const RETRY_ATTEMPTS_MAX = 1000;

/** Completes `options` from `fallback`. */
export function mergeRetry(
  options: RetryOptions | undefined,
  fallback: RetryPolicy = DEFAULT_RETRY,
): RetryPolicy {
  if (!options) return fallback;
  const { initialMs, factor, maxMs, jitter } = options.backoff ?? {};
  return {
    attempts: options.attempts ?? fallback.attempts,
    backoff: {
      initialMs: initialMs ?? fallback.backoff.initialMs,
      factor: factor ?? fallback.backoff.factor,
      maxMs: maxMs ?? fallback.backoff.maxMs,
      jitter: jitter ?? fallback.backoff.jitter,
    },
    doNotRetry: options.doNotRetry ?? fallback.doNotRetry,
  };
}

/** The policy of a task's execute, and that of its revert. */
export function executePolicy(
  task: Pick<TaskSpec, 'retry'> | undefined,
  fallback: RetryPolicy,
): RetryPolicy {
  return mergeRetry(task?.retry, fallback);
}
export function revertPolicy(
  task: Pick<TaskSpec, 'retry' | 'revertRetry'> | undefined,
  fallback: RetryPolicy,
): RetryPolicy {
  return mergeRetry(task?.revertRetry, executePolicy(task, fallback));
}

/** Throws {@link InvalidArgumentError} naming the first field of `options` that is out of range. */
export function checkRetry(options: RetryOptions | undefined, field: string): void {
  if (!options) return;
  const backoff = options.backoff ?? {};
  checkNumber(`${field}.attempts`, options.attempts, {
    min: 1,
    max: RETRY_ATTEMPTS_MAX,
    whole: true,
  });
  const milliseconds = { min: 0, max: LIMITS.durationMaxMs, whole: false };
  checkNumber(`${field}.backoff.initialMs`, backoff.initialMs, milliseconds);
  checkNumber(`${field}.backoff.maxMs`, backoff.maxMs, milliseconds);
  checkNumber(`${field}.backoff.factor`, backoff.factor, { min: 1, max: 1000, whole: false });
  checkNumber(`${field}.backoff.jitter`, backoff.jitter, { min: 0, max: 1, whole: false });
  for (const name of options.doNotRetry ?? []) {
    if (typeof name === 'string' && name !== '') continue;
    throw new InvalidArgumentError(`${field}.doNotRetry`, {
      value: name,
      allowed: 'names of error classes',
    });
  }
}

/** Throws {@link InvalidArgumentError} unless `value` is absent or a number in the range. */
export function checkNumber(
  field: string,
  value: unknown,
  range: { readonly min: number; readonly max: number; readonly whole: boolean },
): void {
  if (value === undefined) return;
  const fits =
    typeof value === 'number' &&
    value >= range.min &&
    value <= range.max &&
    (!range.whole || Number.isInteger(value));
  if (fits) return;
  throw new InvalidArgumentError(field, {
    value,
    allowed: `a ${range.whole ? 'whole ' : ''}number from ${range.min} to ${range.max}`,
  });
}
