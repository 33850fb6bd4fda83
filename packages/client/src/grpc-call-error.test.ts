import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { AlreadyExistsError, HoldfastError, UnavailableError } from '@holdfast/core';
import { ERROR_DETAILS_TRAILER, errorToStatus } from '@holdfast/wire';
import { expect, test } from 'vitest';
import { fromGrpcError, isPassing, readGrpcError } from './grpc-call-error.ts';

function serviceError(code: status, details: string, trailer?: Uint8Array): ServiceError {
  const metadata = new Metadata();
  if (trailer) metadata.set(ERROR_DETAILS_TRAILER, Buffer.from(trailer));
  return Object.assign(new Error(details), { code, details, metadata });
}

test('an error of the server arrives with its class, code and ids', () => {
  const sent = new AlreadyExistsError('taken', { ids: { jobId: '01x' } });
  const { code, message, details } = errorToStatus(sent);
  const error = fromGrpcError(serviceError(code, message, details));
  expect(error).toBeInstanceOf(AlreadyExistsError);
  expect(error).toMatchObject({ code: 'ALREADY_EXISTS', message: 'taken', ids: { jobId: '01x' } });
});

test('a call that never left is UNAVAILABLE: nothing was changed', () => {
  const text = 'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:9';
  const error = fromGrpcError(serviceError(status.UNAVAILABLE, text));
  expect(error).toBeInstanceOf(UnavailableError);
  expect(error.message).toBe(`no server can be reached: ${text}`);
});

test.each([
  [status.UNAVAILABLE, 'Connection dropped'],
  [status.INTERNAL, 'Received RST_STREAM with code 2'],
  [status.CANCELLED, 'Call cancelled'],
  [status.UNKNOWN, ''],
])('a call that was cut off on the way (%i %s) has an unknown outcome', (code, details) => {
  expect(fromGrpcError(serviceError(code, details)).code).toBe('OUTCOME_UNKNOWN');
});

test.each([
  [new UnavailableError('the store is away'), true],
  [new HoldfastError('RESOURCE_EXHAUSTED', 'too many posts at once'), true],
  [new HoldfastError('OUTCOME_UNKNOWN', 'the answer was lost'), false],
  [new AlreadyExistsError('taken'), false],
])('a failure that the server names passes by itself, or not: %s', (sent, expected) => {
  const { code, message, details } = errorToStatus(sent);
  expect(isPassing(readGrpcError(serviceError(code, message, details)))).toBe(expected);
});

test('a message that is too large for the network stays too large', () => {
  const text = 'Received message larger than max';
  const reading = readGrpcError(serviceError(status.RESOURCE_EXHAUSTED, text));
  expect(reading.error.code).toBe('RESOURCE_EXHAUSTED');
  expect(isPassing(reading)).toBe(false);
});
