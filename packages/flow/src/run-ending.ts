// How a run ends, whatever it was doing: with a result, stopped by its signal, with the error that a
// checkpoint was refused with, or with a defect.
//
// Invariants:
//   N1. The first error decides. What runs gets the time to end that it gets when the run is stopped.
//   N2. Nothing that is known to be true is lost: before the run ends, what the caller's commit
//       couldn't hold is written.
import type { AtomRecord, Clock, Timer } from '@holdfast/core';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { CHECKPOINT_RECORDS_MAX, type RunResult, STOP_GRACE_MS } from './run-options.ts';

/** A result without its last records. */
export type RunEnd = RunResult extends infer Result
  ? Result extends RunResult
    ? Omit<Result, 'uncommitted'>
    : never
  : never;

export interface RunEndingParts {
  readonly clock: Clock;
  readonly writer: CheckpointWriter;
  /** Looks what is to be done now; called after the run was told to stop, and when its grace is over. */
  readonly advance: () => void;
}

/** See the head of this file. */
export class RunEnding {
  readonly #parts: RunEndingParts;
  readonly #stop = new AbortController();
  readonly #abandoned = Promise.withResolvers<void>();
  readonly #result = Promise.withResolvers<RunResult>();
  #refusal: { readonly error: unknown } | undefined;
  #grace: Timer | undefined;
  #isAbandoned = false;
  #isEnding = false;

  constructor(parts: RunEndingParts) {
    this.#parts = parts;
  }

  /** How the run ended. Rejects with what a checkpoint was refused with, or with a defect. */
  get result(): Promise<RunResult> {
    return this.#result.promise;
  }

  /** Aborts when the run is to stop. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Resolves when a stopped run waits no longer for user code. */
  get abandoned(): Promise<void> {
    return this.#abandoned.promise;
  }

  /** True once the run has its result, or its error. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** True once the run was stopped, or can't go on. */
  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Ends a stopped run, unless something runs that may still end within its grace. */
  endStopped(isIdle: boolean): void {
    if (!isIdle && !this.#isAbandoned) return;
    if (this.#refusal) return this.#reject(this.#refusal.error);
    this.end({ kind: 'stopped' });
  }

  /** Tells what runs to end. */
  halt(reason: unknown): void {
    this.#stop.abort(reason);
    this.#grace ??= this.#parts.clock.startTimer(STOP_GRACE_MS, () => {
      this.#isAbandoned = true;
      this.#abandoned.resolve();
      this.guard(this.#parts.advance);
    });
    this.#parts.advance();
  }

  /** A checkpoint was refused. */
  refuse(error: unknown): void {
    this.#refusal ??= { error };
    this.halt(error);
  }

  /** Runs a step of the engine; a defect ends the run with it rather than leaving it hanging. */
  guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.crash(error);
    }
  }

  /** A defect. */
  crash(error: unknown): void {
    const isFirst = this.#refusal === undefined;
    this.#refusal ??= { error };
    if (!isFirst) return this.#reject(error);
    try {
      this.halt(error);
    } catch (again) {
      this.#reject(again);
    }
  }

  /** Lets the checkpoint under way end, writes what the caller's commit couldn't hold, and resolves. */
  end(end: RunEnd): void {
    this.#isEnding = true;
    void Promise.race([this.#writeSurplus(), this.#abandoned.promise]).then(() => {
      if (this.#refusal) return this.#result.reject(this.#refusal.error);
      const uncommitted: readonly AtomRecord[] = this.#parts.writer.close();
      this.#result.resolve({ ...end, uncommitted });
    });
  }

  /** Once the run is over nothing of it is heard again. */
  close(): void {
    this.#parts.writer.close();
    this.#stop.abort(new Error('the run is over'));
    this.#abandoned.resolve();
    this.#grace?.cancel();
  }

  async #writeSurplus(): Promise<void> {
    const { writer } = this.#parts;
    await writer.idle();
    while (!this.#refusal && writer.waiting > CHECKPOINT_RECORDS_MAX) await writer.flush();
  }

  #reject(error: unknown): void {
    this.#isEnding = true;
    this.#result.reject(error);
  }
}
