import { sleep, systemClock } from '@holdfast/core';

/** Real milliseconds for which virtual time stands still while user code runs, unless a test says otherwise. */
export const DEFAULT_PATIENCE_MS = 1000;

/**
 * User code that runs right now. It lives in real time: a file that it reads would seem to take for
 * ever to a clock that jumps from timer to timer. So virtual time stands still while it runs, but not
 * for longer than the patience: then a timeout of the task may strike.
 */
export class RealWork {
  readonly #patienceMs: number;
  /** What runs and has not used up the patience yet. */
  readonly #fresh = new Set<symbol>();
  #changed = Promise.withResolvers<void>();

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** Runs user code. */
  async run<Value>(work: () => Value): Promise<Awaited<Value>> {
    const token = Symbol('user code');
    this.#fresh.add(token);
    try {
      return await work();
    } finally {
      this.#fresh.delete(token);
      this.#changed.resolve();
    }
  }

  /** True when virtual time has to stand still. */
  get holdsTime(): boolean {
    return this.#patienceMs > 0 && this.#fresh.size > 0;
  }

  /** Resolves when some of it has ended, when `over` has settled, or when the patience is used up. Never rejects. */
  async pause(over: Promise<void>): Promise<void> {
    this.#changed = Promise.withResolvers();
    const done = new AbortController();
    const patience = sleep(systemClock, this.#patienceMs, { signal: done.signal }).then(() => {
      if (!done.signal.aborted) this.#fresh.clear();
    });
    await Promise.race([this.#changed.promise, over, patience]);
    done.abort('over');
    await patience;
  }
}
