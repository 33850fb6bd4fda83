import { create } from '@bufbuild/protobuf';
import { type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { malformed } from './malformed-message.ts';

const NANOS_PER_MS = 1_000_000;

/** A wall time in whole milliseconds as a protobuf Timestamp. A fraction is refused with INTERNAL. */
export function timestampToProto(unixMs: number): Timestamp {
  if (!Number.isSafeInteger(unixMs)) {
    throw malformed('google.protobuf.Timestamp', `needs whole milliseconds, got ${unixMs}`);
  }
  const seconds = Math.floor(unixMs / 1000);
  return create(TimestampSchema, {
    seconds: BigInt(seconds),
    nanos: (unixMs - seconds * 1000) * NANOS_PER_MS,
  });
}

/** {@link timestampToProto} for a time that may be absent. */
export function optionalTimestampToProto(unixMs: number | undefined): Timestamp | undefined {
  return unixMs === undefined ? undefined : timestampToProto(unixMs);
}

/**
 * A protobuf Timestamp in milliseconds; a part of a millisecond counts as a whole one, so that
 * "not before" stays true. Throws HoldfastError INTERNAL naming `place` when it is absent or out of range.
 */
export function timestampFromProto(timestamp: Timestamp | undefined, place: string): number {
  if (timestamp === undefined) throw malformed(place, 'is missing');
  const unixMs = Number(timestamp.seconds) * 1000 + Math.ceil(timestamp.nanos / NANOS_PER_MS);
  if (!Number.isSafeInteger(unixMs)) {
    throw malformed(place, `is out of range: ${timestamp.seconds} seconds`);
  }
  return unixMs;
}

/** {@link timestampFromProto} for a time that may be absent. */
export function optionalTimestampFromProto(
  timestamp: Timestamp | undefined,
  place: string,
): number | undefined {
  return timestamp === undefined ? undefined : timestampFromProto(timestamp, place);
}
