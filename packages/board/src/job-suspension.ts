// Suspending a job and letting it go on. A job that runs is asked to stop in order, through its
// control; the wish takes effect when its attempt ends (attempt-end.ts) or is lost (takeover.ts), and
// is over by that. Any other job is suspended at once.
import {
  FailedPreconditionError,
  isFinal,
  type JobId,
  type JobStatus,
  transitionJob,
} from '@holdfast/core';
import {
  commitDecision,
  controlOf,
  controlWrite,
  decideOnJob,
  type JobDecisionParts,
  newsWrite,
  refuseTaskJob,
} from './job-decision.ts';
import type { JobRecords } from './job-reader.ts';

/** Suspends a job; see `Board.suspend`. */
export async function suspendJob(
  parts: JobDecisionParts,
  id: JobId,
  reason: string,
): Promise<JobStatus> {
  return await decideOnJob(parts, id, async (job) => {
    const { phase } = job.status;
    refuseTaskJob(job, 'suspend');
    refuseFinal(job, 'suspended');
    if (phase.kind === 'suspended') return job.status;
    const { wish } = controlOf(job);
    if (wish === 'cancel' || wish === 'cancelWithRevert') {
      throw new FailedPreconditionError(
        `job ${id} is being cancelled and can't be suspended; see it end with holdfast watch ${id}`,
        { ids: { jobId: id } },
      );
    }
    const atUnixMs = parts.clock.nowUnixMs();
    if (phase.kind === 'running') {
      const request = { wish: 'suspend', requestedAtUnixMs: atUnixMs, reason } as const;
      return await commitDecision(parts, job, {
        after: job.status,
        write: [controlWrite(job, id, request), newsWrite(parts, phase.worker, job.status)],
      });
    }
    const after = transitionJob(job.status, { kind: 'suspend', atUnixMs, reason });
    return await commitDecision(parts, job, { after });
  });
}

/** Lets a suspended job go on; see `Board.resume`. */
export async function resumeJob(parts: JobDecisionParts, id: JobId): Promise<JobStatus> {
  return await decideOnJob(parts, id, async (job) => {
    const { phase } = job.status;
    refuseFinal(job, 'resumed');
    if (phase.kind === 'suspended') return await letGoOn(parts, job, phase.runAtUnixMs);
    if (phase.kind !== 'running' || controlOf(job).wish !== 'suspend') return job.status;
    // Its attempt may have stopped by now; then it ends by making the job ready.
    return await commitDecision(parts, job, {
      after: job.status,
      write: [
        controlWrite(job, id, { wish: 'none', reason: '' }),
        newsWrite(parts, phase.worker, job.status),
      ],
    });
  });
}

async function letGoOn(
  parts: JobDecisionParts,
  job: JobRecords,
  runAtUnixMs: number | undefined,
): Promise<JobStatus | undefined> {
  const atUnixMs = parts.clock.nowUnixMs();
  if (runAtUnixMs !== undefined && runAtUnixMs > atUnixMs) {
    const reason = 'as before it was suspended';
    const after = transitionJob(job.status, { kind: 'reschedule', runAtUnixMs, atUnixMs, reason });
    return await commitDecision(parts, job, { after });
  }
  const placement = await parts.buckets.place(job, 'returned');
  const { position } = placement;
  const after = transitionJob(job.status, { kind: 'makeReady', atUnixMs, position });
  return await commitDecision(parts, job, { after, placement });
}

function refuseFinal({ status }: JobRecords, what: string): void {
  const { kind } = status.phase;
  if (!isFinal(kind)) return;
  throw new FailedPreconditionError(`job ${status.id} is ${kind} already and can't be ${what}`, {
    ids: { jobId: status.id },
  });
}
