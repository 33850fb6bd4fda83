import type { BackoffPolicy } from './backoff.ts';
import { DEFAULT_BACKOFF } from './backoff.ts';

/** How often and how fast a failed task is tried again. */
export interface RetryPolicy {
  /** Tries in total, the first one included; 1 = no retry. 1 to 1000. */
  readonly attempts: number;
  readonly backoff: BackoffPolicy;
  /** Names of error classes that are final at once, besides `TerminalError`. */
  readonly doNotRetry: readonly string[];
}

/** Three tries, 1 s and 2 s apart. */
export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 3,
  backoff: DEFAULT_BACKOFF,
  doNotRetry: [],
};
