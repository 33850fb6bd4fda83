import type { AtomRecord, JobSpec, JobState, JobStatus, Payload } from '@holdfast/core';

/** What is wanted of a job that runs. */
export interface JobControl {
  readonly cancel: boolean;
  readonly requestedAtUnixMs: number;
  readonly reason: string;
}

/** A job with all that is known of it. */
export interface JobView {
  readonly spec: JobSpec;
  readonly status: JobStatus;
  /** One for each task that something has happened to, by name. */
  readonly atoms: readonly AtomRecord[];
  /** The flow's output, once the job has succeeded. */
  readonly output?: Payload | undefined;
  readonly control?: JobControl | undefined;
  /** Why the job isn't running, for people; empty when it runs or is final. */
  readonly waitingReason: string;
}

/** Which jobs to list; what is absent matches all. */
export interface JobQuery {
  readonly states?: readonly JobState[] | undefined;
  readonly flow?: string | undefined;
  readonly queue?: string | undefined;
  readonly worker?: string | undefined;
  readonly postedAfterUnixMs?: number | undefined;
  readonly postedBeforeUnixMs?: number | undefined;
  /** 1 to `LIMITS.pageSizeMax`. */
  readonly pageSize: number;
  /** From the page before; absent for the first. */
  readonly pageToken?: string | undefined;
}

/** A page of a listing, newest first. It may be short, or empty, while there is a next token. */
export interface JobPage {
  readonly jobs: readonly JobStatus[];
  /** Absent when the listing is complete. */
  readonly nextPageToken?: string | undefined;
}
