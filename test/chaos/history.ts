// What a campaign saw from outside, as plain data: all that the checker judges by. Times are of the
// runner's monotonic clock, in milliseconds, so that no fault bends them.
import type { AttemptRecord, JobState, TaskState } from '@holdfast/core';

/** What is known of a call's effect: done, refused, or not known. */
export type CallOutcome = 'acknowledged' | 'refused' | 'unknown';

/** One post of one job; posting again under the same key is another record. */
export interface PostRecord {
  readonly key: string;
  readonly flow: string;
  readonly outcome: CallOutcome;
  /** Present when it was acknowledged. */
  readonly jobId?: string | undefined;
}

/** A cancel or a revive. */
export interface ControlRecord {
  readonly what: 'cancel' | 'revive';
  readonly jobId: string;
  readonly outcome: CallOutcome;
  readonly sentMs: number;
  readonly endedMs: number;
}

/** One line of the outside ledger. */
export interface LedgerEntry {
  readonly what: 'start' | 'effect' | 'revert';
  /** `repeat`: the same key had its effect before, and nothing was done. */
  readonly verdict: 'accepted' | 'repeat' | 'refused';
  readonly jobId: string;
  readonly task: string;
  readonly try: number;
  readonly attempt: number;
  readonly fence: bigint;
  readonly key: string;
  readonly pid: number;
  readonly atMs: number;
}

/** A worker saw the success of a task committed, in the job that ran it. */
export interface CommitRecord {
  /** The job whose flow it is a task of. */
  readonly jobId: string;
  readonly task: string;
  readonly try: number;
  /** Of the job that ran it. */
  readonly attempt: number;
}

/** A worker saw the final end of a job committed. */
export interface EndRecord {
  readonly jobId: string;
  readonly attempt: number;
  readonly outcome: string;
}

/** A job as the board had it after everything had healed. */
export interface JobObservation {
  readonly jobId: string;
  readonly state: JobState;
  readonly attempts: readonly AttemptRecord[];
  readonly tasks: Readonly<Record<string, TaskState>>;
  /** The jobs that ran its remote tasks. */
  readonly taskJobs: readonly TaskJobObservation[];
}

/** A job that ran a remote task of another one. */
export interface TaskJobObservation {
  readonly jobId: string;
  readonly state: JobState;
  readonly attempts: readonly AttemptRecord[];
}

/** A fault that was brought about. */
export interface FaultRecord {
  readonly kind: string;
  /** What it struck, such as `w1` or `member 2`. */
  readonly target: string;
  readonly lane: 'workers' | 'servers' | 'store' | 'everything';
  readonly atMs: number;
  readonly endMs: number;
  /** The process whose jobs are to run elsewhere, and how soon (G5). */
  readonly takeover?: ExpectedTakeover | undefined;
}

/** What G5 promises about a fault. */
export interface ExpectedTakeover {
  readonly pid: number;
  readonly worker: string;
  readonly class: TakeoverClass;
  readonly boundMs: number;
}

/** `crashed`: its supervisor saw it; `gone`: only its lease tells; `one-way`: its keep-alives still arrive. */
export type TakeoverClass = 'crashed' | 'gone' | 'one-way';

/** The fleet as it was at one moment; taken several times a second while the store answers. */
export interface FleetSample {
  readonly atMs: number;
  /** How long the store took to take a write and to answer, in milliseconds. */
  readonly tookMs: number;
  /** By the name of the worker: places that are free on its live members. */
  readonly freePlaces: Readonly<Record<string, number>>;
}

/** A moment in which the runner itself got no processor time for so long. */
export interface Stall {
  readonly atMs: number;
  readonly lastedMs: number;
}

/** All of one round. */
export interface History {
  readonly posts: readonly PostRecord[];
  readonly controls: readonly ControlRecord[];
  readonly ledger: readonly LedgerEntry[];
  readonly commits: readonly CommitRecord[];
  readonly ends: readonly EndRecord[];
  readonly jobs: readonly JobObservation[];
  readonly faults: readonly FaultRecord[];
  readonly samples: readonly FleetSample[];
  readonly stalls: readonly Stall[];
  /** Keys of claims, ready entries, members and locks that nobody has any more. */
  readonly leftBehind: readonly string[];
  /** What the doctor found. */
  readonly disagreements: readonly string[];
  /** Processes that ended although nobody had ended them. */
  readonly ended: readonly string[];
  /** Jobs that were not final when the time to drain was over. */
  readonly undrained: readonly string[];
}
