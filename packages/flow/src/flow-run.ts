// One run of a flow: from the checkpoints of earlier attempts to its end, or as far as it gets.
//
// It owns what goes forward: what may start, what that leads to, when the run is over. What failures
// lead to is recovery.ts's, how a run ends run-ending.ts's. It knows a checkpoint port, a clock and
// the user's functions, and nothing of boards.
//
// Invariants:
//   E1. An atom starts only after the success of everything it waits for is durable (G3).
//   E2. Nothing starts where something has failed for good (recovery.ts), nor once the run is stopped
//       or suspended. What runs finishes.
//   E3. Every failure, of user code or around it, goes through the same resolution: a later try, or
//       the failure of the scope. Only a refused checkpoint and a defect make a run reject.
//   E4. Nothing starts while more waits to be written than one checkpoint holds: a store that lags
//       behind doesn't let the steps pile up that a crash would repeat.
//   E5. Once the run is over nothing of it is heard again: no timer, no checkpoint, no rejection.
//   E6. A further try waits until the failure of the one before is durable, so that its key was never
//       used for anything else.
//
// Not promised: that user code ends. What ignores its signal is left behind, because nothing can end
// it within a process.
import { type AtomRecord, encodeJson, type Failure, type Payload, toFailure } from '@holdfast/core';
import { AtomBook, isDone } from './atom-book.ts';
import { type CallOutcome, type FailedCall, retryDelayMs, unusable } from './call-outcome.ts';
import { CheckpointWriter } from './checkpoint-writer.ts';
import { Decisions } from './decisions.ts';
import { FlowDeadline } from './flow-deadline.ts';
import type { FlowPlan } from './flow-plan.ts';
import { ForkGates } from './fork-gates.ts';
import { Frontier } from './frontier.ts';
import { Recovery } from './recovery.ts';
import { RemoteDesk } from './remote-desk.ts';
import { executePolicy } from './retry-options.ts';
import { RunEnding } from './run-ending.ts';
import { RunGraph } from './run-graph.ts';
import type { RunOptions, RunResult } from './run-options.ts';
import type { Launch, RunParts } from './run-parts.ts';
import { RunRelease } from './run-release.ts';
import { RunShape } from './run-shape.ts';
import { RunStarts } from './run-starts.ts';
import { encodeOutput, type Values } from './run-values.ts';
import { failedTry } from './run-words.ts';
import { SignalDesk } from './signal-desk.ts';
import { Stopper } from './stopper.ts';
import { type Executed, TaskRunner } from './task-runner.ts';
import { ValueFinder } from './value-finder.ts';
import { WaitingRoom } from './waiting-room.ts';
import { WaitTimedOutError } from './workflow-failure.ts';

/** See the head of this file. Runs once. */
export class FlowRun {
  readonly #run: RunParts;
  readonly #values: ValueFinder;
  readonly #recovery: Recovery;
  readonly #signals: SignalDesk;
  readonly #gates: ForkGates;
  readonly #decisions: Decisions;
  readonly #stopper: Stopper;
  readonly #starts: RunStarts;
  readonly #shape: RunShape;
  readonly #release: RunRelease;
  /** Atoms that user code is called for, here. */
  readonly #inFlight = new Set<number>();
  #isOver = false;

  constructor(plan: FlowPlan, options: RunOptions, input: Values) {
    const { clock, identity, observer = {} } = options;
    const writer = new CheckpointWriter({
      clock,
      checkpoint: options.checkpoint,
      committed: (records) => ending.guard(() => this.#committed(records)),
      refused: (error) => ending.guard(() => ending.refuse(error)),
    });
    const advance = (): void => this.#advance();
    const ending = new RunEnding({ clock, writer, advance });
    const graph = new RunGraph(plan);
    const book = new AtomBook(
      { graph, flowVersion: plan.version, identity, clock, observer, writer },
      options.atoms,
    );
    const frontier = new Frontier(graph, (index) => this.#gates.passed(index));
    this.#gates = new ForkGates({ graph, book, frontier });
    this.#values = new ValueFinder({ graph, book, input });
    this.#stopper = new Stopper(clock, ending);
    const runner = new TaskRunner({
      graph,
      values: this.#values,
      options,
      book,
      forward: this.#stopper.forward,
      backward: { stop: ending.stop, abandoned: ending.abandoned },
      kick: () => writer.kick(),
    });
    const wake = (): void => ending.guard(advance);
    const times = {
      waiting: new WaitingRoom(clock, wake),
      deadline: new FlowDeadline(options, wake),
    };
    const parts = { plan, options, graph, book, runner, writer, ending, frontier, ...times };
    this.#run = { ...parts, remote: this.#createDesk(parts) };
    this.#recovery = new Recovery({ run: this.#run, launch: (call) => this.#launch(call) });
    this.#signals = this.#createSignals();
    this.#decisions = this.#createDecisions();
    this.#shape = new RunShape({
      graph,
      book,
      frontier,
      gates: this.#gates,
      recovery: this.#recovery,
      decisions: this.#decisions,
    });
    this.#starts = this.#createStarts();
    this.#release = new RunRelease({
      run: this.#run,
      recovery: this.#recovery,
      signals: this.#signals,
      advance,
    });
  }

  #createSignals(): SignalDesk {
    return new SignalDesk({
      run: this.#run,
      launch: (call) => this.#launch(call),
      mayStart: (index) => this.#recovery.mayStart(index),
      received: (index) => this.#done(index),
    });
  }

  #createDecisions(): Decisions {
    return new Decisions({
      run: this.#run,
      values: this.#values,
      recovery: this.#recovery,
      launch: (call) => this.#launch(call),
      admit: (index) => this.#starts.admit(index),
      passed: (index) => this.#done(index),
    });
  }

  #createStarts(): RunStarts {
    return new RunStarts({
      run: this.#run,
      calls: () => this.#inFlight.size,
      isDecided: (index) => this.#decisions.mayStart(index),
      startRevert: (place) => this.#recovery.startRevert(place),
      start: (index) => this.#start(index),
    });
  }

  #createDesk(run: Omit<RunParts, 'remote'>): RemoteDesk {
    return new RemoteDesk({
      run,
      values: this.#values,
      cancel: this.#stopper.cancel,
      count: (index, change) => {
        this.#release.touch();
        this.#recovery.scopes.count(run.graph.node(index).scope, change);
      },
      isOver: () => this.#isOver,
      advance: () => this.#advance(),
    });
  }

  /**
   * Runs to an end. `failure` is set when the flow has failed before it can go on. Rejects with what
   * the checkpoint port rejected with, or with a defect.
   */
  async run(failure?: Failure): Promise<RunResult> {
    const { options, ending, waiting, deadline } = this.#run;
    const { signal, cancel, suspend, signals } = options;
    const halt = (): void => ending.guard(() => ending.halt(signal.reason));
    const look = (): void => ending.guard(() => this.#advance());
    const revert = (): void => {
      ending.guard(() => this.#revertAll(cancel?.reason));
      look();
    };
    if (signal.aborted) halt();
    else signal.addEventListener('abort', halt, { once: true });
    cancel?.addEventListener('abort', revert, { once: true });
    suspend?.addEventListener('abort', look, { once: true });
    const unsubscribe = signals?.onArrival(look);
    ending.guard(() => this.#resume(failure));
    try {
      return await ending.result;
    } finally {
      this.#isOver = true; // E5
      signal.removeEventListener('abort', halt);
      cancel?.removeEventListener('abort', revert);
      suspend?.removeEventListener('abort', look);
      unsubscribe?.();
      waiting.disarm();
      deadline.disarm();
      this.#release.close();
      this.#stopper.close();
      ending.close();
    }
  }

  /** Takes up what earlier attempts left. */
  #resume(failure: Failure | undefined): void {
    const { book, graph, options, remote } = this.#run;
    // Grows while it is walked: the items of a map may hold maps. A map that was reverted has its
    // items too: they say why.
    for (let index = 0; index < graph.nodes.length; index += 1) {
      if (!graph.node(index).task || !graph.node(index).isActive) continue;
      if (book.isStale(index)) book.reset(index);
      else if (book.get(index).result) this.#shape.expand(index);
    }
    this.#decisions.reconsider(book.atoms());
    this.#recovery.scopes.grow();
    // Before anything settles: what runs elsewhere is not to be taken for cut off.
    remote.attach((index) => this.#endedElsewhere(index));
    if (failure) this.#recovery.failFlow(failure);
    if (options.cancel?.aborted) this.#revertAll(options.cancel.reason);
    this.#recovery.resume();
    for (const index of [...book.atoms()]) this.#takeUp(index);
    this.#advance();
  }

  #takeUp(index: number): void {
    const { book, frontier, waiting } = this.#run;
    const { state, blocked, nextAtUnixMs } = book.get(index);
    if (state === 'ignore' && blocked) this.#decisions.spread(index, blocked);
    if (state === 'success') this.#decisions.passCases(index);
    if (state === 'success') frontier.complete(index);
    if (state === 'ignore') frontier.passOver(index);
    if (state !== 'running' || !this.#recovery.mayStart(index)) return;
    const { kind } = this.#run.graph.node(index).role;
    if (kind === 'event') this.#signals.await(index);
    if (kind === 'sleep' && nextAtUnixMs !== undefined) waiting.add(index, nextAtUnixMs);
  }

  /** Does what can be done now, and ends the run when nothing can be any more. */
  #advance(): void {
    const { ending, options, waiting, deadline, writer, remote } = this.#run;
    if (ending.isEnding) return;
    const isIdle = (): boolean => this.#inFlight.size === 0;
    if (ending.isStopped || options.signal.aborted) return ending.endStopped(isIdle());
    this.#checkDeadline();
    if (!options.suspend?.aborted) {
      this.#recovery.advance();
      this.#fill();
      if (ending.isEnding) return;
    }
    const isAllIdle = isIdle() && remote.size === 0;
    if (isAllIdle && this.#isDone()) return this.#endDone();
    if (isAllIdle && options.suspend?.aborted) return ending.end({ kind: 'suspended' });
    if (isIdle() && this.#release.release(this.#starts.hasReady)) return;
    waiting.arm();
    if (!this.#recovery.hasFlowFailed) deadline.arm();
    writer.kick();
  }

  /** A flow whose time is over fails as a whole, unless there is nothing left to do. */
  #checkDeadline(): void {
    if (this.#recovery.hasFlowFailed || this.#isDone()) return;
    const { failure } = this.#run.deadline;
    if (!failure) return;
    this.#run.options.logger.error({ error: failure }, 'the flow took too long; it is reverted');
    this.#revertAll(failure);
  }

  /** Starts what is ready, as far as there is room. */
  #fill(): void {
    const { waiting, frontier, book } = this.#run;
    // What has arrived by now was in time, also for a wait whose time is over since.
    this.#signals.match();
    for (const index of waiting.takeDue()) this.#due(index);
    for (const index of frontier.takeReady())
      if (!isDone(book.get(index))) this.#starts.admit(index);
    this.#starts.fill();
  }

  /** The time has come that an atom waited for. */
  #due(index: number): void {
    const { book, graph } = this.#run;
    if (this.#recovery.wake(index) && book.get(index).state !== 'retrying') return;
    const { role } = graph.node(index);
    if (book.get(index).state !== 'running') return this.#starts.admit(index);
    if (role.kind === 'sleep') {
      book.succeed(index, encodeJson({}));
      this.#done(index);
    } else if (role.kind === 'event' && !this.#inFlight.has(index)) {
      this.#signals.leave(index);
      const { event, timeoutMs = 0 } = role.event;
      const thrown = new WaitTimedOutError(graph.node(index).name, { event, timeoutMs });
      this.#resolveFailure(index, { kind: 'failure', thrown, isFinal: true });
    }
  }

  /** Starts an atom, if it may: it is told more than once that it is ready when a scope starts anew. */
  #start(index: number): void {
    const { book, graph, frontier, options, waiting, runner, remote } = this.#run;
    const node = graph.node(index);
    const { state, nextAtUnixMs } = book.get(index);
    if (!node.isActive || this.#isUnderWay(index) || !this.#recovery.mayStart(index)) return; // E2
    if (state === 'retrying' ? !this.#recovery.mayRestart(index) : frontier.isComplete(index))
      return;
    if (state !== 'pending' && state !== 'running' && state !== 'retrying') return;
    if (nextAtUnixMs !== undefined && nextAtUnixMs > options.clock.nowUnixMs()) {
      return waiting.add(index, nextAtUnixMs);
    }
    if (state === 'retrying') this.#shape.restart(index);
    if (!this.#decisions.mayStart(index)) return this.#decisions.ask(index);
    if (node.role.kind === 'event') return this.#signals.begin(index);
    if (remote.isFor(index)) {
      if (!remote.hasRoom) return this.#starts.admit(index);
      return remote.execute(index, () => this.#endedElsewhere(index));
    }
    this.#launch({
      index,
      call: () => runner.execute(index),
      ended: (outcome) => this.#executed(index, outcome),
    });
  }

  #isUnderWay(index: number): boolean {
    return this.#inFlight.has(index) || this.#run.remote.has(index);
  }

  #launch<Value>({ index, call, ended }: Launch<Value>): void {
    const { ending, graph } = this.#run;
    const { scopes } = this.#recovery;
    const { scope } = graph.node(index);
    this.#inFlight.add(index);
    scopes.count(scope, 1);
    void call().then(
      (outcome) =>
        ending.guard(() => {
          if (this.#isOver) return; // E5
          this.#inFlight.delete(index);
          scopes.count(scope, -1);
          this.#release.touch();
          ended(outcome);
          this.#advance();
        }),
      (error: unknown) => ending.crash(error),
    );
  }

  #executed(index: number, outcome: CallOutcome<Executed>): void {
    const { book, options } = this.#run;
    if (outcome.kind === 'interrupted') return;
    if (outcome.kind === 'failure') return this.#resolveFailure(index, outcome);
    const executed = outcome.value;
    if (executed.kind === 'pause') {
      return book.waitUntil(index, options.clock.nowUnixMs() + executed.ms);
    }
    const refused = executed.kind === 'list' && this.#shape.refuseItems(index, executed.count);
    if (refused) return this.#resolveFailure(index, refused);
    if (this.#run.graph.node(index).role.kind === 'retry') {
      book.succeedRound(index, executed.payload);
    } else {
      book.succeed(index, executed.payload);
    }
    this.#done(index);
    if (executed.kind === 'chosen') this.#decisions.passCases(index);
    if (executed.kind !== 'list') return;
    // Its items are known from here on, and start once the list's checkpoint is durable.
    this.#shape.expand(index);
  }

  /** What ran elsewhere has ended, and its record says how: as it is still, when it was told to stop. */
  #endedElsewhere(index: number): void {
    const { book, graph, options } = this.#run;
    const record = book.get(index);
    if (record.state === 'success') return this.#done(index);
    if (record.state !== 'failure') return;
    const level = graph.node(index).scope === 0 ? 'error' : 'warn';
    options.logger[level](failedTry(record, record.failure), 'a task failed for good elsewhere');
    this.#recovery.fail(index);
  }

  #done(index: number): void {
    this.#decisions.forget(index);
  }

  /** E3: another try, or the end of the scope. */
  #resolveFailure(index: number, outcome: FailedCall): void {
    const { book, graph, options, plan } = this.#run;
    const { clock, random, logger } = options;
    const { tries, forgivenTries } = book.get(index);
    const isFinal = outcome.isFinal || !this.#recovery.mayStart(index); // E2
    const policy = executePolicy(graph.node(index).task, plan.retry);
    const counted = tries - forgivenTries;
    const delayMs = retryDelayMs({ ...outcome, isFinal, counted }, policy, random);
    const fields = failedTry(book.get(index), outcome.thrown);
    if (delayMs === undefined) {
      book.fail(index, outcome.thrown);
      // Where a controller is around, it may well be that nothing is lost yet.
      const isHandled = graph.node(index).scope !== 0;
      logger[isHandled ? 'warn' : 'error'](fields, 'a task failed for good');
      this.#recovery.fail(index);
      return;
    }
    book.retryLater(index, outcome.thrown, clock.nowUnixMs() + delayMs);
    logger.warn({ ...fields, delayMs }, 'a task failed; it is tried again');
  }

  /** E1: what is durable lets others go on. */
  #committed(records: readonly AtomRecord[]): void {
    if (this.#isOver) return; // E5
    const { graph, waiting, frontier, options, book } = this.#run;
    options.observer?.committed?.(records);
    this.#release.touch();
    for (const record of records) {
      const index = graph.placeOf(record.name);
      if (index === undefined || !graph.node(index).isActive) continue;
      // What was written may be overtaken: of an earlier round, or changed since.
      const { state, nextAtUnixMs } = book.get(index);
      if (state !== record.state || nextAtUnixMs !== record.nextAtUnixMs) continue;
      this.#recovery.committed(index);
      if (!this.#recovery.mayStart(index)) continue;
      if (record.state === 'success') frontier.complete(index);
      if (record.state === 'ignore') frontier.passOver(index);
      // E6: only now, so that no try ever runs whose predecessor another attempt would repeat.
      const waits = record.state === 'pending' || record.state === 'running';
      if (waits && record.nextAtUnixMs !== undefined && !this.#inFlight.has(index)) {
        waiting.add(index, record.nextAtUnixMs);
      }
    }
    this.#advance();
  }

  #isDone(): boolean {
    return this.#recovery.hasFlowFailed
      ? this.#recovery.isFlowReverted
      : this.#run.book.unfinished === 0;
  }

  #endDone(): void {
    const { book, ending, plan } = this.#run;
    if (this.#recovery.hasFlowFailed) {
      book.closeForeign();
      book.closeReverts();
      return ending.end({ kind: 'failed', failure: this.#recovery.flowFailure });
    }
    let output: Payload;
    try {
      output = encodeOutput(plan, this.#values.lookupForFlow());
    } catch (error) {
      // The tasks are done; what they provided together can't be stored as the flow's output.
      this.#recovery.failFlow(toFailure(unusable('the output of the flow', error)));
      return this.#advance();
    }
    ending.end({ kind: 'succeeded', output });
  }

  /** The flow has failed as a whole: what goes forward is told to stop, and everything is reverted. */
  #revertAll(reason: unknown): void {
    this.#stopper.stopForward(reason);
    this.#recovery.failFlow(toFailure(reason));
  }
}
