import type { AtomRecord, Failure, RecordedError, TaskState } from '@holdfast/core';
import type { RunResult } from './run-options.ts';

/** What every event says. */
interface EventBase {
  readonly flow: string;
  readonly jobId: string;
  readonly attempt: number;
  /** For the attempt of a task job: the job whose flow its one task belongs to. */
  readonly parentId?: string | undefined;
  readonly atUnixMs: number;
}

/** Something that happened in an attempt of a flow. */
export type FlowEvent = EventBase &
  (
    | { readonly kind: 'started' }
    | {
        readonly kind: 'ended';
        readonly end: RunResult['kind'] | 'lost';
        readonly failure?: Failure | undefined;
      }
    /** An atom changed its state: a task, a retry controller, a choice, a wait. */
    | {
        readonly kind: 'transition';
        readonly task: string;
        readonly from: TaskState;
        readonly to: TaskState;
        /** As it is from now on; not yet durable. Secrets in its result are masked. */
        readonly record: AtomRecord;
      }
    /** A task reported an error that doesn't end it. */
    | { readonly kind: 'recordedError'; readonly task: string; readonly error: RecordedError }
    /** The listener was too slow for so many events, which it doesn't get. */
    | { readonly kind: 'dropped'; readonly count: number }
  );

/**
 * User code that is told what happens. It gets one event after another, in their order, each after the
 * promise for the one before has settled. It can neither stall nor fail a flow: events wait for it in a
 * bounded queue, and what it throws is logged.
 */
export interface FlowListener {
  /** For log lines about the listener itself. */
  readonly name: string;
  readonly onEvent: (event: FlowEvent) => void | PromiseLike<void>;
}
