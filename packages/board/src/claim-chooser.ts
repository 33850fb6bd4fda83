// Which ready jobs a member tries to claim: those of its lanes, most urgent first, and of these the ones
// that it should take first by rendezvous hashing over the live workers that serve the same lane. Others
// are left alone for a moment. What it says may be stale: the claim's guards decide.
import type { Coord } from '@holdfast/coord';
import { type Clock, type JobId, jitter, type Random, sleep } from '@holdfast/core';
import { listLiveWorkers } from './fleet.ts';
import { laneName, lanesOf } from './lane.ts';
import { type FoundJob, ReadyFinder } from './ready-finder.ts';
import { preferredWorker } from './rendezvous.ts';
import type { WorkerInfo } from './worker-view.ts';

/**
 * How long a job is left to the worker that should take it first, in milliseconds, give or take
 * half. After that any worker with room takes it: the preferred one may be full.
 */
export const YIELD_MS = 20;

/** How old the list of live workers may be that preferences are judged by, in milliseconds. */
const FLEET_MAX_AGE_MS = 1000;

/** Entries looked at for each job wanted, so that each of several workers finds some of its own. */
const LOOK_AHEAD = 4;

/** The most jobs of one call of `claim`. */
export const MAX_CLAIMS_AT_ONCE = 256;

export interface ClaimChooserParts {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly random: Random;
}

/** See the head of this file. One for each member. */
export class ClaimChooser {
  readonly #parts: ClaimChooserParts;
  readonly #info: WorkerInfo;
  readonly #finder: ReadyFinder;
  /** Live workers by the lanes that they share with this one. */
  #fleet: ReadonlyMap<string, readonly string[]> = new Map();
  #fleetReadAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ClaimChooserParts, info: WorkerInfo) {
    this.#parts = parts;
    this.#info = info;
    this.#finder = new ReadyFinder(parts, lanesOf(info));
  }

  /** Up to `limit` jobs (1 to {@link MAX_CLAIMS_AT_ONCE}) to be claimed now; empty when there are none. */
  async choose(limit: number): Promise<readonly JobId[]> {
    const atMost = Math.min(limit * LOOK_AHEAD, MAX_CLAIMS_AT_ONCE);
    const found = await this.#finder.find(atMost);
    if (found.length === 0) return [];
    await this.#readFleet();
    const own = found.filter((job) => this.#isOwn(job));
    if (own.length > 0) return idsOf(own, limit);
    const { clock, random } = this.#parts;
    await sleep(clock, jitter(random, YIELD_MS, 0.5));
    const left = await this.#finder.find(atMost);
    return idsOf(shuffle(left, random), limit);
  }

  #isOwn({ id, lane }: FoundJob): boolean {
    const workers = this.#fleet.get(laneName(lane)) ?? [];
    return workers.length <= 1 || preferredWorker(id, workers) === this.#info.id;
  }

  async #readFleet(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#fleetReadAtMs <= FLEET_MAX_AGE_MS) return;
    const shared = new Map<string, string[]>();
    for (const lane of lanesOf(this.#info)) shared.set(laneName(lane), []);
    for (const info of await listLiveWorkers(this.#parts.coord)) {
      for (const lane of lanesOf(info)) shared.get(laneName(lane))?.push(info.id);
    }
    this.#fleet = shared;
    this.#fleetReadAtMs = nowMs;
  }
}

function idsOf(jobs: readonly FoundJob[], limit: number): readonly JobId[] {
  return jobs.slice(0, limit).map(({ id }) => id);
}

function shuffle<Item>(items: readonly Item[], random: Random): readonly Item[] {
  return items
    .map((item) => ({ item, weight: random.next() }))
    .sort((a, b) => a.weight - b.weight)
    .map(({ item }) => item);
}
