// Tells listeners what happens in the runs of a process, without letting them stall or fail a run.
//
// Invariants:
//   L1. A run never waits for a listener: telling is putting into a queue.
//   L2. The queue is bounded. What doesn't fit is counted, and the listener is told how much that was.
//   L3. What a listener throws is logged, and ends nothing.
//   L4. No value that a task declares as a secret reaches a listener.
import { type Clock, type Logger, sleep } from '@holdfast/core';
import { type AnyFlow, planOf } from './flow.ts';
import type { FlowEvent, FlowListener } from './listener.ts';
import { maskRecord, type SecretsOf, secretsIn } from './mask.ts';
import type { RunObserver, RunResult } from './run-options.ts';

/** Events that wait for one listener. */
export const LISTENER_QUEUE_MAX = 1000;

/** How long {@link ListenerHub.stop} waits for listeners to take what they haven't, in milliseconds. */
export const LISTENER_STOP_MS = 2000;

/** Whose run it is that listeners are told of. */
export interface ListenedRun {
  readonly flow: AnyFlow;
  readonly jobId: string;
  readonly attempt: number;
  /** Of a task job: the job whose flow its one task belongs to. */
  readonly parentId?: string | undefined;
}

/** What a run tells the hub. */
export interface RunListening {
  readonly observer: Pick<RunObserver, 'transition' | 'recordedError'>;
  /** `undefined` when the attempt has lost its job, so that nothing is known of its end. */
  readonly ended: (result: RunResult | undefined) => void;
}

export interface ListenerHubParts {
  readonly listeners: readonly FlowListener[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** See the head of this file. One for a process; {@link ListenerHub.stop} it in the end. */
export class ListenerHub {
  readonly #parts: ListenerHubParts;
  readonly #queues: readonly ListenerQueue[];
  readonly #secrets = new WeakMap<AnyFlow, SecretsOf>();

  constructor(parts: ListenerHubParts) {
    this.#parts = parts;
    this.#queues = parts.listeners.map((listener) => new ListenerQueue(listener, parts.logger));
  }

  /** A run starts; what it tells the returned functions, listeners are told. */
  listen(run: ListenedRun): RunListening {
    const { clock } = this.#parts;
    const { jobId, attempt, parentId } = run;
    const whose = { flow: run.flow.name, jobId, attempt, ...(parentId ? { parentId } : {}) };
    const secretsOf = this.#secretsOf(run.flow);
    const base = () => ({ ...whose, atUnixMs: clock.nowUnixMs() });
    this.#tell({ ...base(), kind: 'started' });
    return {
      observer: {
        transition: (record, from) => {
          if (this.#queues.length === 0) return;
          const masked = maskRecord(record, secretsOf(record.name)); // L4
          const { name: task, state: to } = record;
          this.#tell({ ...base(), kind: 'transition', task, from, to, record: masked });
        },
        recordedError: (task, error) => {
          this.#tell({ ...base(), kind: 'recordedError', task, error });
        },
      },
      ended: (result) => {
        const failure = result?.kind === 'failed' ? result.failure : undefined;
        this.#tell({ ...base(), kind: 'ended', end: result?.kind ?? 'lost', failure });
      },
    };
  }

  /** Waits up to {@link LISTENER_STOP_MS} until every listener has taken what waits for it. */
  async stop(): Promise<void> {
    const over = new AbortController();
    const drained = Promise.all(this.#queues.map((queue) => queue.drained()));
    await Promise.race([
      drained,
      sleep(this.#parts.clock, LISTENER_STOP_MS, { signal: over.signal }),
    ]);
    over.abort('drained');
    for (const queue of this.#queues) queue.close();
  }

  #secretsOf(flow: AnyFlow): SecretsOf {
    const known = this.#secrets.get(flow) ?? secretsIn(planOf(flow));
    this.#secrets.set(flow, known);
    return known;
  }

  #tell(event: FlowEvent): void {
    for (const queue of this.#queues) queue.put(event);
  }
}

/** An observer that tells a run's listeners what it is told. */
export function joinObservers(
  observer: RunObserver,
  listening: RunListening['observer'],
): RunObserver {
  return {
    around: (call, run) => (observer.around ? observer.around(call, run) : run()),
    committed: (records) => observer.committed?.(records),
    transition: (record, previous) => {
      observer.transition?.(record, previous);
      listening.transition?.(record, previous);
    },
    recordedError: (task, error) => {
      observer.recordedError?.(task, error);
      listening.recordedError?.(task, error);
    },
  };
}

/** What waits for one listener. */
class ListenerQueue {
  readonly #listener: FlowListener;
  readonly #logger: Logger;
  readonly #waiting: FlowEvent[] = [];
  #dropped = 0;
  #draining: Promise<void> | undefined;
  #isClosed = false;

  constructor(listener: FlowListener, logger: Logger) {
    this.#listener = listener;
    this.#logger = logger.child({ listener: listener.name });
  }

  put(event: FlowEvent): void {
    if (this.#isClosed) return;
    if (this.#waiting.length >= LISTENER_QUEUE_MAX) {
      this.#dropped += 1; // L2
      return;
    }
    if (this.#dropped > 0) {
      const { flow, jobId, attempt, atUnixMs } = event;
      this.#waiting.push({ flow, jobId, attempt, atUnixMs, kind: 'dropped', count: this.#dropped });
      this.#dropped = 0;
    }
    this.#waiting.push(event);
    this.#draining ??= this.#drain();
  }

  /** Resolves when nothing waits. */
  async drained(): Promise<void> {
    await this.#draining;
  }

  close(): void {
    this.#isClosed = true;
    const left = this.#waiting.length + this.#dropped;
    this.#waiting.length = 0;
    if (left > 0) this.#logger.warn({ events: left }, 'a listener did not take all of its events');
  }

  async #drain(): Promise<void> {
    // L1: nothing of the listener runs before whoever told it has gone on.
    await Promise.resolve();
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      try {
        await this.#listener.onEvent(event);
      } catch (error) {
        this.#logger.warn({ error, event: event.kind, jobId: event.jobId }, 'a listener failed'); // L3
      }
    }
    this.#draining = undefined;
  }
}
