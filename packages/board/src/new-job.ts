import type { HoldfastError, JobDeadlines, JobId, Payload, TraceContext } from '@holdfast/core';

/** A job as it is posted: validated, with every default filled in. Durations in milliseconds. */
export interface NewJob {
  readonly flow: string;
  readonly input: Payload;
  readonly queue: string;
  /** 0 to 9; 9 is claimed first. */
  readonly priority: number;
  /** Not before this time; absent = at once. */
  readonly runAtUnixMs?: number | undefined;
  /**
   * The delay that `runAtUnixMs` was computed from, where the producer named one: a repeated post
   * asks for the same delay at a later time, and is the same post (G6).
   */
  readonly delayMs?: number | undefined;
  readonly maxAttempts: number;
  readonly deadlines: JobDeadlines;
  readonly retentionMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string | undefined;
  readonly trace?: TraceContext | undefined;
}

/** What became of one job of a post. */
export type PostResult =
  | {
      readonly kind: 'posted';
      readonly id: JobId;
      /** False when the idempotency key had been used for the same job before. */
      readonly created: boolean;
    }
  | {
      readonly kind: 'refused';
      /** AlreadyExistsError, or the store's failure: UnavailableError, OutcomeUnknownError. */
      readonly error: HoldfastError;
    };
