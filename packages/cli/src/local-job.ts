// A job without a board: one flow, run in this process as a worker runs it, its records in memory.
//
// It owns the job's spec, status and checkpoints, and tells of them what a server would tell. It does
// not keep them: when the process ends they are gone, so nothing takes this job over.
//
// Invariants:
//   L1. The status changes by core's transitions alone, with the events that a board would make of the
//       same results.
//   L2. What is told once the run has ended was checkpointed, or came with the end.
import {
  type AtomRecord,
  type Clock,
  createJobId,
  createUniqueId,
  createWorkerId,
  encodeJson,
  initialStatus,
  isFinal,
  type JobEvent,
  type JobSpec,
  type JobStatus,
  LIMITS,
  type Logger,
  type Payload,
  type Random,
  sleep,
  toFailure,
  transitionJob,
  type WorkerId,
} from '@holdfast/core';
import { type AnyFlow, type RunResult, runFlow } from '@holdfast/flow';
import type { JobViewFields } from '@holdfast/wire';

/** What a local job is made of. */
export interface LocalJobParts {
  readonly flow: AnyFlow;
  readonly input: unknown;
  /** Checkpoints to start from. */
  readonly atoms: readonly AtomRecord[];
  /** Tasks at once; default: as in a worker. */
  readonly concurrency?: number | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

// There is no ready index that the job could stand in.
const NOWHERE = { bucket: 'local', order: '0' };

/** See the head of this file. Runs once. */
export class LocalJob {
  readonly #parts: LocalJobParts;
  readonly #spec: JobSpec;
  readonly #worker: WorkerId;
  readonly #durable: Map<string, AtomRecord>;
  /** As tasks stand right now, which may not be checkpointed yet. */
  readonly #live = new Map<string, AtomRecord>();
  #status: JobStatus;
  #output: Payload | undefined;

  constructor(parts: LocalJobParts) {
    const { flow, clock } = parts;
    this.#parts = parts;
    this.#worker = createWorkerId('local', parts);
    this.#durable = new Map(parts.atoms.map((atom) => [atom.name, atom]));
    this.#spec = {
      id: createJobId(parts),
      flow: flow.name,
      input: encodeJson(parts.input),
      queue: 'default',
      priority: LIMITS.priorityDefault,
      maxAttempts: LIMITS.maxAttemptsDefault,
      deadlines: {},
      retentionMs: LIMITS.retentionDefaultMs,
      labels: {},
      // A client makes one for every post.
      idempotencyKey: createUniqueId(parts),
      contentDigest: '',
      postedAtUnixMs: clock.nowUnixMs(),
    };
    this.#status = initialStatus(this.#spec, NOWHERE);
  }

  /** The job as a server would tell of it now. */
  get view(): JobViewFields {
    const atoms = [...new Map([...this.#durable, ...this.#live]).values()];
    return {
      spec: this.#spec,
      status: this.#status,
      atoms: atoms.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      output: this.#output,
      waitingReason: this.#waitingReason(),
      signals: [],
      changes: [],
    };
  }

  /**
   * Runs the flow to its end, attempt after attempt where it waits for longer than an attempt does.
   * Ends early when `signal` aborts: then the job is ready again; and where the flow waits for a signal
   * from outside, be it with a time limit: then it waits. Rejects for defects.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!signal.aborted) {
      this.#happen({
        kind: 'claim',
        worker: this.#worker,
        flowVersion: this.#parts.flow.version,
        atUnixMs: clock.nowUnixMs(),
      });
      this.#end(await this.#runAttempt(signal));
      const { phase } = this.#status;
      if (isFinal(phase.kind)) return;
      if (phase.kind !== 'scheduled') return;
      await sleep(clock, phase.runAtUnixMs - clock.nowUnixMs(), { signal });
      if (signal.aborted) return;
      this.#happen({ kind: 'makeReady', position: NOWHERE, atUnixMs: clock.nowUnixMs() });
    }
  }

  async #runAttempt(signal: AbortSignal): Promise<RunResult> {
    const { flow, clock, random, logger, concurrency } = this.#parts;
    const { id, flow: name } = this.#spec;
    const { attempt } = this.#status;
    return await runFlow({
      flow,
      input: this.#spec.input,
      identity: { jobId: id, attempt, worker: this.#worker, fence: BigInt(attempt) },
      atoms: [...this.#durable.values()],
      checkpoint: async (records) => this.#store(records),
      signal,
      startedAtUnixMs: this.#status.startedAtUnixMs,
      concurrency,
      clock,
      random,
      logger: logger.child({ jobId: id, flow: name, attempt }),
      observer: { transition: (record) => void this.#live.set(record.name, record) },
    });
  }

  #store(records: readonly AtomRecord[]): void {
    for (const record of records) {
      this.#durable.set(record.name, record);
      // Progress is told by checkpoints alone; a newer state by transitions.
      if (this.#live.get(record.name)?.state === record.state) this.#live.delete(record.name);
    }
  }

  #end(result: RunResult): void {
    this.#store(result.uncommitted);
    this.#live.clear(); // L2
    if (result.kind === 'succeeded' && !isEmptyObject(result.output)) this.#output = result.output;
    this.#happen(this.#endingEvent(result));
  }

  /** L1. */
  #endingEvent(result: RunResult): JobEvent {
    const atUnixMs = this.#parts.clock.nowUnixMs();
    switch (result.kind) {
      case 'succeeded':
        return { kind: 'finish', state: 'succeeded', atUnixMs };
      case 'failed': {
        const { failure } = result;
        return { kind: 'finish', state: 'failed', atUnixMs, failure, reason: failure.message };
      }
      case 'waiting': {
        const { untilUnixMs, reason, waitsForSignal } = result;
        if (result.needsOtherCode) {
          // On a board another worker may have it; here there is none.
          const failure = toFailure(new Error(reason));
          return { kind: 'finish', state: 'failed', atUnixMs, failure, reason };
        }
        return waitsForSignal || untilUnixMs === undefined
          ? { kind: 'wait', atUnixMs, untilUnixMs, reason }
          : { kind: 'retryLater', atUnixMs, runAtUnixMs: untilUnixMs, reason };
      }
      case 'suspended':
      case 'stopped':
        return { kind: 'release', atUnixMs, reason: 'it was interrupted', position: NOWHERE };
      default:
        return result satisfies never;
    }
  }

  #happen(event: JobEvent): void {
    this.#status = transitionJob(this.#status, event);
  }

  #waitingReason(): string {
    const { phase } = this.#status;
    return phase.kind === 'scheduled' || phase.kind === 'waiting' ? phase.reason : '';
  }
}

/** An output without values is kept nowhere. */
function isEmptyObject({ data }: Payload): boolean {
  return Buffer.compare(data, encodeJson({}).data) === 0;
}
