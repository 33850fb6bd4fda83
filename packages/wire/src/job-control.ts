import { create } from '@bufbuild/protobuf';
import {
  type JobControl as JobControlMessage,
  JobControlSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { integerFromProto, malformed } from './malformed-message.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import { optionalTimestampFromProto, optionalTimestampToProto } from './timestamp.ts';

/**
 * What is wanted of a job, from the weakest to the strongest: that it stops in order and is
 * suspended, that it reverts what it did and ends cancelled, that it stops and ends cancelled.
 */
export type JobWish = 'none' | 'suspend' | 'cancelWithRevert' | 'cancel';

/** What the outside wants of a job, and has told it. */
export interface JobControlFields {
  readonly wish: JobWish;
  /** When a cancel or a suspend was asked for last; absent when it never was. */
  readonly requestedAtUnixMs?: number | undefined;
  /** For people; may be empty. */
  readonly reason: string;
  /** Signals that the job has received: the number of the last one. */
  readonly signals: number;
  /** Bytes of their payloads together. */
  readonly signalBytes: number;
  /** How often the job was told that task jobs of it have ended. */
  readonly taskEnds: number;
  /** Changes that operators made to the job: the number of the last one. */
  readonly changes: number;
}

export function jobControlToProto(control: JobControlFields): JobControlMessage {
  const { wish } = control;
  return create(JobControlSchema, {
    cancel: wish === 'cancel' || wish === 'cancelWithRevert',
    revert: wish === 'cancelWithRevert',
    suspend: wish === 'suspend',
    requestedAt: optionalTimestampToProto(control.requestedAtUnixMs),
    reason: control.reason,
    signals: control.signals,
    signalBytes: BigInt(control.signalBytes),
    taskEnds: control.taskEnds,
    changes: control.changes,
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a job's control. */
export function jobControlFromProto(message: JobControlMessage): JobControlFields {
  // A job of which nothing was asked, and which was told nothing, has no control.
  const { requestedAt, signals, taskEnds, changes } = message;
  if (requestedAt === undefined && signals === 0 && taskEnds === 0 && changes === 0) {
    throw malformed('JobControl', 'says nothing');
  }
  return {
    wish: wishOf(message),
    requestedAtUnixMs: optionalTimestampFromProto(message.requestedAt, 'JobControl.requested_at'),
    reason: message.reason,
    signals: message.signals,
    signalBytes: integerFromProto(message.signalBytes, 'JobControl.signal_bytes'),
    taskEnds: message.taskEnds,
    changes: message.changes,
  };
}

function wishOf({ cancel, revert, suspend }: JobControlMessage): JobWish {
  if (cancel) return revert ? 'cancelWithRevert' : 'cancel';
  return suspend ? 'suspend' : 'none';
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
