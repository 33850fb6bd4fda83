import { create, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import {
  encodeJson,
  type FieldViolation,
  InvalidArgumentError,
  LIMITS,
  PayloadTooLargeError,
} from '@holdfast/core';
import { NewJobSchema } from '@holdfast/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FieldViolations } from './field-violations.ts';
import { validateNewJob } from './job-validation.ts';

const NOW_UNIX_MS = Date.UTC(2026, 0, 1);
type NewJobInit = Exclude<MessageInitShape<typeof NewJobSchema>, Message>;

const GOOD: NewJobInit = { flow: 'hello', input: encodeJson({ name: 'world' }) };

function validate(
  init: NewJobInit | undefined,
  path = 'job',
): {
  job: ReturnType<typeof validateNewJob>;
  violations: readonly FieldViolation[];
  noted: FieldViolations;
} {
  const noted = new FieldViolations();
  const message = init && create(NewJobSchema, init);
  const job = validateNewJob(message, { violations: noted, path, nowUnixMs: NOW_UNIX_MS });
  return { job, violations: noted.all, noted };
}

describe('a well-formed job has every default filled in (V2)', () => {
  test('one that says no more than it has to', () => {
    expect(validate(GOOD)).toMatchObject({
      violations: [],
      job: {
        flow: 'hello',
        input: { contentType: 'application/json' },
        queue: 'default',
        priority: 5,
        maxAttempts: 5,
        deadlines: {},
        retentionMs: LIMITS.retentionDefaultMs,
        labels: {},
        runAtUnixMs: undefined,
        delayMs: undefined,
        idempotencyKey: undefined,
        trace: undefined,
      },
    });
  });

  test('one that says everything', () => {
    const { job, violations } = validate({
      ...GOOD,
      queue: 'slow',
      priority: 0,
      runAt: { seconds: 1_800_000_000n, nanos: 1 },
      maxAttempts: 1,
      deadlines: { queueMs: 1n, attemptMs: 2n },
      retentionMs: 0n,
      labels: { team: 'ä'.repeat(256) },
      idempotencyKey: 'k'.repeat(256),
      trace: { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'v=1' },
    });
    expect(violations).toEqual([]);
    expect(job).toMatchObject({
      priority: 0,
      runAtUnixMs: 1_800_000_000_001,
      maxAttempts: 1,
      deadlines: { queueMs: 1, attemptMs: 2 },
      retentionMs: 0,
      idempotencyKey: 'k'.repeat(256),
    });
    expect(job?.deadlines.totalMs).toBeUndefined();
  });

  test('a delay counts from now, and is kept so that a repeated post is the same', () => {
    expect(validate({ ...GOOD, delayMs: 5000n }).job).toMatchObject({
      runAtUnixMs: NOW_UNIX_MS + 5000,
      delayMs: 5000,
    });
  });
});

describe('each malformed field is named with its value and what is allowed', () => {
  const TOO_LONG_MS = BigInt(LIMITS.durationMaxMs) + 1n;
  const durations = `${TOO_LONG_MS} is not allowed; allowed: 0 to ${LIMITS.durationMaxMs} ms`;
  test.each<[string, NewJobInit, string, string]>([
    ['no flow', { flow: '' }, 'job.flow', '"" is not allowed; allowed: 1 to 128 letters'],
    ['a flow with a slash', { flow: 'a/b' }, 'job.flow', '"a/b" is not allowed'],
    ['a queue with a space', { queue: 'a b' }, 'job.queue', '"a b" is not allowed'],
    ['a priority too high', { priority: 10 }, 'job.priority', '10 is not allowed; allowed: 0 to 9'],
    ['a priority too low', { priority: -1 }, 'job.priority', '-1 is not allowed; allowed: 0 to 9'],
    ['no attempts', { maxAttempts: 0 }, 'job.max_attempts', '0 is not allowed; allowed: 1 to 100'],
    ['a negative delay', { delayMs: -5n }, 'job.delay_ms', '-5 is not allowed; allowed: 0 to'],
    ['a delay too long', { delayMs: TOO_LONG_MS }, 'job.delay_ms', durations],
    ['a retention too long', { retentionMs: TOO_LONG_MS }, 'job.retention_ms', durations],
    ['a negative retention', { retentionMs: -1n }, 'job.retention_ms', '-1 is not allowed'],
    [
      'a deadline too long',
      { deadlines: { queueMs: TOO_LONG_MS } },
      'job.deadlines.queue_ms',
      durations,
    ],
    [
      'a negative deadline',
      { deadlines: { attemptMs: -1n } },
      'job.deadlines.attempt_ms',
      '-1 is not allowed; allowed: 0 to',
    ],
    [
      'a negative total deadline',
      { deadlines: { totalMs: -1n } },
      'job.deadlines.total_ms',
      '-1 is not allowed; allowed: 0 to',
    ],
    [
      'a run_at that is no timestamp',
      { runAt: { seconds: 0n, nanos: -1 } },
      'job.run_at',
      '"0 s, -1 ns" is not allowed; allowed: a timestamp of the years 1 to 9999',
    ],
    [
      'a run_at of the year 10000',
      { runAt: { seconds: 253_402_300_800n } },
      'job.run_at',
      'is not allowed; allowed: a timestamp of the years 1 to 9999',
    ],
    [
      'a run_at too far away',
      { runAt: { seconds: 2_200_000_000n } },
      'job.run_at',
      '"2039-09-18T23:06:40.000Z" is not allowed; allowed: at the latest 2036-01-09',
    ],
    [
      'run_at and delay_ms at once',
      { runAt: { seconds: 1n }, delayMs: 1n },
      'job.delay_ms',
      'cannot be combined with run_at',
    ],
    [
      'a label name with a space',
      { labels: { 'a b': '' } },
      'job.labels["a b"]',
      '"a b" is not allowed; allowed: 1 to 128 letters',
    ],
    [
      'a label value too long',
      { labels: { x: 'v'.repeat(257) } },
      'job.labels["x"]',
      'has 257 characters; allowed: at most 256',
    ],
    [
      'too many labels',
      { labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`l${i}`, ''])) },
      'job.labels',
      'has 33 entries; allowed: at most 32',
    ],
    [
      'an idempotency key too long',
      { idempotencyKey: 'k'.repeat(257) },
      'job.idempotency_key',
      'has 257 characters; allowed: at most 256',
    ],
    [
      'a malformed traceparent',
      { trace: { traceparent: 'x' } },
      'job.trace.traceparent',
      '"x" is not allowed; allowed: a traceparent',
    ],
    [
      'a content type with parameters',
      { input: { contentType: 'application/json; charset=utf-8' } },
      'job.input.content_type',
      'is not allowed; allowed: a media type in lower case without parameters',
    ],
    ['no content type', { input: { contentType: '' } }, 'job.input.content_type', '"" is not'],
  ])('%s', (_name, init, ...[field, description]) => {
    const { job, violations } = validate({ ...GOOD, ...init });
    expect(job).toBeUndefined();
    expect(violations).toMatchObject([
      { field, description: expect.stringContaining(description) },
    ]);
  });

  test('no input', () => {
    expect(validate({ flow: 'hello' }).violations).toMatchObject([
      { field: 'job.input', description: expect.stringContaining('is missing') },
    ]);
  });

  test('no job at all', () => {
    expect(validate(undefined, 'jobs[3]').violations).toEqual([
      { field: 'jobs[3]', description: 'is missing' },
    ]);
  });
});

describe('every violation is noted (V1)', () => {
  test('ten wrong fields are ten violations, under the path of the job', () => {
    const { violations, noted } = validate(
      {
        flow: '',
        input: { contentType: '?', data: new Uint8Array(LIMITS.payloadBytes + 1) },
        queue: '/',
        priority: 12,
        runAt: { seconds: 1n },
        delayMs: -1n,
        maxAttempts: 101,
        retentionMs: -1n,
        labels: { '': '' },
      },
      'jobs[2]',
    );
    expect(violations.map(({ field }) => field)).toEqual([
      'jobs[2].flow',
      'jobs[2].input.content_type',
      'jobs[2].input',
      'jobs[2].queue',
      'jobs[2].priority',
      'jobs[2].delay_ms',
      'jobs[2].delay_ms',
      'jobs[2].max_attempts',
      'jobs[2].retention_ms',
      'jobs[2].labels[""]',
    ]);
    expect(() => noted.throwIfAny()).toThrow(InvalidArgumentError);
  });

  test('whatever is sent is either let in or noted', () => {
    const init = fc.record(
      {
        flow: fc.string(),
        input: fc.record({ contentType: fc.string(), data: fc.uint8Array() }),
        queue: fc.string(),
        priority: fc.integer(),
        runAt: fc.record({
          seconds: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
          nanos: fc.integer(),
        }),
        delayMs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        labels: fc.dictionary(fc.string(), fc.string()),
        idempotencyKey: fc.string(),
      },
      { requiredKeys: [] },
    );
    const property = fc.property(init, (message) => {
      const { job, violations } = validate(message);
      return (job === undefined) === violations.length > 0;
    });
    expect(fc.check(property)).toMatchObject({ failed: false });
  });
});

describe('a payload over the limit', () => {
  const tooLarge = { contentType: 'application/json', data: new Uint8Array(524_289) };

  test('is PAYLOAD_TOO_LARGE with its size and the limit when nothing else is wrong', () => {
    const { noted } = validate({ ...GOOD, input: tooLarge });
    expect(() => noted.throwIfAny()).toThrow(PayloadTooLargeError);
    expect(() => noted.throwIfAny()).toThrow('job.input has 524289 bytes, the limit is 524288');
  });

  test('is one violation among others otherwise', () => {
    const { violations } = validate({ ...GOOD, input: tooLarge, priority: 10 });
    expect(violations).toMatchObject([
      { field: 'job.input', description: expect.stringContaining('has 524289 bytes') },
      { field: 'job.priority' },
    ]);
  });

  test('one of exactly the limit is let in', () => {
    const input = { contentType: 'application/octet-stream', data: new Uint8Array(524_288) };
    expect(validate({ ...GOOD, input }).job).toBeDefined();
  });
});
