import { type AtomRecord, decodeJson, pendingAtom, type TaskState } from '@holdfast/core';

/** One call of a task's code, whether or not the test had something else done in its place. */
export interface TaskCall {
  /** With the place in the list, where it is a task of a map: `scan[3]`. */
  readonly task: string;
  readonly kind: 'execute' | 'revert';
  readonly try: number;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/**
 * What became of a task. A task of a map is done for each item, under `scan[0]` and so on; under its own
 * name there are the calls for all items, and nothing else.
 */
export interface TrialTask {
  readonly state: TaskState;
  /** Its last durable checkpoint; that of a task that has not begun is empty. */
  readonly record: AtomRecord;
  /** What it provided, decoded; undefined when it has not succeeded. */
  readonly result: unknown;
  /** All calls, in order, over all attempts. */
  readonly calls: readonly TaskCall[];
  /** How often `execute` was called. */
  readonly executions: number;
  /** How often `revert` was called. */
  readonly reverts: number;
}

/** A task by its last durable checkpoint and its calls. */
export function createTrialTask(
  name: string,
  record: AtomRecord = pendingAtom(name),
  calls: readonly TaskCall[] = [],
): TrialTask {
  const countOf = (kind: TaskCall['kind']): number =>
    calls.filter((call) => call.kind === kind).length;
  return {
    state: record.state,
    record,
    result: record.result && decodeJson(record.result),
    calls,
    executions: countOf('execute'),
    reverts: countOf('revert'),
  };
}
