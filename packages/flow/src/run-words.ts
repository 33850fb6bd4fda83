import type { AtomRecord } from '@holdfast/core';

/** Why a run waits for a task's next try, for people; `others` more tasks wait too. */
export function waitReason(record: AtomRecord, others: number): string {
  const isRevert = record.state === 'reverting';
  const last = isRevert ? record.revertFailure : record.failure;
  const what = isRevert ? `the revert of task ${record.name}` : `task ${record.name}`;
  const next = (isRevert ? record.revertTries : record.tries) + 1;
  const after = last ? ` after ${last.type}: ${last.message}` : '';
  return `${what} waits for try ${next}${after}${others > 0 ? ` (${others} more wait too)` : ''}`;
}

/** The fields of a log line about a try that failed with `error`. */
export function failedTry(
  { name, state, tries, revertTries }: AtomRecord,
  error: unknown,
): Record<string, unknown> {
  return { task: name, try: state.startsWith('revert') ? revertTries : tries, error };
}
