// One run of a durable function: from the checkpoints of earlier attempts to its end, or as far as it
// gets. It calls the function from its beginning, gives it what was recorded, then starts what it asks
// for besides; when the function fails, it reverts.
//
// It owns the order of all that. How a run ends is run-ending.ts's, what earlier attempts left
// workflow-replay.ts's, what is reverted next workflow-saga.ts's. It knows a checkpoint port, a clock
// and the user's function, and nothing of boards.
//
// Invariants:
//   F1. The function gets the end of a step only once it is durable, and in the order of completion
//       (workflow-journal.ts); nothing is started before it has got all that was recorded.
//   F2. Nothing starts once the function has ended, or the run is stopped or suspended. Steps that
//       still run then are told that nobody waits for them, and are waited for.
//   F3. No revert starts before everything that ran has settled and is durable, the failure of the
//       function first of all: an attempt that takes over then reverts too. It runs the function for
//       the sake of its reverts alone, and starts nothing.
//   F4. A further try waits until the failure of the one before is durable, so that its key was never
//       used for anything else.
//   F5. Nothing starts while more waits to be written than one checkpoint holds.
//   F6. Code that doesn't fit the records leads to nothing but a report: nothing is run or reverted.
//   F7. Once the run is over nothing of it is heard again: no timer, no checkpoint, no rejection.
//
// Not promised: that the function ends. What it does besides its steps is its own.
import {
  type AtomRecord,
  assert,
  decodeJson,
  type Failure,
  InvalidArgumentError,
  LIMITS,
  type Payload,
  toFailure,
} from '@holdfast/core';
import { type CallOutcome, unusable } from './call-outcome.ts';
import { CheckpointWriter } from './checkpoint-writer.ts';
import { createWorkflowContext } from './create-workflow-context.ts';
import { FlowDeadline } from './flow-deadline.ts';
import { afterMicrotasks } from './microtasks.ts';
import { RunEnding } from './run-ending.ts';
import type { RunOptions, RunResult } from './run-options.ts';
import type { Values } from './run-values.ts';
import { WaitingRoom } from './waiting-room.ts';
import { WorkflowAsks } from './workflow-asks.ts';
import { failureOf, isReverting, WorkflowBook } from './workflow-book.ts';
import { StepFailedError } from './workflow-failure.ts';
import { WorkflowJournal } from './workflow-journal.ts';
import { WorkflowMismatch } from './workflow-mismatch.ts';
import { WorkflowPauses } from './workflow-pauses.ts';
import { WorkflowRelease } from './workflow-release.ts';
import { WorkflowReplay } from './workflow-replay.ts';
import { WorkflowReverts } from './workflow-reverts.ts';
import type { AskSpec, WorkflowSpec } from './workflow-spec.ts';
import { WorkflowStarts } from './workflow-starts.ts';
import { encodeChecked, WorkflowSteps } from './workflow-steps.ts';

/** What a run does now: give what was recorded; start what is new; let what runs settle; revert. */
type Phase = 'replaying' | 'live' | 'settling' | 'reverting';

type Launch = <Value>(
  call: Promise<CallOutcome<Value>>,
  ended: (outcome: CallOutcome<Value>) => void,
) => void;

type FunctionEnd =
  | { readonly kind: 'returned'; readonly output: Payload }
  | { readonly kind: 'threw'; readonly thrown: unknown };

/** See the head of this file. Runs once. */
export class WorkflowRun {
  readonly #spec: WorkflowSpec;
  readonly #options: RunOptions;
  readonly #input: Values;
  readonly #writer: CheckpointWriter;
  readonly #ending: RunEnding;
  readonly #book: WorkflowBook;
  readonly #journal: WorkflowJournal;
  readonly #replay: WorkflowReplay;
  readonly #steps: WorkflowSteps;
  readonly #mismatch: WorkflowMismatch;
  readonly #pauses: WorkflowPauses;
  readonly #starts: WorkflowStarts;
  readonly #reverts: WorkflowReverts;
  readonly #waiting: WaitingRoom;
  readonly #deadline: FlowDeadline;
  readonly #release: WorkflowRelease;
  readonly #asks = new WorkflowAsks();
  /** Aborts when nobody waits for steps any more. */
  readonly #stepsEnd = new AbortController();
  #running = 0;
  #phase: Phase = 'replaying';
  #end: FunctionEnd | undefined;
  /** Why everything is reverted. */
  #failure: Failure | undefined;
  #nowUnixMs: number;
  #isWoken = false;
  #isOver = false;

  constructor(spec: WorkflowSpec, options: RunOptions, input: Values) {
    this.#spec = spec;
    this.#options = options;
    this.#input = input;
    const { clock, identity, logger, atoms, observer = {} } = options;
    const wake = (): void => this.#wake();
    const writer = new CheckpointWriter({
      clock,
      checkpoint: options.checkpoint,
      committed: (records) => this.#run(() => this.#committed(records)),
      refused: (error) => this.#run(() => this.#ending.refuse(error)),
    });
    const ending = new RunEnding({ clock, writer, advance: wake });
    const waiting = new WaitingRoom(clock, wake);
    const deadline = new FlowDeadline(options, wake);
    const { name, retry } = spec;
    const book = new WorkflowBook(
      { name, flowVersion: options.flow.version, identity, clock, observer, writer },
      atoms,
    );
    const steps = new WorkflowSteps({
      options,
      book,
      stopSteps: this.#stepsEnd.signal,
      stop: ending.stop,
      abandoned: ending.abandoned,
      kick: () => writer.kick(),
    });
    const asks = this.#asks;
    this.#writer = writer;
    this.#ending = ending;
    this.#waiting = waiting;
    this.#deadline = deadline;
    this.#book = book;
    this.#steps = steps;
    this.#mismatch = new WorkflowMismatch(name, options, book);
    this.#replay = new WorkflowReplay({ book, clock, wake });
    this.#journal = new WorkflowJournal(book.completed, this.#replay.isStrict);
    this.#pauses = new WorkflowPauses({
      book,
      clock,
      logger,
      waiting,
      source: options.signals,
      ended: (ended) => this.#journal.add(ended),
      run: (step) => this.#run(step),
    });
    const launch: Launch = (call, ended) => this.#launch(call, ended);
    const shared = { options, retry, book, asks, steps, writer, waiting, launch };
    this.#starts = new WorkflowStarts({
      ...shared,
      pauses: this.#pauses,
      running: () => this.#running,
      ended: (ended) => this.#journal.add(ended),
    });
    this.#reverts = new WorkflowReverts(shared);
    this.#release = new WorkflowRelease({ ...shared, pauses: this.#pauses, deadline, ending });
    this.#nowUnixMs = clock.nowUnixMs();
  }

  /** Runs to an end. Rejects with what the checkpoint port rejected with, or with a defect. */
  async run(): Promise<RunResult> {
    const { signal, cancel, suspend, signals } = this.#options;
    const halt = (): void => this.#run(() => this.#ending.halt(signal.reason));
    const wake = (): void => this.#wake();
    if (signal.aborted) halt();
    else signal.addEventListener('abort', halt, { once: true });
    cancel?.addEventListener('abort', wake, { once: true });
    suspend?.addEventListener('abort', wake, { once: true });
    const unsubscribe = signals?.onArrival(wake);
    this.#run(() => this.#begin());
    try {
      return await this.#ending.result;
    } finally {
      this.#isOver = true; // F7
      signal.removeEventListener('abort', halt);
      cancel?.removeEventListener('abort', wake);
      suspend?.removeEventListener('abort', wake);
      unsubscribe?.();
      this.#waiting.disarm();
      this.#deadline.disarm();
      this.#replay.close();
      this.#ending.close();
      this.#stepsEnd.abort(new Error('the run is over'));
    }
  }

  #begin(): void {
    if (this.#options.signal.aborted || !this.#mayCall()) return;
    const { root } = this.#book;
    if (isReverting(root)) this.#failure = root.failure;
    else this.#book.startRoot();
    // With nothing left to revert nobody has to say how.
    if (this.#failure && this.#replay.missing === undefined) return;
    this.#nowUnixMs = this.#book.root.startedAtUnixMs ?? this.#nowUnixMs;
    void this.#callFunction().then((end) => {
      this.#end = end;
      this.#wake();
    });
  }

  /** F3: also when everything is to be reverted, because only the function knows how. */
  async #callFunction(): Promise<FunctionEnd> {
    const ctx = createWorkflowContext({
      identity: this.#options.identity,
      signal: this.#stepsEnd.signal,
      log: this.#options.logger,
      isReplaying: () => this.#journal.isReplaying,
      now: () => this.#nowUnixMs,
      currentStep: () => this.#steps.current,
      ask: (name, spec) => this.#ask(name, spec),
    });
    let returned: unknown;
    try {
      returned = await this.#spec.run(ctx, this.#input);
    } catch (thrown) {
      return { kind: 'threw', thrown };
    }
    const what = 'what the function returned';
    try {
      return { kind: 'returned', output: await encodeChecked(this.#spec.output, returned, what) };
    } catch (error) {
      return { kind: 'threw', thrown: unusable(what, error) };
    }
  }

  /** The function asks for something. What it can't get resolves never: the run is about to end. */
  #ask(name: string, spec: AskSpec): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    if (this.#isOver || this.#ending.isEnding) return promise;
    this.#wake();
    if (this.#asks.find(name) || name === this.#spec.name) {
      const whose = name === this.#spec.name ? "is the workflow's own name" : 'is asked for twice';
      const problem = `'${name}' ${whose}; each step, sleep and wait has a name of its own`;
      this.#mismatch.note(name, { problem, mayWait: false });
      return promise;
    }
    if (this.#asks.all.length >= LIMITS.tasksPerFlow) {
      const problem = { value: name, allowed: `${LIMITS.tasksPerFlow} steps, sleeps and waits` };
      throw new InvalidArgumentError(`workflow(${this.#spec.name})`, problem);
    }
    const ask = this.#asks.add({ name, spec, resolve, reject });
    const problem = this.#replay.asked(name, spec.kind);
    if (problem !== undefined) {
      this.#mismatch.note(name, { problem, mayWait: true });
      return promise;
    }
    if (spec.kind === 'wait') this.#pauses.asked(name, spec);
    this.#starts.asked(ask);
    return promise;
  }

  /** Looks what is to be done, once the function has done all that it can do now. */
  #wake(): void {
    if (this.#isWoken || this.#isOver) return;
    this.#isWoken = true;
    afterMicrotasks(() => {
      this.#isWoken = false;
      if (this.#isOver) return; // F7
      this.#ending.guard(() => this.#advance());
    });
  }

  /** Runs a step of the engine because of something that has happened, and looks what follows. */
  #run(step: () => void): void {
    if (this.#isOver) return; // F7
    this.#ending.guard(step);
    this.#wake();
  }

  /** Does what can be done now, and ends the run when nothing can be any more. */
  #advance(): void {
    if (this.#ending.isEnding) return;
    if (this.#ending.isStopped) {
      this.#stepsEnd.abort(this.#ending.stop.reason);
      return this.#ending.endStopped(this.#isIdle);
    }
    const { failure } = this.#mismatch;
    if (failure) this.#endMismatch(failure);
    else this.#advancePhase();
    if (!this.#ending.isEnding) this.#writer.kick();
  }

  #advancePhase(): void {
    const { cancel } = this.#options;
    if (cancel?.aborted) this.#failure ??= toFailure(cancel.reason);
    if (!this.#end) this.#checkDeadline();
    switch (this.#phase) {
      case 'replaying':
      case 'live':
        return this.#goForward();
      case 'settling':
        return this.#settle();
      case 'reverting':
        return this.#revert();
      default:
        return this.#phase satisfies never;
    }
  }

  /** A function whose time is over has failed, whatever it does besides. */
  #checkDeadline(): void {
    const { failure } = this.#deadline;
    if (!failure || this.#failure) return;
    this.#options.logger.error({ error: failure }, 'the function took too long; it is reverted');
    this.#failure = toFailure(failure);
  }

  #goForward(): void {
    if (this.#end && !this.#failure) return this.#functionEnded(this.#end);
    if (this.#options.suspend?.aborted) return this.#suspend();
    if (!this.#mayCall()) return;
    if (this.#give()) return;
    if (this.#phase === 'replaying' && !this.#isReplayed()) return this.#beStuck();
    if (this.#failure) return this.#startSettling(this.#failure.message);
    this.#phase = 'live';
    this.#starts.advance();
    if (this.#isIdle && this.#release.release()) return;
    this.#waiting.arm();
    this.#deadline.arm();
  }

  /** F1: gives the function one end; true when there was one. */
  #give(): boolean {
    if (this.#end) return false;
    const name = this.#journal.next((each) => this.#asks.find(each) !== undefined);
    const ask = name === undefined ? undefined : this.#asks.find(name);
    if (!ask) return false;
    this.#journal.give(ask.name);
    this.#asks.give(ask.name);
    this.#replay.moved();
    const record = this.#book.get(ask.name);
    const failure = failureOf(record);
    this.#nowUnixMs = record.finishedAtUnixMs ?? this.#nowUnixMs;
    if (failure) ask.reject(new StepFailedError(ask.name, failure));
    else ask.resolve(record.result && decodeJson(record.result));
    this.#wake();
    return true;
  }

  #isReplayed(): boolean {
    if (this.#replay.missing !== undefined) return false;
    return !this.#replay.isStrict || this.#failure !== undefined || !this.#journal.isReplaying;
  }

  /** The function was given all that it can get, and something recorded was not asked for. */
  #beStuck(): void {
    const missing = this.#replay.missing ?? this.#spec.name;
    if (this.#end) return this.#noteMissing(missing, this.#end);
    // It is busy with something of its own, and will ask for more.
    if (!this.#asks.hasOpen || !this.#replay.isOverdue()) return;
    const { firstNew } = this.#starts;
    const awaits = firstNew ? `awaits '${firstNew}', which is not recorded, and ` : '';
    const problem = `the function ${awaits}has not asked for '${missing}', which is recorded`;
    this.#mismatch.note(missing, { problem, mayWait: true });
    this.#wake();
  }

  #functionEnded(end: FunctionEnd): void {
    const { missing } = this.#replay;
    if (missing !== undefined) return this.#noteMissing(missing, end);
    if (end.kind === 'threw') {
      const { thrown } = end;
      this.#failure = thrown instanceof StepFailedError ? thrown.failure : toFailure(thrown);
      this.#options.logger.error({ error: thrown }, 'the function failed; what it did is reverted');
    }
    this.#startSettling('the function has ended');
  }

  #noteMissing(missing: string, end: FunctionEnd): void {
    const how = end.kind === 'threw' ? 'failed' : 'returned';
    const problem = `the function ${how} and had not asked for '${missing}', which is recorded`;
    const cause = end.kind === 'threw' ? end.thrown : undefined;
    this.#mismatch.note(missing, { problem, cause, mayWait: true });
    this.#wake();
  }

  #launch<Value>(
    call: Promise<CallOutcome<Value>>,
    ended: (outcome: CallOutcome<Value>) => void,
  ): void {
    this.#running += 1;
    void call.then(
      (outcome) =>
        this.#run(() => {
          this.#running -= 1;
          ended(outcome);
        }),
      (error: unknown) => this.#ending.crash(error),
    );
  }

  #committed(records: readonly AtomRecord[]): void {
    this.#options.observer?.committed?.(records);
    for (const record of records) {
      const { name, state } = record;
      if (state === 'success' || state === 'failure') this.#journal.markDurable(name); // F1
      this.#starts.committed(record); // F4
      this.#reverts.committed(record);
    }
  }

  /** F2: nobody waits for what runs any more. */
  #startSettling(why: string): void {
    this.#phase = 'settling';
    this.#starts.close();
    this.#replay.close();
    this.#stepsEnd.abort(new Error(why));
    this.#wake();
  }

  #settle(): void {
    if (!this.#isIdle) return;
    if (this.#failure && this.#options.suspend?.aborted) return this.#suspend();
    // Otherwise what was not called, because the signal is about to abort, would count as failed.
    if (!this.#mayCall()) return;
    for (const { name, spec } of this.#asks.all) this.#book.close(name, spec.kind);
    if (this.#failure) {
      if (!this.#reverts.begin(this.#failure, () => this.#wake())) return;
      this.#phase = 'reverting';
      return this.#wake();
    }
    assert(this.#end?.kind === 'returned', 'a function that has not failed has returned');
    this.#book.succeedRoot();
    this.#ending.end({ kind: 'succeeded', output: this.#end.output });
  }

  #revert(): void {
    if (!this.#isIdle) return;
    if (this.#options.suspend?.aborted) return this.#suspend();
    if (!this.#mayCall()) return;
    assert(this.#failure, 'what is reverted has failed');
    const reverts = this.#reverts.advance(this.#failure);
    if (reverts.kind === 'done') this.#ending.end({ kind: 'failed', failure: this.#failure });
    else if (reverts.kind === 'waiting') this.#release.end(reverts.untilUnixMs, reverts.reason);
  }

  #suspend(): void {
    if (this.#isIdle) this.#ending.end({ kind: 'suspended' });
  }

  /** F6. */
  #endMismatch(failure: Failure): void {
    this.#stepsEnd.abort(new Error(failure.message));
    if (!this.#isIdle) return;
    this.#pauses.close();
    const { untilUnixMs } = this.#mismatch.end(failure);
    if (untilUnixMs === undefined) this.#ending.end({ kind: 'failed', failure });
    else this.#release.end(untilUnixMs, failure.message);
  }

  get #isIdle(): boolean {
    return this.#running === 0 && this.#pauses.isIdle;
  }

  #mayCall(): boolean {
    return this.#options.mayCall?.() ?? true;
  }
}
