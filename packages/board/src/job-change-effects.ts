// What operators' changes make of the records of a job's tasks. The records as they are stored stay: a
// change is one record of its own, and whoever reads the tasks applies it, in memory. So a change of ten
// thousand tasks is one commit, and there is no moment at which half of it holds.
//
// Invariants:
//   X1. A change holds for a record that none but attempts from before it have written, and that it is not
//       in already: `attempt` of the record says the one, `changes` the other. What it names and has no
//       record is as if it had one that says nothing.
//   X2. The same record and the same changes give the same result, however often it is read.
import {
  type AtomRecord,
  type ChangedTask,
  type JobChange,
  type Payload,
  pendingAtom,
} from '@holdfast/core';
import { forgivenAtom } from './forgiven-atom.ts';

/** The records as they are by the changes, which are in the order of their numbers; by name, as given. */
export function applyChanges(
  atoms: readonly AtomRecord[],
  changes: readonly JobChange[],
): readonly AtomRecord[] {
  if (changes.length === 0) return atoms;
  const records = new Map(atoms.map((atom) => [atom.name, atom]));
  for (const change of changes) {
    for (const task of change.tasks) {
      const { flowVersion, seq, attempts } = change;
      const before = records.get(task.task) ?? { ...pendingAtom(task.task), flowVersion };
      if (before.attempt > attempts || (before.changes ?? 0) >= seq) continue; // X1
      records.set(task.task, changedAtom(before, task, change));
    }
  }
  if (records.size === atoms.length) return [...records.values()];
  return [...records.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** What one change makes of one record. */
export function changedAtom(
  before: AtomRecord,
  task: ChangedTask,
  { seq, atUnixMs }: Pick<JobChange, 'seq' | 'atUnixMs'>,
): AtomRecord {
  return { ...changedState(before, task, atUnixMs), changes: seq };
}

function changedState(before: AtomRecord, task: ChangedTask, atUnixMs: number): AtomRecord {
  const over = { failure: undefined, revertFailure: undefined, nextAtUnixMs: undefined };
  switch (task.after) {
    case 'pending':
      return forgivenAtom(before);
    case 'success':
      return {
        ...before,
        ...over,
        state: 'success',
        intention: 'execute',
        blocked: undefined,
        progress: 1,
        rounds: reopened(before.rounds),
        ...(task.result ? given(before, task.result, atUnixMs) : {}),
      };
    case 'ignore':
      return {
        ...before,
        ...over,
        state: 'ignore',
        intention: 'ignore',
        blocked: 'atom',
        generation: task.generation ?? 0,
        result: undefined,
      };
    case 'reverting':
      return {
        ...before,
        state: 'reverting',
        intention: 'revert',
        forgivenRevertTries: before.revertTries,
        // A time, though one that is over, makes it another try, with a key of its own.
        nextAtUnixMs: atUnixMs,
        taskJob: undefined,
      };
    case 'reverted':
      return {
        ...before,
        state: 'reverted',
        intention: 'revert',
        revertFailure: undefined,
        nextAtUnixMs: undefined,
      };
    case 'running':
    case 'failure':
    case 'revertFailure':
    case 'retrying':
      return before; // No change leads there.
    default:
      return task.after satisfies never;
  }
}

/** Times are those of the task where it ran, however that ended. */
function given(before: AtomRecord, result: Payload, atUnixMs: number): Partial<AtomRecord> {
  const { startedAtUnixMs = atUnixMs, finishedAtUnixMs = startedAtUnixMs } = before;
  return { result, startedAtUnixMs, finishedAtUnixMs };
}

/** What a controller decided about its last round holds no more: the round goes on. */
function reopened(rounds: AtomRecord['rounds']): AtomRecord['rounds'] {
  const last = rounds.at(-1);
  if (last?.decision === undefined) return rounds;
  return [...rounds.slice(0, -1), { ...last, failures: [], decision: undefined }];
}
