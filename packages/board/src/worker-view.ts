import type { WorkerId } from '@holdfast/core';

/** What a member of the fleet tells of itself. */
export interface WorkerInfo {
  readonly id: WorkerId;
  readonly host: string;
  readonly pid: number;
  readonly queues: readonly string[];
  readonly flows: readonly string[];
  readonly concurrency: number;
  readonly startedAtUnixMs: number;
  readonly leaseTtlMs: number;
  /** Version of Holdfast that it runs. */
  readonly version: string;
  /** It takes no new jobs and leaves when its last one is done. */
  readonly isDraining: boolean;
}

/** A member and what it holds. */
export interface WorkerView {
  readonly info: WorkerInfo;
  readonly claims: number;
  /** False when its session has ended and its jobs wait to be taken over. */
  readonly isLive: boolean;
}
