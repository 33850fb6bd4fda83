// Threads for tasks that compute. A worker renews its lease on the event loop that runs its tasks, so
// a task that computes without a pause would cost it the lease; in a thread it costs a processor.
//
// Owns the threads and the limit on what waits for them. Knows nothing of jobs: to the engine a
// function in a thread is an `execute` like any other, with that one's retries and timeouts.
//
//   P1. At most `threads` calls run and `maxWaiting` wait; one more fails at once.
//   P2. A thread runs one call at a time, and a call that is given up takes its thread with it.
//   P3. `stop` ends when every call and every thread has.
import { availableParallelism } from 'node:os';
import {
  type Clock,
  FailedPreconditionError,
  HoldfastError,
  InvalidArgumentError,
  type Logger,
  type Service,
  silentLogger,
  systemClock,
  UnavailableError,
} from '@holdfast/core';
import type { TaskContext } from '@holdfast/flow';
import { ThreadCall } from './thread-call.ts';
import type { ThreadTarget } from './thread-messages.ts';
import { ThreadSet } from './thread-set.ts';
import { checkInteger } from './worker-parts.ts';

/** The most threads of one pool. */
export const MAX_THREADS = 256;

/** Calls that wait for a thread, unless the pool's options say otherwise, and the most that may. */
export const DEFAULT_THREADS_WAITING = 1000;
export const MAX_THREADS_WAITING = 100_000;

/** The least and the most heap of a thread, in mebibytes. A process whose threads get much less than that may crash. */
export const MIN_THREAD_MEMORY_MB = 64;
export const MAX_THREAD_MEMORY_MB = 65_536;

/** What a pool takes. */
export interface ThreadPoolOptions {
  /** 1 to {@link MAX_THREADS}. Default: as many as the machine runs at once. */
  readonly threads?: number | undefined;
  /** Calls that may wait for a thread, 0 to {@link MAX_THREADS_WAITING}. Default {@link DEFAULT_THREADS_WAITING}. */
  readonly maxWaiting?: number | undefined;
  /**
   * Heap of one thread in mebibytes, {@link MIN_THREAD_MEMORY_MB} to {@link MAX_THREAD_MEMORY_MB}; a thread
   * that needs more dies alone. Default: what Node gives a process.
   */
  readonly memoryMb?: number | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
}

/** What {@link ThreadPool.run} takes besides the module. */
export interface ThreadRunOptions {
  /** Which of the module's exports is the function. Default: `default`. */
  readonly exportName?: string | undefined;
}

/**
 * Threads that run the `execute` of tasks which compute. Its threads start with the first call and
 * stay until `stop()`, which terminates them: stop the worker first, so that its jobs can finish.
 */
export class ThreadPool implements Service {
  readonly #size: number;
  readonly #maxWaiting: number;
  readonly #memoryMb: number | undefined;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #calls = new Set<Promise<unknown>>();
  readonly #closing = new Set<Promise<void>>();
  #isStarted = false;
  #threads: ThreadSet | undefined;

  /** Throws InvalidArgumentError naming the option, its value and what is allowed. */
  constructor(options: ThreadPoolOptions = {}) {
    const { threads = Math.min(availableParallelism(), MAX_THREADS), memoryMb } = options;
    const { maxWaiting = DEFAULT_THREADS_WAITING } = options;
    const memoryRange = [MIN_THREAD_MEMORY_MB, MAX_THREAD_MEMORY_MB] as const;
    this.#size = checkInteger('threads', threads, [1, MAX_THREADS]);
    this.#maxWaiting = checkInteger('maxWaiting', maxWaiting, [0, MAX_THREADS_WAITING]);
    this.#memoryMb =
      memoryMb === undefined ? undefined : checkInteger('memoryMb', memoryMb, memoryRange);
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Lets calls in. Threads of an earlier run that still end don't concern it. */
  async start(): Promise<void> {
    this.#isStarted = true;
  }

  /** Terminates all threads. Calls that run or wait fail with an UnavailableError. */
  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#retire(new UnavailableError('the thread pool was stopped before the task had ended'));
    await Promise.all(this.#closing);
    await Promise.allSettled(this.#calls); // P3
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * An `execute` that runs a function of this module in a thread. `Args` and `Result` are what the
   * function takes and returns: data that structured cloning can copy. Throws InvalidArgumentError
   * for a URL that isn't a `file:` URL.
   *
   * A call fails with what the function throws, by class, name, message, stack and causes; with
   * {@link ThreadDiedError} when its thread dies; with RESOURCE_EXHAUSTED when too many wait; with
   * FAILED_PRECONDITION unless the pool is started.
   *
   * @example
   * const resize = task({
   *   name: 'resize',
   *   requires: { width: z.number() },
   *   provides: { bytes: z.number() },
   *   execute: threads.run<{ width: number }, { bytes: number }>(
   *     new URL('./resize.ts', import.meta.url),
   *   ),
   * });
   */
  run<Args, Result>(
    module: URL,
    options: ThreadRunOptions = {},
  ): (args: Args, ctx: TaskContext) => Promise<Result> {
    const moduleUrl = checkModule(module);
    const { exportName = 'default' } = options;
    // What the module's function returns is the word of whoever named it; the task's schemas check it.
    return async (args, ctx) => (await this.#call({ moduleUrl, exportName, args }, ctx)) as Result;
  }

  async #call(target: ThreadTarget, ctx: TaskContext): Promise<unknown> {
    this.#checkRoom(ctx.task);
    const call = new ThreadCall(this.#open(), ctx, this.#clock).run(target);
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#calls.delete(call);
    }
  }

  #checkRoom(task: string): void {
    if (!this.#isStarted) {
      throw new FailedPreconditionError(
        `the thread pool of task ${task} isn't started; start it before the worker`,
        { ids: { task } },
      );
    }
    if (this.#calls.size < this.#size + this.#maxWaiting) return;
    throw new HoldfastError(
      'RESOURCE_EXHAUSTED',
      `${this.#maxWaiting} calls wait for a thread already; task ${task} can't: ` +
        'raise maxWaiting, or lower the concurrency of the worker',
      { ids: { task } },
    );
  }

  #open(): ThreadSet {
    if (this.#threads) return this.#threads;
    let lastError: Error | undefined;
    const threads = new ThreadSet({
      threads: this.#size,
      memoryMb: this.#memoryMb,
      onError: (error) => {
        lastError = error;
        this.#logger.warn({ error: error.message }, 'a thread died between two calls');
      },
      onLost: () => {
        if (this.#threads !== threads) return;
        const message = 'no thread of the pool comes up; the next call tries again';
        this.#retire(new UnavailableError(message, { cause: lastError }));
      },
    });
    this.#threads = threads;
    return threads;
  }

  #retire(reason: Error): void {
    if (!this.#threads) return;
    const closed = this.#threads.close(reason).finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
    this.#threads = undefined;
  }
}

function checkModule(module: URL): string {
  if (module instanceof URL && module.protocol === 'file:') return module.href;
  throw new InvalidArgumentError('module', {
    value: module,
    allowed: "a file: URL, such as new URL('./resize.ts', import.meta.url)",
  });
}
