import type { Random } from './random.ts';

/** How long to wait before the next try: exponential, capped, with jitter. */
export interface BackoffPolicy {
  /** Delay before the second try, in milliseconds. */
  readonly initialMs: number;
  /** What each delay is multiplied by to get the next one; at least 1. */
  readonly factor: number;
  /** No delay is longer than this, in milliseconds. */
  readonly maxMs: number;
  /** 0 = exact delays; 1 = anywhere between nothing and twice the delay. */
  readonly jitter: number;
}

/** 1 s, 2 s, 4 s … up to 5 minutes, each give or take a fifth. */
export const DEFAULT_BACKOFF: BackoffPolicy = {
  initialMs: 1000,
  factor: 2,
  maxMs: 300_000,
  jitter: 0.2,
};

/**
 * The delay after `failures` failures in a row (1 or more), in whole milliseconds, never above
 * `policy.maxMs`.
 */
export function backoffMs(policy: BackoffPolicy, failures: number, random: Random): number {
  const exact = Math.min(
    policy.maxMs,
    policy.initialMs * policy.factor ** Math.max(0, failures - 1),
  );
  const spread = exact * policy.jitter * (2 * random.next() - 1);
  return Math.round(Math.min(policy.maxMs, Math.max(0, exact + spread)));
}
