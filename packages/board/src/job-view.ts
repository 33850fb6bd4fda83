import type { JobState, JobStatus } from '@holdfast/core';

export type {
  JobControlFields as JobControl,
  JobViewFields as JobView,
  JobWish,
} from '@holdfast/wire';

/** Which jobs to list; what is absent matches all, but for task jobs. */
export interface JobQuery {
  readonly states?: readonly JobState[] | undefined;
  readonly flow?: string | undefined;
  readonly queue?: string | undefined;
  readonly worker?: string | undefined;
  readonly postedAfterUnixMs?: number | undefined;
  readonly postedBeforeUnixMs?: number | undefined;
  /** Whether task jobs are listed too. Default: false. */
  readonly taskJobs?: boolean | undefined;
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
