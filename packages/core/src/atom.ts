import type { Failure } from './failure.ts';
import type { JobId } from './ids.ts';
import type { Payload } from './payload.ts';

/** States of a task, after OpenStack TaskFlow's; only a retry controller is ever `retrying`. */
export type TaskState =
  | 'pending'
  | 'running'
  | 'success'
  | 'failure'
  | 'reverting'
  | 'reverted'
  | 'revertFailure'
  | 'ignore'
  | 'retrying';

/** What the engine is about to do with an atom; the pair of state and intention drives it. */
export type Intention = 'execute' | 'ignore' | 'revert' | 'retry';

/** A non-fatal error that a task reported while it ran. */
export interface RecordedError {
  readonly atUnixMs: number;
  readonly try: number;
  readonly failure: Failure;
}

/** How far a decider's no reaches: see {@link AtomRecord.blocked}. */
export type BlockDepth = 'all' | 'flow' | 'neighbours' | 'atom';

/** What a retry controller wants done about a failure in its scope. */
export type RetryDecision =
  /** Revert the scope, and start another round. */
  | 'retry'
  /** Give up: the controller around is asked; where there is none, the whole flow is reverted. */
  | 'revert'
  /** Revert the whole flow, whatever the controllers around say. */
  | 'revertAll';

/** One round of a retry controller: what it provided, and what failed in it. */
export interface RetryRound {
  readonly startedAtUnixMs: number;
  /** Absent when the controller itself failed. */
  readonly provided?: Payload | undefined;
  /** The first failure of each task that failed in this round, without stacks; at most `LIMITS.failuresPerRound`. */
  readonly failures: readonly Failure[];
  /** What was done about the failures; absent for a round that has none. */
  readonly decision?: RetryDecision | undefined;
}

/**
 * The checkpoint of one task. Written at each transition by the attempt that holds the fence.
 *
 * `tries` is the number of the current or last try, from 1: together with the job and the task it
 * is the idempotency key, and it stays the same when another worker repeats a try that was in
 * flight. `executions` counts how often the task was handed to user code, repeats included.
 */
export interface AtomRecord {
  readonly name: string;
  readonly state: TaskState;
  readonly intention: Intention;
  readonly tries: number;
  /** Tries from before the job was revived: they don't count against the retry policy. */
  readonly forgivenTries: number;
  readonly executions: number;
  readonly result?: Payload | undefined;
  readonly failure?: Failure | undefined;
  readonly revertFailure?: Failure | undefined;
  readonly revertTries: number;
  /** Tries of the revert that don't count against its policy: of earlier rounds, and from before a revival. */
  readonly forgivenRevertTries: number;
  readonly errors: readonly RecordedError[];
  /** Non-fatal errors that were not kept, because there were more than the limit. */
  readonly errorsDropped: number;
  /** 0 to 1. */
  readonly progress: number;
  readonly progressMessage?: string | undefined;
  readonly startedAtUnixMs?: number | undefined;
  readonly finishedAtUnixMs?: number | undefined;
  /** Not to be tried again before this time; survives a crash. */
  readonly nextAtUnixMs?: number | undefined;
  /**
   * The round that the record belongs to: how often the retry controllers around the task had
   * started by then, summed up. A record of an earlier round has been reverted, and counts as pending.
   */
  readonly generation: number;
  /** Set when deciders kept this very task from running; what else they kept follows from it. */
  readonly blocked?: BlockDepth | undefined;
  /** The rounds of a retry controller, oldest first; empty for any other task. */
  readonly rounds: readonly RetryRound[];
  /** The last signal that was taken, by its number, where the task waits for one. */
  readonly signal?: number | undefined;
  /** Version of the flow that wrote this record. */
  readonly flowVersion: number;
  /** The job that runs the task elsewhere, or ran it last; absent for one that runs where its flow does. */
  readonly taskJob?: JobId | undefined;
  /** Number of the last change by an operator that is in this record; absent for none. */
  readonly changes?: number | undefined;
  /** The attempt of the job that wrote this record, and its worker. */
  readonly attempt: number;
  readonly worker: string;
}

/** From each state of a task to those that may follow it. */
export type TaskTransitions = Readonly<Record<TaskState, readonly TaskState[]>>;

/** The state machine of a task. */
export const TASK_TRANSITIONS: TaskTransitions = {
  // pending → failure: a task that waits for its next try when the flow fails elsewhere.
  pending: ['running', 'ignore', 'failure'],
  // running → running: another attempt repeats a try that was in flight.
  running: ['success', 'failure', 'pending', 'running'],
  success: ['reverting'],
  failure: ['reverting', 'pending'],
  // reverting → reverting: another attempt repeats a revert that was in flight.
  reverting: ['reverted', 'revertFailure', 'reverting'],
  reverted: ['pending'],
  revertFailure: [],
  ignore: ['pending'],
  retrying: [],
};

/**
 * The state machine of a retry controller: that of a task, which is `retrying` while what it controls
 * is reverted, and until the pause before the next round is over.
 */
export const RETRY_TRANSITIONS: TaskTransitions = {
  ...TASK_TRANSITIONS,
  // success → failure: it was asked what to do about a failure, and failed itself.
  success: ['reverting', 'retrying', 'failure'],
  // retrying → failure: what it controls could not be reverted, so there is no next round.
  // retrying → reverting: what is around it failed meanwhile.
  retrying: ['running', 'failure', 'reverting'],
};

/** True when a task may go from one state to the other. */
export function canTransitionTask(from: TaskState, to: TaskState): boolean {
  return TASK_TRANSITIONS[from].includes(to);
}

/** The record of a task that nothing has happened to yet. */
export function pendingAtom(name: string): AtomRecord {
  return {
    name,
    state: 'pending',
    intention: 'execute',
    tries: 0,
    forgivenTries: 0,
    executions: 0,
    revertTries: 0,
    forgivenRevertTries: 0,
    errors: [],
    errorsDropped: 0,
    progress: 0,
    generation: 0,
    rounds: [],
    flowVersion: 1,
    attempt: 0,
    worker: '',
  };
}
