import type { TaskState } from './atom.ts';
import type { JobId } from './ids.ts';
import type { Payload } from './payload.ts';

/** One thing that an operator changes about a job. Tasks are named by their records. */
export type TaskChange =
  /** The task, everything after it and everything that has not succeeded count as pending again. */
  | { readonly kind: 'retryFrom'; readonly task: string }
  /** The task counts as succeeded, with these values (a JSON object) besides those that its record has. */
  | { readonly kind: 'setResult'; readonly task: string; readonly values: Payload }
  /** The task is passed over; with values it counts as succeeded with them instead. */
  | { readonly kind: 'skip'; readonly task: string; readonly values?: Payload | undefined }
  /** Everything that the job has done is reverted, and it ends cancelled. */
  | { readonly kind: 'revert' }
  /** A revert that failed for good is tried again. */
  | { readonly kind: 'retryRevert'; readonly task: string }
  /** A revert that failed, or was interrupted, was done by hand. */
  | { readonly kind: 'resolveRevert'; readonly task: string };

/** What an operator changed about a job. Never changes itself. */
export interface JobChange {
  /** Its number among the changes of the job, from 1. */
  readonly seq: number;
  readonly atUnixMs: number;
  /** Who, as the caller said: nobody has checked it. */
  readonly by: string;
  /** Why, for people; may be empty. */
  readonly reason: string;
  /** What was asked for. */
  readonly changes: readonly TaskChange[];
  /** What that does to the records of tasks. */
  readonly tasks: readonly ChangedTask[];
  /** Attempts that the job had had: what a later one wrote about a task says more than this. */
  readonly attempts: number;
  /** Version of the flow whose tasks are named. */
  readonly flowVersion: number;
  /** The job was made ready by it. */
  readonly resumed: boolean;
  /** Set for the first change of a job that was forked. */
  readonly fork?: ForkOrigin | undefined;
}

/** How a job was forked. */
export interface ForkOrigin {
  readonly jobId: JobId;
  /** Where it begins; absent: at whatever had not succeeded. */
  readonly fromTask?: string | undefined;
}

/** What a change does to the record of one task. */
export interface ChangedTask {
  readonly task: string;
  readonly before: TaskState;
  readonly after: TaskState;
  /** Set where it succeeds with values that the operator gave. */
  readonly result?: Payload | undefined;
  /** Of one that is passed over: the round that it belongs to. */
  readonly generation?: number | undefined;
}
