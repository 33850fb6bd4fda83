// One run of a flow: from the checkpoints of earlier attempts to its end, or as far as it gets.
//
// It owns the decisions: what may start, what a failure leads to, when the run is over. It knows a
// checkpoint port, a clock and the user's functions, and nothing of boards.
//
// Invariants:
//   E1. A task starts only after the success of everything it waits for is durable (G3).
//   E2. No task starts once a task has failed for good, or the run is stopped. Those that run finish.
//   E3. No revert starts before everything that ran has settled and is durable, the failure first of
//       all: a run that goes on after a crash then reverts too, rather than executing again.
//   E4. A task is reverted only after everything that waited for it is, durably; one whose revert
//       failed for good keeps what it waited for from being reverted.
//   E5. Every failure, of user code or around it, goes through the same resolution: a later try, or
//       the failure of the flow. Only a refused checkpoint and a defect make a run reject.
//   E6. Nothing starts while more waits to be written than one checkpoint holds: a store that lags
//       behind doesn't let the steps pile up that a crash would repeat.
//   E7. Once the run is over nothing of it is heard again: no timer, no checkpoint, no rejection.
//   E8. A further try waits until the failure of the one before is durable, so that its key was never
//       used for anything else.
//
// Not promised: that user code ends. What ignores its signal is left behind, because nothing can end
// it within a process.
import {
  type AtomRecord,
  type Failure,
  type Payload,
  type RetryPolicy,
  type Timer,
  toFailure,
} from '@holdfast/core';
import { AtomBook } from './atom-book.ts';
import { type CallOutcome, type FailedCall, retryDelayMs, unusable } from './call-outcome.ts';
import { CheckpointWriter } from './checkpoint-writer.ts';
import type { FlowPlan } from './flow-plan.ts';
import { Frontier } from './frontier.ts';
import { mergeRetry } from './retry-options.ts';
import {
  CHECKPOINT_RECORDS_MAX,
  DEFAULT_RELEASE_AFTER_MS,
  DEFAULT_TASK_CONCURRENCY,
  type RunOptions,
  type RunResult,
  STOP_GRACE_MS,
} from './run-options.ts';
import { encodeOutput, type Values } from './run-values.ts';
import { failedTry, waitReason } from './run-words.ts';
import { TaskRunner } from './task-runner.ts';
import { WaitingRoom } from './waiting-room.ts';

/** What a run does now: execute; let what runs finish after a failure; revert. */
type Phase = 'forward' | 'settling' | 'reverting';

type RunEnd = RunResult extends infer Result
  ? Result extends RunResult
    ? Omit<Result, 'uncommitted'>
    : never
  : never;

/** See the head of this file. Runs once. */
export class FlowRun {
  readonly #plan: FlowPlan;
  readonly #options: RunOptions;
  readonly #concurrency: number;
  readonly #writer: CheckpointWriter;
  readonly #book: AtomBook;
  readonly #runner: TaskRunner;
  readonly #waiting: WaitingRoom;
  readonly #stop = new AbortController();
  readonly #abandoned = Promise.withResolvers<void>();
  readonly #result = Promise.withResolvers<RunResult>();
  #frontier: Frontier;
  #phase: Phase = 'forward';
  #ready: number[] = [];
  #running = 0;
  #unfinished: number;
  #firstFailure: Failure | undefined;
  #refusal: { readonly error: unknown } | undefined;
  #isAbandoned = false;
  #grace: Timer | undefined;
  /** Tasks that user code has to revert yet. */
  #revertsLeft = 0;
  #isEnding = false;
  #isOver = false;

  constructor(plan: FlowPlan, options: RunOptions, input: Values) {
    this.#plan = plan;
    this.#options = options;
    this.#concurrency = options.concurrency ?? DEFAULT_TASK_CONCURRENCY;
    const { clock, identity, observer = {} } = options;
    this.#writer = new CheckpointWriter({
      clock,
      checkpoint: options.checkpoint,
      committed: (records) => this.#guard(() => this.#committed(records)),
      refused: (error) => this.#guard(() => this.#refuse(error)),
    });
    this.#book = new AtomBook(
      { plan, identity, clock, observer, writer: this.#writer },
      options.atoms,
    );
    this.#runner = new TaskRunner({
      plan,
      options,
      input,
      book: this.#book,
      stop: this.#stop.signal,
      abandoned: this.#abandoned.promise,
      kick: () => this.#writer.kick(),
    });
    this.#waiting = new WaitingRoom(clock, () => this.#guard(() => this.#advance()));
    this.#frontier = new Frontier(plan, 'forward');
    this.#unfinished = this.#book.tasks.length;
  }

  /**
   * Runs to an end. `failure` is set when the flow has failed before it can go on. Rejects with what
   * the checkpoint port rejected with, or with a defect.
   */
  async run(failure?: Failure): Promise<RunResult> {
    const { signal } = this.#options;
    const halt = (): void => this.#guard(() => this.#halt(signal.reason));
    if (signal.aborted) halt();
    else signal.addEventListener('abort', halt, { once: true });
    this.#guard(() => this.#resume(failure));
    try {
      return await this.#result.promise;
    } finally {
      this.#isOver = true; // E7
      signal.removeEventListener('abort', halt);
      this.#waiting.disarm();
      this.#writer.close();
      this.#stop.abort(new Error('the run is over'));
      this.#abandoned.resolve();
      this.#grace?.cancel();
    }
  }

  /** Takes up what earlier attempts left. */
  #resume(failure: Failure | undefined): void {
    this.#firstFailure = failure;
    if (failure || this.#book.hasFailed) {
      this.#giveUp();
    } else {
      for (const index of this.#book.tasks) {
        const { state } = this.#book.get(index);
        if (state === 'success' || state === 'ignore') this.#completeForward(index);
      }
    }
    this.#advance();
  }

  #completeForward(index: number): void {
    this.#unfinished -= 1;
    this.#frontier.complete(index);
  }

  /** Does what can be done now, and ends the run when nothing can be any more. */
  #advance(): void {
    if (this.#isEnding) return;
    if (this.#refusal || this.#options.signal.aborted) return this.#endStopped();
    if (this.#phase === 'settling') this.#settle();
    this.#fill();
    if (this.#running === 0 && this.#isDone()) return this.#endDone();
    if (this.#running === 0 && this.#mayRelease()) return;
    this.#waiting.arm();
    this.#writer.kick();
  }

  /** Starts what is ready, as far as there is room. */
  #fill(): void {
    if (this.#phase === 'settling') return; // E2
    this.#ready.push(...this.#waiting.takeDue());
    this.#takeReady();
    while (this.#running < this.#concurrency && this.#writer.waiting < CHECKPOINT_RECORDS_MAX) {
      const index = this.#ready.shift();
      if (index === undefined) return;
      if (this.#phase === 'forward') this.#startTask(index);
      else this.#startRevert(index);
    }
  }

  /** Sorts what has become ready: to run, to wait for its time, or done already. */
  #takeReady(): void {
    for (
      let found = this.#frontier.takeReady();
      found.length > 0;
      found = this.#frontier.takeReady()
    ) {
      for (const index of found) {
        if (this.#phase === 'reverting' && this.#passRevert(index)) continue;
        const { state, nextAtUnixMs } = this.#book.get(index);
        // Done, though a later version of the flow has put something in front of it.
        if (this.#phase === 'forward' && (state === 'success' || state === 'ignore')) continue;
        if (nextAtUnixMs !== undefined && nextAtUnixMs > this.#options.clock.nowUnixMs()) {
          this.#waiting.add(index, nextAtUnixMs);
        } else {
          this.#ready.push(index);
        }
      }
    }
  }

  #startTask(index: number): void {
    this.#running += 1;
    void this.#runner.execute(index).then(
      (outcome) => this.#guard(() => this.#executed(index, outcome)),
      (error: unknown) => this.#crash(error),
    );
  }

  #executed(index: number, outcome: CallOutcome<Payload>): void {
    if (this.#isOver) return; // E7
    this.#running -= 1;
    if (outcome.kind === 'success') {
      this.#book.succeed(index, outcome.value);
      this.#unfinished -= 1;
    } else if (outcome.kind === 'failure') {
      this.#resolveFailure(index, outcome);
    }
    this.#advance();
  }

  /** E5: another try, or the end of the flow. */
  #resolveFailure(index: number, outcome: FailedCall): void {
    const { clock, random, logger } = this.#options;
    const { tries, forgivenTries } = this.#book.get(index);
    const counted = tries - forgivenTries;
    const isFinal = outcome.isFinal || this.#phase !== 'forward'; // E2
    const delayMs = retryDelayMs({ ...outcome, isFinal, counted }, this.#policy(index), random);
    if (delayMs === undefined) {
      this.#book.fail(index, outcome.thrown);
      this.#firstFailure ??= this.#book.get(index).failure;
      this.#giveUp();
      logger.error(this.#failedTry(index, outcome), 'a task failed for good; the flow is reverted');
      return;
    }
    const nextAtUnixMs = clock.nowUnixMs() + delayMs;
    this.#book.retryLater(index, outcome.thrown, nextAtUnixMs);
    logger.warn(
      { ...this.#failedTry(index, outcome), delayMs },
      'a task failed; it is tried again',
    );
  }

  /** The flow has failed: nothing starts any more (E2), so nobody waits for a next try. */
  #giveUp(): void {
    this.#phase = 'settling';
    this.#waiting.clear();
  }

  #policy(index: number): RetryPolicy {
    return mergeRetry(this.#plan.nodes[index]?.task?.retry, this.#plan.retry);
  }

  #failedTry(index: number, { thrown }: FailedCall): Record<string, unknown> {
    return failedTry(this.#book.get(index), thrown);
  }

  /** E3: once everything that ran has settled and is durable, the revert begins. */
  #settle(): void {
    if (this.#running > 0) return;
    for (const index of this.#book.tasks) this.#book.closeTry(index);
    const work = this.#book.tasks.filter((index) => this.#hasWork(index));
    this.#revertsLeft = work.length;
    // The failure of the flow as a whole stands in no task's record yet.
    const [first] = work;
    if (first !== undefined && !this.#book.hasFailed)
      this.#book.markReverting(first, this.#flowFailure());
    if (this.#revertsLeft > 0 && !this.#writer.isSettled) {
      void this.#writer.flush().then(() => this.#guard(() => this.#advance()));
      return;
    }
    this.#phase = 'reverting';
    this.#ready = [];
    this.#frontier = new Frontier(this.#plan, 'backward');
  }

  /** True when user code has to revert this task yet. */
  #hasWork(index: number): boolean {
    const { state } = this.#book.get(index);
    const isToRevert = state === 'success' || state === 'failure' || state === 'reverting';
    return isToRevert && this.#plan.nodes[index]?.task?.revert !== undefined;
  }

  /** Passes over a task that there is nothing to revert of; false when user code has to. */
  #passRevert(index: number): boolean {
    const { state } = this.#book.get(index);
    if (state === 'revertFailure') return true; // E4: not complete, so nothing behind it becomes ready.
    if (this.#hasWork(index)) return false;
    if (state === 'success' || state === 'failure')
      this.#book.skipRevert(index, this.#flowFailure());
    else if (state === 'reverting') this.#book.reverted(index); // Its revert was removed from the flow.
    this.#frontier.complete(index);
    return true;
  }

  #startRevert(index: number): void {
    this.#running += 1;
    void this.#runner.revert(index, this.#flowFailure()).then(
      (outcome) => this.#guard(() => this.#revertEnded(index, outcome)),
      (error: unknown) => this.#crash(error),
    );
  }

  #revertEnded(index: number, outcome: CallOutcome<unknown>): void {
    if (this.#isOver) return; // E7
    this.#running -= 1;
    if (outcome.kind === 'success') {
      this.#book.reverted(index);
      this.#revertResolved();
    } else if (outcome.kind === 'failure') {
      this.#resolveRevertFailure(index, outcome);
    }
    this.#advance();
  }

  /** After the last revert by user code nobody has to wait for a commit: the rest has nothing to revert. */
  #revertResolved(): void {
    this.#revertsLeft -= 1;
    if (this.#revertsLeft > 0) return;
    for (const index of this.#book.tasks) {
      if (this.#book.get(index).state === 'reverted') this.#frontier.complete(index);
    }
  }

  #resolveRevertFailure(index: number, outcome: FailedCall): void {
    const { clock, random, logger } = this.#options;
    const { thrown } = outcome;
    const counted = this.#book.get(index).revertTries;
    const delayMs = retryDelayMs({ ...outcome, counted }, this.#policy(index), random);
    if (delayMs === undefined) {
      this.#book.failRevert(index, thrown);
      this.#revertResolved();
      logger.error(this.#failedTry(index, outcome), 'a revert failed for good; undo it by hand');
      return;
    }
    const nextAtUnixMs = clock.nowUnixMs() + delayMs;
    this.#book.retryRevertLater(index, thrown, nextAtUnixMs);
    logger.warn(
      { ...this.#failedTry(index, outcome), delayMs },
      'a revert failed; it is tried again',
    );
  }

  /** E1, E4: what is durable lets others go on. */
  #committed(records: readonly AtomRecord[]): void {
    if (this.#isOver) return; // E7
    this.#options.observer?.committed?.(records);
    for (const record of records) {
      const index = this.#indexOf(record.name);
      if (record.state === 'success' && this.#phase === 'forward') this.#frontier.complete(index);
      if (record.state === 'reverted' && this.#phase === 'reverting')
        this.#frontier.complete(index);
      // E8: only now, so that no try ever runs whose predecessor another attempt would repeat.
      const waiting = this.#phase === 'forward' ? 'pending' : 'reverting';
      if (record.nextAtUnixMs !== undefined && record.state === waiting) {
        this.#waiting.add(index, record.nextAtUnixMs);
      }
    }
    this.#advance();
  }

  #isDone(): boolean {
    if (this.#phase === 'forward') return this.#unfinished === 0;
    if (this.#phase === 'settling' || this.#ready.length > 0) return false;
    if (this.#waiting.size > 0) return false;
    // What is not durable yet may let another revert start.
    return this.#revertsLeft === 0 || this.#writer.isSettled;
  }

  /** Ends the run when all that is left to do lies further ahead than the run is to wait. */
  #mayRelease(): boolean {
    const { clock, releaseAfterMs = DEFAULT_RELEASE_AFTER_MS } = this.#options;
    if (this.#ready.length > 0 || this.#phase === 'settling') return false;
    const first = this.#waiting.first;
    if (!first || first.untilUnixMs - clock.nowUnixMs() <= releaseAfterMs) return false;
    if (this.#mayUnlock()) return false;
    const { index, untilUnixMs } = first;
    const reason = waitReason(this.#book.get(index), this.#waiting.size - 1);
    this.#end({ kind: 'waiting', untilUnixMs, reason });
    return true;
  }

  /** True while a commit under way or to come may make more tasks ready. */
  #mayUnlock(): boolean {
    return !this.#writer.isSettled && this.#book.tasks.some((index) => this.#unlocks(index));
  }

  #unlocks(index: number): boolean {
    const node = this.#plan.nodes[index];
    const { state } = this.#book.get(index);
    const isDone = this.#phase === 'forward' ? state === 'success' : state === 'reverted';
    const others = this.#phase === 'forward' ? node?.successors : node?.predecessors;
    return isDone && (others?.length ?? 0) > 0;
  }

  #endDone(): void {
    if (this.#phase === 'forward') return this.#endSucceeded();
    this.#book.closeForeign();
    this.#end({ kind: 'failed', failure: this.#flowFailure() });
  }

  #endSucceeded(): void {
    let output: Payload;
    try {
      output = encodeOutput(this.#plan, (node) => this.#book.get(node));
    } catch (error) {
      // The tasks are done; what they provided together can't be stored as the flow's output.
      this.#firstFailure = toFailure(unusable('the output of the flow', error));
      this.#giveUp();
      return this.#advance();
    }
    this.#end({ kind: 'succeeded', output });
  }

  /** Stopped or refused: waits for what runs to settle, within the grace period. */
  #endStopped(): void {
    if (this.#running > 0 && !this.#isAbandoned) return;
    if (this.#refusal) return this.#reject(this.#refusal.error);
    this.#end({ kind: 'stopped' });
  }

  #halt(reason: unknown): void {
    this.#stop.abort(reason);
    this.#grace ??= this.#options.clock.startTimer(STOP_GRACE_MS, () => {
      this.#isAbandoned = true;
      this.#abandoned.resolve();
      this.#guard(() => this.#advance());
    });
    this.#advance();
  }

  #refuse(error: unknown): void {
    this.#refusal = { error };
    this.#halt(error);
  }

  /** Lets the checkpoint under way end, writes what the caller's commit couldn't hold, and resolves. */
  #end(end: RunEnd): void {
    this.#isEnding = true;
    this.#waiting.disarm();
    void Promise.race([this.#writeSurplus(), this.#abandoned.promise]).then(() => {
      if (this.#refusal) return this.#result.reject(this.#refusal.error);
      this.#result.resolve({ ...end, uncommitted: this.#writer.close() });
    });
  }

  async #writeSurplus(): Promise<void> {
    await this.#writer.idle();
    while (!this.#refusal && this.#writer.waiting > CHECKPOINT_RECORDS_MAX)
      await this.#writer.flush();
  }

  #flowFailure(): Failure {
    this.#firstFailure ??= this.#book.findFlowFailure();
    return this.#firstFailure;
  }

  #indexOf(name: string): number {
    return this.#runner.indexOf(name);
  }

  /** Runs a step of the engine; a defect ends the run with it rather than leaving it hanging. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#crash(error);
    }
  }

  /** A defect: what runs gets the time to end that it gets when a checkpoint is refused. */
  #crash(error: unknown): void {
    const isFirst = this.#refusal === undefined;
    this.#refusal ??= { error };
    if (!isFirst) return this.#reject(error);
    try {
      this.#halt(error);
    } catch (again) {
      this.#reject(again);
    }
  }

  #reject(error: unknown): void {
    this.#isEnding = true;
    this.#result.reject(error);
  }
}
