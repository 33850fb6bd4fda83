// Outlives a worker process: when it dies, its jobs are taken over at once rather than when its lease
// runs out, and a fresh one takes its place.
//
// Invariants:
//   V1. Every worker id of a child that died without having left it in order is expelled, at once and
//       again until the store has heard it (or the lease has run out by itself). That is safe even
//       when it is wrong: fences refuse whatever an expelled worker still writes.
//   V2. At most one child runs at a time, each under ids that were never used before.
//   V3. Children that keep dying young are started ever more slowly.
//
// Should the supervisor itself die, its child notices by the end of the pipe, and drains
// (supervisor-link.ts).

import { hostname } from 'node:os';
import type { Board } from '@holdfast/board';
import {
  type BackoffPolicy,
  backoffMs,
  type Clock,
  createWorkerId,
  ERROR_TABLE,
  fromUnknown,
  type Logger,
  type Random,
  type Service,
  silentLogger,
  sleep,
  systemClock,
  systemRandom,
  type WorkerId,
} from '@holdfast/core';
import { type ChildEnd, ChildProcess, type WorkerCommand } from './child-process.ts';
import {
  DEFAULT_DRAIN_TIMEOUT_MS,
  DEFAULT_LEASE_TTL_MS,
  MAX_DRAIN_TIMEOUT_MS,
  MAX_LEASE_TTL_MS,
  MIN_LEASE_TTL_MS,
  STORE_BACKOFF,
} from './limits.ts';
import type { StopOptions } from './worker.ts';
import { checkInteger, defaultWorkerName } from './worker-parts.ts';

/** Between the death of a child and the start of the next. */
export const RESTART_BACKOFF: BackoffPolicy = {
  initialMs: 100,
  factor: 2,
  maxMs: 30_000,
  jitter: 0.2,
};

/** A child that lived this long, in milliseconds, was healthy: the backoff starts anew after it. */
export const HEALTHY_AFTER_MS = 30_000;

/**
 * What a child may take to stop beyond its drain timeout, in milliseconds, before it is killed: the
 * time to hand its jobs back (`HAND_BACK_TIMEOUT_MS`), and as much again to leave.
 */
export const STOP_MARGIN_MS = 10_000;

/** How long an immediate stop waits for the store to hear of the death, in milliseconds. */
export const LEAVE_TIMEOUT_MS = 3000;

/** How many leases long the expulsion of a dead worker is tried; after one its session has lapsed. */
const EXPEL_LEASES = 2;

export interface SupervisorOptions {
  readonly board: Board;
  /** The worker process; it has to use `connectToSupervisor`. */
  readonly command: WorkerCommand;
  /** The child's: first part of its worker ids. Default: the host's name. */
  readonly name?: string | undefined;
  /** The child's, in milliseconds. Default {@link DEFAULT_LEASE_TTL_MS}. */
  readonly leaseTtlMs?: number | undefined;
  /** The child's, in milliseconds. Default {@link DEFAULT_DRAIN_TIMEOUT_MS}. */
  readonly drainTimeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
}

/** How a supervisor has ended. */
export interface SupervisorEnd {
  /** The exit status for its own process: 0 when the worker left in order. */
  readonly status: number;
}

/** Keeps one worker process running until it is stopped, or the worker is drained. */
export class Supervisor implements Service {
  readonly #board: Board;
  readonly #command: WorkerCommand;
  readonly #name: string;
  readonly #leaseTtlMs: number;
  readonly #drainTimeoutMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #immediately = new AbortController();
  /** Aborts when nobody waits for an expulsion any more. */
  readonly #enough = new AbortController();
  readonly #started = Promise.withResolvers<void>();
  readonly #finished = Promise.withResolvers<SupervisorEnd>();
  readonly #expulsions = new Set<Promise<void>>();
  #isStarted = false;
  #child: ChildProcess | undefined;

  constructor(options: SupervisorOptions) {
    this.#board = options.board;
    this.#command = options.command;
    this.#name = options.name ?? defaultWorkerName(hostname());
    this.#leaseTtlMs = checkInteger('leaseTtlMs', options.leaseTtlMs ?? DEFAULT_LEASE_TTL_MS, [
      MIN_LEASE_TTL_MS,
      MAX_LEASE_TTL_MS,
    ]);
    this.#drainTimeoutMs = checkInteger(
      'drainTimeoutMs',
      options.drainTimeoutMs ?? DEFAULT_DRAIN_TIMEOUT_MS,
      [0, MAX_DRAIN_TIMEOUT_MS],
    );
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#logger = options.logger ?? silentLogger;
    createWorkerId(this.#name, { clock: this.#clock, random: this.#random }); // Checks the name.
  }

  /** The process id of the child that runs now. */
  get childPid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves once no child runs and none will. */
  get finished(): Promise<SupervisorEnd> {
    return this.#finished.promise;
  }

  /** Resolves once the first child runs. Rejects when its program can't be started. */
  async start(): Promise<void> {
    if (!this.#isStarted) {
      this.#isStarted = true;
      void this.#run(); // Handles its own failures.
    }
    await this.#started.promise;
  }

  /**
   * Lets the child drain and waits for its end. `immediately` kills it, also when a drain is under
   * way, hands over its jobs and waits no longer than {@link LEAVE_TIMEOUT_MS} for that.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    this.#stopping.abort();
    if (options.immediately) this.#immediately.abort();
    if (this.#isStarted) await this.#finished.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    let status = 1;
    try {
      status = await this.#supervise();
    } catch (error) {
      this.#logger.error({ error: fromUnknown(error).message }, 'no worker process can be started');
      this.#started.reject(error); // Whoever waits for the first child is told.
    } finally {
      await this.#awaitExpulsions();
      this.#started.resolve();
      this.#finished.resolve({ status });
    }
  }

  /** Runs one child after the other; the exit status in the end. */
  async #supervise(): Promise<number> {
    let youngDeaths = 0;
    while (!this.#stopping.signal.aborted) {
      const end = await this.#runChild();
      for (const id of end.leftBehind) this.#startExpelling(id); // V1
      const status = finalStatus(end, this.#stopping.signal.aborted);
      if (status !== undefined) {
        this.#logger.info({ childPid: end.pid, status }, `the worker process ${describeEnd(end)}`);
        return status;
      }
      youngDeaths = end.livedMs >= HEALTHY_AFTER_MS ? 1 : youngDeaths + 1;
      const delayMs = backoffMs(RESTART_BACKOFF, youngDeaths, this.#random); // V3
      this.#logger.error(
        { childPid: end.pid, workers: end.leftBehind },
        `the worker process ${describeEnd(end)}; its jobs are handed over at once and a fresh one ` +
          `starts in ${(delayMs / 1000).toFixed(1)} s`,
      );
      await sleep(this.#clock, delayMs, { signal: this.#stopping.signal });
    }
    return 0;
  }

  /** Runs one child to its end. Throws when the first one can't be started at all. */
  async #runChild(): Promise<ChildEnd> {
    const workerId = createWorkerId(this.#name, { clock: this.#clock, random: this.#random }); // V2
    const child = new ChildProcess(this.#command, {
      workerId,
      clock: this.#clock,
      logger: this.#logger,
    });
    const isFirst = this.#child === undefined;
    this.#child = child;
    if (isFirst) {
      await child.spawned;
      this.#started.resolve();
    }
    this.#logger.info({ childPid: child.pid, worker: workerId }, 'worker process started');
    const stopWatching = this.#passOrdersOn(child);
    const end = await child.ended;
    stopWatching();
    return end;
  }

  /** SIGTERM for a drain, SIGKILL for what must end now or doesn't end in time. */
  #passOrdersOn(child: ChildProcess): () => void {
    const over = new AbortController();
    const kill = (): void => child.kill('SIGKILL');
    const drain = (): void => {
      child.kill('SIGTERM');
      const limitMs = this.#drainTimeoutMs + STOP_MARGIN_MS;
      void sleep(this.#clock, limitMs, { signal: over.signal }).then(() => {
        if (over.signal.aborted) return;
        this.#logger.error({ limitMs }, 'the worker process did not stop in time and is killed');
        kill();
      });
    };
    onAbort(this.#stopping.signal, drain, over.signal);
    onAbort(this.#immediately.signal, kill, over.signal);
    return () => over.abort();
  }

  #startExpelling(id: WorkerId): void {
    const expelling = this.#expel(id).finally(() => this.#expulsions.delete(expelling));
    this.#expulsions.add(expelling);
  }

  /** V1. Never rejects. */
  async #expel(id: WorkerId): Promise<void> {
    const { signal } = this.#enough;
    const giveUpAtMs = this.#clock.monotonicMs() + this.#leaseTtlMs * EXPEL_LEASES;
    for (let failures = 1; ; failures += 1) {
      try {
        const wasMember = await this.#board.expel(id);
        if (wasMember) this.#logger.info({ worker: id }, 'its jobs are free to be taken over');
        return;
      } catch (error) {
        if (failures === 1) {
          const { code, message } = fromUnknown(error);
          this.#logger.warn(
            { worker: id, code, error: message },
            'the store has not heard of the death yet; trying again',
          );
        }
      }
      if (signal.aborted || this.#clock.monotonicMs() >= giveUpAtMs) break;
      await sleep(this.#clock, backoffMs(STORE_BACKOFF, failures, this.#random), { signal });
    }
    this.#logger.warn(
      { worker: id },
      'the store never heard of the death; the lease lapses instead',
    );
  }

  async #awaitExpulsions(): Promise<void> {
    const isDone = new AbortController();
    const { signal } = isDone;
    const outOfTime = new Promise<void>((resolve) => {
      onAbort(
        this.#immediately.signal,
        () => resolve(sleep(this.#clock, LEAVE_TIMEOUT_MS, { signal })),
        signal,
      );
    });
    await Promise.race([Promise.all(this.#expulsions), outOfTime]);
    isDone.abort();
    this.#enough.abort();
  }
}

/** The exit status when this end is the last one; undefined when a fresh child is to take over. */
function finalStatus(end: ChildEnd, isStopping: boolean): number | undefined {
  if (end.hasLeft && end.status === 0) return 0; // Stopped, or drained by an operator.
  if (isStopping) return end.status === undefined || end.status === 0 ? 1 : end.status;
  // It never became a member because its arguments are wrong, and they won't change.
  const refused = ERROR_TABLE.INVALID_ARGUMENT.exit;
  return !end.hasJoined && end.status === refused ? refused : undefined;
}

function describeEnd(end: ChildEnd): string {
  const after = `after ${(end.livedMs / 1000).toFixed(1)} s`;
  if (end.error) return `could not be started: ${end.error.message}`;
  if (end.signal !== undefined) return `was killed by ${end.signal} ${after}`;
  return `ended with status ${end.status} ${after}`;
}

/** Calls `act` once when `signal` aborts or has aborted, unless `over` comes first. */
function onAbort(signal: AbortSignal, act: () => void, over: AbortSignal): void {
  if (over.aborted) return;
  if (signal.aborted) act();
  else signal.addEventListener('abort', act, { once: true, signal: over });
}
