// The reading side of the ready index: finds the most urgent, then oldest jobs of the lanes that a
// worker serves, at a cost that doesn't depend on how many wait (G8).
//
// It keeps the names of buckets it knows of and reads entries from the heads of those only. The
// names are read again when the known ones give too little, and every REFRESH_MS, so that a more
// urgent bucket is seen soon. What it returns may be stale: the claim's guards decide.

import type { Coord } from '@holdfast/coord';
import type { Clock, JobId } from '@holdfast/core';
import { bucketsPrefix, idAfterDash, lastPart, readyBucketPrefix } from './keys.ts';
import type { Lane } from './lane.ts';
import { BUCKET_CAPACITY, isOutOfUse, removeEmptyBucket } from './ready-buckets.ts';

/** How old the known bucket names may be while they still give jobs, in milliseconds. */
export const REFRESH_MS = 250;

/** Bucket names read of one lane at a time. */
const BUCKETS_PER_LANE = 64;

/** Buckets read side by side: an idle queue's few open ones cost one round trip. */
const BUCKETS_AT_ONCE = 4;

interface KnownBucket {
  readonly lane: Lane;
  readonly name: string;
}

/** A job that was ready when it was looked for. */
export interface FoundJob {
  readonly id: JobId;
  readonly lane: Lane;
}

/** Finds candidates for claims. One for each member; not shared. */
export class ReadyFinder {
  readonly #coord: Coord;
  readonly #clock: Clock;
  readonly #lanes: readonly Lane[];
  #buckets: readonly KnownBucket[] = [];
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #hasMore = false;

  constructor(parts: { readonly coord: Coord; readonly clock: Clock }, lanes: readonly Lane[]) {
    this.#coord = parts.coord;
    this.#clock = parts.clock;
    this.#lanes = lanes;
  }

  /** Up to about `limit` ready jobs (1 or more), most urgent first. */
  async find(limit: number): Promise<readonly FoundJob[]> {
    const age = this.#clock.monotonicMs() - this.#refreshedAtMs;
    const isFresh = age > REFRESH_MS || this.#buckets.length === 0;
    if (isFresh) await this.#refresh(BUCKETS_PER_LANE);
    let found = await this.#collect(limit);
    if (found.length < limit && !isFresh) {
      await this.#refresh(BUCKETS_PER_LANE);
      found = await this.#collect(limit);
    }
    if (found.length < limit && this.#hasMore) {
      // The first buckets of a lane are all but empty, and there are others behind them: look at all.
      await this.#refresh(Number.POSITIVE_INFINITY);
      found = await this.#collect(limit);
    }
    return found;
  }

  async #refresh(perLane: number): Promise<void> {
    this.#hasMore = false;
    const lanes = await Promise.all(this.#lanes.map((lane) => this.#readLane(lane, perLane)));
    this.#buckets = lanes.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#refreshedAtMs = this.#clock.monotonicMs();
  }

  async #readLane(lane: Lane, atMost: number): Promise<readonly KnownBucket[]> {
    const known: KnownBucket[] = [];
    const prefix = bucketsPrefix(lane);
    let after: string | undefined;
    for (;;) {
      const page = await this.#coord.list({ prefix, after, limit: BUCKETS_PER_LANE });
      for (const entry of page.entries) known.push({ lane, name: lastPart(entry.key) });
      after = page.entries.at(-1)?.key;
      if (!page.more || after === undefined) return known;
      if (known.length >= atMost) {
        this.#hasMore = true;
        return known;
      }
    }
  }

  async #collect(limit: number): Promise<readonly FoundJob[]> {
    const found: FoundJob[] = [];
    const empty: KnownBucket[] = [];
    const known = this.#buckets;
    for (let from = 0; from < known.length && found.length < limit; from += BUCKETS_AT_ONCE) {
      const buckets = known.slice(from, from + BUCKETS_AT_ONCE);
      const pages = await Promise.all(buckets.map((bucket) => this.#readHead(bucket, limit)));
      for (const [index, bucket] of buckets.entries()) {
        const ids = pages[index] ?? [];
        found.push(...ids.map((id) => ({ id, lane: bucket.lane })));
        if (ids.length === 0 && isOutOfUse(bucket.name, this.#clock.nowUnixMs()))
          empty.push(bucket);
      }
    }
    await Promise.all(empty.map((bucket) => this.#clear(bucket)));
    return found;
  }

  async #readHead(bucket: KnownBucket, limit: number): Promise<readonly JobId[]> {
    const page = await this.#coord.list({
      prefix: readyBucketPrefix(bucket.lane, bucket.name),
      limit: Math.min(limit, BUCKET_CAPACITY),
    });
    return page.entries.map((entry) => idAfterDash(entry.key));
  }

  async #clear(bucket: KnownBucket): Promise<void> {
    const isGone = await removeEmptyBucket(this.#coord, bucket.lane, bucket.name);
    if (isGone) this.#buckets = this.#buckets.filter((known) => known !== bucket);
  }
}
