// One incarnation of a worker, as the board knows it: what it may claim, and what it writes about
// the attempts that it holds.
//
// Invariants:
//   K1. A claim's commit guards on the status being as read (ready) and on the worker's session key.
//   K2. A claim whose answer was lost may have happened, or may happen yet. So the member compares what
//       it holds with what the board says it holds, at once after a lost answer and every RECONCILE_MS,
//       and runs what it didn't know of: no job is ever held without being run.

import type { Coord, Session, Version, Watch } from '@holdfast/coord';
import {
  type AtomRecord,
  ClaimLostError,
  type Clock,
  type Failure,
  fromUnknown,
  type JobId,
  type JobSignal,
  jitter,
  type Logger,
  type Payload,
  type Random,
  SessionLostError,
  sleep,
  transitionJob,
  type WorkerId,
} from '@holdfast/core';
import { encodeWorker } from '@holdfast/wire';
import { type AttemptEnded, type AttemptEnding, endAttempt } from './attempt-end.ts';
import { AttemptFences } from './attempt-fence.ts';
import { type AttemptParts, writeCheckpoint } from './attempt-writes.ts';
import type { Claim } from './claim.ts';
import { listLiveWorkers, removeMember } from './fleet.ts';
import {
  type JobRecords,
  listAll,
  readAtoms,
  readControl,
  readJobs,
  readSignals,
} from './job-reader.ts';
import type { JobControl } from './job-view.ts';
import {
  claimsPrefix,
  inboxPrefix,
  type Lane,
  lastPart,
  parseInboxKey,
  readyQueuePrefix,
  workerKey,
} from './keys.ts';
import type { BoardObserver } from './observer.ts';
import { passOver } from './one-by-one.ts';
import { ReadyFinder } from './ready-finder.ts';
import { preferredWorker } from './rendezvous.ts';
import { statusGuard, transitionWrites } from './transition.ts';
import type { WorkerInfo } from './worker-view.ts';

/**
 * How long a job is left to the worker that should take it first, in milliseconds, give or take
 * half. After that any worker with room takes it: the preferred one may be full.
 */
export const YIELD_MS = 20;

/** How old the list of live workers may be that preferences are judged by, in milliseconds. */
const FLEET_MAX_AGE_MS = 1000;

/** How often a member compares what it runs with what the board says it holds, in milliseconds. */
export const RECONCILE_MS = 5000;

/** Entries looked at for each job wanted, so that each of several workers finds some of its own. */
const LOOK_AHEAD = 4;

/** The most jobs of one call of `claim`. */
export const MAX_CLAIMS_AT_ONCE = 256;

export interface MemberParts extends Omit<AttemptParts, 'fences'> {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly observer: BoardObserver;
}

/** What was put into a member's inbox. */
export interface Inbox {
  /** Attempts of this member of whose jobs something was asked, or which were told something. */
  readonly news: readonly { readonly jobId: JobId; readonly attempt: number }[];
  /** The member is to drain. */
  readonly drain: boolean;
}

/** What the outside wants of a job that runs, and has told it. */
export interface JobNews {
  readonly control: JobControl | undefined;
  /** Those that were not known yet, by number. */
  readonly signals: readonly JobSignal[];
}

/** A member of the fleet, from `Board.join`. */
export class Member {
  readonly id: WorkerId;
  readonly #parts: MemberParts & AttemptParts;
  readonly #finder: ReadyFinder;
  #info: WorkerInfo;
  #fleet: readonly string[] = [];
  #fleetReadAtMs = Number.NEGATIVE_INFINITY;
  /** The fences of claims that were handed out and have not ended: a job may be claimed again meanwhile. */
  readonly #held = new Map<JobId, Version>();
  readonly #session: Session;
  #reconcileAtMs = 0;
  #isExpelled = false;

  constructor(parts: MemberParts, info: WorkerInfo, session: Session) {
    this.id = info.id;
    this.#parts = { ...parts, fences: new AttemptFences(parts.coord) };
    this.#info = info;
    this.#session = session;
    const lanes: Lane[] = info.queues.flatMap((queue) =>
      info.flows.map((flow) => ({ queue, flow })),
    );
    this.#finder = new ReadyFinder(parts, lanes);
  }

  /**
   * Claims up to `limit` jobs (1 to {@link MAX_CLAIMS_AT_ONCE}) of this member's queues and flows,
   * most urgent first. Empty when there are none, or others were faster. Throws SessionLostError
   * when this member turns out to have been expelled.
   *
   * `spanId` gives each attempt the span id that its status will carry. Not to be called again
   * before it has returned.
   */
  async claim(options: {
    readonly limit: number;
    readonly spanId?: (() => string | undefined) | undefined;
  }): Promise<readonly Claim[]> {
    const limit = Math.min(options.limit, MAX_CLAIMS_AT_ONCE);
    const unknown = await this.lookUp();
    if (unknown.length > 0) return unknown;
    const found = await this.#finder.find(Math.min(limit * LOOK_AHEAD, MAX_CLAIMS_AT_ONCE));
    if (found.length === 0) return [];
    const chosen = await this.#choose(found, limit);
    const claims = await this.#claimAll(chosen, options.spanId ?? (() => undefined));
    if (this.#isExpelled) throw expelledError(this.id);
    return claims;
  }

  /**
   * Claims that the board has and this member doesn't know of (K2), when it is time to look: at once
   * after a lost answer, else every {@link RECONCILE_MS}. For a member that claims no more, or has no
   * room to; `claim` does it by itself. Not to be called while either is under way.
   */
  async lookUp(): Promise<readonly Claim[]> {
    const { clock, coord } = this.#parts;
    if (clock.monotonicMs() < this.#reconcileAtMs) return [];
    const entries = await listAll(coord, claimsPrefix(this.id));
    const ids = entries.map((entry) => lastPart(entry.key) as JobId); // written from a JobId
    const unknown = ids.filter((id) => !this.#held.has(id));
    const claims: Claim[] = [];
    for (const job of (await readJobs(coord, unknown)).values()) {
      if (job.status.phase.kind !== 'running' || job.status.phase.worker !== this.id) continue;
      const { version, ...records } = job;
      claims.push(await this.#complete({ ...records, fence: version }));
    }
    for (const claim of claims) this.#held.set(claim.spec.id, claim.fence);
    this.#reconcileAtMs = clock.monotonicMs() + RECONCILE_MS;
    return claims;
  }

  /** Wakes when there may be something to claim. Meant for an idle member: each post wakes it. */
  watchReady(wake: () => void): Watch {
    const watches = this.#info.queues.map((queue) =>
      this.#parts.coord.watch(readyQueuePrefix(queue), wake),
    );
    return joinWatches(watches);
  }

  /** Wakes when this member's inbox may have changed. */
  watchInbox(wake: () => void): Watch {
    return this.#parts.coord.watch(inboxPrefix(this.id), wake);
  }

  /**
   * Gives what is in the inbox to `act`, which must not throw, and removes it after that. A message
   * may come twice; none is lost.
   */
  async readInbox(act: (inbox: Inbox) => void): Promise<void> {
    const { coord } = this.#parts;
    const entries = (await listAll(coord, inboxPrefix(this.id))).slice(
      0,
      coord.limits.maxOpsPerCommit,
    );
    if (entries.length === 0) return;
    const messages = entries.map((entry) => parseInboxKey(entry.key));
    act({
      news: messages.flatMap((message) => (message.kind === 'news' ? [message] : [])),
      drain: messages.some((message) => message.kind === 'drain'),
    });
    await coord.commit({
      when: [],
      write: entries.map((entry) => ({ kind: 'remove', key: entry.key })),
    });
  }

  /** What is wanted of the job by now, and what it has received after signal number `after`. */
  async readNews(
    claim: Claim,
    options: { readonly after: number; readonly signal?: AbortSignal | undefined },
  ): Promise<JobNews> {
    const { coord } = this.#parts;
    const { id } = claim.spec;
    const { control } = await readControl(coord, id, options);
    const isMore = (control?.signals ?? 0) > options.after;
    return { control, signals: isMore ? await readSignals(coord, id, options) : [] };
  }

  /** Checkpoints tasks. Throws ClaimLostError when the claim no longer holds. Harmless to repeat. */
  async checkpoint(claim: Claim, atoms: readonly AtomRecord[]): Promise<void> {
    try {
      await writeCheckpoint(this.#parts, claim, atoms);
    } catch (error) {
      if (error instanceof ClaimLostError) this.#letGo(claim);
      throw error;
    }
  }

  /**
   * Ends the attempt: SUCCEEDED, or CANCELLED where a cancel was acknowledged before. Like every
   * end below it throws ClaimLostError when the claim no longer holds, and can be repeated when its
   * answer was lost (OutcomeUnknownError).
   */
  async succeed(
    claim: Claim,
    end: { readonly atoms: readonly AtomRecord[]; readonly output: Payload },
  ): Promise<AttemptEnded> {
    return await this.#end(claim, { kind: 'succeed', ...end });
  }

  /** Ends the attempt: FAILED, or CANCELLED where a cancel was acknowledged before. */
  async fail(
    claim: Claim,
    end: {
      readonly atoms: readonly AtomRecord[];
      readonly failure: Failure;
      readonly reason?: string | undefined;
    },
  ): Promise<AttemptEnded> {
    return await this.#end(claim, { kind: 'fail', ...end });
  }

  /** Ends the attempt: CANCELLED. `failure`: what kept the job from being reverted to the end. */
  async cancelled(
    claim: Claim,
    end: {
      readonly atoms: readonly AtomRecord[];
      readonly reason: string;
      readonly failure?: Failure | undefined;
    },
  ): Promise<AttemptEnded> {
    return await this.#end(claim, { kind: 'cancel', ...end });
  }

  /**
   * Ends the attempt: SCHEDULED for `runAtUnixMs`, or CANCELLED where a cancel came before, SUSPENDED
   * where a suspend did. READY where a cancel with revert came before, unless the run `reverts`.
   */
  async retryLater(
    claim: Claim,
    end: {
      readonly atoms: readonly AtomRecord[];
      readonly runAtUnixMs: number;
      readonly reason: string;
      /** It is a revert that was asked for which is to be tried later. Default: false. */
      readonly reverts?: boolean | undefined;
    },
  ): Promise<AttemptEnded> {
    return await this.#end(claim, { kind: 'retryLater', ...end });
  }

  /**
   * Ends the attempt: WAITING for a signal, or until `untilUnixMs` where that is given; READY at once
   * where a signal has come that the attempt had not seen. CANCELLED or SUSPENDED like `retryLater`.
   */
  async wait(
    claim: Claim,
    end: {
      readonly atoms: readonly AtomRecord[];
      readonly untilUnixMs?: number | undefined;
      /** The number of the last signal that the attempt knew of; 0 for none. */
      readonly signalsSeen: number;
      readonly reason: string;
    },
  ): Promise<AttemptEnded> {
    return await this.#end(claim, { kind: 'wait', ...end });
  }

  /**
   * Ends the attempt as its job's suspend asked: SUSPENDED, or READY where that was taken back, or
   * where a cancel with revert came before; CANCELLED where one without did.
   */
  async suspended(
    claim: Claim,
    end: { readonly atoms: readonly AtomRecord[] },
  ): Promise<AttemptEnded> {
    return await this.#end(claim, { kind: 'suspend', reason: '', ...end });
  }

  /**
   * Hands the job back: READY ahead of new jobs, or CANCELLED where a cancel came before, SUSPENDED
   * where a suspend did.
   */
  async release(
    claim: Claim,
    end: { readonly atoms: readonly AtomRecord[]; readonly reason: string },
  ): Promise<AttemptEnded> {
    return await this.#end(claim, { kind: 'release', ...end });
  }

  /** Shows the fleet that this member takes no new jobs. */
  async setDraining(): Promise<void> {
    this.#info = { ...this.#info, isDraining: true };
    const key = workerKey(this.id);
    await this.#parts.coord.commit({
      when: [{ kind: 'exists', key }],
      write: [{ kind: 'put', key, value: encodeWorker(this.#info), session: this.#session }],
    });
  }

  /** Leaves the fleet in order. Jobs that are still held are taken over by others at once. */
  async leave(): Promise<void> {
    const { coord } = this.#parts;
    await coord.commit({ when: [], write: [{ kind: 'remove', key: workerKey(this.id) }] });
    await removeMember(coord, this.id);
  }

  /** The jobs this member should take first; others only after they were left alone for a while. */
  async #choose(found: readonly JobId[], limit: number): Promise<readonly JobId[]> {
    const fleet = await this.#readFleet();
    if (fleet.length <= 1) return found.slice(0, limit);
    const own = found.filter((id) => preferredWorker(id, fleet) === this.id);
    if (own.length > 0) return own.slice(0, limit);
    const { clock, random } = this.#parts;
    await sleep(clock, jitter(random, YIELD_MS, 0.5));
    const left = await this.#finder.find(Math.min(limit * LOOK_AHEAD, MAX_CLAIMS_AT_ONCE));
    return shuffle(left, random).slice(0, limit);
  }

  async #readFleet(): Promise<readonly string[]> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#fleetReadAtMs > FLEET_MAX_AGE_MS) {
      const live = await listLiveWorkers(this.#parts.coord);
      this.#fleet = live.filter((info) => sharesWork(info, this.#info)).map((info) => info.id);
      this.#fleetReadAtMs = nowMs;
    }
    return this.#fleet;
  }

  async #claimAll(
    ids: readonly JobId[],
    spanId: () => string | undefined,
  ): Promise<readonly Claim[]> {
    const jobs = await readJobs(this.#parts.coord, ids, passOver(this.#parts.logger));
    const claims = await Promise.all(
      [...jobs.values()].map((job) => this.#tryClaim(job, spanId())),
    );
    return claims.filter((claim) => claim !== undefined);
  }

  async #tryClaim(job: JobRecords, spanId: string | undefined): Promise<Claim | undefined> {
    const { coord, clock, observer } = this.#parts;
    if (job.status.phase.kind !== 'ready') return undefined;
    const atUnixMs = clock.nowUnixMs();
    const waitedMs = atUnixMs - job.status.phase.readyAtUnixMs;
    const status = transitionJob(job.status, { kind: 'claim', worker: this.id, atUnixMs, spanId });
    try {
      const result = await coord.commit({
        when: [statusGuard(job), { kind: 'exists', key: workerKey(this.id) }], // K1
        write: transitionWrites(job.spec, job.status, status),
      });
      if (!result.committed) {
        this.#isExpelled ||= result.failedGuard.kind === 'exists'; // K1
        if (!this.#isExpelled) observer.claimCollision?.({ queue: job.spec.queue });
        return undefined;
      }
      observer.claimed?.({ queue: job.spec.queue, flow: job.spec.flow, waitedMs });
      const fence = result.versionOf(statusGuard(job).key);
      const { spec, control, controlGuard } = job;
      const claim = await this.#complete({ spec, status, fence, control, controlGuard });
      this.#held.set(spec.id, fence); // Only now: a claim that can't be handed out is one to look up (K2).
      return claim;
    } catch (error) {
      this.#reconcileAtMs = 0; // K2
      const { code, message } = fromUnknown(error);
      this.#parts.logger.warn(
        { jobId: job.spec.id, code, error: message },
        'claim not confirmed; it will be looked up',
      );
      return undefined;
    }
  }

  /** Adds what earlier attempts checkpointed, and what the job received; mostly there is nothing to read. */
  async #complete(claim: Omit<Claim, 'atoms' | 'signals'>): Promise<Claim> {
    const { coord } = this.#parts;
    const { id } = claim.spec;
    const isFirst = claim.status.attempt === 1;
    const hasSignals = (claim.control?.signals ?? 0) > 0;
    const [atoms, signals] = await Promise.all([
      isFirst ? [] : readAtoms(coord, id),
      hasSignals ? readSignals(coord, id) : [],
    ]);
    return { ...claim, atoms, signals };
  }

  /** Runs one write about a claim, and notes when the claim is over by it. */
  async #end(claim: Claim, ending: AttemptEnding): Promise<AttemptEnded> {
    try {
      const ended = await endAttempt(this.#parts, claim, ending);
      this.#letGo(claim);
      return ended;
    } catch (error) {
      if (error instanceof ClaimLostError) this.#letGo(claim);
      throw error;
    }
  }

  /** This claim is over; another one of the same job isn't. */
  #letGo(claim: Claim): void {
    if (this.#held.get(claim.spec.id) === claim.fence) this.#held.delete(claim.spec.id);
  }
}

function expelledError(id: WorkerId): SessionLostError {
  return new SessionLostError(
    `worker ${id} was expelled, so it can claim nothing any more; join under a new id`,
    { ids: { workerId: id } },
  );
}

function sharesWork(a: WorkerInfo, b: WorkerInfo): boolean {
  return (
    a.queues.some((queue) => b.queues.includes(queue)) &&
    a.flows.some((flow) => b.flows.includes(flow))
  );
}

function shuffle<Item>(items: readonly Item[], random: Random): readonly Item[] {
  return items
    .map((item) => ({ item, weight: random.next() }))
    .sort((a, b) => a.weight - b.weight)
    .map(({ item }) => item);
}

function joinWatches(watches: readonly Watch[]): Watch {
  return {
    armed: Promise.all(watches.map((watch) => watch.armed)).then(() => undefined),
    close: async () => {
      await Promise.all(watches.map((watch) => watch.close()));
    },
  };
}
