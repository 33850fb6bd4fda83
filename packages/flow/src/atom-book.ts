// The records of a run's atoms, by their place in its graph: the one place where they change. Every
// change of state is checked against core's tables, told to the observer, and given to the writer.
//
// `finishedAtUnixMs` is the end of the task's execution, and stays when the task is reverted. No two
// failures of a flow share one: so the first is known as the first by a later attempt too.
//
// A record belongs to a generation: the number of rounds that the retry controllers around the task
// had started when it did. One of an earlier generation has been reverted, and counts as pending; so
// a further round costs the one write that starts it, however many tasks it does anew.
import {
  type AtomRecord,
  assert,
  type BlockDepth,
  type Clock,
  type Failure,
  type JobId,
  LIMITS,
  type Payload,
  pendingAtom,
  RETRY_TRANSITIONS,
  type RetryRound,
  TASK_TRANSITIONS,
  toFailure,
} from '@holdfast/core';
import type { CheckpointWriter, Urgency } from './checkpoint-writer.ts';
import { recordedError } from './recorded-error.ts';
import { countsOf } from './remote-end.ts';
import { isAtom, type RunGraph } from './run-graph.ts';
import type { RunIdentity, RunObserver } from './run-options.ts';

export interface AtomBookParts {
  readonly graph: RunGraph;
  /** Version of the flow, which every changed record gets. */
  readonly flowVersion: number;
  readonly identity: RunIdentity;
  readonly clock: Clock;
  readonly observer: RunObserver;
  readonly writer: CheckpointWriter;
}

/** See the head of this file. */
export class AtomBook {
  readonly #parts: AtomBookParts;
  readonly #records: AtomRecord[] = [];
  readonly #stored: ReadonlyMap<string, AtomRecord>;
  #isForeignClosed = false;
  #unfinished = 0;
  #lastFailureUnixMs: number;

  constructor(parts: AtomBookParts, atoms: readonly AtomRecord[]) {
    this.#parts = parts;
    this.#stored = new Map(atoms.map((atom) => [atom.name, atom]));
    this.#lastFailureUnixMs = atoms.reduce(
      (last, record) => (hasFailed(record) ? Math.max(last, endOf(record)) : last),
      Number.NEGATIVE_INFINITY,
    );
    this.grow(this.atoms());
  }

  /** Takes up the records of nodes that the graph has got since; `fresh` count from now on. */
  grow(fresh: Iterable<number>): void {
    const { nodes } = this.#parts.graph;
    for (let index = this.#records.length; index < nodes.length; index += 1) {
      const name = nodes[index]?.name ?? '';
      this.#records.push(this.#stored.get(name) ?? pendingAtom(name));
    }
    for (const index of fresh) this.#unfinished += Number(this.#isOpen(index));
  }

  /** How many atoms that count have neither succeeded nor been passed over. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** These nodes don't count any more. */
  deactivated(indexes: Iterable<number>): void {
    for (const index of indexes) this.#unfinished -= Number(this.#isOpen(index));
  }

  #isOpen(index: number): boolean {
    return isAtom(this.#parts.graph.node(index)) && !isDone(this.get(index));
  }

  #set(index: number, record: AtomRecord): void {
    if (this.#parts.graph.node(index).isActive) {
      this.#unfinished += Number(isDone(this.get(index))) - Number(isDone(record));
    }
    this.#records[index] = record;
  }

  /** The places of the atoms that count. */
  *atoms(): Generator<number> {
    for (const [index, node] of this.#parts.graph.nodes.entries()) {
      if (node.isActive && isAtom(node)) yield index;
    }
  }

  get(index: number): AtomRecord {
    const record = this.#records[index];
    assert(record, `the book has a record ${index}`);
    return record;
  }

  /** Hands the task to user code: a new try, or once more the one that was in flight. */
  start(index: number): AtomRecord {
    return this.#change(index, 'soon', this.#toStart(index));
  }

  /**
   * The task begins elsewhere: a new try, or once more the one that was in flight. Not written here: it
   * becomes durable together with its task job.
   */
  startElsewhere(index: number): AtomRecord {
    return this.#change(index, 'elsewhere', this.#toStart(index));
  }

  #toStart(index: number): Partial<AtomRecord> {
    const before = this.get(index);
    const isRepeat = before.state === 'running';
    return {
      state: 'running',
      intention: 'execute',
      generation: this.generationOf(this.#parts.graph.node(index).scope),
      // Each round of a controller has tries of its own.
      forgivenTries: before.state === 'retrying' ? before.tries : before.forgivenTries,
      tries: isRepeat ? Math.max(1, before.tries) : before.tries + 1,
      executions: before.executions + 1,
      progress: 0,
      progressMessage: undefined,
      nextAtUnixMs: undefined,
      startedAtUnixMs: this.#now(),
      finishedAtUnixMs: undefined,
      taskJob: undefined,
    };
  }

  /** The task job that this task runs as, which is durable together with the record that says so. */
  runsAs(index: number, taskJob: JobId): void {
    this.#records[index] = { ...this.get(index), taskJob };
  }

  /** The task has come to its end elsewhere, and this is its record there. */
  succeedElsewhere(index: number, atom: AtomRecord & { readonly result: Payload }): void {
    this.#change(index, 'now', {
      ...countsOf(atom),
      state: 'success',
      result: atom.result,
      failure: undefined,
      progress: 1,
      nextAtUnixMs: undefined,
      finishedAtUnixMs: atom.finishedAtUnixMs ?? this.#now(),
    });
  }

  /** Takes over what the tries of a task elsewhere have come to. */
  countElsewhere(index: number, atom: AtomRecord): void {
    this.#change(index, 'now', countsOf(atom));
  }

  /** The task has failed for good elsewhere; `atom` is its record there, if there is one. */
  failElsewhere(index: number, failure: Failure, atom?: AtomRecord): void {
    if (atom) this.countElsewhere(index, atom);
    this.#fail(index, failure, atom?.finishedAtUnixMs);
  }

  revertedElsewhere(index: number, atom: AtomRecord): void {
    this.countElsewhere(index, atom);
    this.reverted(index);
  }

  failRevertElsewhere(index: number, revertFailure: Failure, atom?: AtomRecord): void {
    if (atom) this.countElsewhere(index, atom);
    this.#change(index, 'now', { state: 'revertFailure', revertFailure });
  }

  succeed(index: number, result: Payload, signal?: number): void {
    this.#change(index, 'now', {
      state: 'success',
      result,
      ...(signal === undefined ? {} : { signal }),
      failure: undefined,
      progress: 1,
      nextAtUnixMs: undefined,
      finishedAtUnixMs: this.#now(),
    });
  }

  /** The controller has started a round; it provides `provided`. */
  succeedRound(index: number, provided: Payload): void {
    const { rounds, startedAtUnixMs } = this.get(index);
    const round = { startedAtUnixMs: startedAtUnixMs ?? this.#now(), provided, failures: [] };
    this.succeed(index, provided);
    this.#change(index, 'now', { rounds: [...rounds, round] });
  }

  /** Notes what failed in the controller's last round. */
  recordFailures(index: number, failures: readonly Failure[]): void {
    const kept = failures.slice(0, LIMITS.failuresPerRound);
    this.#changeLastRound(index, { failures: kept.map((each) => ({ ...each, stack: '' })) }, {});
  }

  /** There will be another round: what the controller controls is reverted first. */
  retryRound(index: number, nextAtUnixMs: number): void {
    const change = { state: 'retrying', intention: 'retry', nextAtUnixMs } as const;
    this.#changeLastRound(index, { decision: 'retry' }, change);
  }

  /** There will be no other round; whatever is around the scope decides. */
  giveUp(index: number, decision: 'revert' | 'revertAll'): void {
    this.#changeLastRound(index, { decision }, { intention: 'revert' });
  }

  #changeLastRound(index: number, round: Partial<RetryRound>, change: Partial<AtomRecord>): void {
    const { rounds, name } = this.get(index);
    const last = rounds.at(-1);
    assert(last, `controller ${name} has started a round`);
    this.#change(index, 'now', {
      ...change,
      rounds: [...rounds.slice(0, -1), { ...last, ...round }],
    });
  }

  /** The atom waits until this time, or for ever. What waits is running, though no code of the user's is. */
  waitUntil(index: number, nextAtUnixMs: number | undefined): void {
    this.#change(index, 'now', { nextAtUnixMs });
  }

  /** A signal that can't be used: it is taken all the same. */
  refuseSignal(index: number, signal: number, error: unknown): void {
    this.recordError(index, error);
    this.#change(index, 'now', { signal });
  }

  /** The atom is passed over. `blocked` when a decider said no to this very atom. */
  ignore(index: number, blocked?: BlockDepth): void {
    this.#change(index, 'now', {
      state: 'ignore',
      intention: 'ignore',
      generation: this.generationOf(this.#parts.graph.node(index).scope),
      blocked,
    });
  }

  /**
   * Makes a record pending that belongs to an earlier round. Nothing is written: whoever reads the
   * old record knows by its generation what it is worth.
   */
  reset(index: number): void {
    const before = this.get(index);
    this.#set(index, {
      ...pendingAtom(before.name),
      tries: before.tries,
      forgivenTries: before.tries,
      executions: before.executions,
      revertTries: before.revertTries,
      forgivenRevertTries: before.revertTries,
      errors: before.errors,
      errorsDropped: before.errorsDropped,
      signal: before.signal,
    });
  }

  /**
   * True for a record that an earlier round left. A round starts only when everything is reverted, so
   * what an older record says to have succeeded, or to be under way, was never part of one: the job was
   * revived after a revert had failed, or the flow has a controller that it had not. Then it stands.
   *
   * One of a later generation than its scope was moved out of the scope of a controller by another version
   * of the flow. That it was reverted there is no sign that the flow has failed.
   */
  isStale(index: number): boolean {
    const { state, generation, failure } = this.get(index);
    if (state !== 'reverted' && state !== 'ignore' && state !== 'pending') return false;
    const current = this.generationOf(this.#parts.graph.node(index).scope);
    if (generation <= current) return generation < current;
    const isOfFlow = failure !== undefined && failure.task === undefined;
    return state === 'reverted' && !isOfFlow && !this.#hasLostController();
  }

  /**
   * True when a controller that the flow has no more had given up, or would have started another round:
   * then what was reverted last may be what the flow has failed of.
   */
  #hasLostController(): boolean {
    for (const { name, rounds, intention } of this.#stored.values()) {
      const isForeign = this.#parts.graph.placeOf(name) === undefined;
      if (isForeign && rounds.length > 0 && intention !== 'execute') return true;
    }
    return false;
  }

  /** How often the controllers of this scope, and of those around it, have started. */
  generationOf(scope: number): number {
    const { graph } = this.#parts;
    let generation = 0;
    for (let next: number | undefined = scope; next !== undefined; ) {
      const { controller, parent }: { controller: number | undefined; parent: number | undefined } =
        graph.scope(next);
      if (controller !== undefined) generation += this.get(controller).tries;
      next = parent;
    }
    return generation;
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
    const message = `task ${name} was cut off, because what it is part of is reverted`;
    this.#fail(index, last ?? toFailure(new Error(message), name));
  }

  /**
   * Hands the task's revert to user code: a new try, or once more the one that was in flight.
   * `flowFailure` is why the flow is reverted.
   */
  startRevert(index: number, flowFailure: Failure): AtomRecord {
    return this.#change(index, 'soon', this.#toStartRevert(index, flowFailure));
  }

  /** The task's revert begins elsewhere; like {@link AtomBook.startElsewhere}. */
  startRevertElsewhere(index: number, flowFailure: Failure): AtomRecord {
    return this.#change(index, 'elsewhere', this.#toStartRevert(index, flowFailure));
  }

  #toStartRevert(index: number, flowFailure: Failure): Partial<AtomRecord> {
    const before = this.get(index);
    const isRepeat = before.state === 'reverting' && before.nextAtUnixMs === undefined;
    return {
      ...this.#toRevert(index, flowFailure),
      revertTries: isRepeat ? Math.max(1, before.revertTries) : before.revertTries + 1,
      nextAtUnixMs: undefined,
      taskJob: undefined,
    };
  }

  /** Notes that this task is to be reverted, before its revert is called. */
  markReverting(index: number, flowFailure: Failure): void {
    const { state, revertTries, taskJob } = this.get(index);
    const isRepeat = state === 'reverting';
    this.#change(index, 'now', {
      ...this.#toRevert(index, flowFailure),
      revertTries: isRepeat ? revertTries : revertTries + 1,
      // The one that has executed it is not the one that reverts it.
      taskJob: isRepeat ? taskJob : undefined,
    });
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

  /** True for an atom that has failed for good, or that is reverted because something else did. */
  hasFailed(index: number): boolean {
    return hasFailed(this.get(index));
  }

  /**
   * Why the flow is reverted, by the records: the failure of the flow as a whole if there is one,
   * else that of the task that failed first.
   */
  findFlowFailure(indexes: Iterable<number>): Failure {
    let first: AtomRecord | undefined;
    for (const index of indexes) {
      const record = this.get(index);
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
    if (this.#isForeignClosed) return;
    this.#isForeignClosed = true;
    const { graph, identity, writer } = this.#parts;
    const { attempt, worker } = identity;
    for (const record of this.#stored.values()) {
      const isForeign = graph.placeOf(record.name) === undefined;
      if (!isForeign || record.state !== 'reverting') continue;
      const message = `task ${record.name} was removed from the flow while it was reverted; undo it by hand`;
      const revertFailure = toFailure(new Error(message), record.name);
      writer.put({ ...record, state: 'revertFailure', revertFailure, attempt, worker }, 'now');
    }
  }

  /** Nothing is left amid a revert when the flow has failed. */
  closeReverts(): void {
    for (const index of this.atoms()) {
      const { state, name } = this.get(index);
      if (state === 'retrying')
        this.fail(index, new Error(`there is no other round of ${name}: the flow has failed`));
      if (state === 'reverting')
        this.failRevert(
          index,
          new Error(`task ${name} was not reverted to the end; undo it by hand`),
        );
    }
  }

  progress(index: number, progress: number, progressMessage: string | undefined): void {
    this.#change(index, 'eventually', { progress, progressMessage });
  }

  recordError(index: number, error: unknown): void {
    const { change, recorded } = recordedError(this.get(index), error, this.#now());
    this.#change(index, 'now', change);
    if (recorded) this.#parts.observer.recordedError?.(this.get(index).name, recorded);
  }

  #fail(index: number, failure: Failure, atUnixMs: number = this.#now()): void {
    const finishedAtUnixMs = Math.max(atUnixMs, this.#lastFailureUnixMs + 1);
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

  /** What changes elsewhere is written there. */
  #change(index: number, urgency: Urgency | 'elsewhere', change: Partial<AtomRecord>): AtomRecord {
    const { identity, observer, writer, flowVersion } = this.#parts;
    const before = this.get(index);
    const { attempt, worker } = identity;
    const after: AtomRecord = { ...before, ...change, flowVersion, attempt, worker };
    const isController = this.#parts.graph.node(index).role.kind === 'retry';
    const transitions = isController ? RETRY_TRANSITIONS : TASK_TRANSITIONS;
    assert(
      change.state === undefined || transitions[before.state].includes(after.state),
      `task ${before.name} can't go from ${before.state} to ${after.state}`,
    );
    this.#set(index, after);
    if (urgency !== 'elsewhere') writer.put(after, urgency);
    if (change.state !== undefined) observer.transition?.(after, before.state);
    return after;
  }

  #now(): number {
    return this.#parts.clock.nowUnixMs();
  }
}

/** True for an atom that nothing more is to be done for, unless its scope starts anew. */
export function isDone({ state }: AtomRecord): boolean {
  return state === 'success' || state === 'ignore';
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
