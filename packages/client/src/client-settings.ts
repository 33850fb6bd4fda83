import {
  type BackoffPolicy,
  InvalidArgumentError,
  type JobDeadlines,
  MAX_TIMER_MS,
  type TraceContext,
} from '@holdfast/core';
import type { JobEdit } from './job-edit.ts';

/** How calls are repeated that failed in passing. */
export interface RetrySettings {
  /** Tries of one call, the first one included. */
  readonly attempts: number;
  /** Pauses between tries of a call, and between a watch that broke and the next one. */
  readonly backoff: BackoffPolicy;
  /** A watch that can't be opened again for this long gives up, in milliseconds. */
  readonly watchPatienceMs: number;
}

/** 8 tries within the call's deadline, 0.1 s to 2 s apart; a watch is patient for a minute. */
export const DEFAULT_CALL_RETRY: RetrySettings = {
  attempts: 8,
  backoff: { initialMs: 100, factor: 2, maxMs: 2000, jitter: 0.5 },
  watchPatienceMs: 60_000,
};

/** The deadline of a call that names none, all its tries included, in milliseconds. */
export const DEFAULT_DEADLINE_MS = 15_000;

/** How the client proves the server's identity, and its own. */
export interface ClientTls {
  /** Authorities that may have signed the server's certificate, in PEM; default: the machine's. */
  readonly ca?: string | Buffer | undefined;
  /** The client's own certificate and key, in PEM, where the server asks for one. */
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
}

/** What every call takes. */
export interface CallOptions {
  /** How long to wait for the answer, all tries included, in milliseconds. Default: the client's. */
  readonly deadlineMs?: number | undefined;
  /** Gives up when it aborts; the call rejects with CANCELLED. */
  readonly signal?: AbortSignal | undefined;
}

/** What a cancel says. */
export interface CancelOptions extends CallOptions {
  /** For people; at most 4,096 characters. Default: none. */
  readonly reason?: string | undefined;
  /** Revert what the job's tasks have done before it ends. Default: false. */
  readonly revert?: boolean | undefined;
}

/** What a suspend says. */
export interface SuspendOptions extends CallOptions {
  /** For people; at most 4,096 characters. Default: none. */
  readonly reason?: string | undefined;
}

/** Who changes a job, and why. */
export interface OperatorOptions extends CallOptions {
  /** Who, for people: 1 to 128 characters. Kept as it is given; the server can't check it. */
  readonly by: string;
  /** Why, for people; at most 4,096 characters. Default: none. */
  readonly reason?: string | undefined;
}

/** What a change says besides what is changed. */
export interface ChangeOptions extends OperatorOptions {
  /** Makes the job ready too. Default: false. */
  readonly resume?: boolean | undefined;
  /** Changes nothing, and tells what would be. Default: false. */
  readonly dryRun?: boolean | undefined;
}

/** How a job is forked. */
export interface ForkOptions extends OperatorOptions {
  /** Where the new job begins. Default: at whatever has not succeeded. */
  readonly fromTask?: string | undefined;
  /** Default: the input of the job. */
  readonly input?: unknown;
  /** `setResult` and `skip` only. Default: none. */
  readonly changes?: readonly JobEdit[] | undefined;
  /** Default: the queue of the job. */
  readonly queue?: string | undefined;
  /** Like that of a post. */
  readonly idempotencyKey?: string | undefined;
}

/** What a signal says besides name and payload. */
export interface SignalOptions extends CallOptions {
  /**
   * Sending again with the same key and the same content gives the same signal of the job. Default: a
   * fresh key for each call, so that the client can repeat a signal whose answer was lost. An empty
   * key means none: such a signal is never repeated, and fails with OUTCOME_UNKNOWN instead.
   */
  readonly idempotencyKey?: string | undefined;
}

/** What a post says besides flow and input. Durations in milliseconds. */
export interface PostOptions extends CallOptions {
  /** Default: `default`. */
  readonly queue?: string | undefined;
  /** 0 to 9; 9 is claimed first. Default: 5. */
  readonly priority?: number | undefined;
  /** Not before this time. At most one of `runAtUnixMs` and `delayMs`. */
  readonly runAtUnixMs?: number | undefined;
  /** Not before this long from now. */
  readonly delayMs?: number | undefined;
  /** Attempts that may be lost to crashes before the job is DEAD; 1 to 100, default 5. */
  readonly maxAttempts?: number | undefined;
  readonly deadlines?: JobDeadlines | undefined;
  /** How long the job is kept once it is final. Default: seven days. */
  readonly retentionMs?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /**
   * Posting again with the same key and the same content gives the same job. Default: a fresh key
   * for each call, so that the client can repeat a post whose answer was lost. An empty key means
   * none: such a post is never repeated, and fails with OUTCOME_UNKNOWN instead.
   */
  readonly idempotencyKey?: string | undefined;
  /** The producer's trace; the job's spans become part of it. */
  readonly trace?: TraceContext | undefined;
}

/** Throws InvalidArgumentError unless the deadline is one that a timer can hold. */
export function checkDeadline(deadlineMs: number, field: string): void {
  if (deadlineMs > 0 && deadlineMs <= MAX_TIMER_MS) return;
  throw new InvalidArgumentError(field, {
    value: deadlineMs,
    allowed: `more than 0 and at most ${MAX_TIMER_MS} ms`,
  });
}
