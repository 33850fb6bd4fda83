import { create } from '@bufbuild/protobuf';
import type { JobDeadlines, JobSpec, TraceContext } from '@holdfast/core';
import {
  type JobDeadlines as JobDeadlinesMessage,
  JobDeadlinesSchema,
  type JobSpec as JobSpecMessage,
  JobSpecSchema,
  type TraceContext as TraceContextMessage,
  TraceContextSchema,
} from './gen/holdfast/v1/records_pb.ts';
import {
  integerFromProto,
  jobIdFromProto,
  optionalDurationFromProto,
  optionalDurationToProto,
  optionalText,
} from './malformed-message.ts';
import { payloadFromProto, payloadToProto } from './payload.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import { remoteTaskFromProto, remoteTaskToProto } from './remote-task.ts';
import {
  optionalTimestampFromProto,
  optionalTimestampToProto,
  timestampFromProto,
  timestampToProto,
} from './timestamp.ts';

export function jobSpecToProto(spec: JobSpec): JobSpecMessage {
  return create(JobSpecSchema, {
    id: spec.id,
    flow: spec.flow,
    input: payloadToProto(spec.input),
    queue: spec.queue,
    priority: spec.priority,
    runAt: optionalTimestampToProto(spec.runAtUnixMs),
    maxAttempts: spec.maxAttempts,
    deadlines: deadlinesToProto(spec.deadlines),
    retentionMs: BigInt(spec.retentionMs),
    labels: { ...spec.labels },
    idempotencyKey: spec.idempotencyKey ?? '',
    contentDigest: spec.contentDigest,
    trace: traceContextToProto(spec.trace),
    postedAt: timestampToProto(spec.postedAtUnixMs),
    remoteTask: spec.remoteTask && remoteTaskToProto(spec.remoteTask),
    forkedFrom: spec.forkedFrom ?? '',
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a job's spec. */
export function jobSpecFromProto(message: JobSpecMessage): JobSpec {
  return {
    id: jobIdFromProto(message.id, 'JobSpec.id'),
    flow: message.flow,
    input: payloadFromProto(message.input, 'JobSpec.input'),
    queue: message.queue,
    priority: message.priority,
    runAtUnixMs: optionalTimestampFromProto(message.runAt, 'JobSpec.run_at'),
    maxAttempts: message.maxAttempts,
    deadlines: deadlinesFromProto(message.deadlines),
    retentionMs: integerFromProto(message.retentionMs, 'JobSpec.retention_ms'),
    labels: message.labels,
    idempotencyKey: optionalText(message.idempotencyKey),
    contentDigest: message.contentDigest,
    trace: traceContextFromProto(message.trace),
    postedAtUnixMs: timestampFromProto(message.postedAt, 'JobSpec.posted_at'),
    remoteTask: message.remoteTask && remoteTaskFromProto(message.remoteTask),
    forkedFrom:
      message.forkedFrom === ''
        ? undefined
        : jobIdFromProto(message.forkedFrom, 'JobSpec.forked_from'),
  };
}

/** No deadline at all is an absent message; an absent deadline among others is 0. */
export function deadlinesToProto(deadlines: JobDeadlines): JobDeadlinesMessage | undefined {
  const { queueMs, attemptMs, totalMs } = deadlines;
  if (queueMs === undefined && attemptMs === undefined && totalMs === undefined) return undefined;
  return create(JobDeadlinesSchema, {
    queueMs: optionalDurationToProto(queueMs),
    attemptMs: optionalDurationToProto(attemptMs),
    totalMs: optionalDurationToProto(totalMs),
  });
}

function deadlinesFromProto(message: JobDeadlinesMessage | undefined): JobDeadlines {
  if (message === undefined) return {};
  return {
    queueMs: optionalDurationFromProto(message.queueMs, 'JobDeadlines.queue_ms'),
    attemptMs: optionalDurationFromProto(message.attemptMs, 'JobDeadlines.attempt_ms'),
    totalMs: optionalDurationFromProto(message.totalMs, 'JobDeadlines.total_ms'),
  };
}

export function traceContextToProto(
  trace: TraceContext | undefined,
): TraceContextMessage | undefined {
  if (trace === undefined) return undefined;
  const { traceparent, tracestate } = trace;
  return create(TraceContextSchema, { traceparent, tracestate });
}

export function traceContextFromProto(
  message: TraceContextMessage | undefined,
): TraceContext | undefined {
  if (message === undefined) return undefined;
  return { traceparent: message.traceparent, tracestate: message.tracestate };
}

const codec: RecordCodec<JobSpec> = recordCodec({
  schema: JobSpecSchema,
  toProto: jobSpecToProto,
  fromProto: jobSpecFromProto,
});

/** A job's spec as it is stored. */
export function encodeJobSpec(spec: JobSpec): Uint8Array {
  return codec.encode(spec);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeJobSpec(bytes: Uint8Array, place?: string): JobSpec {
  return codec.decode(bytes, place);
}
