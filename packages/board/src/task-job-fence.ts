// The numbers that remote tasks get as their fence. A task job's own fence is the version of its status,
// and on some stores the versions of one key say nothing about those of another. So a task job that comes
// after others of the same task counts on from theirs: whoever sees both tells the zombie by its number.
import type { Coord } from '@holdfast/coord';
import { type AtomRecord, type JobId, parseJobId } from '@holdfast/core';
import { decodeJobSpec } from '@holdfast/wire';
import { listAll } from './job-reader.ts';
import { specKey, statusKey, taskJobsPrefix } from './keys.ts';

/**
 * What is to be added to the fences of the next task job of this task: the highest fence that an earlier
 * one can have handed out by now. 0 for the first. Read before the new one is posted; one that runs on
 * after that is told from the new one by its key, or has been cancelled and so gets no higher fence.
 */
export async function fenceBaseOf(
  { coord }: { readonly coord: Coord },
  parent: JobId,
  atom: AtomRecord,
): Promise<bigint> {
  // The record counts the try and the call that are to come. A task's first task job is the commonest.
  const isFirst = atom.executions <= 1 && atom.tries <= 1 && atom.revertTries === 0;
  if (isFirst && atom.taskJob === undefined) return 0n;
  const entries = await listAll(coord, `${taskJobsPrefix(parent)}${atom.name}~`);
  let base = 0n;
  for (const { value } of entries) {
    const id = parseJobId(decoder.decode(value), 'stored job id');
    const found = await coord.get([specKey(id), statusKey(id)]);
    const spec = found.get(specKey(id));
    const status = found.get(statusKey(id));
    if (!spec || !status) continue;
    const last = (decodeJobSpec(spec.value).remoteTask?.fenceBase ?? 0n) + status.version;
    if (last > base) base = last;
  }
  return base;
}

const decoder = new TextDecoder();
