// What operators want of a job: cancel and revive.

import type { Coord, Version, Write } from '@holdfast/coord';
import {
  type AtomRecord,
  FailedPreconditionError,
  isFinal,
  type JobId,
  type JobStatus,
  transitionJob,
  type WorkerId,
} from '@holdfast/core';
import { encodeAtom, encodeJobStatus } from '@holdfast/wire';
import { forgivenAtom } from './forgiven-atom.ts';
import {
  commitDecision,
  controlOf,
  controlWrite,
  decideOnJob,
  type JobDecisionParts,
  newsWrite,
  refuseTaskJob,
} from './job-decision.ts';
import { type JobRecords, readAtoms } from './job-reader.ts';
import type { JobControl } from './job-view.ts';
import { atomKey, atomsPrefix, statusKey } from './keys.ts';
import { tellFinished } from './observer.ts';
import { statusGuard } from './transition.ts';

/** How a job is to be cancelled. */
export interface CancelOptions {
  /** For people; may be empty. */
  readonly reason: string;
  /** Whether what its tasks have done is reverted first. Default: false. */
  readonly revert?: boolean | undefined;
}

/** Cancels a job; see `Board.cancel`. */
export async function cancelJob(
  parts: JobDecisionParts,
  id: JobId,
  options: CancelOptions,
): Promise<JobStatus> {
  const { reason, revert = false } = options;
  return await decideOnJob(parts, id, async (job) => {
    const { phase } = job.status;
    if (revert) refuseTaskJob(job, 'cancel it without revert, or cancel with revert');
    if (phase.kind !== 'cancelled' && isFinal(phase.kind)) {
      throw new FailedPreconditionError(
        `job ${id} is ${phase.kind} already and can't be cancelled`,
        { ids: { jobId: id } },
      );
    }
    if (revert) refuseLateRevert(job);
    if (phase.kind === 'cancelled') return job.status;
    const request: Request = {
      wish: revert ? 'cancelWithRevert' : 'cancel',
      reason,
      requestedAtUnixMs: parts.clock.nowUnixMs(),
    };
    if (phase.kind === 'running') {
      return await askToCancel(parts, job, { request, worker: phase.worker });
    }
    if (revert && job.control?.wish === 'cancelWithRevert') return job.status;
    return revert && (await hasCheckpoints(parts.coord, job))
      ? await putUpForRevert(parts, job, request)
      : await cancelAtOnce(parts, job, request);
  });
}

type Request = Pick<JobControl, 'wish' | 'reason' | 'requestedAtUnixMs'>;

/** Tasks that were told to stop, with nothing to be reverted, are not called again for a revert. */
function refuseLateRevert({ control, status }: JobRecords): void {
  if (control?.wish !== 'cancel') return;
  const is = status.phase.kind === 'cancelled' ? 'is' : 'is being';
  throw new FailedPreconditionError(
    `job ${status.id} ${is} cancelled without revert; once it has ended, revive it and cancel it with revert`,
    { ids: { jobId: status.id } },
  );
}

/** Whether there is anything that a revert could be about. */
async function hasCheckpoints(coord: Coord, { status }: JobRecords): Promise<boolean> {
  if (status.attempt === 0) return false;
  return (await coord.list({ prefix: atomsPrefix(status.id), limit: 1 })).entries.length > 0;
}

/** A job that isn't running, and has nothing to revert, is cancelled at once. */
async function cancelAtOnce(
  parts: JobDecisionParts,
  job: JobRecords,
  request: Request,
): Promise<JobStatus | undefined> {
  const atUnixMs = parts.clock.nowUnixMs();
  const { reason } = request;
  const after = transitionJob(job.status, { kind: 'finish', state: 'cancelled', atUnixMs, reason });
  const committed = await commitDecision(parts, job, {
    after,
    // Kept for its reason, and so that a cancelled job looks the same however it was cancelled.
    write: [controlWrite(job, job.spec.id, request)],
  });
  if (!committed) return undefined;
  tellFinished(parts.observer, job.spec, { state: 'cancelled', atUnixMs });
  return after;
}

/** A job that isn't running becomes ready, for a worker to revert it. */
async function putUpForRevert(
  parts: JobDecisionParts,
  job: JobRecords,
  request: Request,
): Promise<JobStatus | undefined> {
  const write = [controlWrite(job, job.spec.id, request)];
  if (job.status.phase.kind === 'ready') {
    return await commitDecision(parts, job, { after: job.status, write });
  }
  const placement = await parts.buckets.place(job, 'returned');
  const atUnixMs = parts.clock.nowUnixMs();
  const { position } = placement;
  const after = transitionJob(job.status, { kind: 'makeReady', atUnixMs, position });
  return await commitDecision(parts, job, { after, write, placement });
}

/**
 * The worker of a running job is told; from this commit on the job can only end cancelled. Asking
 * again tells it again.
 */
async function askToCancel(
  parts: JobDecisionParts,
  job: JobRecords,
  { request, worker }: { readonly request: Request; readonly worker: WorkerId },
): Promise<JobStatus | undefined> {
  return await commitDecision(parts, job, {
    after: job.status,
    write: [controlWrite(job, job.spec.id, request), newsWrite(parts, worker, job.status)],
  });
}

/** Makes a dead, failed or cancelled job ready again; see `Board.revive`. */
export async function reviveJob(parts: JobDecisionParts, id: JobId): Promise<JobStatus> {
  return await decideOnJob(parts, id, async (job) => {
    refuseTaskJob(job, 'revive');
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
    const version = await forgiveAtoms(parts.coord, job);
    if (version === undefined) return undefined;
    const placement = await parts.buckets.place(job, 'returned');
    const after = transitionJob(job.status, {
      kind: 'revive',
      atUnixMs: parts.clock.nowUnixMs(),
      position: placement.position,
    });
    // What it has received stays; what was wanted of it is over.
    const write = job.control ? [controlWrite(job, id, { wish: 'none', reason: '' })] : [];
    return await commitDecision(parts, { ...job, version }, { after, write, placement });
  });
}

/**
 * Gives failed and reverted tasks a fresh start; results are kept. A revert that was interrupted
 * goes on first: then nothing is reset, the job fails again when it is done, and can be revived
 * again. Returns the version of the status by then; undefined when the job moved meanwhile.
 *
 * Each piece writes the status as it is: so an operator's change that was decided between two of them,
 * or before them, is refused, and this is by one that was made.
 */
async function forgiveAtoms(coord: Coord, job: JobRecords): Promise<Version | undefined> {
  const { id } = job.spec;
  const atoms = await readAtoms(coord, id, job.control);
  if (atoms.some((atom) => atom.state === 'reverting')) return job.version;
  const changes = controlOf(job).changes || undefined;
  const writes = atoms.filter(isForgiven).map(
    (atom): Write => ({
      kind: 'put',
      key: atomKey(id, atom.name),
      value: encodeAtom({ ...forgivenAtom(atom), changes }),
    }),
  );
  const status: Write = { kind: 'put', key: statusKey(id), value: encodeJobStatus(job.status) };
  const perCommit = coord.limits.maxOpsPerCommit - RESERVED_OPS;
  let { version } = job;
  for (let from = 0; from < writes.length; from += perCommit) {
    const write = [status, ...writes.slice(from, from + perCommit)];
    const when = [statusGuard({ status: job.status, version }), job.controlGuard];
    const result = await coord.commit({ when, write });
    if (!result.committed) return undefined;
    version = result.versionOf(statusKey(id));
  }
  return version;
}

/** Two guards and the status. */
const RESERVED_OPS = 3;

/**
 * What was reverted or was to be, and failures that led to that: not those that a durable function has caught,
 * which belong to the way that it took. A retry controller that gave up starts anew too, although
 * it had succeeded itself.
 */
function isForgiven({ state, rounds, intention }: AtomRecord): boolean {
  if (state === 'reverted' || state === 'revertFailure') return true;
  return intention === 'revert' && (state === 'failure' || rounds.length > 0);
}
