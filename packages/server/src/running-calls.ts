import { type Clock, sleep } from '@holdfast/core';

/** The calls that are being answered; the server awaits them when it stops. */
export class RunningCalls {
  readonly #running = new Set<Promise<void>>();

  /** Keeps a call until it settles. `answer` never rejects: a call's failure is its answer. */
  add(answer: Promise<void>): void {
    const done = answer.finally(() => this.#running.delete(done));
    this.#running.add(done);
  }

  get count(): number {
    return this.#running.size;
  }

  /** Resolves when no call runs any more, or after `limitMs`. */
  async settled(clock: Clock, limitMs: number): Promise<void> {
    const finished = new AbortController();
    const all = Promise.allSettled(this.#running).then(() => finished.abort());
    await Promise.race([all, sleep(clock, limitMs, { signal: finished.signal })]);
  }
}
