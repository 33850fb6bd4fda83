// The records of a run's tasks, by their place in the plan: the one place where they change. Every
// change of state is checked against core's table, told to the observer, and given to the writer.
//
// `finishedAtUnixMs` is the end of the task's execution, and stays when the task is reverted. No two
// failures of a flow share one: so the first is known as the first by a later attempt too.
import {
  type AtomRecord,
  assert,
  type Clock,
  canTransitionTask,
  type Failure,
  LIMITS,
  type Payload,
  pendingAtom,
  toFailure,
} from '@holdfast/core';
import type { CheckpointWriter, Urgency } from './checkpoint-writer.ts';
import type { FlowPlan } from './flow-plan.ts';
import type { RunIdentity, RunObserver } from './run-options.ts';

export interface AtomBookParts {
  readonly plan: FlowPlan;
  readonly identity: RunIdentity;
  readonly clock: Clock;
  readonly observer: RunObserver;
  readonly writer: CheckpointWriter;
}

/** See the head of this file. */
export class AtomBook {
  readonly #parts: AtomBookParts;
  readonly #records: AtomRecord[];
  /** Stored records of tasks that the flow doesn't have. */
  #foreign: readonly AtomRecord[];
  #lastFailureUnixMs: number;
  /** The places of all tasks; joins have none. */
  readonly tasks: readonly number[];

  constructor(parts: AtomBookParts, atoms: readonly AtomRecord[]) {
    this.#parts = parts;
    this.tasks = parts.plan.nodes.flatMap((node, index) => (node.task ? [index] : []));
    const stored = new Map(atoms.map((atom) => [atom.name, atom]));
    this.#records = parts.plan.nodes.map((node) => stored.get(node.name) ?? pendingAtom(node.name));
    const names = new Set(parts.plan.nodes.map((node) => node.name));
    this.#foreign = atoms.filter((atom) => !names.has(atom.name));
    this.#lastFailureUnixMs = this.#records.reduce(
      (last, record) => (hasFailed(record) ? Math.max(last, endOf(record)) : last),
      Number.NEGATIVE_INFINITY,
    );
  }

  get(index: number): AtomRecord {
    const record = this.#records[index];
    assert(record, `the plan has a node ${index}`);
    return record;
  }

  /** Hands the task to user code: a new try, or once more the one that was in flight. */
  start(index: number): AtomRecord {
    const before = this.get(index);
    const isRepeat = before.state === 'running';
    return this.#change(index, 'soon', {
      state: 'running',
      intention: 'execute',
      tries: isRepeat ? Math.max(1, before.tries) : before.tries + 1,
      executions: before.executions + 1,
      progress: 0,
      progressMessage: undefined,
      nextAtUnixMs: undefined,
      startedAtUnixMs: this.#now(),
      finishedAtUnixMs: undefined,
    });
  }

  succeed(index: number, result: Payload): void {
    this.#change(index, 'now', {
      state: 'success',
      result,
      failure: undefined,
      progress: 1,
      finishedAtUnixMs: this.#now(),
    });
  }

  /** The try failed, and there will be another. */
  retryLater(index: number, thrown: unknown, nextAtUnixMs: number): void {
    this.#change(index, 'now', {
      state: 'pending',
      failure: toFailure(thrown, this.get(index).name),
      nextAtUnixMs,
    });
  }

  /** The task has failed for good. */
  fail(index: number, thrown: unknown): void {
    this.#fail(index, toFailure(thrown, this.get(index).name));
  }

  /**
   * The flow has failed, so a task that has begun and not succeeded has too: one that waits for its
   * next try with the failure of its last, one whose try was cut off with a failure that says so.
   */
  closeTry(index: number): void {
    const { name, state, failure, tries, forgivenTries } = this.get(index);
    const hasBegun = state === 'running' || (state === 'pending' && tries > forgivenTries);
    if (!hasBegun) return;
    const last = state === 'pending' ? failure : undefined;
    const message = `task ${name} was cut off, and the flow had failed meanwhile`;
    this.#fail(index, last ?? toFailure(new Error(message), name));
  }

  /**
   * Hands the task's revert to user code: a new try, or once more the one that was in flight.
   * `flowFailure` is why the flow is reverted.
   */
  startRevert(index: number, flowFailure: Failure): AtomRecord {
    const before = this.get(index);
    const isRepeat = before.state === 'reverting' && before.nextAtUnixMs === undefined;
    return this.#change(index, 'soon', {
      ...this.#toRevert(index, flowFailure),
      revertTries: isRepeat ? Math.max(1, before.revertTries) : before.revertTries + 1,
      nextAtUnixMs: undefined,
    });
  }

  /** Notes that this task is to be reverted, before its revert is called. */
  markReverting(index: number, flowFailure: Failure): void {
    this.#change(index, 'now', this.#toRevert(index, flowFailure));
  }

  /** A task without a revert is passed over. */
  skipRevert(index: number, flowFailure: Failure): void {
    this.#change(index, 'now', this.#toRevert(index, flowFailure));
    this.reverted(index);
  }

  reverted(index: number): void {
    this.#change(index, 'now', {
      state: 'reverted',
      revertFailure: undefined,
      nextAtUnixMs: undefined,
    });
  }

  retryRevertLater(index: number, thrown: unknown, nextAtUnixMs: number): void {
    const revertFailure = toFailure(thrown, this.get(index).name);
    this.#change(index, 'now', { state: 'reverting', revertFailure, nextAtUnixMs });
  }

  failRevert(index: number, thrown: unknown): void {
    const revertFailure = toFailure(thrown, this.get(index).name);
    this.#change(index, 'now', { state: 'revertFailure', revertFailure });
  }

  /** True when the records say that the flow has failed: an attempt has decided so, and it stands. */
  get hasFailed(): boolean {
    return this.#records.some((record) => hasFailed(record));
  }

  /**
   * Why the flow is reverted, by the records: the failure of the flow as a whole if there is one,
   * else that of the task that failed first.
   */
  findFlowFailure(): Failure {
    let first: AtomRecord | undefined;
    for (const record of this.#records) {
      if (!record.failure || !hasFailed(record)) continue;
      if (record.failure.task === undefined) return record.failure;
      if (!first || endOf(record) < endOf(first)) first = record;
    }
    return first?.failure ?? toFailure(new Error(NOT_RECORDED));
  }

  /**
   * Ends what earlier attempts left amid a revert and the flow doesn't have any more: nobody can go
   * on with it, and as long as it stood like that the job could not be revived.
   */
  closeForeign(): void {
    const { identity, writer } = this.#parts;
    const { attempt, worker } = identity;
    for (const record of this.#foreign) {
      if (record.state !== 'reverting') continue;
      const message = `task ${record.name} was removed from the flow while it was reverted; undo it by hand`;
      const revertFailure = toFailure(new Error(message), record.name);
      writer.put({ ...record, state: 'revertFailure', revertFailure, attempt, worker }, 'now');
    }
    this.#foreign = [];
  }

  progress(index: number, progress: number, progressMessage: string | undefined): void {
    this.#change(index, 'eventually', { progress, progressMessage });
  }

  recordError(index: number, error: unknown): void {
    const { errors, errorsDropped, name, tries, state, revertTries } = this.get(index);
    if (errors.length >= LIMITS.errorsPerTask) {
      this.#change(index, 'now', { errorsDropped: errorsDropped + 1 });
      return;
    }
    const recorded = {
      atUnixMs: this.#now(),
      try: state === 'reverting' ? revertTries : tries,
      failure: toFailure(error, name),
    };
    this.#change(index, 'now', { errors: [...errors, recorded] });
    this.#parts.observer.recordedError?.(name, recorded);
  }

  #fail(index: number, failure: Failure): void {
    const finishedAtUnixMs = Math.max(this.#now(), this.#lastFailureUnixMs + 1);
    this.#lastFailureUnixMs = finishedAtUnixMs;
    this.#change(index, 'now', {
      state: 'failure',
      intention: 'revert',
      failure,
      nextAtUnixMs: undefined,
      finishedAtUnixMs,
    });
  }

  /**
   * When not a task has failed but the flow as a whole, the records that go to be reverted are the
   * only place where a later attempt can find out why.
   */
  #toRevert(index: number, flowFailure: Failure): Partial<AtomRecord> {
    const { failure } = this.get(index);
    const isOfFlow = flowFailure.task === undefined;
    return {
      state: 'reverting',
      intention: 'revert',
      failure: failure ?? (isOfFlow ? flowFailure : undefined),
    };
  }

  #change(index: number, urgency: Urgency, change: Partial<AtomRecord>): AtomRecord {
    const { identity, observer, writer } = this.#parts;
    const before = this.get(index);
    const { attempt, worker } = identity;
    const after: AtomRecord = { ...before, ...change, attempt, worker };
    assert(
      change.state === undefined || canTransitionTask(before.state, after.state),
      `task ${before.name} can't go from ${before.state} to ${after.state}`,
    );
    this.#records[index] = after;
    writer.put(after, urgency);
    if (change.state !== undefined) observer.transition?.(after, before.state);
    return after;
  }

  #now(): number {
    return this.#parts.clock.nowUnixMs();
  }
}

/** True for a task that has failed for good, or that is reverted because the flow has failed. */
function hasFailed({ state }: AtomRecord): boolean {
  return (
    state === 'failure' ||
    state === 'reverting' ||
    state === 'reverted' ||
    state === 'revertFailure'
  );
}

function endOf({ finishedAtUnixMs }: AtomRecord): number {
  return finishedAtUnixMs ?? 0;
}

const NOT_RECORDED =
  'an earlier attempt was reverting the flow, and its records do not say why; the task that failed ' +
  'may have been removed from the flow since';
