// The words in which drivers tell their callers what became of a call, so that the same failure reads
// the same on every store.
import {
  HoldfastError,
  InvalidArgumentError,
  OutcomeUnknownError,
  SessionLostError,
  UnavailableError,
} from '@holdfast/core';
import type { Session } from './coord.ts';

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

/** What is told to a caller who gave up on a read; `cause` is why. */
export function cancelledRead(store: string, cause: unknown): HoldfastError {
  return new HoldfastError('CANCELLED', `the caller gave up before ${store} answered`, { cause });
}

/** What is told to callers of a driver before its start. */
export function storeNotStarted(): UnavailableError {
  return new UnavailableError('the store was not started yet');
}

/** What is told to callers of a driver that was stopped. */
export function storeStopped(): UnavailableError {
  return new UnavailableError('the store was stopped');
}

/** What is told to a caller whose commit puts keys with a session that the store has ended. */
export function sessionEnded(id: string): SessionLostError {
  return new SessionLostError(
    `session ${id} has ended, so nothing of the commit was written; open a new session`,
    { ids: { session: id } },
  );
}

/**
 * What a driver holds of a session that a commit puts keys with. Throws InvalidArgumentError when it
 * holds nothing, because another store opened it, and SessionLostError when the session is over.
 */
export function requireSession<Held>(session: Session, held: Held | undefined): Held {
  if (held === undefined) {
    throw new InvalidArgumentError('session', {
      value: session.id,
      allowed: 'a session that the same store opened',
    });
  }
  if (session.isTrusted()) return held;
  throw new SessionLostError(
    `session ${session.id} is closed or lost; nothing was written, open a new one`,
    { ids: { session: session.id } },
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
