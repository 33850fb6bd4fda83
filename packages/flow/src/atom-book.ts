// The records of a run's tasks, by their place in the plan: the one place where they change. Every
// change of state is checked against core's table, told to the observer, and given to the writer.
import {
  type AtomRecord,
  assert,
  type Clock,
  canTransitionTask,
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
  /** The places of all tasks; joins have none. */
  readonly tasks: readonly number[];

  constructor(parts: AtomBookParts, atoms: readonly AtomRecord[]) {
    this.#parts = parts;
    this.tasks = parts.plan.nodes.flatMap((node, index) => (node.task ? [index] : []));
    const stored = new Map(atoms.map((atom) => [atom.name, atom]));
    this.#records = parts.plan.nodes.map((node) => stored.get(node.name) ?? pendingAtom(node.name));
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
      tries: isRepeat ? before.tries : before.tries + 1,
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
      finishedAtUnixMs: this.#now(),
    });
  }

  /** The task has failed for good; `thrown` is absent when its last failure says why already. */
  fail(index: number, thrown?: unknown): void {
    const before = this.get(index);
    this.#change(index, 'now', {
      state: 'failure',
      failure: thrown === undefined ? before.failure : toFailure(thrown, before.name),
      nextAtUnixMs: undefined,
      finishedAtUnixMs: this.#now(),
    });
  }

  /** Hands the task's revert to user code: a new try, or once more the one that was in flight. */
  startRevert(index: number): AtomRecord {
    const before = this.get(index);
    const isRepeat = before.state === 'reverting' && before.nextAtUnixMs === undefined;
    return this.#change(index, 'soon', {
      state: 'reverting',
      intention: 'revert',
      revertTries: isRepeat ? before.revertTries : before.revertTries + 1,
      nextAtUnixMs: undefined,
    });
  }

  /** A task without a revert is passed over. */
  skipRevert(index: number): void {
    this.#change(index, 'now', { state: 'reverting', intention: 'revert' });
    this.reverted(index);
  }

  reverted(index: number): void {
    this.#change(index, 'now', {
      state: 'reverted',
      revertFailure: undefined,
      finishedAtUnixMs: this.#now(),
    });
  }

  retryRevertLater(index: number, thrown: unknown, nextAtUnixMs: number): void {
    const revertFailure = toFailure(thrown, this.get(index).name);
    this.#change(index, 'now', { state: 'reverting', revertFailure, nextAtUnixMs });
  }

  failRevert(index: number, thrown: unknown): void {
    const revertFailure = toFailure(thrown, this.get(index).name);
    this.#change(index, 'now', {
      state: 'revertFailure',
      revertFailure,
      finishedAtUnixMs: this.#now(),
    });
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
