// What atoms other than plain tasks do, as the engine sees them: without the types of their values.
// Each of them is run like a task too, with arguments, tries, a timeout and a checkpoint.
import type { BackoffPolicy, Failure, RetryDecision } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { CallContext } from './task-context.ts';

/** One round of a retry controller, as user code sees it. */
export interface RetryHistoryRound {
  /** From 1. */
  readonly round: number;
  readonly startedAtUnixMs: number;
  /** What the controller provided; empty when it provides nothing. */
  readonly provided: Readonly<Record<string, unknown>>;
  /** The first failure of each task that failed in this round. */
  readonly failures: readonly Failure[];
}

/** What a retry controller's functions get besides its values. */
export interface RetryContext extends CallContext {
  /** Oldest first. While the next round starts it isn't among them; while a failure is judged, the last one is the round that failed. */
  readonly history: readonly RetryHistoryRound[];
}

/** How the engine treats a retry controller. Its `TaskSpec.execute` gets a {@link RetryContext}. */
export interface RetrySpec {
  /** What to do about the failures of the last round of `ctx.history`. When it throws, the controller has failed. */
  readonly onFailure: (
    args: Readonly<Record<string, unknown>>,
    ctx: RetryContext,
  ) => RetryDecision | PromiseLike<RetryDecision>;
  /** The pause before each further round; undefined = none. */
  readonly backoff: BackoffPolicy | undefined;
  /** No round starts later than so many milliseconds after the first did; undefined = no limit. */
  readonly totalMs: number | undefined;
  /**
   * What 'revert' means where there is no controller around: the whole flow is reverted, or with false
   * this scope alone, and the flow fails with what lies outside left as it is (TaskFlow's default).
   */
  readonly escalates: boolean;
}

/** How the engine treats a choice. Its `TaskSpec.execute` returns the name of a case, or undefined for none. */
export interface ChoiceSpec {
  /** The case that is taken when `execute` names none; undefined: then none is. */
  readonly otherwise: string | undefined;
}

/** A durable pause. Its `TaskSpec.execute` returns milliseconds, from 0 to `LIMITS.durationMaxMs`. */
export interface SleepSpec {
  readonly kind: 'duration';
}

/** A durable wait for a signal. */
export interface EventSpec {
  /** The signal's name. */
  readonly event: string;
  /** What the payload has to be; undefined = anything. A signal that isn't is refused, with a non-fatal error. */
  readonly schema: StandardSchemaV1 | undefined;
  /** Fails with TASK_TIMEOUT after so many milliseconds; undefined = waits for ever. */
  readonly timeoutMs: number | undefined;
  /** The value under which the payload is provided; undefined = it is not. */
  readonly provides: string | undefined;
}
