import type { AtomRecord } from './atom.ts';
import type { Failure } from './failure.ts';
import type { JobId, WorkerId } from './ids.ts';
import type { Payload } from './payload.ts';

/** W3C trace context of the producer's post: the one trace of the job (G10). */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate: string;
}

/** Time limits of a job, in milliseconds; what is absent is unlimited. */
export interface JobDeadlines {
  /** From ready to the first claim. */
  readonly queueMs?: number | undefined;
  /** For one attempt. */
  readonly attemptMs?: number | undefined;
  /** From the post to the final state. */
  readonly totalMs?: number | undefined;
}

/** A posted job. Never changes. */
export interface JobSpec {
  readonly id: JobId;
  readonly flow: string;
  readonly input: Payload;
  readonly queue: string;
  /** 0 to 9; 9 is claimed first. */
  readonly priority: number;
  /** Not before this time; absent = at once. */
  readonly runAtUnixMs?: number | undefined;
  /** Attempts that may be lost to crashes before the job is DEAD. */
  readonly maxAttempts: number;
  readonly deadlines: JobDeadlines;
  /** How long the job is kept once it is final. */
  readonly retentionMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string | undefined;
  /** SHA-256 over what the producer sent, in hex: tells the same post from another one. */
  readonly contentDigest: string;
  readonly trace?: TraceContext | undefined;
  readonly postedAtUnixMs: number;
  /** Set for a task job: one that runs a single task of another job's flow. */
  readonly remoteTask?: RemoteTask | undefined;
  /** Set for a job that began with results of another one. */
  readonly forkedFrom?: JobId | undefined;
}

/** The task that a task job runs. The job's input are its arguments, by what the flow calls them. */
export interface RemoteTask {
  /** The job whose flow it is a task of. */
  readonly parentId: JobId;
  /** The name of the task's record in that job, with its place where it stands in a map. */
  readonly task: string;
  readonly intention: 'execute' | 'revert';
  /** The version of the flow whose task it is: only a worker with this version may run it. */
  readonly flowVersion: number;
  /** What a worker has to have among its labels to run it. */
  readonly labels: Readonly<Record<string, string>>;
  /** The task's record as it stood when the task job was posted. */
  readonly atom: AtomRecord;
  /** Why the flow is reverted, where the task is. */
  readonly flowFailure?: Failure | undefined;
  /** Added to the fences that the task is given, so that they grow over all task jobs of the task. */
  readonly fenceBase: bigint;
}

/** How an attempt ended. */
export type AttemptEnd =
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  /** Its worker crashed, or lost its lease. */
  | 'lost'
  /** Its worker let go of the job in order: drain, a wait, or a suspend. */
  | 'released';

/** One attempt in a job's history. */
export interface AttemptRecord {
  /** From 1; each claim is a new attempt. */
  readonly number: number;
  readonly worker: WorkerId;
  readonly claimedAtUnixMs: number;
  /** Span id of the attempt, 16 hex digits, when it was traced. */
  readonly spanId?: string | undefined;
  /** Absent while the attempt runs. */
  readonly end?: AttemptEnd | undefined;
  readonly endedAtUnixMs?: number | undefined;
  /** Why it ended so, for people: a failure's message, or who reported the loss. */
  readonly reason?: string | undefined;
}

/** All states of a job; the last four are final. */
export type JobState =
  | 'scheduled'
  | 'ready'
  | 'running'
  | 'waiting'
  | 'suspended'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'dead';

/** Where a ready job stands in the ready index. */
export interface ReadyPosition {
  readonly bucket: string;
  readonly order: string;
}

/** The part of a status that depends on its state. */
export type JobPhase =
  | { readonly kind: 'scheduled'; readonly runAtUnixMs: number; readonly reason: string }
  | { readonly kind: 'ready'; readonly readyAtUnixMs: number; readonly position: ReadyPosition }
  | { readonly kind: 'running'; readonly worker: WorkerId; readonly claimedAtUnixMs: number }
  /** For the next signal, whatever its name, or until a time if there is one. */
  | { readonly kind: 'waiting'; readonly untilUnixMs?: number | undefined; readonly reason: string }
  | {
      readonly kind: 'suspended';
      readonly suspendedAtUnixMs: number;
      /** Why, as whoever suspended it said; may be empty. */
      readonly reason: string;
      /** When the job was to run next, where it was scheduled. */
      readonly runAtUnixMs?: number | undefined;
    }
  | {
      readonly kind: FinalJobState;
      readonly finishedAtUnixMs: number;
      readonly failure?: Failure | undefined;
    };

export type FinalJobState = 'succeeded' | 'failed' | 'cancelled' | 'dead';

/** The truth about a job. Every index entry is written in the same commit as the status that implies it. */
export interface JobStatus {
  readonly id: JobId;
  readonly flow: string;
  readonly queue: string;
  readonly priority: number;
  readonly phase: JobPhase;
  /** Number of the last attempt; 0 before the first claim. */
  readonly attempt: number;
  /** Attempts lost to crashes since the post or the last revival. */
  readonly lostAttempts: number;
  readonly revivals: number;
  /** Oldest first; at most `LIMITS.attemptsInHistory` of them. */
  readonly attempts: readonly AttemptRecord[];
  /** Older attempts that the history no longer holds one by one. */
  readonly attemptsDropped: number;
  readonly updatedAtUnixMs: number;
  /** Version of the flow that the job was claimed with last; absent before the first claim. */
  readonly flowVersion?: number | undefined;
  /** When it was claimed first, since the post or the last revival; absent before that. */
  readonly startedAtUnixMs?: number | undefined;
  /** Set for a task job: the job whose flow its task belongs to. */
  readonly parentId?: JobId | undefined;
}

/** True for the states that nothing but a revival leaves. */
export function isFinal(state: JobState): state is FinalJobState {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled' || state === 'dead';
}

/** The state machine of a job: from each state to those that may follow it. */
export const JOB_TRANSITIONS: Readonly<Record<JobState, readonly JobState[]>> = {
  scheduled: ['ready', 'failed', 'cancelled', 'suspended'],
  ready: ['running', 'failed', 'cancelled', 'suspended'],
  running: [
    'succeeded',
    'failed',
    'cancelled',
    'dead',
    'ready',
    'scheduled',
    'waiting',
    'suspended',
  ],
  waiting: ['ready', 'failed', 'cancelled', 'suspended'],
  suspended: ['ready', 'scheduled', 'failed', 'cancelled'],
  succeeded: [],
  failed: ['ready'],
  cancelled: ['ready'],
  dead: ['ready'],
};

/** True when a job may go from one state to the other. */
export function canTransitionJob(from: JobState, to: JobState): boolean {
  return JOB_TRANSITIONS[from].includes(to);
}

/** Something that happens to a job. */
export type JobEvent =
  | { readonly kind: 'makeReady'; readonly position: ReadyPosition; readonly atUnixMs: number }
  | {
      readonly kind: 'claim';
      readonly worker: WorkerId;
      /** The version of the flow that the worker runs it with. */
      readonly flowVersion: number;
      readonly atUnixMs: number;
      readonly spanId?: string | undefined;
    }
  | {
      readonly kind: 'finish';
      readonly state: FinalJobState;
      readonly atUnixMs: number;
      readonly failure?: Failure | undefined;
      readonly reason?: string | undefined;
    }
  | {
      readonly kind: 'release';
      readonly position: ReadyPosition;
      readonly atUnixMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'retryLater';
      readonly runAtUnixMs: number;
      readonly atUnixMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'wait';
      readonly untilUnixMs?: number | undefined;
      readonly atUnixMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'suspend';
      readonly atUnixMs: number;
      readonly reason: string;
      /** When the job is to run next, where the attempt that ends by this asked for a time. */
      readonly runAtUnixMs?: number | undefined;
    }
  | {
      readonly kind: 'reschedule';
      readonly runAtUnixMs: number;
      readonly atUnixMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'lose';
      readonly position: ReadyPosition;
      readonly atUnixMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'loseSuspended';
      readonly atUnixMs: number;
      /** Why the attempt ended. */
      readonly reason: string;
      /** Why the job is suspended. */
      readonly suspendReason: string;
    }
  | {
      readonly kind: 'loseForGood';
      readonly state: 'dead' | 'cancelled' | 'failed';
      readonly atUnixMs: number;
      readonly reason: string;
      readonly failure?: Failure | undefined;
    }
  | { readonly kind: 'revive'; readonly position: ReadyPosition; readonly atUnixMs: number };
