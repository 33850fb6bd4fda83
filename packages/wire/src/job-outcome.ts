import { create } from '@bufbuild/protobuf';
import type { Payload } from '@holdfast/core';
import {
  type JobOutcome as JobOutcomeMessage,
  JobOutcomeSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { optionalPayloadFromProto, optionalPayloadToProto } from './payload.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';

/** What a finished job leaves behind besides its status. */
export interface JobOutcomeFields {
  /** The flow's output; absent unless the job succeeded. */
  readonly output?: Payload | undefined;
}

function jobOutcomeToProto(outcome: JobOutcomeFields): JobOutcomeMessage {
  return create(JobOutcomeSchema, { output: optionalPayloadToProto(outcome.output) });
}

function jobOutcomeFromProto(message: JobOutcomeMessage): JobOutcomeFields {
  return { output: optionalPayloadFromProto(message.output) };
}

const codec: RecordCodec<JobOutcomeFields> = recordCodec({
  schema: JobOutcomeSchema,
  toProto: jobOutcomeToProto,
  fromProto: jobOutcomeFromProto,
});

/** A job's outcome as it is stored. */
export function encodeJobOutcome(outcome: JobOutcomeFields): Uint8Array {
  return codec.encode(outcome);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeJobOutcome(bytes: Uint8Array, place?: string): JobOutcomeFields {
  return codec.decode(bytes, place);
}
