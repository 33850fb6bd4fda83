import { create } from '@bufbuild/protobuf';
import {
  type JobControl as JobControlMessage,
  JobControlSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import { timestampFromProto, timestampToProto } from './timestamp.ts';

/** What is wanted of a job that runs. */
export interface JobControlFields {
  readonly cancel: boolean;
  readonly requestedAtUnixMs: number;
  /** For people; may be empty. */
  readonly reason: string;
}

export function jobControlToProto(control: JobControlFields): JobControlMessage {
  return create(JobControlSchema, {
    cancel: control.cancel,
    requestedAt: timestampToProto(control.requestedAtUnixMs),
    reason: control.reason,
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a job's control. */
export function jobControlFromProto(message: JobControlMessage): JobControlFields {
  return {
    cancel: message.cancel,
    requestedAtUnixMs: timestampFromProto(message.requestedAt, 'JobControl.requested_at'),
    reason: message.reason,
  };
}

const codec: RecordCodec<JobControlFields> = recordCodec({
  schema: JobControlSchema,
  toProto: jobControlToProto,
  fromProto: jobControlFromProto,
});

/** A job's control as it is stored. */
export function encodeJobControl(control: JobControlFields): Uint8Array {
  return codec.encode(control);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeJobControl(bytes: Uint8Array, place?: string): JobControlFields {
  return codec.decode(bytes, place);
}
