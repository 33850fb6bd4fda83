// What happens to jobs because time has passed: scheduled jobs become ready, and waiting ones whose time
// has come; jobs that don't run and whose deadline has passed fail; finished jobs are removed. Each is decided from a fresh read and
// committed under its guard, so that any number of processes may sweep at once, and an index entry
// that is stale, or a clock that is wrong, does no more than an early or a late look.

import type { Entry } from '@holdfast/coord';
import { isFinal, transitionJob } from '@holdfast/core';
import type { BoardParts } from './board-parts.ts';
import { type JobRecords, readJobs } from './job-reader.ts';
import { finishRemovals, removeJob } from './job-removal.ts';
import {
  DEADLINE_PREFIX,
  DONE_PREFIX,
  DUE_PREFIX,
  idAfterDash,
  indexKeys,
  timedBound,
  timeOfTimedKey,
  waitingDeadlineUnixMs,
} from './keys.ts';
import { tellFinished } from './observer.ts';
import { actOnJob, passOver } from './one-by-one.ts';
import { settleEnd } from './parent-end.ts';
import { deadlineFailure } from './takeover.ts';
import { statusGuard, transitionWrites } from './transition.ts';

/** Jobs swept at a time. */
const SWEEP_BATCH = 200;

/** Jobs removed by one call of {@link removeFinishedJobs}: what comes due meanwhile is not to wait for long. */
export const REMOVALS_AT_ONCE = 1000;

/** How a sweep looks at one time index. */
interface Sweep {
  readonly prefix: string;
  /** Entries up to this time are acted on. */
  readonly untilUnixMs: number;
  /** Entries looked at; unlimited by default. */
  readonly limit?: number;
  readonly act: (job: JobRecords, entry: Entry) => Promise<void>;
}

/** Makes jobs ready whose time has come by `untilUnixMs`. Returns how many entries it saw. */
export async function promoteDueJobs(parts: BoardParts, untilUnixMs: number): Promise<number> {
  return await sweep(parts, {
    prefix: DUE_PREFIX,
    untilUnixMs,
    act: (job, entry) => promote(parts, job, entry),
  });
}

/** Fails jobs that don't run and whose queue or total deadline has passed by `untilUnixMs`. */
export async function expireWaitingJobs(parts: BoardParts, untilUnixMs: number): Promise<number> {
  return await sweep(parts, {
    prefix: DEADLINE_PREFIX,
    untilUnixMs,
    act: (job) => expire(parts, job),
  });
}

/**
 * Removes finished jobs whose retention has passed by `untilUnixMs`, at most {@link REMOVALS_AT_ONCE}.
 * Returns how many entries it saw; as many as that mean that there may be more.
 */
export async function removeFinishedJobs(parts: BoardParts, untilUnixMs: number): Promise<number> {
  await finishRemovals(parts);
  return await sweep(parts, {
    prefix: DONE_PREFIX,
    untilUnixMs,
    limit: REMOVALS_AT_ONCE,
    act: (job, entry) => removeJob(parts, job, entry.key),
  });
}

/** The earliest time in an index within a window; undefined when there is none. */
export async function earliestWithin(
  parts: BoardParts,
  prefix: string,
  untilUnixMs: number,
): Promise<number | undefined> {
  const page = await parts.coord.list({
    prefix,
    before: timedBound(prefix, untilUnixMs),
    limit: 1,
  });
  const first = page.entries[0];
  return first && timeOfTimedKey(prefix, first.key);
}

async function sweep(parts: BoardParts, options: Sweep): Promise<number> {
  const { prefix, untilUnixMs, act, limit = Number.POSITIVE_INFINITY } = options;
  let seen = 0;
  let after: string | undefined;
  for (;;) {
    const before = timedBound(prefix, untilUnixMs);
    const page = await parts.coord.list({ prefix, after, before, limit: SWEEP_BATCH });
    const ids = page.entries.map((entry) => idAfterDash(entry.key));
    const jobs = await readJobs(parts.coord, ids, passOver(parts.logger));
    await Promise.all(
      page.entries.map(async (entry) => {
        const job = jobs.get(idAfterDash(entry.key));
        if (job) {
          await actOnJob(parts.logger, job.spec.id, async () => {
            await act(job, entry);
            return true;
          });
        }
      }),
    );
    seen += page.entries.length;
    after = page.entries.at(-1)?.key;
    if (!page.more || after === undefined || seen >= limit) return seen;
  }
}

async function promote(parts: BoardParts, job: JobRecords, entry: Entry): Promise<void> {
  // The job may have been given another time since the entry was listed.
  if (!indexKeys(job.spec, job.status).includes(entry.key)) return;
  const placement = await parts.buckets.place(job, 'posted');
  const after = transitionJob(job.status, {
    kind: 'makeReady',
    atUnixMs: parts.clock.nowUnixMs(),
    position: placement.position,
  });
  const result = await parts.coord.commit({
    when: [statusGuard(job), placement.guard],
    write: transitionWrites(job.spec, job.status, after),
  });
  if (!result.committed && result.failedGuard.key === placement.guard.key) {
    parts.buckets.discard(placement.guard); // The next sweep finds the job again.
  }
}

async function expire(parts: BoardParts, job: JobRecords): Promise<void> {
  const { spec, status } = job;
  const nowUnixMs = parts.clock.nowUnixMs();
  const deadline = waitingDeadlineUnixMs(spec, status);
  const { kind } = status.phase;
  const isHeld = kind === 'running' || isFinal(kind);
  if (isHeld || deadline === undefined || deadline > nowUnixMs) return;
  const { queueMs, totalMs } = spec.deadlines;
  const isTotal = totalMs !== undefined && spec.postedAtUnixMs + totalMs <= deadline;
  const failure = isTotal
    ? deadlineFailure('total', totalMs)
    : deadlineFailure('queue', queueMs ?? 0);
  // It was to end cancelled once it was reverted, which it isn't.
  const state = job.control?.wish === 'cancelWithRevert' ? 'cancelled' : 'failed';
  const after = transitionJob(status, { kind: 'finish', state, atUnixMs: nowUnixMs, failure });
  const result = await parts.coord.commit({
    when: [statusGuard(job)],
    write: transitionWrites(spec, status, after),
  });
  if (!result.committed) return;
  tellFinished(parts.observer, spec, { state, atUnixMs: nowUnixMs });
  await settleEnd(parts, after);
}
