import {
  type AtomRecord,
  type Failure,
  type RemoteTask,
  type TaskState,
  toFailure,
} from '@holdfast/core';

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

/**
 * What the record of a task that is under way elsewhere becomes by its end there; undefined when it didn't come
 * to one. For a job that goes on with a later version of its flow: a run takes over the ends of its own.
 */
export function recordByEnd(record: AtomRecord, there: AtomRecord): AtomRecord | undefined {
  const intention = record.state === 'reverting' ? 'revert' : 'execute';
  if (!isRemoteEnd(intention, there)) return undefined;
  const { state, result, finishedAtUnixMs } = there;
  const taken = { ...record, ...countsOf(there), nextAtUnixMs: undefined };
  if (intention === 'revert') {
    const { revertFailure = noReason(there) } = there;
    if (state === 'reverted') return { ...taken, state, revertFailure: undefined };
    return { ...taken, state: 'revertFailure', revertFailure };
  }
  if (state === 'success' && result) {
    return { ...taken, state, result, failure: undefined, progress: 1, finishedAtUnixMs };
  }
  const { failure = noReason(there) } = there;
  return { ...taken, state: 'failure', intention: 'revert', failure, finishedAtUnixMs };
}

/** For a record that says that its task has failed, and not why. */
export function noReason({ name }: Pick<AtomRecord, 'name'>): Failure {
  const message = `task ${name} has failed elsewhere, and its record doesn't say why`;
  return toFailure(new Error(message), name);
}

/** What a record of a task that ran elsewhere says besides how it ended. */
export function countsOf(atom: AtomRecord): Partial<AtomRecord> {
  const { tries, executions, revertTries, errors, errorsDropped, startedAtUnixMs } = atom;
  const { progress, progressMessage } = atom;
  const counted = { tries, executions, revertTries, errors, errorsDropped };
  return { ...counted, progress, progressMessage, startedAtUnixMs };
}
