import { type AtomRecord, LIMITS, type RecordedError, toFailure } from '@holdfast/core';

/** How a record changes when its task reports an error that doesn't end it. */
export function recordedError(
  record: AtomRecord,
  error: unknown,
  atUnixMs: number,
): { readonly change: Partial<AtomRecord>; readonly recorded: RecordedError | undefined } {
  const { errors, errorsDropped, name, tries, state, revertTries } = record;
  if (errors.length >= LIMITS.errorsPerTask) {
    return { change: { errorsDropped: errorsDropped + 1 }, recorded: undefined };
  }
  const recorded = {
    atUnixMs,
    try: state === 'reverting' ? revertTries : tries,
    failure: toFailure(error, name),
  };
  return { change: { errors: [...errors, recorded] }, recorded };
}
