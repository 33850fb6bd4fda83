import { create } from '@bufbuild/protobuf';
import type { AtomRecord, Intention, RecordedError, TaskState } from '@holdfast/core';
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
  Intention as IntentionValue,
  type RecordedError as RecordedErrorMessage,
  RecordedErrorSchema,
  TaskState as TaskStateValue,
} from './gen/holdfast/v1/records_pb.ts';
import { optionalText, required, requiredText } from './malformed-message.ts';
import { optionalPayloadFromProto, optionalPayloadToProto } from './payload.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import {
  optionalTimestampFromProto,
  optionalTimestampToProto,
  timestampFromProto,
  timestampToProto,
} from './timestamp.ts';

const taskStateNames: EnumNames<TaskState, TaskStateValue> = enumNames<TaskState, TaskStateValue>({
  pending: TaskStateValue.PENDING,
  running: TaskStateValue.RUNNING,
  success: TaskStateValue.SUCCESS,
  failure: TaskStateValue.FAILURE,
  reverting: TaskStateValue.REVERTING,
  reverted: TaskStateValue.REVERTED,
  revertFailure: TaskStateValue.REVERT_FAILURE,
  ignore: TaskStateValue.IGNORE,
});

const intentionNames: EnumNames<Intention, IntentionValue> = enumNames<Intention, IntentionValue>({
  execute: IntentionValue.EXECUTE,
  ignore: IntentionValue.IGNORE,
  revert: IntentionValue.REVERT,
  retry: IntentionValue.RETRY,
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
