import type { Failure } from './failure.ts';
import type { Payload } from './payload.ts';

/** States of a task, after OpenStack TaskFlow's. */
export type TaskState =
  | 'pending'
  | 'running'
  | 'success'
  | 'failure'
  | 'reverting'
  | 'reverted'
  | 'revertFailure'
  | 'ignore';

/** What the engine is about to do with an atom; the pair of state and intention drives it. */
export type Intention = 'execute' | 'ignore' | 'revert' | 'retry';

/** A non-fatal error that a task reported while it ran. */
export interface RecordedError {
  readonly atUnixMs: number;
  readonly try: number;
  readonly failure: Failure;
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
  /** The attempt of the job that wrote this record, and its worker. */
  readonly attempt: number;
  readonly worker: string;
}

const TRANSITIONS: Readonly<Record<TaskState, readonly TaskState[]>> = {
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
};

/** True when a task may go from one state to the other. */
export function canTransitionTask(from: TaskState, to: TaskState): boolean {
  return TRANSITIONS[from].includes(to);
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
    errors: [],
    errorsDropped: 0,
    progress: 0,
    attempt: 0,
    worker: '',
  };
}
