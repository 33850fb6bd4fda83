// The writing side of the ready index: gives a job that becomes ready its place.
//
// A range on etcd costs what lies in it, so ready entries live in buckets of bounded size, and
// `buckets/<queue>/<flow>/<bucket>` lists the buckets, with the flow as lane.ts writes it. A bucket's name
// starts with the priority (most urgent first), then the turn (`0` for jobs that come back, `1` for new ones), then the time
// it was opened, in the order its process opened them: walking buckets by name is walking jobs by priority, then age.
//
// Each process writes into buckets of its own, so that no key is contended. A bucket takes entries
// for OPEN_MS or BUCKET_CAPACITY, whichever is reached first; order between jobs that two processes
// post within OPEN_MS of each other is therefore not defined.
//
// Invariants:
//   B1. Every commit that puts a ready entry guards on its bucket's record being unchanged since it
//       was opened.
//   B2. A bucket is removed in two steps: sealed (its record is written, so B1 refuses every further
//       entry), then, if a listing made after that shows it empty, removed. So no entry is ever left
//       in a bucket that isn't listed.
//   B3. A bucket's name is unique for ever.

import type { Coord, Guard, Version } from '@holdfast/coord';
import type { Clock, JobSpec, Random, ReadyPosition } from '@holdfast/core';
import { createUniqueId, LIMITS, UnavailableError } from '@holdfast/core';
import { bucketKey, readyBucketPrefix } from './keys.ts';
import { type JobInLane, type Lane, laneOf } from './lane.ts';

/** Entries a bucket takes. The root of a million, give or take: a deep queue has as many buckets as a bucket has entries. */
export const BUCKET_CAPACITY = 512;

/** How long a bucket takes entries, in milliseconds of its process's monotonic clock. */
export const OPEN_MS = 2000;

/** How often a placement is tried before the caller is told to come back. */
export const MAX_PLACEMENT_TRIES = 20;

const OPEN = new TextEncoder().encode('open');
const SEALED = new TextEncoder().encode('sealed');

/** `returned` jobs were claimed before (taken over, handed back) and go ahead of `posted` ones. */
export type ReadyTurn = 'returned' | 'posted';

/** A job that is to become ready. Its status may be the one before: the lane is the same (lane.ts, V2). */
export interface JobToPlace extends JobInLane {
  readonly spec: JobInLane['spec'] & Pick<JobSpec, 'priority'>;
}

/** A place in the ready index, and the guard that makes it good (B1). */
export interface Placement {
  readonly position: ReadyPosition;
  readonly guard: Guard;
}

interface OpenBucket {
  readonly name: string;
  readonly version: Version;
  readonly openedAtMs: number;
  used: number;
}

/** The newest bucket of one lane, priority and turn, as far as it has been opened. */
interface Slot {
  readonly bucket: Promise<OpenBucket>;
  readonly openedAtMs: number;
}

/** Hands out places in the ready index to the commits of one process. */
export class ReadyBuckets {
  readonly #coord: Coord;
  readonly #clock: Clock;
  /** Tells this process's buckets from all others'. */
  readonly #process: string;
  /** The newest bucket of each slot, oldest first; those out of time are dropped when one is opened. */
  readonly #open = new Map<string, Slot>();
  #sequence = 0;

  constructor(parts: { readonly coord: Coord; readonly clock: Clock; readonly random: Random }) {
    this.#coord = parts.coord;
    this.#clock = parts.clock;
    this.#process = createUniqueId(parts);
  }

  /** A place for one job. The place is used up, whether or not the caller's commit succeeds. */
  async place(job: JobToPlace, turn: ReadyTurn): Promise<Placement> {
    const lane = laneOf(job);
    const classOfJob = bucketClass(job.spec.priority, turn);
    const slot = `${bucketKey(lane, '')}${classOfJob}`;
    for (let tries = 0; tries < MAX_PLACEMENT_TRIES; tries += 1) {
      const current = this.#open.get(slot);
      const bucket = await (current?.bucket ?? this.#openBucket(slot, lane, classOfJob));
      if (
        bucket.used < BUCKET_CAPACITY &&
        this.#clock.monotonicMs() - bucket.openedAtMs < OPEN_MS
      ) {
        bucket.used += 1;
        return {
          position: { bucket: bucket.name, order: this.#nextOrder() },
          guard: { kind: 'unchanged', key: bucketKey(lane, bucket.name), version: bucket.version },
        };
      }
      if (this.#open.get(slot) === current) this.#open.delete(slot);
    }
    throw new UnavailableError('no place in the ready index could be had; try again');
  }

  /**
   * Tells that a placement's guard did not hold: the bucket was sealed meanwhile, so no further
   * entry is to be put there.
   */
  discard(guard: Guard): void {
    for (const [slot, opening] of this.#open) {
      void opening.bucket.then(
        (bucket) => {
          if (guard.key === `${slot.slice(0, slot.lastIndexOf('/') + 1)}${bucket.name}`) {
            bucket.used = BUCKET_CAPACITY;
          }
        },
        () => undefined, // An opening that failed has taken itself out already.
      );
    }
  }

  #openBucket(slot: string, lane: Lane, bucketClass: string): Promise<OpenBucket> {
    this.#dropStale();
    const bucket = this.#createBucket(lane, bucketClass);
    const opening: Slot = { bucket, openedAtMs: this.#clock.monotonicMs() };
    this.#open.delete(slot); // So that the newest is always last.
    this.#open.set(slot, opening);
    // Whoever waits for it is told of the failure; the next placement starts afresh.
    bucket.catch(() => {
      if (this.#open.get(slot) === opening) this.#open.delete(slot);
    });
    return bucket;
  }

  /** A process may post to any number of queues and flows in its life; it remembers those of OPEN_MS. */
  #dropStale(): void {
    const staleAtMs = this.#clock.monotonicMs() - OPEN_MS;
    for (const [slot, { openedAtMs }] of this.#open) {
      if (openedAtMs > staleAtMs) return;
      this.#open.delete(slot);
    }
  }

  async #createBucket(lane: Lane, bucketClass: string): Promise<OpenBucket> {
    const name = `${bucketClass}${this.#nextOrder()}${this.#process}`; // B3
    const key = bucketKey(lane, name);
    const openedAtMs = this.#clock.monotonicMs();
    const result = await this.#coord.commit({
      when: [{ kind: 'absent', key }],
      write: [{ kind: 'put', key, value: OPEN }],
    });
    if (!result.committed) throw new UnavailableError(`bucket ${name} exists already; try again`);
    return { name, version: result.versionOf(key), openedAtMs, used: 0 };
  }

  /** Sorts by time, then in the order of the calls: the jobs of one bulk post keep theirs. */
  #nextOrder(): string {
    this.#sequence = (this.#sequence + 1) % 36 ** 6;
    const time = Math.floor(this.#clock.nowUnixMs()).toString(36).padStart(ORDER_TIME_DIGITS, '0');
    return `${time}${this.#sequence.toString(36).padStart(6, '0')}`;
  }
}

/**
 * Removes a bucket that holds nothing, in the two steps of B2. True when it is gone. Any process
 * may call this for any bucket at any time: at worst another process opens a fresh one.
 */
export async function removeEmptyBucket(
  coord: Coord,
  lane: Lane,
  bucket: string,
): Promise<boolean> {
  const key = bucketKey(lane, bucket);
  const record = (await coord.get([key])).get(key);
  if (!record) return true;
  let version = record.version;
  if (!isSealed(record.value)) {
    const sealed = await coord.commit({
      when: [{ kind: 'unchanged', key, version }],
      write: [{ kind: 'put', key, value: SEALED }],
    });
    if (!sealed.committed) return false;
    version = sealed.versionOf(key);
  }
  const left = await coord.list({ prefix: readyBucketPrefix(lane, bucket), limit: 1 });
  if (left.entries.length > 0) return false;
  const removed = await coord.commit({
    when: [{ kind: 'unchanged', key, version }],
    write: [{ kind: 'remove', key }],
  });
  return removed.committed;
}

/**
 * True when the process that opened a bucket has stopped writing to it, as far as clocks can tell;
 * it decides nothing but whether an empty bucket is worth clearing away.
 */
export function isOutOfUse(bucket: string, nowUnixMs: number): boolean {
  return orderTimeUnixMs(bucket.slice(CLASS_LENGTH)) < nowUnixMs - OPEN_MS - EMPTY_GRACE_MS;
}

/** When the job at this place became ready, by the clock of the process that put it there. */
export function orderTimeUnixMs(order: string): number {
  return Number.parseInt(order.slice(0, ORDER_TIME_DIGITS), 36);
}

/** An empty bucket this much older than the time it takes entries is cleared away, in milliseconds. */
const EMPTY_GRACE_MS = 3000;

const ORDER_TIME_DIGITS = 9;

const CLASS_LENGTH = 2;

function bucketClass(priority: number, turn: ReadyTurn): string {
  return `${LIMITS.priorityMax - priority}${turn === 'returned' ? 0 : 1}`;
}

function isSealed(value: Uint8Array): boolean {
  return value.length === SEALED.length;
}
