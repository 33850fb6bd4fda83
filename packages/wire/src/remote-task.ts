import { create } from '@bufbuild/protobuf';
import type { RemoteTask } from '@holdfast/core';
import { atomFromProto, atomToProto, intentionNames } from './atom.ts';
import { optionalFailureFromProto, optionalFailureToProto } from './failure.ts';
import {
  type RemoteTask as RemoteTaskMessage,
  RemoteTaskSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { jobIdFromProto, malformed, required, requiredText } from './malformed-message.ts';

export function remoteTaskToProto(task: RemoteTask): RemoteTaskMessage {
  return create(RemoteTaskSchema, {
    parentId: task.parentId,
    task: task.task,
    intention: intentionNames.toProto(task.intention),
    flowVersion: task.flowVersion,
    labels: { ...task.labels },
    atom: atomToProto(task.atom),
    flowFailure: optionalFailureToProto(task.flowFailure),
    fenceBase: task.fenceBase,
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a remote task. */
export function remoteTaskFromProto(message: RemoteTaskMessage): RemoteTask {
  const intention = intentionNames.fromProto(message.intention, 'RemoteTask.intention');
  if (intention !== 'execute' && intention !== 'revert') {
    throw malformed('RemoteTask.intention', `is ${intention}`);
  }
  return {
    parentId: jobIdFromProto(message.parentId, 'RemoteTask.parent_id'),
    task: requiredText(message.task, 'RemoteTask.task'),
    intention,
    flowVersion: message.flowVersion,
    labels: message.labels,
    atom: atomFromProto(required(message.atom, 'RemoteTask.atom')),
    flowFailure: optionalFailureFromProto(message.flowFailure),
    fenceBase: message.fenceBase,
  };
}
