import type { AttemptRecord, FinalJobState, JobId, JobSpec } from '@holdfast/core';

/** A job that was taken from a worker whose session has ended. */
export interface Takeover {
  readonly jobId: JobId;
  readonly spec: JobSpec;
  /** The attempt that was lost, closed. */
  readonly lostAttempt: AttemptRecord;
  /** The job's history, oldest first; the lost attempt is its last. */
  readonly attempts: readonly AttemptRecord[];
  /** What became of the job. */
  readonly outcome: 'ready' | 'suspended' | 'dead' | 'cancelled' | 'failed';
}

/**
 * Told of what the board does, for metrics and traces. Methods are called synchronously after the
 * commit concerned, must be quick and must not throw. All are optional.
 */
export interface BoardObserver {
  /** Not told of task jobs, no more than `finished` is: they are part of the job whose tasks they run. */
  posted?(job: { readonly queue: string; readonly flow: string }): void;
  /** `waitedMs`: from ready to claimed, by wall clocks of two machines. */
  claimed?(job: { readonly queue: string; readonly flow: string; readonly waitedMs: number }): void;
  /** Another worker was faster; nothing is wrong unless there are many. */
  claimCollision?(job: { readonly queue: string }): void;
  /** A write of an attempt that no longer holds its claim was refused (G2). */
  fenceRejected?(write: { readonly jobId: JobId; readonly what: string }): void;
  takenOver?(takeover: Takeover): void;
  finished?(job: {
    readonly queue: string;
    readonly flow: string;
    readonly state: FinalJobState;
    /** From the post to the final state, in milliseconds. */
    readonly totalMs: number;
  }): void;
  /** One commit of an attempt, from call to acknowledgement. */
  committed?(commit: { readonly what: string; readonly durationMs: number }): void;
  /** Jobs ready in a queue, counted exactly up to `READY_COUNT_LIMIT`; told now and then by one process of the fleet. */
  ready?(queue: {
    readonly queue: string;
    readonly jobs: number;
    readonly oldestAgeMs: number;
  }): void;
}

/** Tells the observer of a job that has come to its final state. */
export function tellFinished(
  observer: BoardObserver,
  { queue, flow, postedAtUnixMs, remoteTask }: JobSpec,
  end: { readonly state: FinalJobState; readonly atUnixMs: number },
): void {
  if (remoteTask) return;
  observer.finished?.({ queue, flow, state: end.state, totalMs: end.atUnixMs - postedAtUnixMs });
}
