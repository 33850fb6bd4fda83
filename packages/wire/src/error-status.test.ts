import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import {
  AlreadyExistsError,
  ERROR_TABLE,
  type ErrorCode,
  HoldfastError,
  InvalidArgumentError,
  NotFoundError,
  PayloadTooLargeError,
  UnavailableError,
} from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  errorFromStatus,
  errorToStatus,
  GRPC_STATUS,
  RETRY_DELAY_MS,
  STATUS_MESSAGE_LENGTH,
  VIOLATIONS_BYTES,
} from './error-status.ts';
import { ErrorInfoSchema } from './gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from './gen/google/rpc/status_pb.ts';

const codes = Object.keys(ERROR_TABLE) as ErrorCode[];

describe('a code of the error table arrives as the same code (E1)', () => {
  test.each(codes)('%s', (code) => {
    const sent = new HoldfastError(code, 'what happened', { ids: { jobId: '01x', field: 'f' } });
    const status = errorToStatus(sent);
    expect(status.code).toBe(GRPC_STATUS[ERROR_TABLE[code].grpc as keyof typeof GRPC_STATUS]);
    const { error, isFromHoldfast } = errorFromStatus(status);
    expect(error.code).toBe(code);
    expect(isFromHoldfast).toBe(true);
  });

  test('with its class, message and ids', () => {
    const sent = new AlreadyExistsError('the key belongs to another job', {
      ids: { jobId: '01x' },
    });
    const { error } = errorFromStatus(errorToStatus(sent));
    expect(error).toBeInstanceOf(AlreadyExistsError);
    expect(error).toMatchObject({ message: sent.message, ids: { jobId: '01x' } });
  });

  test('with every field violation', () => {
    const violations = [
      { field: 'job.priority', description: '12 is not allowed; allowed: 0 to 9' },
      { field: 'job.input.revision', description: 'must be string' },
    ];
    const { error } = errorFromStatus(errorToStatus(new InvalidArgumentError(violations)));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error).toMatchObject({ violations });
  });

  test('with the size of a payload and its limit', () => {
    const sent = new PayloadTooLargeError('job.input', { sizeBytes: 600_000, limitBytes: 524_288 });
    const { error } = errorFromStatus(errorToStatus(sent));
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect(error).toMatchObject({
      message: sent.message,
      field: 'job.input',
      sizeBytes: 600_000,
      limitBytes: 524_288,
    });
  });

  test('and with how long to wait, where waiting helps', () => {
    const busy = errorFromStatus(errorToStatus(new UnavailableError('the store is away')));
    expect(busy.retryAfterMs).toBe(RETRY_DELAY_MS);
    const missing = errorFromStatus(errorToStatus(new NotFoundError('no such job')));
    expect(missing.retryAfterMs).toBeUndefined();
  });
});

describe('a status that is not ours is never read as "nothing was changed" (E2)', () => {
  test.each([
    ['UNAVAILABLE', 'OUTCOME_UNKNOWN'],
    ['INTERNAL', 'OUTCOME_UNKNOWN'],
    ['UNKNOWN', 'OUTCOME_UNKNOWN'],
    ['CANCELLED', 'OUTCOME_UNKNOWN'],
    ['ABORTED', 'OUTCOME_UNKNOWN'],
    ['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED'],
    ['RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED'],
    ['PERMISSION_DENIED', 'UNAUTHENTICATED'],
    ['UNIMPLEMENTED', 'FAILED_PRECONDITION'],
    ['NOT_FOUND', 'NOT_FOUND'],
    ['OUT_OF_RANGE', 'INVALID_ARGUMENT'],
  ] as const)('%s is %s', (grpc, code) => {
    const { error, isFromHoldfast } = errorFromStatus({ code: GRPC_STATUS[grpc], message: 'x' });
    expect(error.code).toBe(code);
    expect(isFromHoldfast).toBe(false);
  });

  test('nor is one whose details are of another domain, or damaged', () => {
    const info = create(ErrorInfoSchema, { reason: 'NOT_FOUND', domain: 'example.com' });
    const foreign = create(StatusSchema, { details: [anyPack(ErrorInfoSchema, info)] });
    for (const details of [toBinary(StatusSchema, foreign), Uint8Array.of(255, 255, 1)]) {
      const reading = errorFromStatus({ code: GRPC_STATUS.UNAVAILABLE, message: 'x', details });
      expect(reading.error.code).toBe('OUTCOME_UNKNOWN');
    }
  });
});

describe('status and details fit into the headers, and say what was left out (E3)', () => {
  test('field violations beyond the limit are counted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), (count) => {
        const violations = Array.from({ length: count }, (_, index) => ({
          field: `jobs[${index}].priority`,
          description: '12 is not allowed; allowed: 0 to 9',
        }));
        const status = errorToStatus(new InvalidArgumentError(violations));
        expect(status.details.length).toBeLessThan(VIOLATIONS_BYTES + STATUS_MESSAGE_LENGTH + 1024);
        const { error } = errorFromStatus(status);
        const got = (error as InvalidArgumentError).violations;
        const last = got.at(-1);
        const omitted = last?.field === '…' ? Number.parseInt(last.description, 10) : 0;
        expect(got.length - (omitted > 0 ? 1 : 0) + omitted).toBe(count);
      }),
    );
  });

  test('one violation that is too long by itself is cut visibly, not dropped', () => {
    const sent = new InvalidArgumentError([{ field: 'job.input', description: 'x'.repeat(9000) }]);
    const { error } = errorFromStatus(errorToStatus(sent));
    expect((error as InvalidArgumentError).violations).toMatchObject([
      { field: 'job.input', description: expect.stringMatching(/… \[8488 more characters\]$/) },
    ]);
  });

  test('a long message is cut visibly, and stays well-formed', () => {
    const status = errorToStatus(new NotFoundError(`${'x'.repeat(1023)}😀${'y'.repeat(5000)}`));
    expect(status.message).toMatch(/… \[5001 more characters\]$/);
    expect(status.message.isWellFormed()).toBe(true);
    expect(fromBinary(StatusSchema, status.details).message).toBe(status.message);
  });
});
