// What lasts from one attempt of a trial to the next: clock, randomness, checkpoints, and what happened.
//
// Invariants:
//   T1. The same flow, options and seed give the same trace, as long as the tasks' own code does.
//   T2. A crash is a crash: what was not durable is gone, nothing is called and nothing written any
//       more, and the next attempt starts from the durable checkpoints alone.
//   T3. A wait that ends at a known time is passed over, as a board would, by another attempt.
import {
  type AtomRecord,
  createSeededRandom,
  encodeJson,
  type Logger,
  type Random,
  silentLogger,
  sleep,
  VirtualClock,
} from '@holdfast/core';
import type { AnyFlow } from '../flow.ts';
import { checkNumber } from '../retry-options.ts';
import { runFlow } from '../run-flow.ts';
import type { RunObserver, RunResult } from '../run-options.ts';
import { DEFAULT_PATIENCE_MS, RealWork } from './real-work.ts';
import { SignalMail, type TestSignal } from './signal-mail.ts';
import {
  checkScripts,
  scriptFlow,
  type TaskScripts,
  taskNames,
  templateOf,
} from './task-script.ts';
import type { TraceEvent } from './trace.ts';
import { createTrialTask, type TaskCall, type TrialTask } from './trial-task.ts';
import { driveVirtually } from './virtual-drive.ts';

/** Attempts of one trial; one that needs more goes round in circles. */
export const TRIAL_ATTEMPTS_MAX = 1000;

/** What can be said anew when a trial is resumed. */
export interface ResumeOptions extends TaskScripts {
  /** Signals that arrive, besides those of before. */
  readonly signals?: readonly TestSignal[] | undefined;
  /**
   * The process dies right after this many further commits have become durable; 0: before any has.
   * The last one, which ends the flow, can't be died after. Default: it doesn't die.
   */
  readonly crashAfter?: number | undefined;
}

/** What can be said about a trial of any flow. */
export interface TrialOptions extends ResumeOptions {
  readonly input?: unknown;
  /** Of all randomness, the jitter of pauses above all. A whole number; default 1. */
  readonly seed?: number | undefined;
  /** Tasks at once; 1 = serial. Default: as in production. */
  readonly concurrency?: number | undefined;
  /** Virtual milliseconds that a commit takes. Default 0. */
  readonly commitMs?: number | undefined;
  /** Default: none. */
  readonly logger?: Logger | undefined;
  /** For tasks that wait on a clock of their own: hand them the same. Default: one of the trial's. */
  readonly clock?: VirtualClock | undefined;
  /**
   * Real milliseconds that virtual time stands still for while a task's own code runs; then timeouts
   * may strike. Default: {@link DEFAULT_PATIENCE_MS}, and 0 where `clock` is given.
   */
  readonly patienceMs?: number | undefined;
}

/** A run that ended, or a process that died. */
export type TrialEnd = RunResult | { readonly kind: 'crashed' };

/** See the head of this file. */
export class TrialWorld {
  readonly events: TraceEvent[] = [];
  /** Commits that have become durable. */
  commits = 0;
  attempt = 0;
  readonly #flow: AnyFlow;
  readonly #options: TrialOptions;
  readonly #clock: VirtualClock;
  readonly #startMs: number;
  readonly #random: Random;
  readonly #work: RealWork;
  readonly #records = new Map<string, AtomRecord>();
  readonly #calls: TaskCall[] = [];
  readonly #mail: SignalMail;
  #scripts: TaskScripts = {};

  constructor(flow: AnyFlow, options: TrialOptions) {
    const { clock, seed = 1, commitMs, patienceMs = clock ? 0 : DEFAULT_PATIENCE_MS } = options;
    for (const [field, value] of Object.entries({ seed, commitMs, patienceMs })) {
      checkNumber(field, value, COUNT);
    }
    this.#flow = flow;
    this.#options = options;
    this.#clock = clock ?? new VirtualClock();
    this.#startMs = this.#clock.monotonicMs();
    this.#random = createSeededRandom(seed);
    this.#work = new RealWork(patienceMs);
    this.#mail = new SignalMail(this.#clock);
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs;
  }

  /** The flow's tasks in their order, then those that only checkpoints tell of. */
  tasks(): Readonly<Record<string, TrialTask>> {
    const names = new Set([...taskNames(this.#flow), ...this.#records.keys()]);
    const calls = Map.groupBy(this.#calls, ({ task }) => task);
    // A task of a map has been called for its items.
    const ofItems = Map.groupBy(this.#calls, ({ task }) => templateOf(task));
    const each = (name: string): readonly [string, TrialTask] => [
      name,
      createTrialTask(name, this.#records.get(name), calls.get(name) ?? ofItems.get(name)),
    ];
    return Object.fromEntries([...names].map(each));
  }

  /** Attempt after attempt, until one ends in a way that no other follows by itself (T3). */
  async run(options: ResumeOptions): Promise<TrialEnd> {
    const { crashAfter, fail, failRevert, delay, stub } = options;
    const scripts = { fail, failRevert, delay, stub };
    checkNumber('crashAfter', crashAfter, COUNT);
    checkScripts(this.#flow, scripts);
    for (const [kind, rules] of Object.entries(scripts)) {
      if (rules) this.#scripts = { ...this.#scripts, [kind]: rules };
    }
    for (const signal of options.signals ?? []) this.#mail.send(signal);
    const crashAt = this.commits + (crashAfter ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const end = await this.#runAttempt(crashAt);
      const waitMs = end.kind === 'waiting' ? this.#waitMs(end) : undefined;
      if (waitMs === undefined) return end;
      await this.#clock.advance(waitMs);
    }
  }

  /** How long until a run that waits can go on; undefined when nothing that is known lets it. */
  #waitMs(end: RunResult & { readonly kind: 'waiting' }): number | undefined {
    const { untilUnixMs, waitsForSignal, signalsSeen } = end;
    const waits = [
      ...(untilUnixMs === undefined ? [] : [untilUnixMs - this.#clock.nowUnixMs()]),
      ...(waitsForSignal ? this.#mail.waitsMs(signalsSeen) : []),
    ];
    return waits.length === 0 ? undefined : Math.max(0, Math.min(...waits));
  }

  async #runAttempt(crashAt: number): Promise<TrialEnd> {
    this.attempt += 1;
    if (this.attempt > TRIAL_ATTEMPTS_MAX) {
      throw new Error(`the flow has not ended after ${TRIAL_ATTEMPTS_MAX} attempts`);
    }
    const life = new Life();
    if (this.attempt > 1) this.events.push({ kind: 'attempt', ...this.#now() });
    const running = this.#startRun(life, crashAt);
    try {
      const result = await driveVirtually(running, this.#clock, this.#work);
      // The outcome is a commit of its own, which takes the last records with it.
      if (this.commits >= crashAt) throw life.end();
      this.#store(result.uncommitted);
      return result;
    } catch (error) {
      if (error !== life.crash) {
        await this.#abandon(running, life);
        throw error;
      }
      this.events.push({ kind: 'crash', ...this.#now(), commits: this.commits });
      return { kind: 'crashed' };
    }
  }

  /** Ends a run that nothing else ends, so that nothing of it is left behind. */
  async #abandon(running: Promise<unknown>, life: Life): Promise<void> {
    life.abort.abort(life.end());
    await driveVirtually(
      running.catch(() => undefined), // Why the trial ends is told already.
      this.#clock,
    );
  }

  async #startRun(life: Life, crashAt: number): Promise<RunResult> {
    const { input, concurrency, commitMs = 0, logger = silentLogger } = this.#options;
    const { attempt } = this;
    const scripts = this.#scripts;
    return await runFlow({
      flow: scriptFlow(this.#flow, {
        scripts,
        clock: this.#clock,
        work: this.#work,
        called: (call) => void this.#calls.push(call),
      }),
      input: encodeJson(input ?? {}),
      identity: {
        jobId: 'test-job',
        attempt,
        worker: `test-worker-${attempt}`,
        fence: BigInt(attempt),
      },
      atoms: [...this.#records.values()],
      checkpoint: async (records) => {
        if (commitMs > 0) await sleep(this.#clock, commitMs);
        if (this.commits >= crashAt) throw life.end();
        this.#store(records);
        if (this.commits >= crashAt) throw life.end();
      },
      signal: life.abort.signal,
      mayCall: () => !life.isOver,
      concurrency,
      clock: this.#clock,
      random: this.#random,
      logger,
      signals: this.#mail,
      observer: this.#observer(life),
    });
  }

  #observer(life: Life): RunObserver {
    return {
      transition: ({ name, state }, from) => {
        if (life.isOver) return; // T2
        this.events.push({ kind: 'transition', ...this.#now(), task: name, from, to: state });
      },
      recordedError: (task, { failure }) => {
        if (life.isOver) return; // T2
        this.events.push({ kind: 'error', ...this.#now(), task, failure });
      },
    };
  }

  #store(records: readonly AtomRecord[]): void {
    this.commits += 1;
    for (const record of records) this.#records.set(record.name, record);
  }

  #now(): { readonly atMs: number; readonly attempt: number } {
    return { atMs: this.elapsedMs, attempt: this.attempt };
  }
}

const COUNT = { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true };

/** The process that an attempt runs in. */
class Life {
  /** What the checkpoint port rejects with once it has died. */
  readonly crash: Error = new Error('the test lets the process die');
  /** For a run that has to be abandoned. */
  readonly abort: AbortController = new AbortController();
  isOver = false;

  end(): Error {
    this.isOver = true;
    return this.crash;
  }
}
