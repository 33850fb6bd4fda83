/**
 * What a producer may post, field by field (G9). Pure: it knows neither flows nor the board.
 *
 * V1. Every field is checked and every violation is noted; the first one doesn't hide the others.
 * V2. A job without violations has every default filled in, and fits what the board takes.
 * V3. Nothing is cut, rounded or guessed, but for a run_at between two milliseconds: it counts as
 *     the later one.
 */
import type { NewJob } from '@holdfast/board';
import {
  isName,
  type JobDeadlines,
  JSON_CONTENT_TYPE,
  LIMITS,
  type Payload,
  type TraceContext,
} from '@holdfast/core';
import { parseTraceContext } from '@holdfast/telemetry';
import {
  type NewJob as NewJobMessage,
  timestampFromProto,
  traceContextFromProto,
} from '@holdfast/wire';
import type { FieldViolations, IntegerRange } from './field-violations.ts';

/** The queue of a job whose post names none. */
const DEFAULT_QUEUE = 'default';
/** Characters of a content type. */
const CONTENT_TYPE_LENGTH = 128;
/** Characters of a tracestate, as W3C Trace Context asks carriers to keep. */
const TRACESTATE_LENGTH = 512;

const CONTENT_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/;
const DURATION: IntegerRange = { min: 0, max: LIMITS.durationMaxMs, unit: 'ms' };

/** What the checks of one job are made against. */
export interface ValidationContext {
  /** Where violations are noted. */
  readonly violations: FieldViolations;
  /** Path of the job in the request, such as `job` or `jobs[3]`. */
  readonly path: string;
  readonly nowUnixMs: number;
}

/** The job that `message` asks for; undefined when it has violations, all of which are noted. */
export function validateNewJob(
  message: NewJobMessage | undefined,
  context: ValidationContext,
): NewJob | undefined {
  const { violations, path } = context;
  if (message === undefined) {
    violations.describe(path, 'is missing');
    return undefined;
  }
  const before = violations.count;
  violations.name(`${path}.flow`, message.flow);
  const input = checkInput(message.input, context);
  const queue = message.queue === '' ? DEFAULT_QUEUE : message.queue;
  violations.name(`${path}.queue`, queue);
  const priority = message.priority ?? LIMITS.priorityDefault;
  violations.range(`${path}.priority`, priority, {
    min: LIMITS.priorityMin,
    max: LIMITS.priorityMax,
  });
  const runAtUnixMs = checkRunAt(message, context);
  const maxAttempts = message.maxAttempts ?? LIMITS.maxAttemptsDefault;
  violations.range(`${path}.max_attempts`, maxAttempts, { min: 1, max: LIMITS.maxAttemptsMax });
  const deadlines = checkDeadlines(message.deadlines, context);
  const retentionMs = message.retentionMs ?? BigInt(LIMITS.retentionDefaultMs);
  violations.range(`${path}.retention_ms`, retentionMs, DURATION);
  checkLabels(message.labels, context);
  violations.length(`${path}.idempotency_key`, message.idempotencyKey, LIMITS.idempotencyKeyLength);
  const trace = checkTrace(message.trace, context);
  if (violations.count > before || input === undefined) return undefined;
  return {
    flow: message.flow,
    input,
    queue,
    priority,
    runAtUnixMs,
    delayMs: message.delayMs === 0n ? undefined : Number(message.delayMs),
    maxAttempts,
    deadlines,
    retentionMs: Number(retentionMs),
    labels: message.labels,
    idempotencyKey: message.idempotencyKey === '' ? undefined : message.idempotencyKey,
    trace,
  };
}

function checkInput(
  input: NewJobMessage['input'],
  context: ValidationContext,
): Payload | undefined {
  const { violations, path } = context;
  if (input === undefined) {
    violations.describe(
      `${path}.input`,
      `is missing; for no input send null as ${JSON_CONTENT_TYPE}`,
    );
    return undefined;
  }
  return checkPayload(input, { violations, path: `${path}.input` });
}

/** The payload of a request; what is wrong with its type or size is noted under `path`. */
export function checkPayload(
  { contentType, data }: Payload,
  { violations, path }: Pick<ValidationContext, 'violations' | 'path'>,
): Payload {
  if (contentType.length > CONTENT_TYPE_LENGTH || !CONTENT_TYPE.test(contentType)) {
    violations.add(`${path}.content_type`, {
      value: contentType,
      allowed:
        `a media type in lower case without parameters, such as ${JSON_CONTENT_TYPE}, ` +
        `of at most ${CONTENT_TYPE_LENGTH} characters`,
    });
  }
  violations.payloadSize(path, data.length, LIMITS.payloadBytes);
  return { contentType, data };
}

function checkRunAt(message: NewJobMessage, context: ValidationContext): number | undefined {
  const { violations, path, nowUnixMs } = context;
  const { runAt, delayMs } = message;
  if (runAt !== undefined && delayMs !== 0n) {
    violations.describe(`${path}.delay_ms`, 'cannot be combined with run_at; set one of them');
  }
  violations.range(`${path}.delay_ms`, delayMs, DURATION);
  if (runAt === undefined) return delayMs === 0n ? undefined : nowUnixMs + Number(delayMs);
  if (!violations.timestamp(`${path}.run_at`, runAt)) return undefined;
  const latestUnixMs = nowUnixMs + LIMITS.durationMaxMs;
  const runAtUnixMs = timestampFromProto(runAt, `${path}.run_at`); // V3
  if (runAtUnixMs > latestUnixMs) {
    violations.add(`${path}.run_at`, {
      value: new Date(runAtUnixMs).toISOString(),
      allowed: `at the latest ${new Date(latestUnixMs).toISOString()}`,
    });
  }
  return runAtUnixMs;
}

function checkDeadlines(
  deadlines: NewJobMessage['deadlines'],
  context: ValidationContext,
): JobDeadlines {
  if (deadlines === undefined) return {};
  const { violations, path } = context;
  const { queueMs, attemptMs, totalMs } = deadlines;
  violations.range(`${path}.deadlines.queue_ms`, queueMs, DURATION);
  violations.range(`${path}.deadlines.attempt_ms`, attemptMs, DURATION);
  violations.range(`${path}.deadlines.total_ms`, totalMs, DURATION);
  return {
    ...(queueMs === 0n ? {} : { queueMs: Number(queueMs) }),
    ...(attemptMs === 0n ? {} : { attemptMs: Number(attemptMs) }),
    ...(totalMs === 0n ? {} : { totalMs: Number(totalMs) }),
  };
}

function checkLabels(labels: NewJobMessage['labels'], context: ValidationContext): void {
  const { violations, path } = context;
  const entries = Object.entries(labels);
  if (entries.length > LIMITS.labelsPerJob) {
    violations.describe(
      `${path}.labels`,
      `has ${entries.length} entries; allowed: at most ${LIMITS.labelsPerJob}`,
    );
  }
  for (const [name, value] of entries) {
    const field = `${path}.labels[${JSON.stringify(name)}]`;
    if (isName(name)) violations.length(field, value, LIMITS.labelValueLength);
    else violations.name(field, name);
  }
}

function checkTrace(
  message: NewJobMessage['trace'],
  context: ValidationContext,
): TraceContext | undefined {
  const { violations, path } = context;
  const trace = traceContextFromProto(message);
  if (trace === undefined) return undefined;
  if (parseTraceContext(trace) === undefined) {
    violations.add(`${path}.trace.traceparent`, {
      value: trace.traceparent,
      allowed: 'a traceparent of W3C Trace Context, version 00',
    });
  }
  violations.length(`${path}.trace.tracestate`, trace.tracestate, TRACESTATE_LENGTH);
  return trace;
}
