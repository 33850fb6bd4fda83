import {
  type AtomRecord,
  type BackoffPolicy,
  createSeededRandom,
  decodeJson,
  encodeJson,
  type Logger,
  type Payload,
  silentLogger,
  type TaskState,
  VirtualClock,
} from '@holdfast/core';
import type { AnyFlow } from './flow.ts';
import { runFlow } from './run-flow.ts';
import type {
  RemoteTasks,
  RunObserver,
  RunOptions,
  RunResult,
  SignalSource,
} from './run-options.ts';
import { type Task, task } from './task.ts';
import { driveVirtually } from './testing/virtual-drive.ts';

/** What a test may say about a run; the rest has defaults. */
export interface RunRequest {
  readonly input?: unknown;
  readonly payload?: Payload;
  readonly concurrency?: number;
  readonly releaseAfterMs?: number;
  /** See `RunOptions.startedAtUnixMs`. */
  readonly startedAtUnixMs?: number;
  /** See `RunOptions.mayCall`. */
  readonly mayCall?: () => boolean;
  readonly logger?: Logger;
  readonly observer?: RunObserver;
  /** Called with every checkpoint before it counts as durable. */
  readonly beforeCommit?: (atoms: readonly AtomRecord[], commit: number) => Promise<void> | void;
  /** Called after the checkpoint counts as durable; what it throws, the port rejects with. */
  readonly afterCommit?: (commit: number) => void;
  /** False leaves the clock to the test. */
  readonly drive?: boolean;
  readonly suspend?: AbortSignal;
  readonly cancel?: AbortSignal;
  readonly signals?: SignalSource;
  /** Makes the port for tasks that run elsewhere; `write` writes records of the job like a checkpoint. */
  readonly remote?: (write: RunOptions['checkpoint']) => RemoteTasks;
}

/**
 * A job without a board: keeps the records of its attempts, as a store would, and runs one attempt
 * after another on a clock of its own.
 */
export class Job {
  readonly clock: VirtualClock = new VirtualClock();
  readonly flow: AnyFlow;
  readonly records: Map<string, AtomRecord> = new Map();
  /** Every checkpoint that became durable, the last records of each run included. */
  readonly commits: (readonly AtomRecord[])[] = [];
  /** Every transition that the engine told, as `task: from → to`. */
  readonly transitions: string[] = [];
  readonly signal: AbortController = new AbortController();
  attempt = 0;

  constructor(flow: AnyFlow) {
    this.flow = flow;
  }

  /** Runs one attempt to its end and commits its last records with it. */
  async run(request: RunRequest = {}): Promise<RunResult> {
    const running = this.start(request);
    const result = request.drive === false ? await running : await this.drive(running);
    if (result.uncommitted.length > 0) this.#store(result.uncommitted);
    return result;
  }

  /** Starts an attempt; the caller drives the clock. */
  start(request: RunRequest = {}): Promise<RunResult> {
    this.attempt += 1;
    return runFlow(this.#options(request));
  }

  /** Moves the clock from timer to timer until the promise has settled. */
  async drive<Value>(promise: Promise<Value>): Promise<Value> {
    return await driveVirtually(promise, this.clock);
  }

  state(task: string): TaskState | undefined {
    return this.records.get(task)?.state;
  }

  record(task: string): AtomRecord {
    const record = this.records.get(task);
    if (!record) throw new Error(`no record of ${task}`);
    return record;
  }

  /** The states of all recorded tasks, by name. */
  states(): Record<string, TaskState> {
    return Object.fromEntries([...this.records].map(([name, { state }]) => [name, state]));
  }

  #store(atoms: readonly AtomRecord[]): void {
    this.commits.push(atoms);
    for (const atom of atoms) this.records.set(atom.name, atom);
  }

  #options(request: RunRequest): RunOptions {
    const { observer } = request;
    let commits = 0;
    const { attempt } = this;
    const checkpoint: RunOptions['checkpoint'] = async (atoms) => {
      commits += 1;
      const commit = commits;
      await request.beforeCommit?.(atoms, commit);
      // As a store would by the fence: an attempt that has died writes nothing any more.
      if (this.attempt !== attempt) throw new Crash('another attempt has begun');
      this.#store(atoms);
      request.afterCommit?.(commit);
    };
    return {
      flow: this.flow,
      input: request.payload ?? encodeJson(request.input ?? {}),
      identity: {
        jobId: 'job-1',
        attempt: this.attempt,
        worker: `worker-${this.attempt}`,
        fence: BigInt(this.attempt * 10),
      },
      atoms: [...this.records.values()],
      checkpoint,
      remote: request.remote?.(checkpoint),
      signal: this.signal.signal,
      clock: this.clock,
      random: createSeededRandom(1),
      logger: request.logger ?? silentLogger,
      startedAtUnixMs: request.startedAtUnixMs,
      mayCall: request.mayCall,
      suspend: request.suspend,
      cancel: request.cancel,
      signals: request.signals,
      ...(request.concurrency === undefined ? {} : { concurrency: request.concurrency }),
      ...(request.releaseAfterMs === undefined ? {} : { releaseAfterMs: request.releaseAfterMs }),
      observer: {
        ...observer,
        transition: (record, previous) => {
          this.transitions.push(`${record.name}: ${previous} → ${record.state}`);
          observer?.transition?.(record, previous);
        },
      },
    };
  }
}

/** Thrown by a checkpoint port in the place of a process that dies. */
export class Crash extends Error {
  override readonly name: string = 'Crash';
}

/**
 * Runs the job to its end with a crash after the commit of this number, and no other. Waits that end
 * an attempt are sat out. Returns the last result.
 */
export async function runWithCrash(
  job: Job,
  crashAfter: number,
  request: RunRequest = {},
): Promise<RunResult> {
  let commits = 0;
  for (;;) {
    try {
      const result = await job.run({
        ...request,
        afterCommit: () => {
          commits += 1;
          if (commits === crashAfter) throw new Crash('the process dies');
        },
      });
      if (result.kind !== 'waiting' || result.untilUnixMs === undefined) return result;
      await job.clock.advance(Math.max(0, result.untilUnixMs - job.clock.nowUnixMs()));
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
  }
}

/**
 * Runs a job uninterrupted, and then once for every commit with a crash after it. Returns what the
 * uninterrupted run did, and those of the others that ended in another way.
 */
export async function compareCrashes(
  createJob: () => Job,
  request: RunRequest = {},
): Promise<{ readonly calm: Job; readonly result: RunResult; readonly different: unknown[] }> {
  const calm = createJob();
  const result = await runWithCrash(calm, Number.POSITIVE_INFINITY, request);
  const different: unknown[] = [];
  for (let crashAfter = 1; crashAfter <= calm.commits.length; crashAfter += 1) {
    const job = createJob();
    const crashed = await runWithCrash(job, crashAfter, request);
    const isSame =
      JSON.stringify(endOf(crashed)) === JSON.stringify(endOf(result)) &&
      JSON.stringify(sorted(job.states())) === JSON.stringify(sorted(calm.states()));
    if (!isSame) different.push({ crashAfter, end: endOf(crashed), states: job.states() });
  }
  return { calm, result, different };
}

function endOf(result: RunResult): unknown {
  if (result.kind === 'succeeded') return decodeJson(result.output);
  return result.kind === 'failed'
    ? `${result.failure.task}: ${result.failure.message}`
    : result.kind;
}

function sorted(states: Record<string, TaskState>): [string, TaskState][] {
  return Object.entries(states).sort(([one], [other]) => (one < other ? -1 : 1));
}

/** The output of a run that succeeded. */
export function outputOf(result: RunResult): unknown {
  if (result.kind !== 'succeeded') {
    throw new Error(`the run ${result.kind}: ${JSON.stringify(result, stringifyBytes)}`);
  }
  return decodeJson(result.output);
}

function stringifyBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : value;
}

/** A policy's delays of 1 s, 2 s, 4 s … to the millisecond. */
export const EXACT: BackoffPolicy = { initialMs: 1000, factor: 2, maxMs: 60_000, jitter: 0 };

/** A task that notes when it runs and when it is reverted. */
export function noting<const Name extends string>(
  log: string[],
  name: Name,
): Task<Name, never, never> {
  return task({
    name,
    execute: () => {
      log.push(name);
    },
    revert: () => {
      log.push(`undo ${name}`);
    },
  });
}
