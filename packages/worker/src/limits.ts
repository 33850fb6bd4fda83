import type { BackoffPolicy } from '@holdfast/core';

/** Jobs at once, unless the worker's options say otherwise. */
export const DEFAULT_CONCURRENCY = 8;

/** The most jobs at once that a worker takes. */
export const MAX_CONCURRENCY = 1000;

/** Lease of a worker in milliseconds: after this, at the latest, its jobs are taken over when its machine is gone. */
export const DEFAULT_LEASE_TTL_MS = 10_000;
export const MIN_LEASE_TTL_MS = 1000;
export const MAX_LEASE_TTL_MS = 600_000;

/** How long a draining worker lets its jobs run before it hands them back, in milliseconds. */
export const DEFAULT_DRAIN_TIMEOUT_MS = 30_000;
export const MAX_DRAIN_TIMEOUT_MS = 86_400_000;

/** Queues, and flows, that one worker serves. */
export const MAX_LISTENERS = 100;
export const MAX_QUEUES = 100;
export const MAX_FLOWS = 1000;

/** How often an idle worker looks for jobs although no watch has woken it, in milliseconds, ± a fifth. */
export const READY_RESYNC_MS = 1000;

/** How often a worker looks into its inbox although no watch has woken it, in milliseconds, ± a fifth. */
export const INBOX_RESYNC_MS = 700;

/**
 * The longest that a job waits for the ends of remote tasks before it is looked at again, in milliseconds. They
 * wake it; but task jobs of a version that no worker has any more never end, and whoever claims the job by then
 * may have a version that continues it.
 */
export const REMOTE_WAIT_MS = 300_000;

/**
 * How often a job that goes on with a later version of its flow looks whether the remote tasks of the former one
 * have stopped, in milliseconds, ± a fifth.
 */
export const FORMER_TASKS_LOOK_MS = 250;

/** How often an attempt of a task job looks whether its parent still waits for it, in milliseconds, ± a fifth. */
export const PARENT_RESYNC_MS = 5000;

/**
 * How a worker slows down whose wake-ups lead to nothing, because others are faster: not at all for
 * the first few, then ever more. A job that it gets makes it forget them.
 */
export const EMPTY_CLAIM_BACKOFF: BackoffPolicy = {
  initialMs: 1,
  factor: 2,
  maxMs: 50,
  jitter: 0.5,
};
export const EMPTY_CLAIMS_FREE = 3;

/** Between two tries of the same call while the store is away. */
export const STORE_BACKOFF: BackoffPolicy = { initialMs: 50, factor: 2, maxMs: 2000, jitter: 0.3 };

/** Between a lost session and the next one; forgotten after a session that held {@link STEADY_SESSION_MS}. */
export const REJOIN_BACKOFF: BackoffPolicy = {
  initialMs: 100,
  factor: 2,
  maxMs: 10_000,
  jitter: 0.3,
};
export const STEADY_SESSION_MS = 60_000;

/**
 * How long a worker that hands its jobs back waits for that, in milliseconds: for user code that
 * stops slowly, and for a store that is away. Then it leaves, and the jobs are taken over.
 */
export const HAND_BACK_TIMEOUT_MS = 5000;
