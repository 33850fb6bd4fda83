// The words in which drivers of stores across a network tell their callers what became of a call, so
// that the same failure reads the same on every store.
import { HoldfastError, OutcomeUnknownError, UnavailableError } from '@holdfast/core';

/** A call without an answer. */
export interface UnansweredCall {
  /** The kind of store, for people. */
  readonly store: string;
  /** Where it was sent, without secrets. */
  readonly at: string;
  /** What is known of the reason. */
  readonly details: string;
  readonly cause: unknown;
}

/** What a caller of a read, or of anything that may be repeated, is told when there was no answer. */
export function unansweredRead({ store, at, details, cause }: UnansweredCall): UnavailableError {
  const message = `${store} at ${at} did not answer: ${details}; try again after a pause`;
  return new UnavailableError(message, { cause });
}

/** What a caller of a commit is told when there was no answer. */
export function unansweredCommit(call: UnansweredCall): OutcomeUnknownError {
  const { store, at, details, cause } = call;
  return new OutcomeUnknownError(
    `${store} at ${at} did not answer a commit (${details}), so it may have happened; ` +
      'read before you act again',
    { cause },
  );
}

/** Reads the answer to a commit; one that can't be read says no more than none would. */
export function readCommitAnswer<Answer>(store: string, read: () => Answer): Answer {
  try {
    return read();
  } catch (error) {
    throw new OutcomeUnknownError(
      `${store} answered a commit with bytes that are no answer, so it may have happened; read ` +
        'before you act again',
      { cause: error },
    );
  }
}

/** What is told to a caller whose request waited for its turn as long as a call may take. */
export function staleCall(store: string, what: 'commit' | 'read'): UnavailableError {
  return new UnavailableError(
    `a ${what} was not sent, because it waited too long for those before it; ` +
      `${store} answers slowly or not at all, so try again after a pause`,
  );
}

/** What is told when a driver itself failed; an error of Holdfast's own stays what it is. */
export function unexpectedFailure(store: string, thrown: unknown): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new HoldfastError(
    'INTERNAL',
    `a call of ${store} failed in an unexpected way: ${message}`,
    { cause: thrown },
  );
}
