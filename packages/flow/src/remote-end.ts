import type { AtomRecord, RemoteTask, TaskState } from '@holdfast/core';

/**
 * The states that a task's record can end with. A task that has failed is passed over by the revert of
 * the flow that it is alone in, and its record still says why it failed.
 */
const ENDS: Readonly<Record<RemoteTask['intention'], readonly TaskState[]>> = {
  execute: ['success', 'failure', 'reverting', 'reverted', 'revertFailure'],
  revert: ['reverted', 'revertFailure'],
};

/** True when a task job's record of its task is that of one that has come to its end, and not one amid its tries. */
export function isRemoteEnd(
  intention: RemoteTask['intention'],
  { state }: Pick<AtomRecord, 'state'>,
): boolean {
  return ENDS[intention].includes(state);
}

/** What a record of a task that ran elsewhere says besides how it ended. */
export function countsOf(atom: AtomRecord): Partial<AtomRecord> {
  const { tries, executions, revertTries, errors, errorsDropped, startedAtUnixMs } = atom;
  const { progress, progressMessage } = atom;
  const counted = { tries, executions, revertTries, errors, errorsDropped };
  return { ...counted, progress, progressMessage, startedAtUnixMs };
}
