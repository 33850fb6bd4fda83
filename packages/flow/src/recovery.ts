// What failures lead to: another round of a scope, or the revert of the whole flow.
//
// A scope is what one retry controller controls; the outermost is the flow. It goes forward until
// something in it has failed for good. Then it settles (nothing starts, what runs ends), its
// controller judges, and either the scope is reverted and starts another round, or the scope around
// it settles in turn. The flow as a whole has no controller: it is reverted, and has failed.
//
// Invariants:
//   S1. Nothing starts in a scope that is not forward, nor in any scope within it.
//   S2. No revert starts before everything that ran in the scope has settled, and everything that is
//       known, the decision to revert first of all, is durable: a run that goes on after a crash then
//       reverts too, rather than executing again.
//   S3. A task is reverted only after everything in the scope that waited for it is, durably; one
//       whose revert failed for good keeps what it waited for from being reverted.
//   S4. A round starts only after everything in the scope is reverted, durably, and its pause is over.
//       The controller's record is what starts it: records of earlier rounds count for nothing then.
//   S5. Of two scopes, one within the other, one at most is not forward: the outer one, once it settles,
//       takes over whatever the inner one was about to do.
import { assert, backoffMs, type Failure, LIMITS, type RetryDecision } from '@holdfast/core';
import type { CallOutcome } from './call-outcome.ts';
import { Fifo } from './fifo.ts';
import type { Launch, RunParts, RunPlace } from './run-parts.ts';
import { hasRevertWork, ScopeRevert } from './scope-revert.ts';
import { type ScopeRun, ScopeRuns } from './scope-runs.ts';

export interface RecoveryParts {
  readonly run: RunParts;
  readonly launch: <Value>(launch: Launch<Value>) => void;
}

/** See the head of this file. */
export class Recovery {
  readonly scopes: ScopeRuns;
  readonly #parts: RecoveryParts;
  readonly #run: RunParts;
  /** Scopes in which a revert may be ready to start. */
  readonly #startable: Readonly<Record<RunPlace, Fifo<ScopeRun>>> = {
    here: new Fifo(),
    elsewhere: new Fifo(),
  };
  /** Scopes that wait for something to be durable, in the order of their marks. */
  readonly #unwritten = new Fifo<{ readonly run: ScopeRun; readonly mark: number }>();
  /** The only scope that is reverted when the flow fails, where its controllers want it so. */
  #only: number | undefined;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
    this.#run = parts.run;
    this.scopes = new ScopeRuns(parts.run.graph);
  }

  /** True when the flow has failed: it is being reverted, or about to be. */
  get hasFlowFailed(): boolean {
    return this.scopes.flow.phase !== 'forward';
  }

  /** Why the flow is reverted. */
  get flowFailure(): Failure {
    const { flow } = this.scopes;
    flow.cause ??= this.#run.book.findFlowFailure(this.#run.book.atoms());
    return flow.cause;
  }

  /** True when the flow has failed, and everything is reverted that can be. */
  get isFlowReverted(): boolean {
    return this.scopes.flow.revert?.isDone === true;
  }

  /** True while no scope waits for something else than time, or what runs elsewhere. Asked while nothing runs here. */
  get isResting(): boolean {
    return this.scopes.isResting;
  }

  /** S1. */
  mayStart(index: number): boolean {
    return this.#activeOf(index) === undefined;
  }

  /** An atom has failed for good. */
  fail(index: number): void {
    const { book, graph } = this.#run;
    if (!this.mayStart(index)) return; // S5
    // One that is reverted because of another has no failure of its own.
    const cause = book.get(index).failure ?? book.findFlowFailure(book.atoms());
    this.#resolve(graph.node(index).scope, cause);
  }

  /** The flow as a whole has failed: all of it is reverted, also where it was to be a part of it so far. */
  failFlow(cause: Failure): void {
    const { flow } = this.scopes;
    if (this.#only !== undefined) {
      this.#only = undefined;
      this.scopes.setPhase(flow, 'forward');
    }
    this.#settle(flow, cause);
  }

  /** Takes up what earlier attempts left. */
  resume(): void {
    const { book, graph } = this.#run;
    const failed = [...book.atoms()].filter((index) => book.hasFailed(index));
    for (const index of failed) {
      const { failure } = book.get(index);
      if (failure && failure.task === undefined) return this.failFlow(failure);
    }
    for (const [scope, { controller }] of graph.scopes.entries()) {
      if (controller === undefined || !graph.node(controller).isActive) continue;
      const { state, rounds } = book.get(controller);
      if (state !== 'retrying' || this.scopes.activeAround(scope)) continue; // S5
      const run = this.scopes.get(scope);
      run.cause = rounds.at(-1)?.failures[0] ?? book.findFlowFailure(graph.members(scope));
      this.#beginRevert(run);
    }
    const order = (index: number): number => {
      const { failure, finishedAtUnixMs = 0 } = book.get(index);
      return failure ? finishedAtUnixMs : Number.POSITIVE_INFINITY;
    };
    for (const index of failed.sort((one, other) => order(one) - order(other))) this.fail(index);
  }

  /** Does what can be done now, apart from starting reverts. Costs what has happened, however many scopes there are. */
  advance(): void {
    const { due } = this.scopes;
    const { writer } = this.#run;
    for (let next = this.#unwritten.first; next; next = this.#unwritten.first) {
      if (!writer.isWritten(next.mark)) break;
      this.#unwritten.take();
      due.add(next.run);
    }
    for (let run = due.take(); run; run = due.take()) {
      if (run.phase === 'settling' && run.running === 0) this.#settled(run);
      else if (run.phase === 'marked' && run.running === 0) this.#beginRevert(run);
      if (run.phase === 'reverting' && run.index !== 0) this.#lookAtRevert(run);
    }
  }

  /** Starts one revert; false when none can start now. */
  startRevert(place: RunPlace): boolean {
    const startable = this.#startable[place];
    for (let run = startable.first; run; run = startable.first) {
      if (run.revert?.startNext(place)) return true;
      startable.take();
    }
    return false;
  }

  /** The time has come that an atom waited for; false when that is none of the recovery's business. */
  wake(index: number): boolean {
    const run = this.#activeOf(index);
    if (!run) return false;
    run.revert?.wake(index);
    this.#look(run);
    return true;
  }

  /** A record of this atom is durable. */
  committed(index: number): void {
    const run = this.#activeOf(index);
    if (!run) return;
    run.revert?.committed(index);
    this.#look(run);
  }

  /** Something has happened to this scope. */
  #look(run: ScopeRun): void {
    this.scopes.due.add(run);
    if (!run.revert) return;
    this.#startable.here.add(run);
    this.#startable.elsewhere.add(run);
  }

  /** True when the scope of this controller is reverted, and waits for nothing but its time. */
  mayRestart(controller: number): boolean {
    return this.#controlledBy(controller).phase === 'resting';
  }

  /** The nodes that count in the scope of this controller. */
  membersOf(controller: number): readonly number[] {
    return [...this.#run.graph.members(this.#controlledBy(controller).index)];
  }

  /** S4: the scope of this controller, with these members, starts anew: they count as pending now. */
  restart(controller: number, members: readonly number[]): void {
    const { graph, book } = this.#run;
    for (const index of members) {
      book.reset(index);
      book.deactivated(graph.collapse(index));
    }
    this.scopes.setPhase(this.#controlledBy(controller), 'forward');
  }

  #controlledBy(controller: number): ScopeRun {
    const { graph } = this.#run;
    const { role, home } = graph.node(controller);
    assert(role.kind === 'retry', 'only a controller starts a scope');
    return this.scopes.get(graph.scopeFrom(home, role.controls));
  }

  #activeOf(index: number): ScopeRun | undefined {
    return this.scopes.activeAround(this.#run.graph.node(index).scope);
  }

  #controllerOf(run: ScopeRun): number | undefined {
    return this.#run.graph.scope(run.index).controller;
  }

  /** Lets the innermost scope settle whose controller has not given up yet; the outermost has none. */
  #resolve(scope: number, cause: Failure): void {
    // What the outermost controller that gave up wants reverted.
    let sole: number | undefined;
    for (const run of this.scopes.around(scope)) {
      const end = this.#endOf(run);
      if (!end) {
        if (run.index === 0) this.#only = sole;
        return this.#settle(run, cause);
      }
      if (end === 'revertAll') return this.failFlow(cause);
      sole = end === 'escalate' ? undefined : run.index;
    }
  }

  /** What a controller has decided that starts no other round; undefined for any other. */
  #endOf(run: ScopeRun): 'revert' | 'escalate' | 'revertAll' | undefined {
    const { book, graph } = this.#run;
    const controller = this.#controllerOf(run);
    if (controller === undefined) return undefined;
    const { state, rounds } = book.get(controller);
    if (state === 'failure' || rounds.length === 0) return 'escalate';
    const decision = rounds.at(-1)?.decision;
    if (decision === 'revertAll') return decision;
    if (decision !== 'revert') return undefined;
    const { role } = graph.node(controller);
    return role.kind === 'retry' && !role.retry.escalates ? 'revert' : 'escalate';
  }

  #settle(run: ScopeRun, cause: Failure): void {
    if (run.phase !== 'forward') return;
    const { graph, waiting } = this.#run;
    run.cause = cause;
    this.scopes.setPhase(run, 'settling');
    waiting.remove(graph.members(run.index));
    for (const inner of graph.within(run.index)) {
      this.scopes.setPhase(this.scopes.get(inner), 'forward'); // S5
    }
  }

  #settled(run: ScopeRun): void {
    const { book, graph } = this.#run;
    for (const index of graph.members(run.index)) {
      if (graph.node(index).task) book.closeTry(index);
    }
    const controller = this.#controllerOf(run);
    if (controller === undefined) this.#beginRevert(run);
    else this.#judge(run, controller);
  }

  #judge(run: ScopeRun, controller: number): void {
    const { book, graph, options, runner } = this.#run;
    const failures: Failure[] = [];
    for (const index of graph.members(run.index)) {
      const { state, failure } = book.get(index);
      if (graph.node(index).task && state === 'failure' && failure) failures.push(failure);
    }
    book.recordFailures(controller, failures);
    this.scopes.setPhase(run, 'judging');
    this.#parts.launch({
      index: controller,
      call: () => runner.judge(controller),
      ended: (outcome) => {
        if (outcome.kind === 'interrupted' || run.phase !== 'judging') return; // S5
        this.scopes.setPhase(run, 'settling');
        if (options.signal.aborted) return;
        this.#judged(run, controller, outcome);
      },
    });
  }

  #judged(run: ScopeRun, controller: number, outcome: CallOutcome<RetryDecision>): void {
    const { book, options } = this.#run;
    const cause = run.cause ?? this.flowFailure;
    if (outcome.kind === 'interrupted') return;
    if (outcome.kind === 'failure') {
      book.fail(controller, outcome.thrown);
      this.scopes.setPhase(run, 'forward');
      return this.fail(controller);
    }
    const fields = { controller: book.get(controller).name, error: cause.message };
    const nextAtUnixMs = outcome.value === 'retry' ? this.#nextRoundUnixMs(controller) : undefined;
    if (nextAtUnixMs !== undefined) {
      options.logger.warn({ ...fields, nextAtUnixMs }, 'a scope failed; another round follows');
      book.retryRound(controller, nextAtUnixMs);
      return this.#beginRevert(run);
    }
    options.logger.warn(fields, 'a scope failed, and its controller gives up');
    book.giveUp(controller, outcome.value === 'revertAll' ? 'revertAll' : 'revert');
    this.scopes.setPhase(run, 'forward');
    this.#resolve(run.index, cause);
  }

  /** When the next round may start; undefined when there may be none. */
  #nextRoundUnixMs(controller: number): number | undefined {
    const { book, graph, options } = this.#run;
    const { role } = graph.node(controller);
    assert(role.kind === 'retry', 'only a controller starts rounds');
    const { backoff, totalMs } = role.retry;
    const { rounds } = book.get(controller);
    if (rounds.length >= LIMITS.roundsPerController) return undefined;
    const delayMs = backoff ? backoffMs(backoff, rounds.length, options.random) : 0;
    const nextAtUnixMs = options.clock.nowUnixMs() + delayMs;
    const [first] = rounds;
    const endUnixMs = (first?.startedAtUnixMs ?? 0) + (totalMs ?? Number.POSITIVE_INFINITY);
    return nextAtUnixMs > endUnixMs ? undefined : nextAtUnixMs;
  }

  /** S2. */
  #beginRevert(run: ScopeRun): void {
    const { book, graph } = this.#run;
    // A revert that an earlier attempt has begun elsewhere comes to its end first.
    if (run.running > 0) return this.scopes.setPhase(run, 'marked');
    const isFlow = run.index === 0;
    const members = [...graph.members(isFlow ? (this.#only ?? 0) : run.index)];
    for (const index of members) if (graph.node(index).task) book.closeTry(index);
    const cause = isFlow ? this.flowFailure : run.cause;
    assert(cause, 'a scope is reverted for a reason');
    const work = members.filter((index) => hasRevertWork(this.#run, index));
    this.#markFlowFailure(work, cause);
    if ((work.length > 0 || !isFlow) && !this.#isWritten(run)) {
      return run.phase === 'marked' ? undefined : this.scopes.setPhase(run, 'marked');
    }
    this.scopes.setPhase(run, 'reverting');
    run.revert = new ScopeRevert({ run: this.#run, members, cause, launch: this.#parts.launch });
    this.#look(run);
  }

  /** True once everything is durable that was known when the scope asked first; else it is looked at again then. */
  #isWritten(run: ScopeRun): boolean {
    const { writer } = this.#run;
    const { mark = writer.mark } = run;
    const isWritten = writer.isWritten(mark);
    if (!isWritten && run.mark === undefined) this.#lookOnceWritten(run, mark);
    run.mark = isWritten ? undefined : mark;
    return isWritten;
  }

  /** `mark` is the writer's as it is now, which keeps those who wait in order. */
  #lookOnceWritten(run: ScopeRun, mark: number): void {
    this.#run.writer.hurry();
    this.#unwritten.add({ run, mark });
  }

  /**
   * The failure of the flow as a whole stands in no task's record of its own. One that failed itself
   * has no room for it; where all have, a later attempt knows that the flow failed, or is told again.
   */
  #markFlowFailure(work: readonly number[], cause: Failure): void {
    if (cause.task !== undefined) return;
    const { book } = this.#run;
    const isMarked = (index: number): boolean => {
      const { failure } = book.get(index);
      return book.hasFailed(index) && failure !== undefined && failure.task === undefined;
    };
    if ([...book.atoms()].some(isMarked)) return;
    const first = work.find((index) => book.get(index).failure === undefined);
    if (first !== undefined) book.markReverting(first, cause);
  }

  #lookAtRevert(run: ScopeRun): void {
    if (run.revert?.isDone) return this.#reverted(run);
    // The last that it waits for may be records of other scopes, of which it is told nothing.
    if (run.revert?.isIdle) this.#lookOnceWritten(run, this.#run.writer.mark);
  }

  /** S4: the scope is reverted, as far as it can be. */
  #reverted(run: ScopeRun): void {
    const { book, waiting } = this.#run;
    const controller = this.#controllerOf(run);
    assert(controller !== undefined && run.revert, 'only the flow has no controller');
    if (!this.#isWritten(run)) return;
    const [failed] = run.revert.failed;
    if (failed !== undefined) {
      const { name } = book.get(failed);
      const message = `there can be no other round, because the revert of task ${name} failed`;
      book.fail(controller, new Error(message));
      this.scopes.setPhase(run, 'forward');
      return this.fail(controller);
    }
    this.scopes.setPhase(run, 'resting');
    waiting.add(controller, book.get(controller).nextAtUnixMs ?? 0);
  }
}
