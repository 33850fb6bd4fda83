import type { AtomRecord, Failure } from '@holdfast/core';

/** Why a run waits for an atom, for people; `others` more wait too. */
export function waitReason(record: AtomRecord, others: number): string {
  return `${reasonFor(record)}${others > 0 ? ` (${others} more wait too)` : ''}`;
}

function reasonFor({
  name,
  state,
  tries,
  revertTries,
  failure,
  revertFailure,
}: AtomRecord): string {
  switch (state) {
    case 'running':
      return `${name} sleeps`;
    case 'retrying':
      return `retry controller ${name} waits for its next round`;
    case 'reverting':
      return `the revert of task ${name} waits for try ${revertTries + 1}${after(revertFailure)}`;
    case 'pending':
    case 'success':
    case 'failure':
    case 'reverted':
    case 'revertFailure':
    case 'ignore':
      return `task ${name} waits for try ${tries + 1}${after(failure)}`;
    default:
      return state satisfies never;
  }
}

function after(failure: Failure | undefined): string {
  return failure ? ` after ${failure.type}: ${failure.message}` : '';
}

/** The fields of a log line about a try that failed with `error`. */
export function failedTry(
  { name, state, tries, revertTries }: AtomRecord,
  error: unknown,
): Record<string, unknown> {
  return { task: name, try: state.startsWith('revert') ? revertTries : tries, error };
}
