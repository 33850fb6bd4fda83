import { describe, expect, it } from 'vitest';
import { backoffMs, DEFAULT_BACKOFF } from './backoff.ts';
import {
  ERROR_TABLE,
  fromUnknown,
  HoldfastError,
  InvalidArgumentError,
  PayloadTooLargeError,
  UnavailableError,
} from './errors.ts';
import { toFailure } from './failure.ts';
import { LIMITS } from './limits.ts';
import { createSeededRandom } from './random.ts';

describe('a recorded failure', () => {
  it('keeps type, message, stack and the chain of causes', () => {
    const failure = toFailure(
      new TypeError('outer', { cause: new RangeError('inner', { cause: 'root' }) }),
      'build',
    );
    expect(failure).toMatchObject({
      type: 'TypeError',
      message: 'outer',
      task: 'build',
      causes: [
        { type: 'RangeError', message: 'inner' },
        { type: 'string', message: 'root' },
      ],
    });
    expect(failure.stack).toContain('failure.test.ts');
  });

  it('copes with whatever user code throws', () => {
    const ring: { self?: unknown } = {};
    ring.self = ring;
    const endless = new Error('endless');
    endless.cause = endless;
    for (const thrown of [
      undefined,
      null,
      0,
      '',
      1n,
      Symbol('s'),
      () => 1,
      ring,
      endless,
      {
        toJSON() {
          throw new Error('no');
        },
      },
    ]) {
      expect(toFailure(thrown).message).toBeTypeOf('string');
    }
    expect(toFailure(endless).causes).toHaveLength(10);
  });

  it('cuts what is too long, and says by how much', () => {
    const failure = toFailure(new Error('x'.repeat(LIMITS.failureMessageLength + 9)));
    expect(failure.message.endsWith('… [9 more characters not kept]')).toBe(true);
  });
});

describe('errors', () => {
  it('the advice of an error is that of its code', () => {
    expect(new UnavailableError('away').retryable).toBe(true);
    expect(new HoldfastError('CLAIM_LOST', 'x').retryable).toBe(false);
    for (const [code, row] of Object.entries(ERROR_TABLE)) {
      expect(row.exit, code).toBeGreaterThan(0);
      expect(row.meaning, code).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('a wrong field is named with its value and what is allowed', () => {
    const error = new InvalidArgumentError('job.priority', { value: 11, allowed: '0 to 9' });
    expect(error.message).toBe('job.priority: 11 is not allowed; allowed: 0 to 9');
    expect(error.violations).toEqual([
      { field: 'job.priority', description: '11 is not allowed; allowed: 0 to 9' },
    ]);
    expect(
      new PayloadTooLargeError('job.input', { sizeBytes: 9, limitBytes: 8 }).message,
    ).toContain('9 bytes, the limit is 8');
  });

  it('anything thrown becomes a HoldfastError, once', () => {
    const error = new UnavailableError('away');
    expect(fromUnknown(error)).toBe(error);
    expect(fromUnknown('boom')).toMatchObject({ code: 'INTERNAL', message: 'boom', cause: 'boom' });
  });
});

describe('backoff', () => {
  it('doubles up to its cap, give or take its jitter', () => {
    const random = createSeededRandom(1);
    for (let failures = 1; failures < 60; failures += 1) {
      const exact = Math.min(
        DEFAULT_BACKOFF.maxMs,
        DEFAULT_BACKOFF.initialMs * 2 ** (failures - 1),
      );
      const delay = backoffMs(DEFAULT_BACKOFF, failures, random);
      expect(delay).toBeGreaterThanOrEqual(Math.floor(exact * 0.8));
      expect(delay).toBeLessThanOrEqual(Math.min(DEFAULT_BACKOFF.maxMs, Math.ceil(exact * 1.2)));
    }
  });
});
