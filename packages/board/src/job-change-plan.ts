// What operators' changes come to for the tasks of a stopped job. Pure: the job's records in, what becomes
// of each task out, or every reason why not.
//
// Invariants:
//   P1. A task that succeeded stays so unless a change names it or what comes before it (G3). One that
//       counts as reverted although it has no revert is among them: nothing of it was undone.
//   P2. Going forward leaves no task that has failed, and none amid a revert: the engine would take up the
//       revert instead.
//   P3. What is set or skipped holds, whatever else counts as pending again.
import {
  type AtomRecord,
  type ChangedTask,
  FailedPreconditionError,
  type FieldViolation,
  InvalidArgumentError,
  type JobId,
  type Payload,
  type TaskChange,
  type TaskState,
} from '@holdfast/core';
import type { FlowRecord } from './flow-record.ts';
import { JobGraph, type JobTask } from './job-change-graph.ts';
import { mergeResult } from './job-change-values.ts';

/** Where a job goes from a change. */
export type ChangeDirection = 'forward' | 'backward' | 'nowhere';

export interface ChangePlan {
  readonly tasks: readonly ChangedTask[];
  /** Of every task that has a record or a change, by name. */
  readonly states: ReadonlyMap<string, TaskState>;
}

export interface ChangePlanParts {
  readonly id: JobId;
  readonly flow: Pick<FlowRecord, 'name' | 'nodes' | 'edges'>;
  /** With the changes of before. */
  readonly atoms: readonly AtomRecord[];
  readonly changes: readonly TaskChange[];
  readonly direction: ChangeDirection;
  /** The tasks go on in another job: what is amid a revert in this one is none of that one's business. */
  readonly isFork?: boolean | undefined;
}

/** Names that a message lists; of more it says how many. */
const NAMES_SHOWN = 8;

/** Throws InvalidArgumentError with every wrong field, or FailedPreconditionError with every reason. */
export function planChange(parts: ChangePlanParts): ChangePlan {
  return new Planner(parts).plan();
}

class Planner {
  readonly #parts: ChangePlanParts;
  readonly #atoms: ReadonlyMap<string, AtomRecord>;
  readonly #graph: JobGraph;
  readonly #changed = new Map<string, ChangedTask>();
  readonly #violations: FieldViolation[] = [];
  readonly #refusals: string[] = [];
  /** Tasks whose values are given, or that are passed over, in this request. */
  readonly #given: ReadonlySet<string>;

  constructor(parts: ChangePlanParts) {
    this.#parts = parts;
    this.#atoms = new Map(parts.atoms.map((atom) => [atom.name, atom]));
    this.#graph = new JobGraph(parts.flow, this.#atoms);
    const given = parts.changes.filter(({ kind }) => kind === 'setResult' || kind === 'skip');
    this.#given = new Set(given.flatMap((change) => ('task' in change ? [change.task] : [])));
  }

  plan(): ChangePlan {
    const { changes, direction } = this.#parts;
    this.#checkNames();
    this.#throwIfRefused();
    this.#changeReverts();
    if (direction === 'forward' || changes.some(({ kind }) => kind === 'retryFrom')) this.#reset();
    for (const [index, change] of changes.entries()) {
      if (change.kind === 'setResult') this.#give(change, `changes[${index}].set_result`);
      if (change.kind === 'skip') this.#skip(change, `changes[${index}].skip`);
    }
    for (const change of changes) if (change.kind === 'retryFrom') this.#checkNeeds(change.task);
    this.#throwIfRefused();
    const states = new Map([...this.#atoms.keys()].map((name) => [name, this.#stateOf(name)]));
    for (const { task, after } of this.#changed.values()) states.set(task, after);
    return { tasks: [...this.#changed.values()], states };
  }

  #checkNames(): void {
    const seen = new Set<string>();
    for (const [index, change] of this.#parts.changes.entries()) {
      if (change.kind === 'revert') continue;
      const field = `changes[${index}].${FIELDS[change.kind]}.task`;
      if (!this.#graph.tasks.has(change.task)) this.#notATask(field, change.task);
      // From where and with what may be said of the same task.
      const subject = `${change.kind === 'retryFrom' ? '>' : ''}${change.task}`;
      if (seen.has(subject))
        this.#describe(field, `${change.task} is changed twice; say one thing`);
      seen.add(subject);
    }
  }

  #notATask(field: string, task: string): void {
    const { flow } = this.#parts;
    const names = [...this.#graph.tasks.keys()];
    const more = names.length > NAMES_SHOWN ? ', …' : '';
    const known = `${names.slice(0, NAMES_SHOWN).join(', ')}${more}`;
    this.#describe(
      field,
      `${JSON.stringify(task)} is no task of flow ${flow.name}; it has ${known}`,
    );
  }

  /** What was resolved by hand, and what is to be tried again. */
  #changeReverts(): void {
    for (const change of this.#parts.changes) {
      if (change.kind === 'revert') this.#retryReverts();
      if (change.kind !== 'resolveRevert' && change.kind !== 'retryRevert') continue;
      const { task, kind } = change;
      const state = this.#stateOf(task);
      const isCutOff = state === 'reverting' && kind === 'resolveRevert';
      if (state !== 'revertFailure' && !isCutOff) {
        this.#refusals.push(`no revert of task ${task} has failed: it is ${wordOf(state)}`);
        continue;
      }
      this.#change(task, kind === 'resolveRevert' ? 'reverted' : 'reverting');
    }
  }

  #retryReverts(): void {
    const resolved = new Set(
      this.#parts.changes.flatMap((each) => (each.kind === 'resolveRevert' ? [each.task] : [])),
    );
    for (const { name, state } of this.#atoms.values()) {
      if (state === 'revertFailure' && !resolved.has(name)) this.#change(name, 'reverting');
    }
  }

  /** P2: what has not succeeded counts as pending, and so does what comes after a task to begin with. */
  #reset(): void {
    const from = this.#parts.changes.flatMap((each) =>
      each.kind === 'retryFrom' ? [each.task] : [],
    );
    const again = this.#graph.after(from);
    const before = new Set(from.flatMap((task) => [...this.#graph.before(task)]));
    for (const { name } of this.#graph.tasks.values()) {
      const atom = this.#atoms.get(name);
      if (!atom || this.#given.has(name)) continue;
      if (again.has(name)) this.#begin(name, atom);
      else this.#keepOrReset(name, atom, before.has(name));
    }
  }

  /** A task that is to begin anew. */
  #begin(name: string, { tries, forgivenTries, result }: AtomRecord): void {
    const state = this.#stateOf(name);
    if (this.#refuseAmidRevert(name, state)) return;
    const isFresh = state === 'pending' && tries === forgivenTries && !result;
    if (!isFresh) this.#change(name, 'pending');
  }

  #keepOrReset(name: string, atom: AtomRecord, isBefore: boolean): void {
    const state = this.#stateOf(name);
    const hasGivenUp = atom.rounds.at(-1)?.decision !== undefined;
    switch (state) {
      case 'success':
        if (hasGivenUp) this.#change(name, isBefore ? 'success' : 'pending');
        return;
      case 'reverted': {
        const mayStay = this.#wasNotUndone(name, atom) && (isBefore || !hasGivenUp); // P1
        return this.#change(name, mayStay ? 'success' : 'pending');
      }
      case 'failure':
        return this.#change(name, 'pending');
      case 'revertFailure':
        if (this.#parts.isFork) return;
        this.#refusals.push(
          `the revert of task ${name} failed: resolve it, set its values, skip it, or retry from it`,
        );
        return;
      case 'reverting':
      case 'retrying':
        this.#refuseAmidRevert(name, state);
        return;
      case 'pending':
      case 'running':
      case 'ignore':
        return;
      default:
        state satisfies never;
    }
  }

  #refuseAmidRevert(name: string, state: TaskState): boolean {
    if ((state !== 'reverting' && state !== 'retrying') || this.#parts.isFork) return false;
    const what =
      state === 'reverting' ? `task ${name} is being reverted` : `${name} is between rounds`;
    this.#refusals.push(`${what}: let that end first, or resolve it`);
    return true;
  }

  /** P1. One of an earlier round was never done in this one. */
  #wasNotUndone(name: string, { result, failure, tries, forgivenTries }: AtomRecord): boolean {
    const { hasRevert, kind } = this.#taskOf(name).node;
    const hasOwnFailure = failure?.task === name;
    if (result === undefined || hasOwnFailure) return false;
    if (kind === 'retry' && this.#atoms.get(name)?.rounds.at(-1)?.provided === undefined)
      return false;
    return !hasRevert || tries === forgivenTries;
  }

  /** Everything before a task has to be there for it to start. */
  #checkNeeds(task: string): void {
    const again = this.#graph.after(
      this.#parts.changes.flatMap((each) => (each.kind === 'retryFrom' ? [each.task] : [])),
    );
    for (const name of this.#graph.before(task)) {
      if (again.has(name) || !this.#graph.tasks.has(name)) continue;
      const state = this.#stateOf(name);
      const isRefused = state === 'revertFailure' && !this.#parts.isFork;
      if (state === 'success' || state === 'ignore' || isRefused) continue;
      const was = this.#rawStateOf(name);
      this.#refusals.push(
        `task ${name}, which comes before ${task}, is ${wordOf(was)}: retry from it, set its values, or skip it`,
      );
    }
  }

  #give(change: { readonly task: string; readonly values: Payload }, field: string): void {
    const task = this.#taskOf(change.task);
    if (!this.#mayBeGiven(task, field)) return;
    this.#refuseAmidRevert(change.task, this.#stateOf(change.task));
    const merged = mergeResult(task, this.#atoms.get(change.task), change.values);
    if (merged.kind === 'wrong') {
      for (const { field: name, description } of merged.violations)
        this.#describe(`${field}.values${name}`, description);
      return;
    }
    this.#change(change.task, 'success', { result: merged.result });
  }

  #mayBeGiven({ node: { name, kind = '' } }: JobTask, field: string): boolean {
    const own = GIVEN_BY[kind];
    if (own === undefined) return true;
    this.#describe(`${field}.task`, `${name} is a ${kind}: ${own}`);
    return false;
  }

  #skip(
    change: { readonly task: string; readonly values?: Payload | undefined },
    field: string,
  ): void {
    const { task, values } = change;
    const state = this.#stateOf(task);
    if (state === 'success') {
      this.#refusals.push(`task ${task} has succeeded, so there is nothing to skip`);
      return;
    }
    if (values) return this.#give({ task, values }, field);
    const { kind } = this.#taskOf(task).node;
    const isBegunMap = kind === 'map' && this.#atoms.get(task)?.result !== undefined;
    if (kind === 'retry' || kind === 'choice' || isBegunMap) {
      this.#describe(`${field}.task`, `${task} is a ${kind}: skip the tasks under it`);
      return;
    }
    if (this.#refuseAmidRevert(task, state)) return;
    this.#checkUses(task, field);
    this.#change(task, 'ignore', { generation: this.#generationOf(task) });
  }

  /** Nobody may miss the values of a task that is skipped. */
  #checkUses(task: string, field: string): void {
    for (const { consumer, values } of this.#graph.usesOf(task)) {
      const state = this.#stateOf(consumer);
      if (state === 'success' || state === 'ignore') continue;
      const optional = this.#graph.tasks.get(consumer)?.node.optionalRequires ?? [];
      const missing = values.filter((value) => !optional.includes(value));
      if (missing.length === 0 || this.#given.has(consumer)) continue;
      this.#describe(
        `${field}.values`,
        `task ${consumer} needs ${missing.join(', ')} of ${task}; give ${missing.length === 1 ? 'it' : 'them'}`,
      );
    }
  }

  /** The round in which a task is passed over: of controllers that start anew, the one to come. */
  #generationOf(task: string): number {
    let generation = 0;
    for (const name of this.#graph.controllersOf(task)) {
      const tries = this.#atoms.get(name)?.tries ?? 0;
      generation += this.#stateOf(name) === 'pending' ? tries + 1 : tries;
    }
    return generation;
  }

  #change(task: string, after: TaskState, more: Partial<ChangedTask> = {}): void {
    this.#changed.set(task, { task, before: this.#rawStateOf(task), after, ...more });
  }

  #taskOf(name: string): JobTask {
    const task = this.#graph.tasks.get(name);
    if (!task)
      throw new InvalidArgumentError('task', { value: name, allowed: 'a task of the flow' });
    return task;
  }

  /** As it is by what has been planned; one that an earlier round left counts as pending. */
  #stateOf(name: string): TaskState {
    const changed = this.#changed.get(name);
    return changed ? changed.after : this.#rawStateOf(name);
  }

  #rawStateOf(name: string): TaskState {
    const atom = this.#atoms.get(name);
    if (!atom) return 'pending';
    const isRoundly = atom.state === 'reverted' || atom.state === 'ignore';
    if (!isRoundly || !this.#graph.tasks.has(name)) return atom.state;
    const rounds = this.#graph.controllersOf(name).map((each) => this.#atoms.get(each)?.tries ?? 0);
    const generation = rounds.reduce((sum, tries) => sum + tries, 0);
    return atom.generation < generation ? 'pending' : atom.state;
  }

  #describe(field: string, description: string): void {
    this.#violations.push({ field, description });
  }

  #throwIfRefused(): void {
    if (this.#violations.length > 0) throw new InvalidArgumentError(this.#violations);
    if (this.#refusals.length === 0) return;
    const shown = [...new Set(this.#refusals)];
    const more = shown.length > NAMES_SHOWN ? `; and ${shown.length - NAMES_SHOWN} more` : '';
    const { id } = this.#parts;
    throw new FailedPreconditionError(
      `job ${id} can't be changed so: ${shown.slice(0, NAMES_SHOWN).join('; ')}${more}`,
      { ids: { jobId: id } },
    );
  }
}

/** What each change is called in a request. */
const FIELDS: Readonly<Record<Exclude<TaskChange['kind'], 'revert'>, string>> = {
  retryFrom: 'retry_from',
  setResult: 'set_result',
  skip: 'skip',
  retryRevert: 'retry_revert',
  resolveRevert: 'resolve_revert',
};

/** What has values of its own that no operator can give. */
const GIVEN_BY: Readonly<Record<string, string>> = {
  retry: 'retry from it, or set the values of tasks under it',
  choice: 'retry from it, or set the values that it chooses by',
  map: 'its lists come from its items; set the values of those',
};

function wordOf(state: TaskState): string {
  return WORDS[state];
}

const WORDS: Readonly<Record<TaskState, string>> = {
  pending: 'not done',
  running: 'not done',
  success: 'done',
  failure: 'failed',
  reverting: 'being reverted',
  reverted: 'reverted',
  revertFailure: 'half reverted',
  ignore: 'ignored',
  retrying: 'between rounds',
};
