// What operators want of a job: cancel and revive.

import type { Coord, Write } from '@holdfast/coord';
import {
  type AtomRecord,
  FailedPreconditionError,
  isFinal,
  type JobId,
  type JobStatus,
  type TaskState,
  transitionJob,
  type WorkerId,
} from '@holdfast/core';
import { encodeAtom } from '@holdfast/wire';
import {
  commitDecision,
  controlWrite,
  decideOnJob,
  type JobDecisionParts,
  newsWrite,
} from './job-decision.ts';
import { type JobRecords, readAtoms } from './job-reader.ts';
import type { JobControl } from './job-view.ts';
import { atomKey, atomsPrefix } from './keys.ts';
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
  const { queue, flow, postedAtUnixMs } = job.spec;
  const totalMs = atUnixMs - postedAtUnixMs;
  parts.observer.finished?.({ queue, flow, state: 'cancelled', totalMs });
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
  const placement = await parts.buckets.place(job.spec, 'returned');
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
    // What it has received stays; what was wanted of it is over.
    const write = job.control ? [controlWrite(job, id, { wish: 'none', reason: '' })] : [];
    return await commitDecision(parts, job, { after, write, placement });
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
  if (isUntouchedFunction(job, atoms)) return true;
  const writes = atoms.filter(isForgiven).map(
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

/**
 * True for a durable function, which keeps a checkpoint of its own under the flow's name, when nothing of
 * it was reverted: it stopped because its code had changed, and the failures that it caught belong to
 * the way that it took.
 */
function isUntouchedFunction({ spec }: JobRecords, atoms: readonly AtomRecord[]): boolean {
  const own = atoms.find(({ name }) => name === spec.flow);
  if (!own || FORGIVEN_STATES.has(own.state)) return false;
  return !atoms.some(({ state }) => state === 'reverted' || state === 'revertFailure');
}

const FORGIVEN_STATES: ReadonlySet<TaskState> = new Set(['failure', 'reverted', 'revertFailure']);

/** A retry controller that gave up starts anew too, although it had succeeded itself. */
function isForgiven({ state, rounds, intention }: AtomRecord): boolean {
  return FORGIVEN_STATES.has(state) || (rounds.length > 0 && intention === 'revert');
}

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
    rounds: [],
  };
}
