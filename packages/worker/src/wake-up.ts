import type { Clock } from '@holdfast/core';

/**
 * What a watch callback sets, and one loop waits for. Wake-ups that come while nobody waits aren't
 * lost: the next wait ends at once. Several of them count as one.
 */
export class WakeUp {
  readonly #clock: Clock;
  #isSet = false;
  #release: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the wait under way, or else the next one. */
  wake(): void {
    this.#isSet = true;
    this.#release?.();
  }

  /** Resolves after a wake-up, after `atMostMs` milliseconds, or when `signal` aborts. One waiter at a time. */
  async wait(atMostMs: number, options: { readonly signal: AbortSignal }): Promise<void> {
    const { signal } = options;
    if (!this.#isSet && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const release = (): void => resolve();
      this.#release = release;
      const timer = this.#clock.startTimer(atMostMs, release);
      signal.addEventListener('abort', release, { once: true });
      await promise;
      timer.cancel();
      signal.removeEventListener('abort', release);
      this.#release = undefined;
    }
    this.#isSet = false;
  }
}
