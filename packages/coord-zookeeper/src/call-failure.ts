// Why a call of ZooKeeper failed, and what is known about its effect.
//
// What matters for a commit is one question: can it have happened? So failures are sorted by the
// answer. Only what is certain counts as "no": everything else is `unanswered`.
import {
  type UnansweredCall,
  unansweredCommit,
  unansweredRead,
  unexpectedFailure,
} from '@holdfast/coord';
import { HoldfastError, SessionLostError, UnavailableError } from '@holdfast/core';
import { FAULT } from './messages.ts';

export type CallFailureKind =
  /** Nothing was sent: no connection, or none in time. */
  | 'unreachable'
  /** The session of the connection is over; nothing was sent, or ZooKeeper refused it because of that. */
  | 'expired'
  /** ZooKeeper answered that it did not do it. */
  | 'refused'
  /** The request may have been done. */
  | 'unanswered';

/** The kind of store, for messages. */
export const STORE = 'ZooKeeper';

/** A failed call; does not leave this package, see {@link readError} and {@link commitError}. */
export class CallFailure extends Error {
  override readonly name: string = 'CallFailure';
  readonly kind: CallFailureKind;
  /** One of {@link FAULT}, or another of ZooKeeper's codes; 0 when it did not answer. */
  readonly fault: number;
  /** HOST:PORT of each server, for people. */
  readonly servers: string;

  constructor(
    kind: CallFailureKind,
    what: { readonly servers: string; readonly details: string; readonly fault?: number },
  ) {
    super(what.details);
    this.kind = kind;
    this.fault = what.fault ?? 0;
    this.servers = what.servers;
  }
}

/** What a caller of a read, or of anything that may be repeated, is told. */
export function readError(thrown: unknown): HoldfastError {
  if (!(thrown instanceof CallFailure)) return unexpectedFailure(STORE, thrown);
  return thrown.kind === 'unanswered' ? unansweredRead(callOf(thrown)) : certainError(thrown);
}

/** What a caller of a commit is told. */
export function commitError(thrown: unknown): HoldfastError {
  if (!(thrown instanceof CallFailure)) return unexpectedFailure(STORE, thrown);
  return thrown.kind === 'unanswered' ? unansweredCommit(callOf(thrown)) : certainError(thrown);
}

function callOf(cause: CallFailure): UnansweredCall {
  return { store: STORE, at: cause.servers, details: cause.message, cause };
}

function certainError(failure: CallFailure): HoldfastError {
  switch (failure.kind) {
    case 'unreachable':
      return new UnavailableError(
        `no ZooKeeper answers at ${failure.servers} (${failure.message})`,
        { cause: failure },
      );
    case 'expired':
      return new SessionLostError(
        'the session is gone at ZooKeeper; stop what depends on it and open a new one',
        { cause: failure },
      );
    case 'refused':
    case 'unanswered':
      return refusal(failure);
    default:
      throw failure.kind satisfies never;
  }
}

function refusal(failure: CallFailure): HoldfastError {
  const { servers, fault } = failure;
  switch (fault) {
    case FAULT.noAuth:
    case FAULT.authFailed:
    case FAULT.invalidAcl:
      return new HoldfastError(
        'UNAUTHENTICATED',
        `ZooKeeper at ${servers} refused a request: the user may not use the nodes under the prefix; ` +
          'check user and password, and the access control list of the prefix',
        { cause: failure },
      );
    case FAULT.unimplemented:
      return new UnavailableError(
        `what answers at ${servers} does not know the requests of ZooKeeper 3.6 or later`,
        { cause: failure },
      );
    case FAULT.throttled:
    case FAULT.notReadOnly:
      return new UnavailableError(
        `ZooKeeper at ${servers} takes no such requests now (code ${fault}); try again after a pause`,
        { cause: failure },
      );
    default:
      return new HoldfastError(
        'INTERNAL',
        `ZooKeeper at ${servers} refused a request with the code ${fault}`,
        { cause: failure },
      );
  }
}
