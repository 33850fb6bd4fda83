// Tasks of a job that run elsewhere, as jobs of their own.
import type { Client } from '@holdfast/client';
import {
  type AtomRecord,
  isFinal,
  type JobId,
  type JobStatus,
  NotFoundError,
  type RemoteTask,
} from '@holdfast/core';
import type { JobViewFields } from '@holdfast/wire';

/** Task jobs that are asked for to show one job; of further ones only the id is shown. */
export const TASK_JOBS_SHOWN = 20;

/** How the task jobs of a job stand, as far as is known. */
export type TaskJobs = ReadonlyMap<JobId, JobStatus>;

/** A job with how its tasks stand that run elsewhere. */
export type ViewedJob = JobViewFields & { readonly taskJobs?: TaskJobs | undefined };

/** Asks how the first {@link TASK_JOBS_SHOWN} tasks stand that run elsewhere now. */
export async function findTaskJobs(client: Client, view: JobViewFields): Promise<TaskJobs> {
  const ids = view.atoms.flatMap((atom) => taskJobOf(atom, view.status) ?? []);
  const found = await Promise.all(
    ids.slice(0, TASK_JOBS_SHOWN).map(async (id) => {
      try {
        return await client.job(id).status();
      } catch (error) {
        // It may go between the two questions, with the job that it belongs to.
        if (error instanceof NotFoundError) return undefined;
        throw error;
      }
    }),
  );
  return new Map(found.flatMap((status) => (status ? [[status.id, status] as const] : [])));
}

/** The job that runs this task now; undefined for a task that doesn't run, or runs where its flow does. */
export function taskJobOf(atom: AtomRecord, { phase }: JobStatus): JobId | undefined {
  const isInFlight = atom.state === 'running' || atom.state === 'reverting';
  return isInFlight && !isFinal(phase.kind) ? atom.taskJob : undefined;
}

/** Where a task runs: its task job, and what is known of that. */
export function describeTaskJob(id: JobId, taskJobs: TaskJobs | undefined): string {
  const phase = taskJobs?.get(id)?.phase;
  if (!phase) return `job ${id}`;
  return phase.kind === 'running'
    ? `job ${id} on ${phase.worker}`
    : `job ${id}, which is ${phase.kind}`;
}

/** What a task job does, and for whom. */
export function describeRemoteTask({ task, intention, parentId }: RemoteTask): string {
  return `${intention === 'revert' ? 'revert of ' : ''}${task} of job ${parentId}`;
}
