import type { AtomRecord } from '@holdfast/core';

/** The record for a task that is begun again after a task job which was stopped: no try gets a number twice. */
export function goneOn(before: AtomRecord, stopped: AtomRecord | undefined): AtomRecord {
  if (!stopped) return { ...before, taskJob: undefined };
  const { state, nextAtUnixMs } = stopped;
  // Between two tries, a revert is still reverting.
  const isAmidTry = (state === 'running' || state === 'reverting') && nextAtUnixMs === undefined;
  const next = isAmidTry ? 0 : 1;
  const isRevert = before.state === 'reverting';
  return {
    ...before,
    tries: isRevert ? before.tries : stopped.tries + next,
    revertTries: isRevert ? stopped.revertTries + next : before.revertTries,
    // The record counts the call that is to come.
    executions: isRevert ? before.executions : stopped.executions + 1,
    errors: stopped.errors,
    errorsDropped: stopped.errorsDropped,
    taskJob: undefined,
  };
}
