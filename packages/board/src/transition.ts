// One transition of a job is one commit: the status, and the difference between the index entries
// that the old status implied and those that the new one implies (G7). The end of a task job leaves a
// note for its parent besides (task-ends.ts, N1).

import type { Guard, Version, Write } from '@holdfast/coord';
import { isFinal, type JobSpec, type JobStatus } from '@holdfast/core';
import { encodeJobStatus, encodeReadyEntry } from '@holdfast/wire';
import { indexKeys, READY_PREFIX, statusKey, taskEndKey } from './keys.ts';

const NOTHING = new Uint8Array(0);

/** A job's status as it was read, and the version that guards what is decided from it. */
export interface VersionedStatus {
  readonly status: JobStatus;
  readonly version: Version;
}

/** The guard that refuses whatever was decided from an outdated status, or by a former attempt. */
export function statusGuard(current: {
  readonly status: JobStatus;
  readonly version: Version;
}): Guard {
  return { kind: 'unchanged', key: statusKey(current.status.id), version: current.version };
}

/** Puts the new status and moves the index entries. `before` is absent for a new job. */
export function transitionWrites(
  spec: JobSpec,
  before: JobStatus | undefined,
  after: JobStatus,
): readonly Write[] {
  const old = new Set(before ? indexKeys(spec, before) : []);
  const now = new Set(indexKeys(spec, after));
  const writes: Write[] = [{ kind: 'put', key: statusKey(spec.id), value: encodeJobStatus(after) }];
  for (const key of old) if (!now.has(key)) writes.push({ kind: 'remove', key });
  for (const key of now)
    if (!old.has(key)) writes.push({ kind: 'put', key, value: indexValue(key, spec) });
  if (spec.remoteTask && isFinal(after.phase.kind)) {
    writes.push({
      kind: 'put',
      key: taskEndKey(spec.remoteTask.parentId, spec.id),
      value: NOTHING,
    });
  }
  return writes;
}

/** The value of an index entry. Only ready entries say anything beyond their key. */
export function indexValue(key: string, spec: JobSpec): Uint8Array {
  return key.startsWith(READY_PREFIX) ? encodeReadyEntry({ jobId: spec.id }) : NOTHING;
}
