import { create } from '@bufbuild/protobuf';
import type {
  AttemptEnd,
  AttemptRecord,
  JobPhase,
  JobState,
  JobStatus,
  ReadyPosition,
} from '@holdfast/core';
import { type EnumNames, enumNames } from './enum-names.ts';
import { optionalFailureFromProto, optionalFailureToProto } from './failure.ts';
import {
  AttemptEnd as AttemptEndValue,
  type Attempt as AttemptMessage,
  AttemptSchema,
  JobState as JobStateValue,
  type JobStatus as JobStatusMessage,
  JobStatusSchema,
  ReadyPositionSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { jobIdFromProto, optionalText, required, workerIdFromProto } from './malformed-message.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import {
  optionalTimestampFromProto,
  optionalTimestampToProto,
  timestampFromProto,
  timestampToProto,
} from './timestamp.ts';

/** Names and numbers of the job states. */
export const jobStateNames: EnumNames<JobState, JobStateValue> = enumNames<JobState, JobStateValue>(
  {
    scheduled: JobStateValue.SCHEDULED,
    ready: JobStateValue.READY,
    running: JobStateValue.RUNNING,
    waiting: JobStateValue.WAITING,
    suspended: JobStateValue.SUSPENDED,
    succeeded: JobStateValue.SUCCEEDED,
    failed: JobStateValue.FAILED,
    cancelled: JobStateValue.CANCELLED,
    dead: JobStateValue.DEAD,
  },
);

const attemptEndNames: EnumNames<AttemptEnd, AttemptEndValue> = enumNames<
  AttemptEnd,
  AttemptEndValue
>({
  succeeded: AttemptEndValue.SUCCEEDED,
  failed: AttemptEndValue.FAILED,
  cancelled: AttemptEndValue.CANCELLED,
  lost: AttemptEndValue.LOST,
  released: AttemptEndValue.RELEASED,
});

export function jobStatusToProto(status: JobStatus): JobStatusMessage {
  return create(JobStatusSchema, {
    id: status.id,
    flow: status.flow,
    queue: status.queue,
    priority: status.priority,
    attempt: status.attempt,
    lostAttempts: status.lostAttempts,
    revivals: status.revivals,
    attempts: status.attempts.map(attemptToProto),
    attemptsDropped: status.attemptsDropped,
    updatedAt: timestampToProto(status.updatedAtUnixMs),
    flowVersion: status.flowVersion ?? 0,
    startedAt: optionalTimestampToProto(status.startedAtUnixMs),
    parentId: status.parentId ?? '',
    ...phaseToProto(status.phase),
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a job's status. */
export function jobStatusFromProto(message: JobStatusMessage): JobStatus {
  return {
    id: jobIdFromProto(message.id, 'JobStatus.id'),
    flow: message.flow,
    queue: message.queue,
    priority: message.priority,
    phase: phaseFromProto(message),
    attempt: message.attempt,
    lostAttempts: message.lostAttempts,
    revivals: message.revivals,
    attempts: message.attempts.map(attemptFromProto),
    attemptsDropped: message.attemptsDropped,
    updatedAtUnixMs: timestampFromProto(message.updatedAt, 'JobStatus.updated_at'),
    flowVersion: message.flowVersion === 0 ? undefined : message.flowVersion,
    startedAtUnixMs: optionalTimestampFromProto(message.startedAt, 'JobStatus.started_at'),
    parentId:
      message.parentId === '' ? undefined : jobIdFromProto(message.parentId, 'JobStatus.parent_id'),
  };
}

type PhaseFields = Partial<
  Pick<
    JobStatusMessage,
    | 'runAt'
    | 'waitReason'
    | 'readyAt'
    | 'readyPosition'
    | 'worker'
    | 'claimedAt'
    | 'suspendedAt'
    | 'finishedAt'
    | 'failure'
  >
> &
  Pick<JobStatusMessage, 'state'>;

function phaseToProto(phase: JobPhase): PhaseFields {
  const state = jobStateNames.toProto(phase.kind);
  switch (phase.kind) {
    case 'scheduled':
      return { state, runAt: timestampToProto(phase.runAtUnixMs), waitReason: phase.reason };
    case 'ready':
      return {
        state,
        readyAt: timestampToProto(phase.readyAtUnixMs),
        readyPosition: create(ReadyPositionSchema, phase.position),
      };
    case 'running':
      return { state, worker: phase.worker, claimedAt: timestampToProto(phase.claimedAtUnixMs) };
    case 'waiting':
      return {
        state,
        runAt: optionalTimestampToProto(phase.untilUnixMs),
        waitReason: phase.reason,
      };
    case 'suspended':
      return {
        state,
        suspendedAt: timestampToProto(phase.suspendedAtUnixMs),
        waitReason: phase.reason,
        runAt: optionalTimestampToProto(phase.runAtUnixMs),
      };
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'dead':
      return {
        state,
        finishedAt: timestampToProto(phase.finishedAtUnixMs),
        failure: optionalFailureToProto(phase.failure),
      };
    default:
      return phase satisfies never;
  }
}

function phaseFromProto(message: JobStatusMessage): JobPhase {
  const kind = jobStateNames.fromProto(message.state, 'JobStatus.state');
  switch (kind) {
    case 'scheduled':
      return {
        kind,
        runAtUnixMs: timestampFromProto(message.runAt, 'JobStatus.run_at'),
        reason: message.waitReason,
      };
    case 'ready':
      return {
        kind,
        readyAtUnixMs: timestampFromProto(message.readyAt, 'JobStatus.ready_at'),
        position: positionFromProto(message),
      };
    case 'running':
      return {
        kind,
        worker: workerIdFromProto(message.worker, 'JobStatus.worker'),
        claimedAtUnixMs: timestampFromProto(message.claimedAt, 'JobStatus.claimed_at'),
      };
    case 'waiting':
      return {
        kind,
        untilUnixMs: optionalTimestampFromProto(message.runAt, 'JobStatus.run_at'),
        reason: message.waitReason,
      };
    case 'suspended':
      return {
        kind,
        suspendedAtUnixMs: timestampFromProto(message.suspendedAt, 'JobStatus.suspended_at'),
        reason: message.waitReason,
        runAtUnixMs: optionalTimestampFromProto(message.runAt, 'JobStatus.run_at'),
      };
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'dead':
      return {
        kind,
        finishedAtUnixMs: timestampFromProto(message.finishedAt, 'JobStatus.finished_at'),
        failure: optionalFailureFromProto(message.failure),
      };
    default:
      return kind satisfies never;
  }
}

function positionFromProto(message: JobStatusMessage): ReadyPosition {
  const { bucket, order } = required(message.readyPosition, 'JobStatus.ready_position');
  return { bucket, order };
}

function attemptToProto(attempt: AttemptRecord): AttemptMessage {
  return create(AttemptSchema, {
    number: attempt.number,
    worker: attempt.worker,
    claimedAt: timestampToProto(attempt.claimedAtUnixMs),
    spanId: attempt.spanId ?? '',
    end:
      attempt.end === undefined
        ? AttemptEndValue.UNSPECIFIED
        : attemptEndNames.toProto(attempt.end),
    endedAt: optionalTimestampToProto(attempt.endedAtUnixMs),
    reason: attempt.reason ?? '',
  });
}

function attemptFromProto(message: AttemptMessage): AttemptRecord {
  return {
    number: message.number,
    worker: workerIdFromProto(message.worker, 'Attempt.worker'),
    claimedAtUnixMs: timestampFromProto(message.claimedAt, 'Attempt.claimed_at'),
    spanId: optionalText(message.spanId),
    end:
      message.end === AttemptEndValue.UNSPECIFIED
        ? undefined
        : attemptEndNames.fromProto(message.end, 'Attempt.end'),
    endedAtUnixMs: optionalTimestampFromProto(message.endedAt, 'Attempt.ended_at'),
    reason: optionalText(message.reason),
  };
}

const codec: RecordCodec<JobStatus> = recordCodec({
  schema: JobStatusSchema,
  toProto: jobStatusToProto,
  fromProto: jobStatusFromProto,
});

/** A job's status as it is stored. */
export function encodeJobStatus(status: JobStatus): Uint8Array {
  return codec.encode(status);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeJobStatus(bytes: Uint8Array, place?: string): JobStatus {
  return codec.decode(bytes, place);
}
