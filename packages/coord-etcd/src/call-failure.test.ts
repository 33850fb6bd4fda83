import { status } from '@grpc/grpc-js';
import { OutcomeUnknownError, SessionLostError, UnavailableError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import {
  CallFailure,
  commitError,
  kindOf,
  REFUSAL,
  readError,
  wantsNewToken,
  wantsOtherEndpoint,
} from './call-failure.ts';

function failure(code: number, details: string): CallFailure {
  return new CallFailure(kindOf({ code, details }), { status: code, details, endpoint: 'a:1' });
}

describe('a commit that may have happened', () => {
  it.each<[number, string]>([
    [status.UNAVAILABLE, 'Connection dropped'],
    [status.UNAVAILABLE, 'read ECONNRESET'],
    [status.UNAVAILABLE, 'etcdserver: request timed out'],
    [status.UNAVAILABLE, 'etcdserver: request timed out, possibly due to previous leader failure'],
    [status.UNAVAILABLE, 'etcdserver: leader changed'],
    [status.UNAVAILABLE, 'etcdserver: server stopped'],
    [status.DEADLINE_EXCEEDED, 'Deadline exceeded'],
    [status.CANCELLED, 'Cancelled on client'],
    [status.UNKNOWN, 'raft proposal dropped'],
    [status.INTERNAL, 'Received RST_STREAM with code 2'],
    [status.RESOURCE_EXHAUSTED, 'Received message larger than max'],
    [status.UNAVAILABLE, 'words nobody has heard yet'],
  ])('is reported as such: status %i, %s', (code, details) => {
    expect(commitError(failure(code, details))).toBeInstanceOf(OutcomeUnknownError);
    // The same failure of a read says only that there was no answer.
    expect(readError(failure(code, details))).toBeInstanceOf(UnavailableError);
  });
});

describe('a commit that certainly did not happen', () => {
  it.each<[number, string, string]>([
    [
      status.UNAVAILABLE,
      'No connection established. Last error: connect ECONNREFUSED',
      'UNAVAILABLE',
    ],
    [status.UNAVAILABLE, 'Name resolution failed for target dns:nowhere', 'UNAVAILABLE'],
    [status.UNAVAILABLE, REFUSAL.noLeader, 'UNAVAILABLE'],
    [status.RESOURCE_EXHAUSTED, REFUSAL.tooManyRequests, 'UNAVAILABLE'],
    [status.RESOURCE_EXHAUSTED, REFUSAL.noSpace, 'RESOURCE_EXHAUSTED'],
    [status.INVALID_ARGUMENT, REFUSAL.requestTooLarge, 'RESOURCE_EXHAUSTED'],
    [status.INVALID_ARGUMENT, REFUSAL.tooManyOperations, 'RESOURCE_EXHAUSTED'],
    [status.NOT_FOUND, REFUSAL.leaseNotFound, 'SESSION_LOST'],
    [status.UNAUTHENTICATED, REFUSAL.invalidToken, 'UNAUTHENTICATED'],
    [status.INVALID_ARGUMENT, REFUSAL.authenticationFailed, 'UNAUTHENTICATED'],
    [status.INVALID_ARGUMENT, REFUSAL.userEmpty, 'UNAUTHENTICATED'],
    [status.PERMISSION_DENIED, REFUSAL.permissionDenied, 'UNAUTHENTICATED'],
    [status.UNIMPLEMENTED, 'Received HTTP status code 404', 'UNAVAILABLE'],
    [status.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request', 'INTERNAL'],
  ])('says what it was: status %i, %s', (code, details, expected) => {
    for (const toError of [commitError, readError]) {
      const error = toError(failure(code, details));
      expect(error.code).toBe(expected);
      expect(error).not.toBeInstanceOf(OutcomeUnknownError);
      expect(error.cause).toMatchObject({ details });
    }
  });

  it('tells how to make room when the database is full', () => {
    expect(commitError(failure(status.RESOURCE_EXHAUSTED, REFUSAL.noSpace)).message).toMatch(
      /defragment.*alarm disarm/,
    );
  });
});

it.each([
  [
    'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1 (2026-01-01T00:00:00.000Z). Resolution note: ',
    'no etcd answers at a:1 (connect ECONNREFUSED 127.0.0.1:1)',
  ],
  [
    'No connection established. Last error: alert bad certificate:\n (2026-01-01T00:00:00.000Z). Resolution note: x',
    'no etcd answers at a:1 (alert bad certificate:)',
  ],
  [
    'Name resolution failed for target dns:nowhere:1',
    'no etcd answers at a:1 (Name resolution failed for target dns:nowhere:1)',
  ],
])('why there is no connection fits in one line: %s', (details, message) => {
  expect(readError(failure(status.UNAVAILABLE, details)).message).toBe(message);
});

it('errors that are no failures of a call pass, or become INTERNAL', () => {
  const lost = new SessionLostError('gone');
  expect(commitError(lost)).toBe(lost);
  expect(readError(new TypeError('oops'))).toMatchObject({ code: 'INTERNAL' });
});

it('another member is asked when this one was out of reach, silent or without a leader', () => {
  const others: [number, string][] = [
    [status.UNAVAILABLE, 'No connection established'],
    [status.DEADLINE_EXCEEDED, 'Deadline exceeded'],
    [status.UNAVAILABLE, REFUSAL.noLeader],
    [status.UNAVAILABLE, REFUSAL.learner],
  ];
  for (const [code, details] of others)
    expect(wantsOtherEndpoint(failure(code, details))).toBe(true);
  const permission = failure(status.PERMISSION_DENIED, REFUSAL.permissionDenied);
  expect(wantsOtherEndpoint(permission)).toBe(false);
});

it('a new token is fetched when the old one is not accepted', () => {
  expect(wantsNewToken(failure(status.UNAUTHENTICATED, REFUSAL.invalidToken))).toBe(true);
  expect(wantsNewToken(failure(status.INVALID_ARGUMENT, REFUSAL.oldAuthRevision))).toBe(true);
  expect(wantsNewToken(failure(status.PERMISSION_DENIED, REFUSAL.permissionDenied))).toBe(false);
});
