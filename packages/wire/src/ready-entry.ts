import { create } from '@bufbuild/protobuf';
import type { JobId } from '@holdfast/core';
import { ReadyEntrySchema } from './gen/holdfast/v1/records_pb.ts';
import { jobIdFromProto } from './malformed-message.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';

/** An entry of the ready index. */
export interface ReadyEntryFields {
  readonly jobId: JobId;
}

const codec: RecordCodec<ReadyEntryFields> = recordCodec({
  schema: ReadyEntrySchema,
  toProto: ({ jobId }: ReadyEntryFields) => create(ReadyEntrySchema, { jobId }),
  fromProto: (message) => ({ jobId: jobIdFromProto(message.jobId, 'ReadyEntry.job_id') }),
});

/** An entry of the ready index as it is stored. */
export function encodeReadyEntry(entry: ReadyEntryFields): Uint8Array {
  return codec.encode(entry);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeReadyEntry(bytes: Uint8Array, place?: string): ReadyEntryFields {
  return codec.decode(bytes, place);
}
