// The records of a workflow's run, by name: the function's own, under the workflow's name, and one for
// each step, sleep and wait. The one place where they change: every change of state is checked against
// core's table, told to the observer, and given to the writer.
//
// What a record says besides what core says of it:
//   - A sleep or a wait is `running` until it is over, with `nextAtUnixMs` where it has an end, and no
//     `executions`, because no user code belongs to it; its `progressMessage` tells which it is.
//   - `finishedAtUnixMs` is the order of completion: no two records of a job share one, and each is
//     later than all before it. It stays when the step is reverted.
//   - The function's record is `reverting` from the moment that its failure is decided until everything
//     is reverted, and holds that failure. Its `tries` count how often its code did not fit the records.
import {
  type AtomRecord,
  assert,
  type Clock,
  canTransitionTask,
  type Failure,
  type Payload,
  pendingAtom,
  toFailure,
} from '@holdfast/core';
import type { CheckpointWriter, Urgency } from './checkpoint-writer.ts';
import { recordedError } from './recorded-error.ts';
import type { RunIdentity, RunObserver } from './run-options.ts';
import type { AskSpec } from './workflow-spec.ts';

export interface WorkflowBookParts {
  /** The workflow's name. */
  readonly name: string;
  /** The workflow's version, which every changed record gets. */
  readonly flowVersion: number;
  readonly identity: RunIdentity;
  readonly clock: Clock;
  readonly observer: RunObserver;
  readonly writer: CheckpointWriter;
}

const SLEEP_MESSAGE = 'sleeps';
const WAIT_MESSAGE = 'waits for a signal';

/** See the head of this file. */
export class WorkflowBook {
  readonly #parts: WorkflowBookParts;
  readonly #records: Map<string, AtomRecord>;
  #lastFinishUnixMs: number;

  constructor(parts: WorkflowBookParts, atoms: readonly AtomRecord[]) {
    this.#parts = parts;
    this.#records = new Map(atoms.map((atom) => [atom.name, atom]));
    this.#lastFinishUnixMs = atoms.reduce(
      (last, { finishedAtUnixMs }) => Math.max(last, finishedAtUnixMs ?? last),
      Number.NEGATIVE_INFINITY,
    );
  }

  get(name: string): AtomRecord {
    return this.#records.get(name) ?? pendingAtom(name);
  }

  /** The function's own record. */
  get root(): AtomRecord {
    return this.get(this.#parts.name);
  }

  /** The records of steps, sleeps and waits. */
  get all(): readonly AtomRecord[] {
    return [...this.#records.values()].filter(({ name }) => name !== this.#parts.name);
  }

  /** The names of what was completed, in that order. */
  get completed(): readonly string[] {
    return this.all
      .filter((record) => hasFinished(record))
      .sort((a, b) => (a.finishedAtUnixMs ?? 0) - (b.finishedAtUnixMs ?? 0))
      .map(({ name }) => name);
  }

  /** The function is called. When a mismatch was noted, or the job was revived, that is a new try. */
  startRoot(): void {
    const { state, tries, executions, startedAtUnixMs } = this.root;
    // It had returned, and the attempt ended before its end was recorded: it returns once more.
    if (state === 'success') return;
    const isRepeat = state === 'running';
    this.#change(this.#parts.name, 'soon', {
      state: 'running',
      tries: isRepeat ? Math.max(1, tries) : tries + 1,
      executions: executions + 1,
      failure: undefined,
      nextAtUnixMs: undefined,
      // The first one, because `ctx.now()` begins with it.
      startedAtUnixMs: startedAtUnixMs ?? this.#now(),
    });
  }

  /** The function has returned. What it returned stands in the outcome of the job alone. */
  succeedRoot(): void {
    if (this.root.state === 'success') return;
    this.#finish(this.#parts.name, { state: 'success', progress: 1 });
  }

  /** The function has failed for good: from now on everything is reverted. */
  failRoot(failure: Failure): void {
    if (isReverting(this.root)) return;
    this.#finish(this.#parts.name, { state: 'failure', failure });
    this.#change(this.#parts.name, 'now', { state: 'reverting', intention: 'revert' });
  }

  /**
   * There is nothing left to revert that can be. What stands amid a revert and was not asked for any
   * more can't: as long as it stood like that the job could not be revived.
   */
  endRevert(isAsked: (name: string) => boolean): void {
    for (const { name, state } of this.all) {
      if (state !== 'reverting' || isAsked(name)) continue;
      this.failRevert(
        name,
        new Error(`the function no longer asks for step ${name}; undo it by hand`),
      );
    }
    // What is left as it is because of a revert that failed belongs to what a revival starts anew.
    for (const { name, state } of this.all) {
      if (state === 'failure') this.#change(name, 'now', { intention: 'revert' });
    }
    const failed = this.all.find(({ state }) => state === 'revertFailure');
    if (!failed) {
      const change = {
        state: 'reverted',
        revertFailure: undefined,
        nextAtUnixMs: undefined,
      } as const;
      this.#change(this.#parts.name, 'now', change);
      return;
    }
    const revertFailure = toFailure(new Error(`the revert of step ${failed.name} failed for good`));
    this.#change(this.#parts.name, 'now', { state: 'revertFailure', revertFailure });
  }

  /** The code doesn't fit the records. What they say of the function otherwise stays. */
  noteMismatch(failure: Failure, nextAtUnixMs: number | undefined): void {
    const { state, revertTries } = this.root;
    if (state === 'reverting') {
      const revert = { revertTries: revertTries + 1, revertFailure: failure, nextAtUnixMs };
      return void this.#change(this.#parts.name, 'now', revert);
    }
    this.#change(this.#parts.name, 'now', { state: 'pending', failure, nextAtUnixMs });
  }

  /** Hands the step to user code: a new try, or once more the one that was in flight. */
  start(name: string): AtomRecord {
    const before = this.get(name);
    const isRepeat = before.state === 'running';
    return this.#change(name, 'soon', {
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

  /** A sleep or a wait begins. */
  startPause(
    name: string,
    pause: { readonly kind: 'sleep' | 'wait'; readonly untilUnixMs: number | undefined },
  ): void {
    if (this.get(name).state === 'ignore') this.#change(name, 'now', { state: 'pending' });
    this.#change(name, 'now', {
      state: 'running',
      intention: 'execute',
      tries: this.get(name).tries + 1,
      progressMessage: pause.kind === 'sleep' ? SLEEP_MESSAGE : WAIT_MESSAGE,
      nextAtUnixMs: pause.untilUnixMs,
      startedAtUnixMs: this.#now(),
      finishedAtUnixMs: undefined,
    });
  }

  /** `signal` is the number of the signal that a wait has taken. */
  succeed(name: string, result: Payload, signal?: number): void {
    this.#finish(name, {
      state: 'success',
      result,
      failure: undefined,
      progress: 1,
      nextAtUnixMs: undefined,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** The try failed, and there will be another. */
  retryLater(name: string, thrown: unknown, nextAtUnixMs: number): void {
    this.#change(name, 'now', { state: 'pending', failure: toFailure(thrown, name), nextAtUnixMs });
  }

  /** The step or the wait has failed for good. */
  fail(name: string, thrown: unknown): void {
    this.#fail(name, toFailure(thrown, name));
  }

  /** A signal that can't be used: it is taken all the same. */
  refuseSignal(name: string, signal: number, error: unknown): void {
    this.recordError(name, error);
    this.#change(name, 'now', { signal });
  }

  /**
   * The function has ended, so nobody waits for what is still open: a step that has begun counts as
   * failed, with the failure of its last try or with one that says so; sleeps and waits are ignored.
   */
  close(name: string, kind: AskSpec['kind']): void {
    const record = this.get(name);
    if (!hasBegun(record)) return;
    const { state, failure } = record;
    if (state !== 'running' && state !== 'pending') return;
    if (kind !== 'step') {
      this.#change(name, 'now', { state: 'pending', nextAtUnixMs: undefined });
      this.#change(name, 'now', { state: 'ignore' });
      return;
    }
    const last = state === 'pending' ? failure : undefined;
    const message = `step ${name} was cut off, because the function had ended meanwhile`;
    this.#fail(name, last ?? toFailure(new Error(message), name));
  }

  /** Hands the step's revert to user code: a new try, or once more the one that was in flight. */
  startRevert(name: string): AtomRecord {
    const { state, nextAtUnixMs, revertTries } = this.get(name);
    const isRepeat = state === 'reverting' && nextAtUnixMs === undefined;
    return this.#change(name, 'soon', {
      state: 'reverting',
      intention: 'revert',
      revertTries: isRepeat ? Math.max(1, revertTries) : revertTries + 1,
      nextAtUnixMs: undefined,
    });
  }

  /** There is nothing to revert, so it is passed over. */
  skipRevert(name: string): void {
    if (this.get(name).state !== 'reverting') {
      this.#change(name, 'now', { state: 'reverting', intention: 'revert' });
    }
    this.reverted(name);
  }

  reverted(name: string): void {
    const change = {
      state: 'reverted',
      revertFailure: undefined,
      nextAtUnixMs: undefined,
    } as const;
    this.#change(name, 'now', change);
  }

  retryRevertLater(name: string, thrown: unknown, nextAtUnixMs: number): void {
    const revertFailure = toFailure(thrown, name);
    this.#change(name, 'now', { state: 'reverting', revertFailure, nextAtUnixMs });
  }

  failRevert(name: string, thrown: unknown): void {
    this.#change(name, 'now', { state: 'revertFailure', revertFailure: toFailure(thrown, name) });
  }

  progress(name: string, progress: number, progressMessage: string | undefined): void {
    this.#change(name, 'eventually', { progress, progressMessage });
  }

  recordError(name: string, error: unknown): void {
    const { change, recorded } = recordedError(this.get(name), error, this.#now());
    this.#change(name, 'now', change);
    if (recorded) this.#parts.observer.recordedError?.(name, recorded);
  }

  #fail(name: string, failure: Failure): void {
    this.#finish(name, { state: 'failure', failure, result: undefined, nextAtUnixMs: undefined });
  }

  #finish(name: string, change: Partial<AtomRecord>): void {
    this.#lastFinishUnixMs = Math.max(this.#now(), this.#lastFinishUnixMs + 1);
    this.#change(name, 'now', { ...change, finishedAtUnixMs: this.#lastFinishUnixMs });
  }

  #change(name: string, urgency: Urgency, change: Partial<AtomRecord>): AtomRecord {
    const { identity, observer, writer, flowVersion } = this.#parts;
    const before = this.get(name);
    const { attempt, worker } = identity;
    const after: AtomRecord = { ...before, ...change, flowVersion, attempt, worker };
    assert(
      change.state === undefined || canTransitionTask(before.state, after.state),
      `${name} can't go from ${before.state} to ${after.state}`,
    );
    this.#records.set(name, after);
    writer.put(after, urgency);
    if (change.state !== undefined) observer.transition?.(after, before.state);
    return after;
  }

  #now(): number {
    return this.#parts.clock.nowUnixMs();
  }
}

/** True for what has begun, and counts: not for what was ignored, or what a revival gave a fresh start. */
export function hasBegun({ state, tries, forgivenTries }: AtomRecord): boolean {
  return state !== 'ignore' && (state !== 'pending' || tries > forgivenTries);
}

/** True once a record is being reverted, or was. */
export function isReverting({ state }: AtomRecord): boolean {
  return state === 'reverting' || state === 'reverted' || state === 'revertFailure';
}

/** True for what the function gets the end of: also when that was reverted since. */
export function hasFinished(record: AtomRecord): boolean {
  return record.state === 'success' || record.state === 'failure' || isReverting(record);
}

/** What was recorded under the name; meaningful only for what has begun. */
export function kindOf({ executions, progressMessage }: AtomRecord): AskSpec['kind'] {
  if (executions > 0) return 'step';
  return progressMessage === SLEEP_MESSAGE ? 'sleep' : 'wait';
}

/** Why the step itself failed; undefined when it succeeded. */
export function failureOf({ name, failure, result }: AtomRecord): Failure | undefined {
  return result === undefined && failure?.task === name ? failure : undefined;
}
