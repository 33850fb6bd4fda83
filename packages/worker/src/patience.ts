// What a worker does while the store is away: it tries again, ever more slowly, for as long as it may,
// and says so once for each outage rather than for each try.
import {
  backoffMs,
  type Clock,
  type ErrorCode,
  fromUnknown,
  type HoldfastError,
  type Logger,
  type Random,
  sleep,
} from '@holdfast/core';
import { STORE_BACKOFF } from './limits.ts';

const PASSING: ReadonlySet<ErrorCode> = new Set([
  'UNAVAILABLE',
  'OUTCOME_UNKNOWN',
  'RESOURCE_EXHAUSTED',
]);

/**
 * How long after an outage was told the next one isn't, in milliseconds: a store that fails now and
 * then must not fill the log.
 */
export const OUTAGE_QUIET_MS = 10_000;

/** True for failures that are over by themselves, and after which the same call may be repeated. */
export function isPassing(error: HoldfastError): boolean {
  return PASSING.has(error.code);
}

export interface PatienceParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Repeats calls to the store. One for each worker, so that an outage is told once. */
export class Patience {
  readonly #parts: PatienceParts;
  #awaySinceMs: number | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #isTold = false;

  constructor(parts: PatienceParts) {
    this.#parts = parts;
  }

  /**
   * Repeats `call` until it succeeds. The call must do no harm when it is repeated although it
   * happened. Rejects with the signal's reason once that aborts, and with any failure that doesn't
   * pass by itself.
   */
  async keepTrying<T>(
    call: () => Promise<T>,
    options: { readonly signal: AbortSignal; readonly what: string },
  ): Promise<T> {
    const { signal } = options;
    for (let failures = 1; ; failures += 1) {
      signal.throwIfAborted();
      try {
        const result = await call();
        this.succeeded();
        return result;
      } catch (error) {
        await this.pause(error, { ...options, failures });
      }
    }
  }

  /** Notes a passing failure and waits as long as it calls for; throws any other failure. */
  async pause(
    thrown: unknown,
    options: {
      readonly signal: AbortSignal;
      readonly what: string;
      /** In a row, this one included. */
      readonly failures: number;
    },
  ): Promise<void> {
    const error = fromUnknown(thrown);
    if (!isPassing(error)) throw error;
    const { clock, random, logger } = this.#parts;
    this.#awaySinceMs ??= clock.monotonicMs();
    if (!this.#isTold && clock.monotonicMs() - this.#toldAtMs >= OUTAGE_QUIET_MS) {
      this.#isTold = true;
      this.#toldAtMs = clock.monotonicMs();
      logger.warn(
        { code: error.code, error: error.message, call: options.what },
        'the store is away; this worker keeps its jobs and keeps trying',
      );
    }
    await sleep(clock, backoffMs(STORE_BACKOFF, options.failures, random), options);
  }

  /** Notes that the store has answered. */
  succeeded(): void {
    if (this.#awaySinceMs === undefined) return;
    const { clock, logger } = this.#parts;
    const awayMs = Math.round(clock.monotonicMs() - this.#awaySinceMs);
    this.#awaySinceMs = undefined;
    if (this.#isTold) logger.info({ awayMs }, 'the store is back');
    this.#isTold = false;
  }
}
