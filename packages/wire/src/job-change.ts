import { create } from '@bufbuild/protobuf';
import type { ChangedTask, ForkOrigin, JobChange, TaskChange } from '@holdfast/core';
import { taskStateNames } from './atom.ts';
import {
  type ChangedTask as ChangedTaskMessage,
  ChangedTaskSchema,
  ForkOriginSchema,
  type JobChange as JobChangeMessage,
  JobChangeSchema,
  ResolveRevertSchema,
  RetryFromSchema,
  RetryRevertSchema,
  RevertJobSchema,
  SetResultSchema,
  SkipTaskSchema,
  type TaskChange as TaskChangeMessage,
  TaskChangeSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { jobIdFromProto, malformed, optionalText, requiredText } from './malformed-message.ts';
import {
  optionalPayloadFromProto,
  optionalPayloadToProto,
  payloadFromProto,
  payloadToProto,
} from './payload.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import { timestampFromProto, timestampToProto } from './timestamp.ts';

export function taskChangeToProto(change: TaskChange): TaskChangeMessage {
  return create(TaskChangeSchema, { change: oneOf(change) });
}

function oneOf(change: TaskChange): TaskChangeMessage['change'] {
  switch (change.kind) {
    case 'retryFrom':
      return { case: 'retryFrom', value: create(RetryFromSchema, { task: change.task }) };
    case 'setResult': {
      const values = payloadToProto(change.values);
      return { case: 'setResult', value: create(SetResultSchema, { task: change.task, values }) };
    }
    case 'skip': {
      const values = optionalPayloadToProto(change.values);
      return { case: 'skip', value: create(SkipTaskSchema, { task: change.task, values }) };
    }
    case 'revert':
      return { case: 'revert', value: create(RevertJobSchema) };
    case 'retryRevert':
      return { case: 'retryRevert', value: create(RetryRevertSchema, { task: change.task }) };
    case 'resolveRevert':
      return { case: 'resolveRevert', value: create(ResolveRevertSchema, { task: change.task }) };
    default:
      return change satisfies never;
  }
}

function taskChangeFromProto({ change }: TaskChangeMessage): TaskChange {
  const { case: kind, value } = change;
  if (kind === undefined) throw malformed('TaskChange', 'says nothing');
  if (kind === 'revert') return { kind };
  const task = requiredText(value.task, `TaskChange.${kind}.task`);
  switch (kind) {
    case 'setResult':
      return { kind, task, values: payloadFromProto(value.values, 'SetResult.values') };
    case 'skip':
      return { kind, task, values: optionalPayloadFromProto(value.values) };
    case 'retryFrom':
    case 'retryRevert':
    case 'resolveRevert':
      return { kind, task };
    default:
      return kind satisfies never;
  }
}

export function jobChangeToProto(change: JobChange): JobChangeMessage {
  return create(JobChangeSchema, {
    seq: change.seq,
    at: timestampToProto(change.atUnixMs),
    by: change.by,
    reason: change.reason,
    changes: change.changes.map(taskChangeToProto),
    tasks: change.tasks.map(changedTaskToProto),
    attempts: change.attempts,
    resumed: change.resumed,
    fork: change.fork && forkToProto(change.fork),
    flowVersion: change.flowVersion,
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a change of a job. */
export function jobChangeFromProto(message: JobChangeMessage): JobChange {
  const { fork } = message;
  return {
    seq: message.seq,
    atUnixMs: timestampFromProto(message.at, 'JobChange.at'),
    by: message.by,
    reason: message.reason,
    changes: message.changes.map(taskChangeFromProto),
    tasks: message.tasks.map(changedTaskFromProto),
    attempts: message.attempts,
    resumed: message.resumed,
    flowVersion: message.flowVersion,
    fork: fork && {
      jobId: jobIdFromProto(fork.jobId, 'ForkOrigin.job_id'),
      fromTask: optionalText(fork.fromTask),
    },
  };
}

function forkToProto({ jobId, fromTask }: ForkOrigin): JobChangeMessage['fork'] {
  return create(ForkOriginSchema, { jobId, fromTask: fromTask ?? '' });
}

function changedTaskToProto(task: ChangedTask): ChangedTaskMessage {
  return create(ChangedTaskSchema, {
    task: task.task,
    before: taskStateNames.toProto(task.before),
    after: taskStateNames.toProto(task.after),
    result: optionalPayloadToProto(task.result),
    generation: task.generation ?? 0,
  });
}

function changedTaskFromProto(message: ChangedTaskMessage): ChangedTask {
  return {
    task: requiredText(message.task, 'ChangedTask.task'),
    before: taskStateNames.fromProto(message.before, 'ChangedTask.before'),
    after: taskStateNames.fromProto(message.after, 'ChangedTask.after'),
    result: optionalPayloadFromProto(message.result),
    generation: message.generation === 0 ? undefined : message.generation,
  };
}

const codec: RecordCodec<JobChange> = recordCodec({
  schema: JobChangeSchema,
  toProto: jobChangeToProto,
  fromProto: jobChangeFromProto,
});

/** A change of a job as it is stored. */
export function encodeJobChange(change: JobChange): Uint8Array {
  return codec.encode(change);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeJobChange(bytes: Uint8Array, place?: string): JobChange {
  return codec.decode(bytes, place);
}
