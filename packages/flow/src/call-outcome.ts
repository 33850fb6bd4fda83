import {
  InvalidArgumentError,
  PayloadTooLargeError,
  RetryLaterError,
  type RetryPolicy,
  TerminalError,
} from '@holdfast/core';

/** How a call of user code ended. */
export type CallOutcome<Value> =
  | { readonly kind: 'success'; readonly value: Value }
  | { readonly kind: 'failure'; readonly thrown: unknown; readonly isFinal: boolean }
  /** The run was stopped: what the call did isn't known, and its try counts as in flight. */
  | { readonly kind: 'interrupted' };

/** An error of ours that another try would only repeat: wrong arguments, a result that can't be stored. */
export class UnusableValueError extends Error {
  override readonly name: string = 'UnusableValueError';
}

/** True when another try is of no use, whatever the policy's number of attempts. */
export function isFinalError(thrown: unknown, policy: RetryPolicy): boolean {
  if (thrown instanceof TerminalError || thrown instanceof UnusableValueError) return true;
  return thrown instanceof Error && policy.doNotRetry.includes(thrown.name);
}

/** When user code asks to be tried again, in milliseconds from now; undefined when it doesn't say. */
export function retryAfterMs(thrown: unknown): number | undefined {
  if (!(thrown instanceof RetryLaterError)) return undefined;
  const { afterMs } = thrown;
  return Number.isFinite(afterMs) && afterMs >= 0 ? Math.round(afterMs) : undefined;
}

/** Wraps what went wrong around user code, before or after it, in words that say where. */
export function unusable(what: string, thrown: unknown): UnusableValueError {
  const isOurs = thrown instanceof InvalidArgumentError || thrown instanceof PayloadTooLargeError;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new UnusableValueError(`${what}: ${message}`, isOurs ? undefined : { cause: thrown });
}
