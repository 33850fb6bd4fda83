// The upkeep of a board: takeover of dead members' jobs, jobs that come due, deadlines, retention, and
// parents that were not told of the end of a task job.
// Any number of processes run one each: every worker does, every server does. One of them leads and
// acts at once; the others look a little later whether something was left undone, so nothing ever
// waits for a leader.
//
// Not guaranteed: that each thing is done once. Guards see to that it has effect once.
import {
  backoffMs,
  createUniqueId,
  DEFAULT_BACKOFF,
  fromUnknown,
  jitter,
  type Service,
  sleep,
} from '@holdfast/core';
import type { Board } from './board.ts';
import type { BoardParts } from './board-parts.ts';
import { listDeadMembers } from './fleet.ts';
import { DEADLINE_PREFIX, DUE_PREFIX, WORKERS_PREFIX } from './keys.ts';
import { Leadership } from './leadership.ts';
import { gaugeReadyJobs } from './ready-gauge.ts';
import { takeOverMember } from './takeover.ts';
import { tellOfEndedTaskJobs } from './task-ends.ts';
import {
  earliestWithin,
  expireWaitingJobs,
  promoteDueJobs,
  REMOVALS_AT_ONCE,
  removeFinishedJobs,
} from './time-sweeps.ts';

/** Lease of the leader, in milliseconds. Nothing waits for it to lapse. */
export const LEADER_TTL_MS = 5000;

/** How often the fleet is looked over although no watch has woken, in milliseconds, ± a fifth. */
const FLEET_RESYNC_MS = 1000;

/** How long followers leave a dead member to the leader, in milliseconds, ± half. */
const FOLLOWER_TAKEOVER_MS = 200;

/** How often the leader and the followers look at what comes due, in milliseconds. */
const LEADER_TICK_MS = 250;
const FOLLOWER_TICK_MS = 1000;

/** Followers act on what is overdue by this, in milliseconds. */
const FOLLOWER_LAG_MS = 1000;

/** How often everybody looks for ends of task jobs that nobody has told of, in milliseconds, ± a fifth. */
const TASK_ENDS_MS = 1000;

/** How often the leader removes finished jobs and counts ready ones, in milliseconds. */
const SLOW_TICK_MS = 10_000;

export interface CaretakerOptions {
  readonly board: Board;
  /** Who this is: a worker's id, or absent for a process that is no worker. */
  readonly holder?: string | undefined;
}

/** Runs the upkeep loops between `start` and `stop`. */
export class Caretaker implements Service {
  readonly #parts: BoardParts;
  readonly #leadership: Leadership;
  #stopping = new AbortController();
  #loops: readonly Promise<void>[] = [];
  #wake = new AbortController();
  #slowAtMs = 0;
  #endsAtMs = 0;

  constructor(options: CaretakerOptions) {
    this.#parts = options.board.parts;
    this.#leadership = new Leadership({
      ...this.#parts,
      holder: options.holder ?? createUniqueId(this.#parts),
      ttlMs: LEADER_TTL_MS,
    });
  }

  async start(): Promise<void> {
    if (this.#loops.length > 0) return;
    this.#stopping = new AbortController();
    this.#loops = [
      this.#loop('fleet', () => this.#tendFleet()),
      this.#loop('time', () => this.#tendTime()),
    ];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    await Promise.all(this.#loops);
    this.#loops = [];
    await this.#leadership.resign();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Runs rounds until stopped. A round that fails is tried again, ever more slowly. */
  async #loop(name: string, round: () => Promise<void>): Promise<void> {
    const { clock, random, logger } = this.#parts;
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await round();
        failures = 0;
      } catch (error) {
        failures += 1;
        const { code, message } = fromUnknown(error);
        if (failures === 1)
          logger.warn({ loop: name, code, error: message }, 'upkeep failed; it goes on trying');
        await sleep(clock, backoffMs({ ...DEFAULT_BACKOFF, maxMs: 10_000 }, failures, random), {
          signal,
        });
      }
    }
  }

  /** One look at the fleet, then a wait for a change of it. */
  async #tendFleet(): Promise<void> {
    const { coord, clock, random } = this.#parts;
    const watch = coord.watch(WORKERS_PREFIX, () => this.#wake.abort());
    try {
      await Promise.race([watch.armed, aborted(this.#stopping.signal)]);
      while (!this.#stopping.signal.aborted) {
        this.#wake = new AbortController();
        await this.#takeOverDead();
        if (this.#stopping.signal.aborted) return;
        await sleep(clock, jitter(random, FLEET_RESYNC_MS), { signal: this.#wake.signal });
      }
    } finally {
      await watch.close();
    }
  }

  async #takeOverDead(): Promise<void> {
    const { coord, clock, random, logger } = this.#parts;
    let dead = await listDeadMembers(coord);
    if (dead.length === 0) return;
    if (!this.#leadership.isLeader) {
      const { signal } = this.#stopping;
      await sleep(clock, jitter(random, FOLLOWER_TAKEOVER_MS, 0.5), { signal });
      dead = await listDeadMembers(coord);
    }
    for (const worker of dead) {
      const jobs = await takeOverMember(this.#parts, worker);
      if (jobs > 0) logger.info({ worker, jobs }, 'took over the jobs of a worker that is gone');
    }
  }

  /** One look at everything that happens because time passes, then a wait until the next. */
  async #tendTime(): Promise<void> {
    const { clock, random } = this.#parts;
    await this.#leadership.tryToLead();
    const { isLeader } = this.#leadership;
    const untilUnixMs = clock.nowUnixMs() - (isLeader ? 0 : FOLLOWER_LAG_MS);
    await promoteDueJobs(this.#parts, untilUnixMs);
    await expireWaitingJobs(this.#parts, untilUnixMs);
    if (clock.monotonicMs() >= this.#endsAtMs) {
      await tellOfEndedTaskJobs(this.#parts);
      this.#endsAtMs = clock.monotonicMs() + jitter(random, TASK_ENDS_MS);
    }
    if (isLeader && clock.monotonicMs() >= this.#slowAtMs) {
      const removed = await removeFinishedJobs(this.#parts, untilUnixMs);
      await gaugeReadyJobs(this.#parts);
      const isBehind = removed >= REMOVALS_AT_ONCE;
      this.#slowAtMs = clock.monotonicMs() + (isBehind ? 0 : jitter(random, SLOW_TICK_MS));
    }
    const waitMs = isLeader ? await this.#untilNextMs() : jitter(random, FOLLOWER_TICK_MS);
    await sleep(clock, waitMs, { signal: this.#stopping.signal });
  }

  /** How long the leader may rest: until the next thing comes due, a tick at the most. */
  async #untilNextMs(): Promise<number> {
    const nowUnixMs = this.#parts.clock.nowUnixMs();
    const horizon = nowUnixMs + LEADER_TICK_MS;
    const times = await Promise.all(
      [DUE_PREFIX, DEADLINE_PREFIX].map((prefix) => earliestWithin(this.#parts, prefix, horizon)),
    );
    const next = Math.min(horizon, ...times.filter((time) => time !== undefined));
    return Math.max(MIN_REST_MS, next - nowUnixMs);
  }
}

/** The shortest rest between two looks, in milliseconds. */
const MIN_REST_MS = 5;

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
}
