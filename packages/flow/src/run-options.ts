import type {
  AtomRecord,
  Clock,
  Failure,
  JobId,
  Logger,
  Payload,
  Random,
  RecordedError,
  TaskState,
  WorkerLabels,
} from '@holdfast/core';
import type { AnyFlow } from './flow.ts';

/** Tasks of one flow that run at once, unless the run says otherwise. */
export const DEFAULT_TASK_CONCURRENCY = 8;

/** Waits that last longer than this end a run as 'waiting', unless the run says otherwise. */
export const DEFAULT_RELEASE_AFTER_MS = 5000;

/** Tasks of one run that run elsewhere at once. They don't count among those that run here. */
export const REMOTE_TASKS_AT_ONCE = 256;

/** How long a run that is stopped waits for user code, and for a commit under way, to end. */
export const STOP_GRACE_MS = 2000;

/** Progress is written at most this often. */
export const PROGRESS_INTERVAL_MS = 1000;

/** Records in one checkpoint, and in `uncommitted`. */
export const CHECKPOINT_RECORDS_MAX = 100;

/** Bytes of results and failures in one checkpoint; a single record may be larger. */
export const CHECKPOINT_BYTES_MAX = 524_288;

/** Whose run it is. */
export interface RunIdentity {
  readonly jobId: string;
  readonly attempt: number;
  readonly worker: string;
  readonly fence: bigint;
}

/** A message to a job from outside: an approval, an answer, a nudge. */
export interface Signal {
  /** Its number among the signals of the job, from 1 in the order of their arrival. */
  readonly seq: number;
  readonly name: string;
  readonly payload: Payload;
  readonly atUnixMs: number;
}

/** The signals of a job, as far as they are known here. */
export interface SignalSource {
  /** All that have arrived, by their numbers. */
  readonly received: () => readonly Signal[];
  /** Calls `listener` after each arrival; the function that it returns ends that. */
  readonly onArrival: (listener: () => void) => () => void;
}

/** A task that is to be run elsewhere. */
export interface RemoteCall {
  readonly intention: 'execute' | 'revert';
  /** What a worker has to have to run it. */
  readonly labels: WorkerLabels;
  /** The task's arguments, by what the flow calls them: an object, as JSON. */
  readonly args: Payload;
  /**
   * The task's record as this try begins: running, or reverting, under the number of the try. It becomes
   * durable together with the task job, so that none runs of which the flow knows nothing. Where it names
   * a task job, that one is looked for first.
   */
  readonly atom: AtomRecord;
  /** Why the flow is reverted, where the task is. */
  readonly flowFailure?: Failure | undefined;
  /** In milliseconds; undefined = no limit. */
  readonly startTimeoutMs?: number | undefined;
}

/**
 * How a task ended that ran elsewhere. Where it never came to its end, `atom` is its record as far as it
 * got, so that no number of a try is used twice; undefined when none was written.
 */
export type RemoteEnd =
  /** It came to its end there, all its tries included: `atom` says how, and with what. See `isRemoteEnd`. */
  | { readonly kind: 'ended'; readonly atom: AtomRecord }
  /** It never came to its end: too many workers died of it, or none began it in time. */
  | { readonly kind: 'failed'; readonly failure: Failure; readonly atom?: AtomRecord | undefined }
  /** It was told to stop, and has. */
  | { readonly kind: 'cancelled'; readonly atom?: AtomRecord | undefined };

/** Runs tasks elsewhere. */
export interface RemoteTasks {
  /**
   * Runs a task as a job of its own, once for each name, intention and number of a try, however often it is
   * called, by this attempt or another. `cancel` tells the task to stop; the promise resolves when it
   * has. Rejects like a checkpoint does. When the run ends before it resolves, the task runs on, and its
   * end is found by whoever asks again.
   */
  readonly run: (
    call: RemoteCall,
    options: {
      readonly cancel: AbortSignal;
      /**
       * Told the name of the task job once it is durable, and its end would be known if it had come
       * by then. The run doesn't end as 'waiting' before.
       */
      readonly posted: (taskJob: JobId) => void;
    },
  ) => Promise<RemoteEnd>;
}

/** What `runFlow` takes. */
export interface RunOptions {
  readonly flow: AnyFlow;
  /** Decoded and validated by the run. A bad input is a terminal failure, not an exception. */
  readonly input: Payload;
  readonly identity: RunIdentity;
  /** The checkpoints of earlier attempts; those of tasks that the flow doesn't have are left alone. */
  readonly atoms: readonly AtomRecord[];
  /**
   * Makes the records durable: all or none. Called again only after the call before has ended, with
   * 1 to {@link CHECKPOINT_RECORDS_MAX} records. When it rejects, the run stops and rejects with
   * the same error.
   */
  readonly checkpoint: (atoms: readonly AtomRecord[]) => Promise<void>;
  /** Cancel, drain, lost lease, deadline. Running tasks get it, and the run ends 'stopped'. */
  readonly signal: AbortSignal;
  /** Start nothing more and let what runs end; then the run ends 'suspended'. */
  readonly suspend?: AbortSignal | undefined;
  /**
   * Cancel with revert: what runs is told to stop, and everything is reverted; the run ends 'failed'.
   * A later attempt that finds the flow half reverted goes on with it, with or without this.
   */
  readonly cancel?: AbortSignal | undefined;
  /** Default: none arrive. */
  readonly signals?: SignalSource | undefined;
  /** Where tasks run that may run elsewhere. Default: here. */
  readonly remote?: RemoteTasks | undefined;
  /** When the first attempt began: what the flow's total time counts from. Default: now. */
  readonly startedAtUnixMs?: number | undefined;
  /**
   * Asked right before each call of user code; must not throw. False means that `signal` is about to
   * abort: nothing is called any more, and the run waits for the signal. A process that was paused
   * comes to its next call before its timers have fired, so only arithmetic can tell it. Default:
   * always true.
   */
  readonly mayCall?: (() => boolean) | undefined;
  /** Tasks at once within the flow; 1 = serial. Default {@link DEFAULT_TASK_CONCURRENCY}. */
  readonly concurrency?: number | undefined;
  /** Default {@link DEFAULT_RELEASE_AFTER_MS}. `Infinity` waits here, however long it takes. */
  readonly releaseAfterMs?: number | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Carries what tells this run from others, such as the job's id. */
  readonly logger: Logger;
  readonly observer?: RunObserver | undefined;
}

/** A call of user code. */
export interface TaskCallInfo {
  readonly task: string;
  readonly kind: 'execute' | 'revert';
  /** The number of the try; a repeat of a try that a crash cut off has the same. */
  readonly try: number;
  /** How often `execute` of the task was called by now, repeats included. */
  readonly execution: number;
  readonly idempotencyKey: string;
}

/** Watches a run. None of its functions may throw: that would be a defect, and ends the run with it. */
export interface RunObserver {
  /** Runs user code, inside a span for example; calls `run` exactly once and returns what it returns. */
  around?<T>(call: TaskCallInfo, run: () => Promise<T>): Promise<T>;
  /** A task changed its state; not yet durable. */
  transition?(record: AtomRecord, previous: TaskState): void;
  /** These records are durable now. */
  committed?(records: readonly AtomRecord[]): void;
  /** A task reported an error that doesn't end it. */
  recordedError?(task: string, error: RecordedError): void;
}

/**
 * How a run ended. `uncommitted` are the last records, at most {@link CHECKPOINT_RECORDS_MAX} give
 * or take the tasks that ran: the caller commits them together with what it makes of the result.
 */
export type RunResult =
  | {
      readonly kind: 'succeeded';
      readonly output: Payload;
      readonly uncommitted: readonly AtomRecord[];
    }
  /** After everything was reverted, as far as that succeeded. */
  | {
      readonly kind: 'failed';
      readonly failure: Failure;
      readonly uncommitted: readonly AtomRecord[];
    }
  /** Nothing can be done before `untilUnixMs`, a signal where `waitsForSignal`, or the end of a remote task. */
  | {
      readonly kind: 'waiting';
      /** Undefined: nothing can be done before a signal arrives, or a remote task ends. */
      readonly untilUnixMs: number | undefined;
      readonly waitsForSignal: boolean;
      /** How many tasks run elsewhere. */
      readonly remoteTasks: number;
      /** This code can't go on with the records that there are; other code may. Default: false. */
      readonly needsOtherCode?: boolean | undefined;
      /** The number of the last signal that the run knew of; 0 for none. */
      readonly signalsSeen: number;
      readonly reason: string;
      readonly uncommitted: readonly AtomRecord[];
    }
  /** As `suspend` asked; everything that ran has ended. */
  | { readonly kind: 'suspended'; readonly uncommitted: readonly AtomRecord[] }
  /** The signal aborted. */
  | { readonly kind: 'stopped'; readonly uncommitted: readonly AtomRecord[] };
