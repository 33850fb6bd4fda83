import {
  HoldfastError,
  type JobId,
  parseJobId,
  parseWorkerId,
  type WorkerId,
} from '@holdfast/core';

/**
 * The error for a message that can't be what its type says: damaged, or written by a version of
 * Holdfast that knows more than this one. `place` is the message or one of its fields.
 */
export function malformed(place: string, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError('INTERNAL', `${place} ${problem}`, { cause });
}

/** Returns the value of a field that the domain can't do without. */
export function required<T>(value: T | undefined, place: string): T {
  if (value === undefined) throw malformed(place, 'is missing');
  return value;
}

/** Returns the text of a field that must not be empty. */
export function requiredText(text: string, place: string): string {
  if (text === '') throw malformed(place, 'is missing');
  return text;
}

/** Proto3 writes an absent string as an empty one. */
export function optionalText(text: string): string | undefined {
  return text === '' ? undefined : text;
}

/** An int64 as a number; a number beyond 2^53 is refused, because it would be another one. */
export function integerFromProto(value: bigint, place: string): number {
  const integer = Number(value);
  if (!Number.isSafeInteger(integer)) throw malformed(place, `is out of range: ${value}`);
  return integer;
}

/** Proto3 writes an absent duration as 0. */
export function optionalDurationFromProto(value: bigint, place: string): number | undefined {
  return value === 0n ? undefined : integerFromProto(value, place);
}

export function optionalDurationToProto(durationMs: number | undefined): bigint {
  return BigInt(durationMs ?? 0);
}

export function jobIdFromProto(text: string, place: string): JobId {
  try {
    return parseJobId(text, place);
  } catch (cause) {
    throw malformed(place, `is not a job id: ${JSON.stringify(text)}`, cause);
  }
}

export function workerIdFromProto(text: string, place: string): WorkerId {
  try {
    return parseWorkerId(text, place);
  } catch (cause) {
    throw malformed(place, `is not a worker id: ${JSON.stringify(text)}`, cause);
  }
}
