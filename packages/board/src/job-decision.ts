// What requests about a job have in common: each is one commit, guarded by the job being as read, and
// tried again from a fresh read when the job moved meanwhile.
//
// The control record holds what the outside wants of a job and how much it has told it. It is what a
// running attempt is reached by, since its status is its fence and stays as it is.
//
// Invariants:
//   W1. A control record is written under a guard on itself and on the status, both as read. It is
//       never removed before its job, so its version says whether anything was asked or told since.
//   W2. A commit that changes the control of a ready job writes the status too, so that a claim which
//       has not seen the change is refused.
//   W3. A commit that changes the control of a running job leaves a message for its worker.
import type { Coord, Guard, Write } from '@holdfast/coord';
import {
  type Clock,
  createUniqueId,
  FailedPreconditionError,
  type JobId,
  type JobStatus,
  NotFoundError,
  type Random,
  transitionJob,
  UnavailableError,
  type WorkerId,
} from '@holdfast/core';
import { encodeJobControl } from '@holdfast/wire';
import { type JobRecords, readJob } from './job-reader.ts';
import type { JobControl } from './job-view.ts';
import { controlKey, inboxNewsKey } from './keys.ts';
import type { BoardObserver } from './observer.ts';
import type { Placement, ReadyBuckets } from './ready-buckets.ts';
import { statusGuard, transitionWrites } from './transition.ts';

/** How often a request is tried on a job that keeps moving. */
const MAX_TRIES = 50;

const NOTHING = new Uint8Array(0);

const NO_CONTROL: JobControl = {
  wish: 'none',
  reason: '',
  signals: 0,
  signalBytes: 0,
  taskEnds: 0,
  changes: 0,
};

export interface JobDecisionParts {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly random: Random;
  readonly buckets: ReadyBuckets;
  readonly observer: BoardObserver;
}

/** Reads the job and decides; again from the start when the decision came too late (undefined). */
export async function decideOnJob<Decision>(
  parts: { readonly coord: Coord },
  id: JobId,
  decide: (job: JobRecords) => Promise<Decision | undefined>,
): Promise<Decision> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const job = await readJob(parts.coord, id);
    if (!job) throw new NotFoundError(`there is no job ${id}`, { ids: { jobId: id } });
    const decided = await decide(job);
    if (decided !== undefined) return decided;
  }
  throw new UnavailableError(`job ${id} changes too fast; try again`, { ids: { jobId: id } });
}

/** Refuses a request that only a job with a flow of its own can take. */
export function refuseTaskJob({ status }: JobRecords, instead: string): void {
  const { id, parentId } = status;
  if (parentId === undefined) return;
  throw new FailedPreconditionError(
    `job ${id} runs a single task of job ${parentId}; ${instead} that one`,
    { ids: { jobId: id } },
  );
}

/** What a job's control says, where there is none yet too. */
export function controlOf(job: { readonly control?: JobControl | undefined }): JobControl {
  return job.control ?? NO_CONTROL;
}

/** The write that changes a job's control; what `change` doesn't name stays. */
export function controlWrite(
  job: { readonly control?: JobControl | undefined },
  id: JobId,
  change: Partial<JobControl>,
): Write {
  const value = encodeJobControl({ ...controlOf(job), ...change });
  return { kind: 'put', key: controlKey(id), value };
}

/** W3. */
export function newsWrite(
  parts: { readonly clock: Clock; readonly random: Random },
  worker: WorkerId,
  status: JobStatus,
): Write {
  const key = inboxNewsKey(worker, status, createUniqueId(parts));
  return { kind: 'put', key, value: NOTHING };
}

/**
 * What it takes for a job that isn't final to notice that its control says something new: one that
 * waits becomes ready, and the worker of one that runs gets a message (W3). The commit does the rest (W2).
 */
export async function wakeUp(
  parts: JobDecisionParts,
  job: JobRecords,
): Promise<{
  readonly after: JobStatus;
  readonly write: readonly Write[];
  readonly placement?: Placement;
}> {
  const { status } = job;
  const { phase } = status;
  if (phase.kind === 'running') {
    return { after: status, write: [newsWrite(parts, phase.worker, status)] };
  }
  if (phase.kind !== 'waiting') return { after: status, write: [] };
  const placement = await parts.buckets.place(job, 'returned');
  const atUnixMs = parts.clock.nowUnixMs();
  const { position } = placement;
  const after = transitionJob(status, { kind: 'makeReady', atUnixMs, position });
  return { after, placement, write: [] };
}

/**
 * Commits what was decided about a job: its status, new or as it is, and `write`. Undefined when the
 * job moved meanwhile; `placement` is the place that a new status has in the ready index.
 */
export async function commitDecision(
  parts: JobDecisionParts,
  job: JobRecords,
  decision: {
    readonly after: JobStatus;
    readonly write?: readonly Write[];
    readonly placement?: Placement | undefined;
  },
): Promise<JobStatus | undefined> {
  const { after, write = [], placement } = decision;
  const guards: Guard[] = [statusGuard(job), job.controlGuard]; // W1
  if (placement) guards.push(placement.guard);
  const isUntouched = after === job.status && after.phase.kind !== 'ready'; // W2
  const status = isUntouched ? [] : transitionWrites(job.spec, job.status, after);
  const result = await parts.coord.commit({ when: guards, write: [...status, ...write] });
  if (result.committed) return after;
  if (placement && result.failedGuard.key === placement.guard.key)
    parts.buckets.discard(placement.guard);
  return undefined;
}
