import type { Clock, Timer } from '@holdfast/core';
import type { RunEnding } from './run-ending.ts';
import { STOP_GRACE_MS } from './run-options.ts';
import type { CallEnds } from './task-runner.ts';

/**
 * Tells what goes forward to end: because the run is stopped, or because the job is cancelled and
 * reverted, which reverts must survive.
 */
export class Stopper {
  readonly #clock: Clock;
  readonly #ending: RunEnding;
  readonly #stop = new AbortController();
  readonly #cancel = new AbortController();
  readonly #abandoned = Promise.withResolvers<void>();
  readonly #follow: () => void;
  #grace: Timer | undefined;

  constructor(clock: Clock, ending: RunEnding) {
    this.#clock = clock;
    this.#ending = ending;
    this.#follow = () => this.#stop.abort(ending.stop.reason);
    ending.stop.addEventListener('abort', this.#follow, { once: true });
    void ending.abandoned.then(() => this.#abandoned.resolve());
  }

  get forward(): CallEnds {
    return { stop: this.#stop.signal, abandoned: this.#abandoned.promise };
  }

  /**
   * Aborts only when what goes forward is to be reverted. A run that is stopped leaves what runs
   * elsewhere alone: another attempt goes on with it.
   */
  get cancel(): AbortSignal {
    return this.#cancel.signal;
  }

  /** What ignores its signal is left behind after the grace that a stopped run has. */
  stopForward(reason: unknown): void {
    this.#stop.abort(reason);
    this.#cancel.abort(reason);
    this.#grace ??= this.#clock.startTimer(STOP_GRACE_MS, () => this.#abandoned.resolve());
  }

  close(): void {
    this.#ending.stop.removeEventListener('abort', this.#follow);
    this.#grace?.cancel();
  }
}
