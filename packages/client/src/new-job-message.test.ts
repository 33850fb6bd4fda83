import { InvalidArgumentError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import type { PostOptions } from './client-settings.ts';
import { newJobMessage } from './new-job-message.ts';

function messageOf(options: PostOptions, input: unknown = null): ReturnType<typeof newJobMessage> {
  return newJobMessage({ flow: 'hello', input, options, idempotencyKey: 'k', path: 'job' });
}

test('what a post does not say is left to the server', () => {
  expect(messageOf({})).toMatchObject({
    flow: 'hello',
    queue: '',
    delayMs: 0n,
    labels: {},
    idempotencyKey: 'k',
  });
  const { priority, runAt, maxAttempts, deadlines, retentionMs, trace } = messageOf({});
  expect([priority, runAt, maxAttempts, deadlines, retentionMs, trace]).toEqual(
    Array.from({ length: 6 }, () => undefined),
  );
});

test('what a post says is sent', () => {
  const message = messageOf({
    queue: 'slow',
    priority: 0,
    runAtUnixMs: 1500,
    maxAttempts: 1,
    deadlines: { attemptMs: 5 },
    retentionMs: 0,
    labels: { team: 'x' },
    trace: { traceparent: 'p', tracestate: 's' },
  });
  expect(message).toMatchObject({
    queue: 'slow',
    priority: 0,
    runAt: { seconds: 1n, nanos: 500_000_000 },
    maxAttempts: 1,
    deadlines: { queueMs: 0n, attemptMs: 5n, totalMs: 0n },
    retentionMs: 0n,
    labels: { team: 'x' },
    trace: { traceparent: 'p', tracestate: 's' },
  });
});

describe('what a message cannot hold is refused with its field', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  test.each<[string, PostOptions, unknown, string]>([
    ['half a millisecond', { delayMs: 0.5 }, null, 'job.delay_ms: 0.5 is not allowed'],
    ['a time that is none', { runAtUnixMs: Number.NaN }, null, 'job.run_at: NaN is not allowed'],
    ['half a priority', { priority: 4.5 }, null, 'job.priority: 4.5 is not allowed'],
    ['a priority beyond 32 bits', { priority: 2 ** 31 }, null, 'job.priority: 2147483648'],
    ['endless attempts', { maxAttempts: Infinity }, null, 'job.max_attempts: Infinity'],
    [
      'a fraction in a deadline',
      { deadlines: { queueMs: 0.1 } },
      null,
      'job.deadlines.queue_ms: 0.1 is not allowed',
    ],
    ['input that is a ring', {}, cycle, 'job.input: cannot be written as JSON: '],
    ['input with a BigInt', {}, { size: 1n }, 'job.input: cannot be written as JSON: '],
  ])('%s', (_name, options, ...[input, text]) => {
    expect(() => messageOf(options, input)).toThrow(InvalidArgumentError);
    expect(() => messageOf(options, input)).toThrow(text);
  });

  test('a key that is not Unicode, because two such keys would be sent as one', () => {
    const job = { flow: 'hello', input: 1, options: {}, idempotencyKey: '\ud800', path: 'job' };
    expect(() => newJobMessage(job)).toThrow('job.idempotency_key');
  });
});
