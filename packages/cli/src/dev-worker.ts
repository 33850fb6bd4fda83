import { type Service, toFailure } from '@holdfast/core';
import type { AnyFlow } from '@holdfast/flow';
import { Worker } from '@holdfast/worker';
import type { BoardHost } from './board-host.ts';
import type { WorkerSettings } from './worker-options.ts';

/**
 * The worker of `holdfast dev`: one at a time takes jobs, and gives way to the next one when flows
 * were loaded again. What it runs by then it finishes, with the flows that it has.
 */
export class DevWorker implements Service {
  readonly #host: BoardHost;
  readonly #settings: WorkerSettings;
  readonly #onFailure: (error: unknown) => void;
  readonly #leaving = new Set<Promise<void>>();
  #current: Worker | undefined;

  constructor(
    host: BoardHost,
    options: {
      readonly settings: WorkerSettings;
      /** Called when a worker ended though nobody asked it to. */
      readonly onFailure: (error: unknown) => void;
    },
  ) {
    this.#host = host;
    this.#settings = options.settings;
    this.#onFailure = options.onFailure;
  }

  /** Nothing runs before the first flows are there. */
  start(): Promise<void> {
    return Promise.resolve();
  }

  /** Serves these flows from now on. Rejects, and changes nothing, when they can't be served. */
  async serve(flows: readonly AnyFlow[]): Promise<void> {
    const { board, coord, clock, logger } = this.#host;
    const { queues, label, concurrency, leaseTtl, drainTimeout } = this.#settings;
    const worker = new Worker({
      board,
      coord,
      flows,
      queues,
      labels: label,
      concurrency,
      name: 'dev',
      leaseTtlMs: leaseTtl,
      drainTimeoutMs: drainTimeout,
      clock,
      logger,
    });
    worker.finished.catch(this.#onFailure);
    await worker.start();
    this.#letGo();
    this.#current = worker;
  }

  async stop(): Promise<void> {
    this.#letGo();
    await Promise.all(this.#leaving);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #letGo(): void {
    const old = this.#current;
    this.#current = undefined;
    if (!old) return;
    const leaving = old
      .stop()
      .catch((error: unknown) => {
        this.#host.logger.error({ error: toFailure(error) }, 'a worker could not leave in order');
      })
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }
}
