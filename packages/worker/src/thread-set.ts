// The threads of a pool, over piscina: how many there are, which run what, and that none is forgotten.
//
//   S1. All threads start together and a lost one is replaced at once. piscina looks for work to hand
//       out only when a thread becomes free or a new one is up: without replacements, what waits for a
//       thread that was terminated would wait for ever.
//   S2. When not even a fresh thread comes up, the set says so and is of no use any more.
//   S3. `close` ends when every thread has, also those that piscina has let go of.
import { Piscina } from 'piscina';
import type { ThreadRequest } from './thread-messages.ts';

export interface ThreadSetOptions {
  readonly threads: number;
  /** Heap of one thread, in mebibytes; undefined = what Node takes. */
  readonly memoryMb: number | undefined;
  /** A thread died between two calls. */
  readonly onError: (error: Error) => void;
  /** No thread is left, and none comes up (S2). */
  readonly onLost: () => void;
}

export class ThreadSet {
  readonly #piscina: Piscina<ThreadRequest, void>;
  readonly #exits = new Map<number, Promise<void>>();
  #closeReason: Error | undefined;

  constructor(options: ThreadSetOptions) {
    const { threads, memoryMb } = options;
    this.#piscina = new Piscina<ThreadRequest, void>({
      filename: new URL('./thread-entry.ts', import.meta.url).href,
      name: 'runInThread',
      minThreads: threads, // S1
      maxThreads: threads,
      // A thread that waits in Atomics.wait() would hold up what the last function has left behind.
      atomics: 'disabled',
      recordTiming: false,
      ...(memoryMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: memoryMb } }),
    });
    this.#piscina.on('error', options.onError);
    this.#piscina.on('workerCreate', () => this.#follow());
    this.#piscina.on('workerDestroy', () => {
      // By then piscina has replaced it, or given up.
      queueMicrotask(() => {
        if (!this.#closeReason && this.#piscina.threads.length === 0) options.onLost();
      });
    });
    this.#follow();
  }

  /** Why it was closed; undefined while it is open. */
  get closeReason(): Error | undefined {
    return this.#closeReason;
  }

  /** Runs a call as soon as a thread is free. Rejects when the thread dies, or the signal aborts. */
  async run(request: ThreadRequest, options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#piscina.run(request, { transferList: [request.port], signal: options.signal });
  }

  /** Resolves once this thread has ended. */
  async ended(threadId: number): Promise<void> {
    await this.#exits.get(threadId);
  }

  /** Terminates every thread, whatever it runs; waits until all have ended (S3). Once only. */
  async close(reason: Error): Promise<void> {
    this.#closeReason = reason;
    this.#follow();
    await this.#piscina.destroy();
    await Promise.all(this.#exits.values());
  }

  #follow(): void {
    for (const worker of this.#piscina.threads) {
      const { threadId } = worker;
      // One that has ended already has no id.
      if (threadId === -1 || this.#exits.has(threadId)) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      worker.once('exit', () => {
        this.#exits.delete(threadId);
        resolve();
      });
      this.#exits.set(threadId, promise);
    }
  }
}
