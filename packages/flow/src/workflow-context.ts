import type { Logger } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { RetryOptions } from './retry-options.ts';
import type { Stored } from './stored.ts';
import type { RevertContext, TaskContext } from './task-context.ts';

/**
 * What a durable function gets back from a step: what is left of the value after it was stored as
 * JSON, where `undefined` is `null`. The same now and on every resume.
 */
export type StepResult<Value> = unknown extends Value
  ? Value
  : [Value] extends [void]
    ? // A function that returns nothing is written with void.
      void
    : Value extends undefined
      ? null
      : Stored<Value>;

/** How a step is run, besides its function. */
export interface StepOptions<Result> {
  /** Default: the workflow's policy. Holds for `revert` too. */
  readonly retry?: RetryOptions | undefined;
  /** A try of the step or of its `revert` fails after this many milliseconds. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Undoes the step when the workflow fails, also when the step itself has failed. */
  readonly revert?: ((ctx: RevertContext<Result>) => void | PromiseLike<void>) | undefined;
}

/** The same, with a schema that what the step returns has to pass before it is stored. */
export interface CheckedStepOptions<Schema extends StandardSchemaV1>
  extends StepOptions<StepResult<StandardSchemaV1.InferOutput<Schema>>> {
  readonly schema: Schema;
}

/** What a durable function waits for. */
export interface WaitOptions {
  /** The signal's name. Signals of one name are taken in the order of their arrival, each by one wait. */
  readonly event: string;
  /** Fails with a `WaitTimedOutError` after so many milliseconds; default: waits for ever. */
  readonly timeoutMs?: number | undefined;
}

/** The same, with a schema for the payload. A signal that doesn't pass is refused and recorded as a non-fatal error. */
export interface CheckedWaitOptions<Schema extends StandardSchemaV1> extends WaitOptions {
  readonly schema: Schema;
}

/**
 * What a durable function does its work with. Names identify steps, sleeps and waits, so each is used
 * once in a run: 1 to 128 letters, digits, dots, dashes and underscores, and not the workflow's name.
 *
 * The function itself is run again from its beginning whenever the job goes on. So it is to await
 * nothing but what it gets from here, and to do nothing outside of steps that may not happen twice.
 */
export interface WorkflowContext {
  readonly jobId: string;
  /** Number of the job's attempt, from 1. Differs from one resume to the next: not to be decided by. */
  readonly attempt: number;
  /** Aborts when the run is over or is to stop: nothing that is awaited comes any more. */
  readonly signal: AbortSignal;
  /** Drops what is logged while recorded steps are gone through again. */
  readonly log: Logger;
  /**
   * Runs `execute` once and for all: what it returned is stored, and given back on every resume. When
   * it has failed for good, rejects with a {@link StepFailedError}, now and on every resume.
   */
  step<Schema extends StandardSchemaV1>(
    name: string,
    execute: (
      ctx: TaskContext,
    ) =>
      | StandardSchemaV1.InferInput<NoInfer<Schema>>
      | PromiseLike<StandardSchemaV1.InferInput<NoInfer<Schema>>>,
    options: CheckedStepOptions<Schema>,
  ): Promise<StepResult<StandardSchemaV1.InferOutput<Schema>>>;
  step<Value>(
    name: string,
    execute: (ctx: TaskContext) => Value,
    options?: StepOptions<StepResult<Awaited<NoInfer<Value>>>>,
  ): Promise<StepResult<Awaited<Value>>>;
  /** Resolves once `ms` milliseconds have passed since it was asked for first; 0 to ten years. Holds no worker. */
  sleep(name: string, ms: number): Promise<void>;
  /** Resolves to the payload of a signal. Holds no worker while it waits. */
  waitFor<Schema extends StandardSchemaV1>(
    name: string,
    options: CheckedWaitOptions<Schema>,
  ): Promise<StepResult<StandardSchemaV1.InferOutput<Schema>>>;
  waitFor(name: string, options: WaitOptions): Promise<unknown>;
  /**
   * Awaits all of them, as `Promise.all` does; of an object, under its keys. Steps run side by side
   * from the moment they are asked for, as many at once as the run allows.
   */
  all<const Items extends readonly unknown[]>(
    items: Items,
  ): Promise<{ -readonly [Key in keyof Items]: Awaited<Items[Key]> }>;
  all<Items extends Readonly<Record<string, unknown>>>(
    items: Items,
  ): Promise<{ -readonly [Key in keyof Items]: Awaited<Items[Key]> }>;
  /**
   * Wall time in milliseconds since the Unix epoch: of the last step, sleep or wait that the function
   * got the end of; of its first start before that. So it is the same on every resume.
   */
  now(): number;
  /** A number in [0, 1) that follows from the job and `name`: the same on every resume. Not for secrets. */
  random(name: string): number;
  /** A UUID (version 8) that follows from the job and `name`: the same on every resume. Not for secrets. */
  uuid(name: string): string;
}
