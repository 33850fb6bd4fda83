// Removes finished jobs whose retention has passed, with all that belongs to them: checkpoints, signals, changes,
// and their task jobs, in whatever state those are.
//
// Invariants:
//   D1. The job itself goes first, in one commit under its status's guard that leaves a mark: one that is
//       revived meanwhile keeps everything. What is left is removed after that, by whoever finds the mark.
//   D2. A task job goes with its parent and not before, since the parent may ask for its result until
//       then. It goes under its own status's guard, so its attempt, if one runs, can write nothing more.
//   D3. The mark goes last: as long as it is there, something may be left.
import type { Entry, Write } from '@holdfast/coord';
import { type JobId, parseJobId } from '@holdfast/core';
import type { BoardParts } from './board-parts.ts';
import { sweepForks } from './job-fork.ts';
import { type JobRecords, listAll, listPages, readJobs } from './job-reader.ts';
import {
  atomsPrefix,
  changesPrefix,
  controlKey,
  idempotencyIndexKey,
  indexKeys,
  lastPart,
  outcomeKey,
  REMOVED_PREFIX,
  removedKey,
  signalKeysPrefix,
  signalsPrefix,
  specKey,
  statusKey,
  taskEndKey,
  taskEndsPrefix,
  taskJobsPrefix,
} from './keys.ts';
import { passOver } from './one-by-one.ts';
import { statusGuard } from './transition.ts';

/** Marks that are looked at in one go. */
const MARKS_AT_ONCE = 200;

/** How often the removal of a task job is tried that moves meanwhile; then the next look at the mark does. */
const MAX_TRIES = 3;

/** Removes a finished job that was found by this entry of the index, if that is what it still implies. */
export async function removeJob(
  parts: BoardParts,
  job: JobRecords,
  doneKey: string,
): Promise<void> {
  const { id, phase } = job.status;
  const isCurrent = indexKeys(job.spec, job.status).includes(doneKey);
  if (!('finishedAtUnixMs' in phase) || !isCurrent) return;
  const result = await parts.coord.commit({
    when: [statusGuard(job)],
    write: recordRemovals(job), // D1
  });
  if (result.committed) await removeRest(parts, id);
}

/** Goes on with removals that a crash cut off, and ends forks that one did. */
export async function finishRemovals(parts: BoardParts): Promise<void> {
  await sweepForks(parts.coord);
  const page = await parts.coord.list({ prefix: REMOVED_PREFIX, limit: MARKS_AT_ONCE });
  for (const entry of page.entries) await removeRest(parts, lastPart(entry.key) as JobId); // written from a JobId
}

/** Removes what a job leaves that is gone, its mark last (D3). */
async function removeRest(parts: BoardParts, id: JobId): Promise<void> {
  if (!(await removeTaskJobs(parts, id))) return;
  await removeDetails(parts, id);
}

/** D2. False when some are left. */
async function removeTaskJobs(parts: BoardParts, parent: JobId): Promise<boolean> {
  let left = 0;
  for await (const entries of listPages(parts.coord, taskJobsPrefix(parent))) {
    let moving = entries;
    for (let tries = 0; tries < MAX_TRIES && moving.length > 0; tries += 1) {
      moving = await tryToRemoveTaskJobs(parts, moving);
    }
    left += moving.length;
  }
  return left === 0;
}

/** Returns the entries of task jobs that are still there. */
async function tryToRemoveTaskJobs(
  parts: BoardParts,
  entries: readonly Entry[],
): Promise<readonly Entry[]> {
  const ids = entries.map(({ value }) => parseJobId(decoder.decode(value), 'stored job id'));
  const unreadable = new Set<JobId>();
  const report = passOver(parts.logger);
  const jobs = await readJobs(parts.coord, ids, (id, error) => {
    unreadable.add(id);
    report(id, error);
  });
  const verdicts = await Promise.all(
    entries.map(async ({ key }, index) => {
      const id = ids[index];
      const job = id && jobs.get(id);
      if (id && unreadable.has(id)) return false;
      const result = await parts.coord.commit({
        when: job ? [statusGuard(job)] : [],
        write: [...(job ? recordRemovals(job) : []), { kind: 'remove', key }],
      });
      if (result.committed && job) await removeDetails(parts, job.spec.id);
      return result.committed;
    }),
  );
  return entries.filter((_, index) => !verdicts[index]);
}

/** Removes checkpoints, signals and changes of a job that is gone, then the mark that says they are to go. */
async function removeDetails(parts: BoardParts, id: JobId): Promise<void> {
  const prefixes = [
    atomsPrefix(id),
    signalsPrefix(id),
    signalKeysPrefix(id),
    changesPrefix(id),
    taskEndsPrefix(id),
  ];
  const lists = await Promise.all(prefixes.map((prefix) => listAll(parts.coord, prefix)));
  const keys = lists.flat().map((entry) => entry.key);
  keys.push(removedKey(id));
  const perCommit = parts.coord.limits.maxOpsPerCommit;
  for (let from = 0; from < keys.length; from += perCommit) {
    const write = keys.slice(from, from + perCommit).map((key): Write => ({ kind: 'remove', key }));
    await parts.coord.commit({ when: [], write });
  }
}

/** The job's own records, and the mark in their place. */
function recordRemovals({ spec, status }: JobRecords): readonly Write[] {
  const { id, idempotencyKey, remoteTask } = spec;
  const keys = [specKey(id), statusKey(id), outcomeKey(id), controlKey(id)];
  keys.push(...indexKeys(spec, status));
  if (idempotencyKey !== undefined) keys.push(idempotencyIndexKey(idempotencyKey));
  if (remoteTask) keys.push(taskEndKey(remoteTask.parentId, id));
  const removals = keys.map((key): Write => ({ kind: 'remove', key }));
  return [...removals, { kind: 'put', key: removedKey(id), value: NOTHING }];
}

const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder();
