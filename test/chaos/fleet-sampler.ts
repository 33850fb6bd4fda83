// Looks at the fleet a few times a second, past all proxies, so that the checker can tell where there
// was room for a dead worker's jobs, and whether the store was in a state to hand them over. It notes
// too when the machine was so busy that the runner itself was late.
import { setTimeout as delay } from 'node:timers/promises';
import type { Board } from '@holdfast/board';
import type { Coord } from '@holdfast/coord';
import type { FleetSample, Stall } from './history.ts';

const INTERVAL_MS = 200;
/** The runner is looked at this often; being late by more than the limit counts as a stall. */
const TICK_MS = 50;
const STALL_MS = 250;
const PROBE_KEY = 'chaos/probe';
const NOTHING = new Uint8Array(0);

/** See the head of this file. */
export class FleetSampler implements AsyncDisposable {
  readonly #board: Board;
  readonly #coord: Coord;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #samples: FleetSample[] = [];
  #stalls: Stall[] = [];

  constructor(parts: { readonly board: Board; readonly coord: Coord }) {
    this.#board = parts.board;
    this.#coord = parts.coord;
    this.#running = Promise.all([this.#sample(), this.#tick()]);
  }

  /** Hands out what was seen since the last call. */
  take(): { readonly samples: readonly FleetSample[]; readonly stalls: readonly Stall[] } {
    const taken = { samples: this.#samples, stalls: this.#stalls };
    this.#samples = [];
    this.#stalls = [];
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #sample(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const atMs = performance.now();
      try {
        // A write, because a store without a quorum may still read, and a full one does.
        await this.#coord.commit({
          when: [],
          write: [{ kind: 'put', key: PROBE_KEY, value: NOTHING }],
        });
        const { items } = await this.#board.listWorkers({ pageSize: 100 });
        const freePlaces: Record<string, number> = {};
        for (const { info, claims, isLive } of items) {
          if (!isLive || info.isDraining) continue;
          const name = info.id.slice(0, info.id.indexOf('-'));
          freePlaces[name] = (freePlaces[name] ?? 0) + info.concurrency - claims;
        }
        this.#samples.push({ atMs, tookMs: performance.now() - atMs, freePlaces });
      } catch {
        // The store is away: no sample says so.
      }
      await this.#pause(INTERVAL_MS);
    }
  }

  async #tick(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const atMs = performance.now();
      await this.#pause(TICK_MS);
      const lastedMs = performance.now() - atMs - TICK_MS;
      if (lastedMs > STALL_MS) this.#stalls.push({ atMs, lastedMs });
    }
  }

  #pause(ms: number): Promise<unknown> {
    // Being told to stop ends the pause early.
    return delay(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
