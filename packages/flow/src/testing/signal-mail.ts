import { type Clock, encodeJson, LIMITS } from '@holdfast/core';
import { checkNumber } from '../retry-options.ts';
import type { Signal, SignalSource } from '../run-options.ts';

/** A signal that the test sends. */
export interface TestSignal {
  readonly name: string;
  /** Default: null. */
  readonly payload?: unknown;
  /** Virtual milliseconds from the start, or from where the trial is resumed. Default 0. */
  readonly afterMs?: number | undefined;
}

/** The signals of a trial: they arrive when their time has come. */
export class SignalMail implements SignalSource {
  readonly #clock: Clock;
  readonly #received: Signal[] = [];
  readonly #listeners = new Set<() => void>();
  /** When those that are under way arrive, on the monotonic clock. */
  readonly #arrivals = new Set<{ readonly atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws InvalidArgumentError for a time that isn't one, and what JSON throws for its payload. */
  send({ name, payload = null, afterMs = 0 }: TestSignal): void {
    checkNumber(`signals.${name}.afterMs`, afterMs, {
      min: 0,
      max: LIMITS.durationMaxMs,
      whole: false,
    });
    const data = encodeJson(payload);
    const arrival = { atMs: this.#clock.monotonicMs() + afterMs };
    const arrive = (): void => {
      this.#arrivals.delete(arrival);
      const seq = this.#received.length + 1;
      this.#received.push({ seq, name, payload: data, atUnixMs: this.#clock.nowUnixMs() });
      for (const listener of this.#listeners) listener();
    };
    this.#arrivals.add(arrival);
    if (afterMs === 0) arrive();
    else this.#clock.startTimer(afterMs, arrive);
  }

  received(): readonly Signal[] {
    return [...this.#received];
  }

  onArrival(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How long it is to each arrival that a run has not seen which knew of so many. */
  waitsMs(seen: number): readonly number[] {
    const waits = [...this.#arrivals].map(({ atMs }) => atMs - this.#clock.monotonicMs());
    return this.#received.length > seen ? [0, ...waits] : waits;
  }
}
