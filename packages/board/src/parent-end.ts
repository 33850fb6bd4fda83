// What the end of a job means for others: the parent of a task job is told, and the task jobs of a parent
// have nothing to do any more.
//
// All of it comes after the commit that ends the job, and may be cut off by a crash, or fail. Then the
// upkeep tells the parent (task-ends.ts, N2), and a task job whose parent is over ends when its worker
// looks, and goes when its parent does.
import type { Coord } from '@holdfast/coord';
import {
  fromUnknown,
  HoldfastError,
  isFinal,
  type JobId,
  type JobSpec,
  type JobStatus,
  type Logger,
  parseJobId,
} from '@holdfast/core';
import { decodeJobStatus } from '@holdfast/wire';
import { cancelJob } from './job-control.ts';
import type { JobDecisionParts } from './job-decision.ts';
import { listPages, readStatus } from './job-reader.ts';
import { statusKey, taskJobsPrefix } from './keys.ts';
import type { ParentTeller } from './task-ends.ts';

/** Task jobs that are looked at in one go, and cancelled side by side; no store reads fewer at once. */
const CANCELLED_AT_ONCE = 100;

export interface ParentEndParts extends JobDecisionParts {
  readonly logger: Logger;
  readonly teller: ParentTeller;
}

/**
 * To be called after a job has ended, with its status: tells its parent, where it is a task job, and
 * else cancels its own task jobs. Does nothing for a job that goes on. Never throws for what the store
 * does: what fails is left to the upkeep.
 */
export async function settleEnd(parts: ParentEndParts, status: JobStatus): Promise<void> {
  if (!isFinal(status.phase.kind)) return;
  try {
    if (status.parentId !== undefined) await parts.teller.tell(status.parentId);
    else if (status.attempt > 0) await cancelTaskJobs(parts, status.id);
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    const { code, message } = fromUnknown(thrown);
    parts.logger.warn(
      { jobId: status.id, code, error: message },
      'the end of this job could not be told to all whom it concerns; the upkeep goes on with it',
    );
  }
}

/** Cancels the task jobs of a job that is over. */
async function cancelTaskJobs(parts: ParentEndParts, parent: JobId): Promise<void> {
  const { coord, teller } = parts;
  let hasTaskJobs = false;
  for await (const entries of listPages(coord, taskJobsPrefix(parent))) {
    hasTaskJobs = true;
    for (let from = 0; from < entries.length; from += CANCELLED_AT_ONCE) {
      const ids = entries.slice(from, from + CANCELLED_AT_ONCE).map(({ value }) => idIn(value));
      // Most have ended, often thousands.
      const found = await coord.get(ids.map(statusKey));
      const open = ids.filter((id) => {
        const status = found.get(statusKey(id));
        return status && !isFinal(decodeJobStatus(status.value).phase.kind);
      });
      await Promise.all(open.map((id) => cancelTaskJob(parts, id, PARENT_IS_OVER)));
    }
  }
  if (hasTaskJobs) await teller.tell(parent); // Which only clears the notes away: it is over.
}

/** What the history of a task job says that ended with its parent. */
export const PARENT_IS_OVER = 'its job is over';

/** Cancels a task job, unless it has ended, or is being cancelled, or isn't there. */
export async function cancelTaskJob(
  parts: JobDecisionParts,
  id: JobId,
  reason: string,
): Promise<JobStatus | undefined> {
  const status = await readStatus(parts.coord, id);
  if (!status || isFinal(status.phase.kind)) return status;
  try {
    return await cancelJob(parts, id, { reason });
  } catch (error) {
    // It has ended, or was removed, since it was read.
    const { code } = fromUnknown(error);
    if (code === 'FAILED_PRECONDITION' || code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

/**
 * Whether nobody waits for a task job any more: its parent is final, or is not there, or goes on with
 * another version of the flow. False for every other job.
 */
export async function isOrphan(coord: Coord, { remoteTask }: JobSpec): Promise<boolean> {
  if (!remoteTask) return false;
  const parent = await readStatus(coord, remoteTask.parentId);
  if (!parent || isFinal(parent.phase.kind)) return true;
  return parent.flowVersion !== remoteTask.flowVersion;
}

function idIn(value: Uint8Array): JobId {
  return parseJobId(decoder.decode(value), 'stored job id');
}

const decoder = new TextDecoder();
