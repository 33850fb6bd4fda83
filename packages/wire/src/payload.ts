import { create } from '@bufbuild/protobuf';
import type { Payload } from '@holdfast/core';
import { type Payload as PayloadMessage, PayloadSchema } from './gen/holdfast/v1/records_pb.ts';
import { required } from './malformed-message.ts';

export function payloadToProto(payload: Payload): PayloadMessage {
  return create(PayloadSchema, { contentType: payload.contentType, data: payload.data });
}

export function optionalPayloadToProto(payload: Payload | undefined): PayloadMessage | undefined {
  return payload === undefined ? undefined : payloadToProto(payload);
}

/** Throws HoldfastError INTERNAL naming `place` when the payload is absent. */
export function payloadFromProto(message: PayloadMessage | undefined, place: string): Payload {
  const { contentType, data } = required(message, place);
  return { contentType, data };
}

export function optionalPayloadFromProto(message: PayloadMessage | undefined): Payload | undefined {
  return message === undefined
    ? undefined
    : { contentType: message.contentType, data: message.data };
}
