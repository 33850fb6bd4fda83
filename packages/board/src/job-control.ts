// What operators want of a job: cancel and revive. Each is one commit, guarded by the status being
// as read, and tried again from a fresh read when the job moved meanwhile.

import type { Coord, Guard, Write } from '@holdfast/coord';
import {
  type AtomRecord,
  type Clock,
  FailedPreconditionError,
  isFinal,
  type JobId,
  type JobStatus,
  NotFoundError,
  type TaskState,
  transitionJob,
  UnavailableError,
  type WorkerId,
} from '@holdfast/core';
import { encodeAtom, encodeJobControl } from '@holdfast/wire';
import { type JobRecords, readAtoms, readJob } from './job-reader.ts';
import { atomKey, controlKey, inboxCancelKey } from './keys.ts';
import type { BoardObserver } from './observer.ts';
import type { ReadyBuckets } from './ready-buckets.ts';
import { statusGuard, transitionWrites } from './transition.ts';

/** How often a request is tried on a job that keeps moving. */
const MAX_TRIES = 50;

const NOTHING = new Uint8Array(0);

export interface JobControlParts {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly buckets: ReadyBuckets;
  readonly observer: BoardObserver;
}

/** Cancels a job; see `Board.cancel`. */
export async function cancelJob(
  parts: JobControlParts,
  id: JobId,
  reason: string,
): Promise<JobStatus> {
  return await decideOnJob(parts, id, async (job) => {
    const { phase } = job.status;
    if (phase.kind === 'cancelled') return job.status;
    if (isFinal(phase.kind)) {
      throw new FailedPreconditionError(
        `job ${id} is ${phase.kind} already and can't be cancelled`,
        {
          ids: { jobId: id },
        },
      );
    }
    if (phase.kind === 'running')
      return await askToCancel(parts, job, { worker: phase.worker, reason });
    return await cancelWaiting(parts, job, reason);
  });
}

/** A job that waits is cancelled at once. */
async function cancelWaiting(
  parts: JobControlParts,
  job: JobRecords,
  reason: string,
): Promise<JobStatus | undefined> {
  const atUnixMs = parts.clock.nowUnixMs();
  const after = transitionJob(job.status, { kind: 'finish', state: 'cancelled', atUnixMs, reason });
  const result = await parts.coord.commit({
    when: [statusGuard(job)],
    write: [
      ...transitionWrites(job.spec, job.status, after),
      // Kept for its reason, and so that a cancelled job looks the same however it was cancelled.
      controlWrite(job.spec.id, atUnixMs, reason),
    ],
  });
  if (!result.committed) return undefined;
  const { queue, flow, postedAtUnixMs } = job.spec;
  parts.observer.finished?.({
    queue,
    flow,
    state: 'cancelled',
    totalMs: atUnixMs - postedAtUnixMs,
  });
  return after;
}

/**
 * The worker of a running job is told; from this commit on the job can only end cancelled. Asking
 * again tells it again.
 */
async function askToCancel(
  parts: JobControlParts,
  job: JobRecords,
  request: { readonly worker: WorkerId; readonly reason: string },
): Promise<JobStatus | undefined> {
  const result = await parts.coord.commit({
    when: [statusGuard(job)],
    write: [
      controlWrite(job.spec.id, parts.clock.nowUnixMs(), request.reason),
      { kind: 'put', key: inboxCancelKey(request.worker, job.status), value: NOTHING },
    ],
  });
  return result.committed ? job.status : undefined;
}

function controlWrite(id: JobId, requestedAtUnixMs: number, reason: string): Write {
  const value = encodeJobControl({ cancel: true, requestedAtUnixMs, reason });
  return { kind: 'put', key: controlKey(id), value };
}

/** Makes a dead, failed or cancelled job ready again; see `Board.revive`. */
export async function reviveJob(parts: JobControlParts, id: JobId): Promise<JobStatus> {
  return await decideOnJob(parts, id, async (job) => {
    const state = job.status.phase.kind;
    if (!isFinal(state) || state === 'succeeded') {
      throw new FailedPreconditionError(
        `job ${id} is ${state}; only dead, failed and cancelled jobs can be revived`,
        { ids: { jobId: id } },
      );
    }
    const { totalMs } = job.spec.deadlines;
    if (totalMs !== undefined && parts.clock.nowUnixMs() >= job.spec.postedAtUnixMs + totalMs) {
      throw new FailedPreconditionError(
        `job ${id}: its total deadline of ${totalMs} ms has passed; post it again instead`,
        { ids: { jobId: id } },
      );
    }
    if (!(await forgiveAtoms(parts.coord, job))) return undefined;
    const placement = await parts.buckets.place(job.spec, 'returned');
    const after = transitionJob(job.status, {
      kind: 'revive',
      atUnixMs: parts.clock.nowUnixMs(),
      position: placement.position,
    });
    const when: Guard[] = [statusGuard(job), placement.guard];
    const result = await parts.coord.commit({
      when,
      write: [
        ...transitionWrites(job.spec, job.status, after),
        { kind: 'remove', key: controlKey(id) },
      ],
    });
    if (result.committed) return after;
    if (result.failedGuard.key === placement.guard.key) parts.buckets.discard(placement.guard);
    return undefined;
  });
}

/**
 * Gives failed and reverted tasks a fresh start; results are kept. A revert that was interrupted
 * goes on first: then nothing is reset, the job fails again when it is done, and can be revived
 * again. False when the job moved meanwhile.
 */
async function forgiveAtoms(coord: Coord, job: JobRecords): Promise<boolean> {
  const atoms = await readAtoms(coord, job.spec.id);
  if (atoms.some((atom) => atom.state === 'reverting')) return true;
  const writes = atoms
    .filter((atom) => FORGIVEN_STATES.has(atom.state))
    .map(
      (atom): Write => ({
        kind: 'put',
        key: atomKey(job.spec.id, atom.name),
        value: encodeAtom(forgive(atom)),
      }),
    );
  const perCommit = coord.limits.maxOpsPerCommit - 1;
  for (let from = 0; from < writes.length; from += perCommit) {
    const write = writes.slice(from, from + perCommit);
    const result = await coord.commit({ when: [statusGuard(job)], write });
    if (!result.committed) return false;
  }
  return true;
}

const FORGIVEN_STATES: ReadonlySet<TaskState> = new Set(['failure', 'reverted', 'revertFailure']);

/** `tries` and `revertTries` go on from where they are: they are part of idempotency keys. */
function forgive(atom: AtomRecord): AtomRecord {
  return {
    ...atom,
    state: 'pending',
    intention: 'execute',
    forgivenTries: atom.tries,
    result: undefined,
    failure: undefined,
    revertFailure: undefined,
    nextAtUnixMs: undefined,
    progress: 0,
    progressMessage: undefined,
  };
}

/** Reads the job and decides; again from the start when the decision came too late (undefined). */
async function decideOnJob(
  parts: JobControlParts,
  id: JobId,
  decide: (job: JobRecords) => Promise<JobStatus | undefined>,
): Promise<JobStatus> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const job = await readJob(parts.coord, id);
    if (!job) throw new NotFoundError(`there is no job ${id}`, { ids: { jobId: id } });
    const decided = await decide(job);
    if (decided) return decided;
  }
  throw new UnavailableError(`job ${id} changes too fast; try again`, { ids: { jobId: id } });
}
