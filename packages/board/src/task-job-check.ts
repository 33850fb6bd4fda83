// What the doctor checks about task jobs: each is led to by a key of its parent, each key leads to one, the
// parent is there, and what is noted as ended has ended.
import type { Coord, Entry, Guard, Write } from '@holdfast/coord';
import { HoldfastError, isFinal, type JobId, parseJobId } from '@holdfast/core';
import { decodeJobSpec, decodeJobStatus } from '@holdfast/wire';
import type { DoctorProblem } from './doctor.ts';
import { listAll, listPages } from './job-reader.ts';
import {
  lastPart,
  parentOfKey,
  removedKey,
  specKey,
  statusKey,
  TASK_ENDS_PREFIX,
  TASK_JOBS_PREFIX,
  taskJobKey,
  taskJobsPrefix,
} from './keys.ts';
import { replacedKey } from './task-jobs.ts';

/** What looks wrong, judged from one snapshot, and the commit that puts it right. */
export interface Finding {
  readonly problem: Omit<DoctorProblem, 'repaired'>;
  readonly repair: { readonly when: readonly Guard[]; readonly write: readonly Write[] };
}

/** Told of each entry that is looked at. */
type Seen = (entry: Entry) => void;

/** Keys that lead nowhere, keys of parents that are gone, and those of `taskJobs` that no key leads to. */
export async function* checkTaskJobs(
  coord: Coord,
  taskJobs: ReadonlySet<JobId>,
  seen: Seen,
): AsyncGenerator<Finding> {
  const unled = new Set(taskJobs);
  let goneParent: JobId | undefined;
  for await (const entries of listPages(coord, TASK_JOBS_PREFIX)) {
    for (const entry of entries) {
      seen(entry);
      const id = idIn(entry.value);
      unled.delete(id);
      const parent = parentOfKey(entry.key);
      const now = await coord.get([entry.key, specKey(id), specKey(parent), removedKey(parent)]);
      if (now.get(entry.key)?.version !== entry.version) continue; // It has moved meanwhile.
      if (!now.has(specKey(id))) yield danglingKey(entry, id);
      const isGone = !now.has(specKey(parent)) && !now.has(removedKey(parent));
      if (isGone && parent !== goneParent) yield withoutParent(entry.key, { id, parent });
      if (isGone) goneParent = parent;
    }
  }
  for (const id of unled) {
    const finding = await checkUnled(coord, id);
    if (finding) yield finding;
  }
}

/** Notes of the end of a task job that isn't there, or hasn't ended. */
export async function* checkTaskEnds(coord: Coord, seen: Seen): AsyncGenerator<Finding> {
  for await (const entries of listPages(coord, TASK_ENDS_PREFIX)) {
    for (const entry of entries) {
      seen(entry);
      const { key } = entry;
      const id = lastPart(key) as JobId; // written from a JobId
      const now = await coord.get([key, statusKey(id)]);
      const status = now.get(statusKey(id));
      if (!now.has(key) || (status && hasEnded(status.value))) continue;
      const guard: Guard = status
        ? { kind: 'unchanged', key: statusKey(id), version: status.version }
        : { kind: 'absent', key: statusKey(id) };
      yield {
        problem: {
          kind: 'stray-index-entry',
          key,
          jobId: id,
          description: `the end of task job ${id} is noted, but it ${status ? 'has not ended' : 'is not there'}`,
        },
        repair: { when: [guard], write: [{ kind: 'remove', key }] },
      };
    }
  }
}

function danglingKey({ key, version }: Entry, id: JobId): Finding {
  return {
    problem: {
      kind: 'stray-index-entry',
      key,
      jobId: id,
      description: `${key} leads to task job ${id}, which is not there`,
    },
    repair: {
      when: [
        { kind: 'unchanged', key, version },
        { kind: 'absent', key: specKey(id) },
      ],
      write: [{ kind: 'remove', key }],
    },
  };
}

/** The mark makes the upkeep remove what a job leaves behind. */
function withoutParent(
  key: string,
  { id, parent }: { readonly id: JobId; readonly parent: JobId },
): Finding {
  return {
    problem: {
      kind: 'task-job-without-parent',
      key,
      jobId: id,
      description: `task job ${id} belongs to job ${parent}, which is not there, so nobody would remove it`,
    },
    repair: {
      when: [{ kind: 'absent', key: specKey(parent) }],
      write: [{ kind: 'put', key: removedKey(parent), value: NOTHING }],
    },
  };
}

async function checkUnled(coord: Coord, id: JobId): Promise<Finding | undefined> {
  const now = await coord.get([specKey(id), statusKey(id)]);
  const status = now.get(statusKey(id));
  const remote = readRemoteTask(now.get(specKey(id)));
  if (!status || !remote) return undefined; // Gone by now, or reported otherwise.
  const leads = await listAll(coord, taskJobsPrefix(remote.parentId));
  if (leads.some(({ value }) => idIn(value) === id)) return undefined;
  // Not under its own key, which may lead to another by now.
  const key = replacedKey(taskJobKey(remote.parentId, remote), id);
  return {
    problem: {
      kind: 'missing-index-entry',
      key,
      jobId: id,
      description: `no key of job ${remote.parentId} leads to its task job ${id}, so it would never be removed`,
    },
    repair: {
      when: [{ kind: 'unchanged', key: statusKey(id), version: status.version }],
      write: [{ kind: 'put', key, value: new TextEncoder().encode(id) }],
    },
  };
}

function readRemoteTask(
  entry: Entry | undefined,
): ReturnType<typeof decodeJobSpec>['remoteTask'] | undefined {
  try {
    return entry && decodeJobSpec(entry.value).remoteTask;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return undefined; // Reported as unreadable.
  }
}

/** One that can't be read may have ended: its note stays. */
function hasEnded(value: Uint8Array): boolean {
  try {
    return isFinal(decodeJobStatus(value).phase.kind);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return true;
  }
}

function idIn(value: Uint8Array): JobId {
  return parseJobId(new TextDecoder().decode(value), 'stored job id');
}

const NOTHING = new Uint8Array(0);
