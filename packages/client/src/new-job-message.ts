import { create } from '@bufbuild/protobuf';
import { InvalidArgumentError } from '@holdfast/core';
import {
  deadlinesToProto,
  type NewJob,
  NewJobSchema,
  optionalTimestampToProto,
  payloadToProto,
  traceContextToProto,
} from '@holdfast/wire';
import type { PostOptions } from './client-settings.ts';
import { checkKey, jsonPayload } from './json-payload.ts';

/** A job as it is sent. */
export interface JobToSend {
  readonly flow: string;
  readonly input: unknown;
  readonly options: PostOptions;
  readonly idempotencyKey: string;
  /** Path of the job in error messages, such as `job`. */
  readonly path: string;
}

/**
 * The message of a post. The server checks what is allowed; here only what a message can't hold at
 * all is refused: input that isn't JSON, fractions of a millisecond, text that isn't Unicode.
 */
export function newJobMessage(job: JobToSend): NewJob {
  const { options, path } = job;
  checkKey(job.idempotencyKey, `${path}.idempotency_key`);
  const wholeMs = (field: string, value: number | undefined): number | undefined => {
    if (value === undefined || Number.isSafeInteger(value)) return value;
    throw new InvalidArgumentError(`${path}.${field}`, { value, allowed: 'whole milliseconds' });
  };
  const { queueMs, attemptMs, totalMs } = options.deadlines ?? {};
  const retentionMs = wholeMs('retention_ms', options.retentionMs);
  return create(NewJobSchema, {
    flow: job.flow,
    input: payloadToProto(jsonPayload(job.input, `${path}.input`)),
    queue: options.queue ?? '',
    priority: wholeNumber(`${path}.priority`, options.priority),
    runAt: optionalTimestampToProto(wholeMs('run_at', options.runAtUnixMs)),
    delayMs: BigInt(wholeMs('delay_ms', options.delayMs) ?? 0),
    maxAttempts: wholeNumber(`${path}.max_attempts`, options.maxAttempts),
    deadlines: deadlinesToProto({
      queueMs: wholeMs('deadlines.queue_ms', queueMs),
      attemptMs: wholeMs('deadlines.attempt_ms', attemptMs),
      totalMs: wholeMs('deadlines.total_ms', totalMs),
    }),
    retentionMs: retentionMs === undefined ? undefined : BigInt(retentionMs),
    labels: { ...options.labels },
    idempotencyKey: job.idempotencyKey,
    trace: traceContextToProto(options.trace),
  });
}

// Numbers beyond an int32 can't be sent; the server would name the same range for all others.
const INT32_MAX = 2_147_483_647;

function wholeNumber(field: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isInteger(value) && Math.abs(value) <= INT32_MAX))
    return value;
  throw new InvalidArgumentError(field, { value, allowed: 'a whole number of 32 bits' });
}
