// What a pool and the thread of one call say to each other, over a port of that call's own.
//
//   M1. The thread says `started` before it runs any code of the user's.
//   M2. `success` or `failure` is the last thing it says. A thread that dies doesn't say it.
//   M3. The pool says at most one thing: `abort`.
import type { MessagePort } from 'node:worker_threads';
import type { TaskContext } from '@holdfast/flow';
import type { CarriedError } from './carried-error.ts';

/** The part of a task's context that is data. */
export type CallFacts = Pick<
  TaskContext,
  'idempotencyKey' | 'fence' | 'attempt' | 'try' | 'jobId' | 'task'
>;

/** Which function of the user's, and with what. */
export interface ThreadTarget {
  /** `file:` URL of the module. */
  readonly moduleUrl: string;
  readonly exportName: string;
  readonly args: unknown;
}

/** What a thread is asked to run. */
export interface ThreadRequest extends ThreadTarget {
  readonly facts: CallFacts;
  readonly port: MessagePort;
}

/** From the thread. */
export type ThreadMessage =
  | { readonly kind: 'started'; readonly threadId: number }
  | ThreadReport
  | { readonly kind: 'error'; readonly error: CarriedError }
  | ThreadOutcome;

/** How far the function is, or only that it is alive. */
export type ThreadReport =
  | {
      readonly kind: 'progress';
      readonly fraction: number;
      readonly message: string | undefined;
    }
  | { readonly kind: 'heartbeat' };

/** How the function ended. */
export type ThreadOutcome =
  | { readonly kind: 'success'; readonly value: unknown }
  | { readonly kind: 'failure'; readonly thrown: CarriedError };

/** To the thread. */
export interface AbortMessage {
  readonly kind: 'abort';
  readonly reason: CarriedError;
}
