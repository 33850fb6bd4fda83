import {
  backoffMs,
  LIMITS,
  type Random,
  RetryLaterError,
  type RetryPolicy,
  TerminalError,
} from '@holdfast/core';

/** How a call of user code ended. */
export type CallOutcome<Value> =
  | { readonly kind: 'success'; readonly value: Value }
  | FailedCall
  /** The run was stopped: what the call did isn't known, and its try counts as in flight. */
  | { readonly kind: 'interrupted' };

/** A call that failed. `isFinal`: another try would only repeat it, whatever the policy says. */
export interface FailedCall {
  readonly kind: 'failure';
  readonly thrown: unknown;
  readonly isFinal: boolean;
}

/** Wrong arguments, a result that can't be stored: an error that another try would only repeat. */
export class UnusableValueError extends Error {
  override readonly name: string = 'UnusableValueError';
}

/** Wraps what went wrong around user code, before or after it, in words that say where. */
export function unusable(what: string, thrown: unknown): UnusableValueError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new UnusableValueError(`${what}: ${message}`, { cause: thrown });
}

/**
 * How long to wait before the next try, in milliseconds; undefined when there is to be none. `counted`
 * is the number of the try that failed, from 1, among those that count against the policy.
 */
export function retryDelayMs(
  failed: FailedCall & { readonly counted: number },
  policy: RetryPolicy,
  random: Random,
): number | undefined {
  const { thrown, counted } = failed;
  if (failed.isFinal || counted >= policy.attempts) return undefined;
  if (thrown instanceof TerminalError || isNamed(thrown, policy.doNotRetry)) return undefined;
  return askedDelayMs(thrown) ?? backoffMs(policy.backoff, counted, random);
}

/** When user code asks to be tried again; undefined when it doesn't say, or nothing that can be kept. */
function askedDelayMs(thrown: unknown): number | undefined {
  if (!(thrown instanceof RetryLaterError)) return undefined;
  const { afterMs } = thrown;
  return afterMs >= 0 && afterMs <= LIMITS.durationMaxMs ? Math.round(afterMs) : undefined;
}

/** True when the error's name, or one of its classes, is among `names`. */
function isNamed(thrown: unknown, names: readonly string[]): boolean {
  if (names.length === 0 || !(thrown instanceof Error)) return false;
  if (names.includes(thrown.name) || names.includes('Error')) return true;
  let prototype: unknown = Object.getPrototypeOf(thrown);
  while (prototype instanceof Error) {
    if (names.includes(prototype.constructor.name)) return true;
    prototype = Object.getPrototypeOf(prototype);
  }
  return false;
}
