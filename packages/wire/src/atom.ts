import { create } from '@bufbuild/protobuf';
import type {
  AtomRecord,
  BlockDepth,
  Intention,
  RecordedError,
  RetryDecision,
  RetryRound,
  TaskState,
} from '@holdfast/core';
import { type EnumNames, enumNames } from './enum-names.ts';
import {
  failureFromProto,
  failureToProto,
  optionalFailureFromProto,
  optionalFailureToProto,
} from './failure.ts';
import {
  type Atom as AtomMessage,
  AtomSchema,
  BlockDepth as BlockDepthValue,
  Intention as IntentionValue,
  type RecordedError as RecordedErrorMessage,
  RecordedErrorSchema,
  RetryDecision as RetryDecisionValue,
  type RetryRound as RetryRoundMessage,
  RetryRoundSchema,
  TaskState as TaskStateValue,
} from './gen/holdfast/v1/records_pb.ts';
import { jobIdFromProto, optionalText, required, requiredText } from './malformed-message.ts';
import { optionalPayloadFromProto, optionalPayloadToProto } from './payload.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import {
  optionalTimestampFromProto,
  optionalTimestampToProto,
  timestampFromProto,
  timestampToProto,
} from './timestamp.ts';

export const taskStateNames: EnumNames<TaskState, TaskStateValue> = enumNames<
  TaskState,
  TaskStateValue
>({
  pending: TaskStateValue.PENDING,
  running: TaskStateValue.RUNNING,
  success: TaskStateValue.SUCCESS,
  failure: TaskStateValue.FAILURE,
  reverting: TaskStateValue.REVERTING,
  reverted: TaskStateValue.REVERTED,
  revertFailure: TaskStateValue.REVERT_FAILURE,
  ignore: TaskStateValue.IGNORE,
  retrying: TaskStateValue.RETRYING,
});

const blockDepthNames: EnumNames<BlockDepth, BlockDepthValue> = enumNames<
  BlockDepth,
  BlockDepthValue
>({
  all: BlockDepthValue.ALL,
  flow: BlockDepthValue.FLOW,
  neighbours: BlockDepthValue.NEIGHBOURS,
  atom: BlockDepthValue.ATOM,
});

export const intentionNames: EnumNames<Intention, IntentionValue> = enumNames<
  Intention,
  IntentionValue
>({
  execute: IntentionValue.EXECUTE,
  ignore: IntentionValue.IGNORE,
  revert: IntentionValue.REVERT,
  retry: IntentionValue.RETRY,
});

const decisionNames: EnumNames<RetryDecision, RetryDecisionValue> = enumNames<
  RetryDecision,
  RetryDecisionValue
>({
  retry: RetryDecisionValue.RETRY,
  revert: RetryDecisionValue.REVERT,
  revertAll: RetryDecisionValue.REVERT_ALL,
});

export function atomToProto(atom: AtomRecord): AtomMessage {
  return create(AtomSchema, {
    name: atom.name,
    state: taskStateNames.toProto(atom.state),
    intention: intentionNames.toProto(atom.intention),
    tries: atom.tries,
    forgivenTries: atom.forgivenTries,
    executions: atom.executions,
    result: optionalPayloadToProto(atom.result),
    failure: optionalFailureToProto(atom.failure),
    revertFailure: optionalFailureToProto(atom.revertFailure),
    revertTries: atom.revertTries,
    errors: atom.errors.map(recordedErrorToProto),
    errorsDropped: atom.errorsDropped,
    progress: atom.progress,
    progressMessage: atom.progressMessage ?? '',
    startedAt: optionalTimestampToProto(atom.startedAtUnixMs),
    finishedAt: optionalTimestampToProto(atom.finishedAtUnixMs),
    nextAt: optionalTimestampToProto(atom.nextAtUnixMs),
    attempt: atom.attempt,
    worker: atom.worker,
    generation: atom.generation,
    blocked:
      atom.blocked === undefined
        ? BlockDepthValue.UNSPECIFIED
        : blockDepthNames.toProto(atom.blocked),
    rounds: atom.rounds.map(roundToProto),
    signal: BigInt(atom.signal ?? 0),
    forgivenRevertTries: atom.forgivenRevertTries,
    flowVersion: atom.flowVersion,
    taskJob: atom.taskJob ?? '',
    changes: atom.changes ?? 0,
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a checkpoint. */
export function atomFromProto(message: AtomMessage): AtomRecord {
  return {
    name: requiredText(message.name, 'Atom.name'),
    state: taskStateNames.fromProto(message.state, 'Atom.state'),
    intention: intentionNames.fromProto(message.intention, 'Atom.intention'),
    tries: message.tries,
    forgivenTries: message.forgivenTries,
    executions: message.executions,
    result: optionalPayloadFromProto(message.result),
    failure: optionalFailureFromProto(message.failure),
    revertFailure: optionalFailureFromProto(message.revertFailure),
    revertTries: message.revertTries,
    errors: message.errors.map(recordedErrorFromProto),
    errorsDropped: message.errorsDropped,
    progress: message.progress,
    progressMessage: optionalText(message.progressMessage),
    startedAtUnixMs: optionalTimestampFromProto(message.startedAt, 'Atom.started_at'),
    finishedAtUnixMs: optionalTimestampFromProto(message.finishedAt, 'Atom.finished_at'),
    nextAtUnixMs: optionalTimestampFromProto(message.nextAt, 'Atom.next_at'),
    attempt: message.attempt,
    worker: message.worker,
    generation: message.generation,
    blocked:
      message.blocked === BlockDepthValue.UNSPECIFIED
        ? undefined
        : blockDepthNames.fromProto(message.blocked, 'Atom.blocked'),
    rounds: message.rounds.map(roundFromProto),
    signal: message.signal === 0n ? undefined : Number(message.signal),
    forgivenRevertTries: message.forgivenRevertTries,
    flowVersion: message.flowVersion || 1,
    changes: message.changes === 0 ? undefined : message.changes,
    taskJob: message.taskJob === '' ? undefined : jobIdFromProto(message.taskJob, 'Atom.task_job'),
  };
}

function recordedErrorToProto(error: RecordedError): RecordedErrorMessage {
  return create(RecordedErrorSchema, {
    at: timestampToProto(error.atUnixMs),
    try: error.try,
    failure: failureToProto(error.failure),
  });
}

function recordedErrorFromProto(message: RecordedErrorMessage): RecordedError {
  return {
    atUnixMs: timestampFromProto(message.at, 'RecordedError.at'),
    try: message.try,
    failure: failureFromProto(required(message.failure, 'RecordedError.failure')),
  };
}

function roundToProto(round: RetryRound): RetryRoundMessage {
  return create(RetryRoundSchema, {
    startedAt: timestampToProto(round.startedAtUnixMs),
    provided: optionalPayloadToProto(round.provided),
    failures: round.failures.map(failureToProto),
    decision:
      round.decision === undefined
        ? RetryDecisionValue.UNSPECIFIED
        : decisionNames.toProto(round.decision),
  });
}

function roundFromProto(message: RetryRoundMessage): RetryRound {
  return {
    startedAtUnixMs: timestampFromProto(message.startedAt, 'RetryRound.started_at'),
    provided: optionalPayloadFromProto(message.provided),
    failures: message.failures.map((failure) => failureFromProto(failure)),
    decision:
      message.decision === RetryDecisionValue.UNSPECIFIED
        ? undefined
        : decisionNames.fromProto(message.decision, 'RetryRound.decision'),
  };
}

const codec: RecordCodec<AtomRecord> = recordCodec({
  schema: AtomSchema,
  toProto: atomToProto,
  fromProto: atomFromProto,
});

/** The checkpoint of a task as it is stored. */
export function encodeAtom(atom: AtomRecord): Uint8Array {
  return codec.encode(atom);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeAtom(bytes: Uint8Array, place?: string): AtomRecord {
  return codec.decode(bytes, place);
}
