import { expect, test } from 'vitest';
import { readCommitAnswer, unexpectedFailure } from './store-errors.ts';

test('an answer to a commit that cannot be read leaves its outcome unknown', () => {
  expect(readCommitAnswer('etcd', () => 7)).toBe(7);
  const read = (): never => {
    throw new RangeError('index out of range');
  };
  expect(() => readCommitAnswer('etcd', read)).toThrow(
    expect.objectContaining({ code: 'OUTCOME_UNKNOWN', retryable: false }),
  );
});

test('an error of Holdfast’s own stays what it is', () => {
  const error = unexpectedFailure('etcd', new TypeError('x is not a function'));
  expect(error).toMatchObject({ code: 'INTERNAL', message: expect.stringContaining('x is not') });
  expect(unexpectedFailure('etcd', error)).toBe(error);
});
