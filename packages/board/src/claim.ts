import type { Version } from '@holdfast/coord';
import type { AtomRecord, JobSignal, JobSpec, JobStatus } from '@holdfast/core';
import type { VersionedControl } from './job-reader.ts';

/**
 * The right to run one attempt of a job. It holds as long as the job's status record has the version
 * `fence`, or one that the attempt itself has moved it to; every write of the attempt is guarded by
 * that, and by nothing else.
 */
export interface Claim extends VersionedControl {
  readonly spec: JobSpec;
  /** The status as this claim wrote it: running, by this worker. */
  readonly status: JobStatus;
  /** Version of the status record; grows with each claim of the job (G4). */
  readonly fence: Version;
  /** Checkpoints left by earlier attempts. */
  readonly atoms: readonly AtomRecord[];
  /** What the job had received by then, by number. */
  readonly signals: readonly JobSignal[];
}
