/**
 * Whether the store takes writes, asked now and then by writing a record without meaning.
 *
 * Reads would not tell: a store that is full, or has lost its quorum, may still answer them.
 *
 * O1. `changed` is called once for each change of the verdict, and first when the verdict of the first
 *     probe is bad: until then the store counts as well, because whoever started the server has read it.
 * O2. At most one probe is under way. A verdict is at most `intervalMs` plus the store's own time limit old.
 * O3. `stop` gives a probe up that is under way; nothing is reported after it resolves.
 */
import { type Clock, fromUnknown, type Logger, type Service, sleep } from '@holdfast/core';

export interface StoreHealthOptions {
  /** Writes once; rejects when the store doesn't take it. */
  readonly probe: (options: { readonly signal: AbortSignal }) => Promise<void>;
  /** From the end of a probe to the next, in milliseconds. */
  readonly intervalMs: number;
  /** O1. */
  readonly changed: (isWell: boolean) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** See the head of this file. */
export class StoreHealth implements Service {
  readonly #options: StoreHealthOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #isWell = true;

  constructor(options: StoreHealthOptions) {
    this.#options = options;
  }

  /** Starts to ask; doesn't wait for an answer. */
  start(): Promise<void> {
    this.#running ??= this.#run();
    return Promise.resolve();
  }

  /** O3. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    const { clock, intervalMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#ask(signal);
      await sleep(clock, intervalMs, { signal });
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { probe, logger } = this.#options;
    try {
      await probe({ signal });
      if (this.#note(true, signal)) logger.info({}, 'the store takes writes again: SERVING');
    } catch (thrown) {
      const { code, message } = fromUnknown(thrown);
      if (!this.#note(false, signal)) return;
      logger.error({ code, error: message }, 'the store takes no writes: NOT_SERVING');
    }
  }

  /** True when the verdict has changed. */
  #note(isWell: boolean, signal: AbortSignal): boolean {
    if (signal.aborted || isWell === this.#isWell) return false;
    this.#isWell = isWell;
    this.#options.changed(isWell);
    return true;
  }
}
