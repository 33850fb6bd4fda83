import { create } from '@bufbuild/protobuf';
import type { Failure } from '@holdfast/core';
import {
  FailureCauseSchema,
  type Failure as FailureMessage,
  FailureSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { optionalText } from './malformed-message.ts';

export function failureToProto(failure: Failure): FailureMessage {
  return create(FailureSchema, {
    type: failure.type,
    message: failure.message,
    stack: failure.stack,
    task: failure.task ?? '',
    causes: failure.causes.map(({ type, message }) =>
      create(FailureCauseSchema, { type, message }),
    ),
  });
}

export function optionalFailureToProto(failure: Failure | undefined): FailureMessage | undefined {
  return failure === undefined ? undefined : failureToProto(failure);
}

export function failureFromProto(message: FailureMessage): Failure {
  return {
    type: message.type,
    message: message.message,
    stack: message.stack,
    task: optionalText(message.task),
    causes: message.causes.map((cause) => ({ type: cause.type, message: cause.message })),
  };
}

export function optionalFailureFromProto(message: FailureMessage | undefined): Failure | undefined {
  return message === undefined ? undefined : failureFromProto(message);
}
