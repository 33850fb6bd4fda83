// What of a run runs elsewhere: each task, or its revert, as a job of its own.
//
// It owns who is under way elsewhere, what they are sent, and what their records here become when they
// end. How a task job is posted, found and waited for is the port's (`RunOptions.remote`); when a task
// may start, and what its end leads to, is the run's.
//
// Invariants:
//   D1. A record that says that its task runs elsewhere is never changed here before its task job has
//       ended: the port writes it together with the task job, and it stands until the end is known.
//   D2. What came to its end elsewhere counts, however its job ended.
//   D3. A run ends as 'waiting' only when the port knows each of its task jobs.
//
// Not promised: progress while a task runs elsewhere. Its task job has it; here it comes with the end.
import {
  type AtomRecord,
  assert,
  encodeJson,
  type Failure,
  HoldfastError,
  type Payload,
  toFailure,
  type WorkerLabels,
} from '@holdfast/core';
import { unusable } from './call-outcome.ts';
import { encodeArguments } from './remote-arguments.ts';
import { isRemoteEnd, noReason } from './remote-end.ts';
import {
  REMOTE_TASKS_AT_ONCE,
  type RemoteCall,
  type RemoteEnd,
  type RemoteTasks,
} from './run-options.ts';
import type { RunParts } from './run-parts.ts';
import { labelsToRun } from './runs-where.ts';
import type { ValueFinder } from './value-finder.ts';

/** Task jobs that the reason of a wait names. */
const NAMES_SHOWN = 3;

export interface RemoteDeskParts {
  readonly run: Omit<RunParts, 'remote'>;
  readonly values: ValueFinder;
  /** Aborts when what goes forward is to be reverted before it has come to its end. */
  readonly cancel: AbortSignal;
  /** An atom begins to run elsewhere, or has ended there. */
  readonly count: (index: number, change: 1 | -1) => void;
  readonly isOver: () => boolean;
  readonly advance: () => void;
}

/** A task that is under way elsewhere. */
interface Errand {
  readonly index: number;
  readonly intention: RemoteCall['intention'];
  readonly flowFailure?: Failure | undefined;
  /** Told once, unless the run is over by then; the atom's record says how it ended. */
  readonly ended: () => void;
}

/** What came of it: how it ended, or why it never began. */
type Outcome =
  | RemoteEnd
  | { readonly kind: 'unusable'; readonly thrown: unknown }
  | { readonly kind: 'interrupted' };

/** See the head of this file. */
export class RemoteDesk {
  readonly #parts: RemoteDeskParts;
  /** Those under way, and whether the port knows their task jobs. */
  readonly #errands = new Map<number, { isPosted: boolean }>();

  constructor(parts: RemoteDeskParts) {
    this.#parts = parts;
  }

  /** True for an atom that runs elsewhere. */
  isFor(index: number): boolean {
    return this.#parts.run.options.remote !== undefined && this.#labelsOf(index) !== undefined;
  }

  has(index: number): boolean {
    return this.#errands.has(index);
  }

  /** How many are under way. */
  get size(): number {
    return this.#errands.size;
  }

  get hasRoom(): boolean {
    return this.#parts.run.options.remote !== undefined && this.size < REMOTE_TASKS_AT_ONCE;
  }

  /** D3. */
  get areAllPosted(): boolean {
    return [...this.#errands.values()].every(({ isPosted }) => isPosted);
  }

  /** Why the run waits, for people. */
  get reason(): string {
    const names = [...this.#errands.keys()].map((index) => this.#parts.run.graph.node(index).name);
    const shown = names.slice(0, NAMES_SHOWN).join(', ');
    const count = names.length === 1 ? '1 task runs' : `${names.length} tasks run`;
    return `${count} elsewhere: ${shown}${names.length > NAMES_SHOWN ? ', …' : ''}`;
  }

  /** Has a task executed elsewhere, with all its tries. */
  execute(index: number, ended: () => void): void {
    this.#begin({ index, intention: 'execute', ended }, () =>
      this.#parts.run.book.startElsewhere(index),
    );
  }

  /** Has a task reverted elsewhere, with all tries of its revert. */
  revert(index: number, flowFailure: Failure, ended: () => void): void {
    this.#begin({ index, intention: 'revert', flowFailure, ended }, () =>
      this.#parts.run.book.startRevertElsewhere(index, flowFailure),
    );
  }

  /** Goes on waiting for the task jobs that earlier attempts have posted, before anything else is done about them. */
  attach(ended: (index: number) => void): void {
    const { book, graph, options } = this.#parts.run;
    if (!options.remote) return;
    for (const index of [...book.atoms()]) {
      const record = book.get(index);
      if (!isElsewhere(record) || graph.node(index).role.kind !== 'task') continue;
      const tell = (): void => ended(index);
      const errand: Errand =
        record.state === 'running'
          ? { index, intention: 'execute', ended: tell }
          : { index, intention: 'revert', flowFailure: this.#flowFailure, ended: tell };
      this.#run(errand, () => this.#await(errand, record));
    }
  }

  #begin(errand: Errand, start: () => AtomRecord): void {
    const { mayCall = () => true } = this.#parts.run.options;
    this.#run(errand, async () => {
      if (!mayCall()) return { kind: 'interrupted' };
      const atom = start();
      let args: Payload;
      try {
        args = this.#arguments(errand);
      } catch (error) {
        return {
          kind: 'unusable',
          thrown: unusable(`the arguments of task ${this.#nameOf(errand)}`, error),
        };
      }
      return await this.#send(errand, { atom, args, cancel: this.#cancelOf(errand) });
    });
  }

  /** A task job that is there already needs no arguments; they are for one that is not there any more. */
  async #await(errand: Errand, atom: AtomRecord): Promise<Outcome> {
    let args: Payload;
    try {
      args = this.#arguments(errand);
    } catch (error) {
      const thrown = unusable(`the arguments of task ${this.#nameOf(errand)}`, error);
      const cancel = AbortSignal.abort(thrown);
      const end = await this.#send(errand, { atom, args: encodeJson({}), cancel });
      return end.atom && isRemoteEnd(errand.intention, end.atom)
        ? end
        : { kind: 'unusable', thrown };
    }
    return await this.#send(errand, { atom, args, cancel: this.#cancelOf(errand) });
  }

  #run(errand: Errand, call: () => Promise<Outcome>): void {
    const { run, count, isOver, advance } = this.#parts;
    const { ending } = run;
    const { index } = errand;
    this.#errands.set(index, { isPosted: false });
    count(index, 1);
    void call().then(
      (outcome) =>
        ending.guard(() => {
          if (isOver()) return;
          this.#errands.delete(index);
          count(index, -1);
          this.#settle(errand, outcome);
          errand.ended();
          advance();
        }),
      // The port rejects like a checkpoint; once the run is over, nobody waits for it any more.
      (error: unknown) => {
        if (!isOver()) ending.guard(() => ending.refuse(error));
      },
    );
  }

  async #send(
    errand: Errand,
    call: Pick<RemoteCall, 'atom' | 'args'> & { readonly cancel: AbortSignal },
  ): Promise<RemoteEnd> {
    const { index, intention, flowFailure } = errand;
    const { run, isOver, advance } = this.#parts;
    const { book, graph, ending } = run;
    const { cancel, ...rest } = call;
    const { startTimeoutMs } = graph.node(index).task ?? {};
    return await this.#port.run(
      { intention, labels: this.#labelsOf(index) ?? {}, ...rest, flowFailure, startTimeoutMs },
      {
        cancel,
        posted: (taskJob) =>
          ending.guard(() => {
            const known = this.#errands.get(index);
            if (isOver() || !known) return;
            known.isPosted = true;
            book.runsAs(index, taskJob);
            // Not at once: the port may tell it while the run still is about to hand out the next task.
            queueMicrotask(() => {
              if (!isOver()) ending.guard(advance);
            });
          }),
      },
    );
  }

  /** Reverts survive a cancel: they are what it asks for. */
  #cancelOf({ intention }: Errand): AbortSignal {
    return intention === 'execute' ? this.#parts.cancel : NEVER;
  }

  /** What the atom's record becomes. */
  #settle(errand: Errand, outcome: Outcome): void {
    const { book } = this.#parts.run;
    const { index, intention } = errand;
    if (outcome.kind === 'interrupted') return;
    const atom = outcome.kind === 'unusable' ? undefined : outcome.atom;
    if (atom && isRemoteEnd(intention, atom)) return this.#takeOver(errand, atom); // D2
    if (outcome.kind === 'cancelled' && this.#cancelOf(errand).aborted) {
      // As it was told to: it is cut off, like a task that was stopped here.
      if (atom) book.countElsewhere(index, atom);
      return;
    }
    const failure = failureOf(outcome, book.get(index));
    if (intention === 'execute') book.failElsewhere(index, failure, atom);
    else book.failRevertElsewhere(index, failure, atom);
  }

  #takeOver({ index, intention }: Errand, atom: AtomRecord): void {
    const { book } = this.#parts.run;
    const { failure, revertFailure, state, result } = atom;
    if (intention === 'revert') {
      if (state === 'reverted') book.revertedElsewhere(index, atom);
      else book.failRevertElsewhere(index, revertFailure ?? noReason(atom), atom);
    } else if (state === 'success' && result) {
      book.succeedElsewhere(index, { ...atom, result });
    } else {
      book.failElsewhere(index, failure ?? noReason(atom), atom);
    }
  }

  #arguments({ index, intention }: Errand): Payload {
    const { run, values } = this.#parts;
    const node = run.graph.node(index);
    assert(node.task, `node ${node.name} is an atom`);
    const { requires, revertRequires } = node.task;
    const wanted = intention === 'execute' ? requires : revertRequires;
    const sources = node.sources.filter(({ name }) => Object.hasOwn(wanted, name));
    return encodeArguments(
      { name: node.name, needs: node.task.needs, sources },
      values.lookupFor(node),
    );
  }

  #labelsOf(index: number): WorkerLabels | undefined {
    const { graph, plan } = this.#parts.run;
    const { task, role } = graph.node(index);
    return task && role.kind === 'task' ? labelsToRun(task, plan.runs) : undefined;
  }

  #nameOf({ index }: Errand): string {
    return this.#parts.run.graph.node(index).name;
  }

  /** Why tasks are reverted, as far as their records tell. */
  get #flowFailure(): Failure {
    const { book } = this.#parts.run;
    return book.findFlowFailure(book.atoms());
  }

  get #port(): RemoteTasks {
    const { remote } = this.#parts.run.options;
    assert(remote, 'tasks run elsewhere only where the run was told how');
    return remote;
  }
}

/** True for a record whose task may run elsewhere at this moment. */
function isElsewhere({ state, taskJob, nextAtUnixMs }: AtomRecord): boolean {
  if (taskJob === undefined || nextAtUnixMs !== undefined) return false;
  return state === 'running' || state === 'reverting';
}

function failureOf(
  outcome: Exclude<Outcome, { readonly kind: 'interrupted' }>,
  { name, taskJob }: AtomRecord,
): Failure {
  switch (outcome.kind) {
    case 'failed':
      return { ...outcome.failure, task: name };
    case 'unusable':
      return toFailure(outcome.thrown, name);
    case 'cancelled': {
      const message = `the task job ${taskJob ?? ''} of task ${name} was cancelled`;
      return toFailure(new HoldfastError('CANCELLED', message, { ids: { task: name } }), name);
    }
    case 'ended': {
      const message = `the task job ${taskJob ?? ''} of task ${name} has ended, but its record is ${outcome.atom.state}`;
      return toFailure(new Error(message), name);
    }
    default:
      return outcome satisfies never;
  }
}

const NEVER: AbortSignal = new AbortController().signal;
