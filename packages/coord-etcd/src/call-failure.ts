// Why a call of etcd failed, and what is known about its effect.
//
// What matters for a commit is one question: can it have happened? So failures are sorted by the
// answer. Only what is certain counts as "no": everything else is `unanswered`.
import { status } from '@grpc/grpc-js';
import {
  type UnansweredCall,
  unansweredCommit,
  unansweredRead,
  unexpectedFailure,
} from '@holdfast/coord';
import { HoldfastError, SessionLostError, UnavailableError } from '@holdfast/core';

export type CallFailureKind =
  /** Nothing was sent: no connection, or none in time. */
  | 'unreachable'
  /** etcd answered that it did not do it. */
  | 'refused'
  /** The request may have been done. */
  | 'unanswered';

/** The kind of store, for messages. */
export const STORE = 'etcd';

/** A failed call; does not leave this package, see {@link readError} and {@link commitError}. */
export class CallFailure extends Error {
  override readonly name: string = 'CallFailure';
  readonly kind: CallFailureKind;
  /** A gRPC status code. */
  readonly status: number;
  /** What the other side said, or grpc-js about the connection. */
  readonly details: string;
  readonly endpoint: string;

  constructor(
    kind: CallFailureKind,
    what: { readonly status: number; readonly details: string; readonly endpoint: string },
  ) {
    super(`${kind}: ${what.details} (${what.endpoint}, status ${what.status})`);
    this.kind = kind;
    this.status = what.status;
    this.details = what.details;
    this.endpoint = what.endpoint;
  }
}

/** What etcd says when it has refused a call for a reason that has a meaning here (its rpctypes). */
export const REFUSAL = {
  leaseNotFound: 'etcdserver: requested lease not found',
  noSpace: 'etcdserver: mvcc: database space exceeded',
  tooManyRequests: 'etcdserver: too many requests',
  requestTooLarge: 'etcdserver: request is too large',
  tooManyOperations: 'etcdserver: too many operations in txn request',
  noLeader: 'etcdserver: no leader',
  notCapable: 'etcdserver: not capable',
  learner: 'etcdserver: rpc not supported for learner',
  invalidToken: 'etcdserver: invalid auth token',
  oldAuthRevision: 'etcdserver: revision of auth store is old',
  authenticationOff: 'etcdserver: authentication is not enabled',
  authenticationFailed: 'etcdserver: authentication failed, invalid user ID or password',
  userEmpty: 'etcdserver: user name is empty',
  permissionDenied: 'etcdserver: permission denied',
  compacted: 'etcdserver: mvcc: required revision has been compacted',
} as const;

const REFUSALS: ReadonlySet<string> = new Set(Object.values(REFUSAL));

/** Statuses with which a server says that it did not do what was asked, whatever its words. */
const REFUSING_STATUSES: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED,
]);

/** How grpc-js words that a call found no connection to be sent over; other versions' words only make us more careful. */
const UNSENT_DETAILS = /^(?:No connection established|Name resolution failed)/;

/** grpc-js wraps the reason for which there is no connection in a sentence, a time and a note. */
const WRAPPED_REASON =
  /^No connection established\. Last error: (.*?)(?: \([0-9TZ:.-]+\))?\. Resolution note:/s;

/** The reason in one line. */
function reasonOf(details: string): string {
  const reason = WRAPPED_REASON.exec(details)?.[1] ?? details;
  return reason
    .replaceAll(/\s+/g, ' ')
    .replace(/^Error: /, '')
    .trim();
}

/** Sorts a failure by what grpc-js reports of it. */
export function kindOf(error: {
  readonly code: number;
  readonly details: string;
}): CallFailureKind {
  if (REFUSALS.has(error.details) || REFUSING_STATUSES.has(error.code)) return 'refused';
  const isUnsent = error.code === status.UNAVAILABLE && UNSENT_DETAILS.test(error.details);
  return isUnsent ? 'unreachable' : 'unanswered';
}

/** True when the same call may well succeed with a fresh token. */
export function wantsNewToken(failure: CallFailure): boolean {
  return failure.details === REFUSAL.invalidToken || failure.details === REFUSAL.oldAuthRevision;
}

/** True when another member of the cluster may do better. */
export function wantsOtherEndpoint(failure: CallFailure): boolean {
  if (failure.kind !== 'refused') return true;
  return (
    failure.details === REFUSAL.noLeader ||
    failure.details === REFUSAL.notCapable ||
    failure.details === REFUSAL.learner ||
    failure.status === status.UNIMPLEMENTED
  );
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
  return { store: STORE, at: cause.endpoint, details: cause.details, cause };
}

function certainError(failure: CallFailure): HoldfastError {
  if (failure.kind === 'unreachable') {
    return new UnavailableError(
      `no etcd answers at ${failure.endpoint} (${reasonOf(failure.details)})`,
      {
        cause: failure,
      },
    );
  }
  const known = knownRefusal(failure);
  if (known) return known;
  switch (failure.status) {
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return unauthenticated(failure, 'check user, password and client certificate');
    case status.UNIMPLEMENTED:
      return new UnavailableError(
        `what answers at ${failure.endpoint} does not speak the API of etcd 3.4 or later (${failure.details})`,
        { cause: failure },
      );
    default:
      return new HoldfastError(
        'INTERNAL',
        `etcd at ${failure.endpoint} refused a request: ${failure.details}`,
        { cause: failure },
      );
  }
}

function knownRefusal(failure: CallFailure): HoldfastError | undefined {
  switch (failure.details) {
    case REFUSAL.leaseNotFound:
      return new SessionLostError(
        'the lease of the session is gone at etcd; stop what depends on it and open a new one',
        { cause: failure },
      );
    case REFUSAL.noSpace:
      return exhausted(
        failure,
        'its database is full; compact and defragment it or raise --quota-backend-bytes, then run `etcdctl alarm disarm`',
      );
    case REFUSAL.requestTooLarge:
      return exhausted(failure, 'start it with --max-request-bytes=1572864, its default, or more');
    case REFUSAL.tooManyOperations:
      return exhausted(failure, 'start it with --max-txn-ops=128, its default, or more');
    case REFUSAL.tooManyRequests:
    case REFUSAL.noLeader:
    case REFUSAL.notCapable:
    case REFUSAL.learner:
      return new UnavailableError(
        `etcd at ${failure.endpoint} takes no requests now: ${failure.details}; try again after a pause`,
        { cause: failure },
      );
    case REFUSAL.authenticationFailed:
      return unauthenticated(failure, 'check user and password');
    case REFUSAL.userEmpty:
      return unauthenticated(failure, 'it asks for a user and a password');
    case REFUSAL.permissionDenied:
      return unauthenticated(failure, 'grant the user readwrite permission on the key prefix');
    default:
      return undefined;
  }
}

function exhausted(failure: CallFailure, advice: string): HoldfastError {
  return new HoldfastError(
    'RESOURCE_EXHAUSTED',
    `etcd at ${failure.endpoint} refused a request: ${failure.details}; ${advice}`,
    { cause: failure },
  );
}

function unauthenticated(failure: CallFailure, advice: string): HoldfastError {
  return new HoldfastError(
    'UNAUTHENTICATED',
    `etcd at ${failure.endpoint} refused a request: ${failure.details}; ${advice}`,
    { cause: failure },
  );
}
