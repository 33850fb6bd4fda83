import { create } from '@bufbuild/protobuf';
import type { JobSignal } from '@holdfast/core';
import {
  type JobSignal as JobSignalMessage,
  JobSignalSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { payloadFromProto, payloadToProto } from './payload.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import { timestampFromProto, timestampToProto } from './timestamp.ts';

export function jobSignalToProto(signal: JobSignal): JobSignalMessage {
  return create(JobSignalSchema, {
    seq: signal.seq,
    name: signal.name,
    payload: payloadToProto(signal.payload),
    at: timestampToProto(signal.atUnixMs),
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a signal. */
export function jobSignalFromProto(message: JobSignalMessage): JobSignal {
  return {
    seq: message.seq,
    name: message.name,
    payload: payloadFromProto(message.payload, 'JobSignal.payload'),
    atUnixMs: timestampFromProto(message.at, 'JobSignal.at'),
  };
}

const codec: RecordCodec<JobSignal> = recordCodec({
  schema: JobSignalSchema,
  toProto: jobSignalToProto,
  fromProto: jobSignalFromProto,
});

/** A signal as it is stored. */
export function encodeJobSignal(signal: JobSignal): Uint8Array {
  return codec.encode(signal);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeJobSignal(bytes: Uint8Array, place?: string): JobSignal {
  return codec.decode(bytes, place);
}
