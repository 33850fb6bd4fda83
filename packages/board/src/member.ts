// One incarnation of a worker, as the board knows it: what it may claim, and what it writes about
// the attempts that it holds.
//
// Invariants:
//   K1. A claim's commit guards on the status being as read (ready) and on the worker's session key.
//   K2. A claim whose answer was lost may have happened, or may happen yet. So the member compares what
//       it holds with what the board says it holds, at once after a lost answer and every RECONCILE_MS,
//       and runs what it didn't know of: no job is ever held without being run.
//   K3. Only what a lane of this member holds is claimed (lane.ts, V3), judged by the status that the
//       claim guards on.

import type { Coord, Session, Version, Watch } from '@holdfast/coord';
import {
  type AtomRecord,
  ClaimLostError,
  type Clock,
  type Failure,
  fromUnknown,
  type JobId,
  type JobSignal,
  type Logger,
  type Payload,
  type Random,
  type RemoteTask,
  SessionLostError,
  transitionJob,
  type WorkerId,
} from '@holdfast/core';
import { encodeWorker } from '@holdfast/wire';
import { type AttemptEnded, type AttemptEnding, endAttempt } from './attempt-end.ts';
import { AttemptFences } from './attempt-fence.ts';
import { type AttemptParts, writeCheckpoint } from './attempt-writes.ts';
import type { Claim } from './claim.ts';
import { ClaimChooser, MAX_CLAIMS_AT_ONCE } from './claim-chooser.ts';
import { removeMember } from './fleet.ts';
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
  lastPart,
  parseInboxKey,
  readyQueuePrefix,
  workerKey,
} from './keys.ts';
import { versionToClaim } from './lane.ts';
import type { BoardObserver } from './observer.ts';
import { passOver } from './one-by-one.ts';
import { cancelTaskJob, isOrphan, settleEnd } from './parent-end.ts';
import type { ParentTeller } from './task-ends.ts';
import {
  type NewTaskJob,
  type PostedTaskJob,
  postTaskJob,
  readParentRecord,
  readTaskJobs,
  type TaskJobName,
  type TaskJobState,
} from './task-jobs.ts';
import { statusGuard, transitionWrites } from './transition.ts';
import type { WorkerInfo } from './worker-view.ts';

/** How often a member compares what it runs with what the board says it holds, in milliseconds. */
export const RECONCILE_MS = 5000;

export interface MemberParts extends Omit<AttemptParts, 'fences'> {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly observer: BoardObserver;
  readonly teller: ParentTeller;
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
  /** Also of how many ends of its task jobs it was told. */
  readonly control: JobControl | undefined;
  /** Those that were not known yet, by number. */
  readonly signals: readonly JobSignal[];
}

/** A member of the fleet, from `Board.join`. */
export class Member {
  readonly id: WorkerId;
  readonly #parts: MemberParts & AttemptParts;
  readonly #chooser: ClaimChooser;
  #info: WorkerInfo;
  /** Claims whose attempt has asked for task jobs. */
  readonly #withTaskJobs = new WeakSet<Claim>();
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
    this.#chooser = new ClaimChooser(parts, info);
  }

  /**
   * Claims up to `limit` jobs (1 to {@link MAX_CLAIMS_AT_ONCE}) of this member's queues and flows, of
   * versions that it has or continues, most urgent first. Empty when there are none, or others were faster. Throws SessionLostError
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
    const chosen = await this.#chooser.choose(limit);
    if (chosen.length === 0) return [];
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
   * Ends the attempt: WAITING for a signal or the end of a task job, or until `untilUnixMs` where that
   * is given; READY at once where one has come that the attempt had not seen. CANCELLED, SUSPENDED or
   * READY for a cancel like `retryLater`.
   */
  async wait(
    claim: Claim,
    end: {
      readonly atoms: readonly AtomRecord[];
      readonly untilUnixMs?: number | undefined;
      /** The number of the last signal that the attempt knew of; 0 for none. */
      readonly signalsSeen: number;
      /**
       * What `control.taskEnds` was before the attempt last read how its task jobs stand. Default: what it
       * was when the job was claimed.
       */
      readonly taskEndsSeen?: number | undefined;
      readonly reason: string;
      /** It is reverts which were asked for that the job waits for. Default: false. */
      readonly reverts?: boolean | undefined;
    },
  ): Promise<AttemptEnded> {
    const { taskEndsSeen = claim.control?.taskEnds ?? 0 } = end;
    return await this.#end(claim, { kind: 'wait', ...end, taskEndsSeen });
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

  /**
   * Posts the task job of a try of a remote task, in one commit with the task's record, which then names
   * it. Where this try of the task, under this claim's version of the flow, has a task job already,
   * whichever attempt posted it, nothing is written and that one is given; but one that was cancelled,
   * such as with its parent that was revived since, is replaced. Harmless to repeat when the answer was lost.
   *
   * Throws ClaimLostError when the claim no longer holds; RESOURCE_EXHAUSTED when arguments and record
   * are too large for one commit of the store.
   */
  async postTaskJob(claim: Claim, task: NewTaskJob): Promise<PostedTaskJob> {
    this.#withTaskJobs.add(claim);
    try {
      return await postTaskJob(this.#parts, claim, task);
    } catch (error) {
      if (error instanceof ClaimLostError) this.#letGo(claim);
      throw error;
    }
  }

  /**
   * How task jobs stand, in the order given, however many: their states, and of those that have ended
   * the failure and the task's record. Read `control.taskEnds` before, by `readNews` or from the claim:
   * every end that it counts is seen by this.
   */
  async readTaskJobs(tasks: readonly TaskJobName[]): Promise<readonly TaskJobState[]> {
    return await readTaskJobs(this.#parts, tasks);
  }

  /**
   * The parent's record of the task of a task job, for what the task had provided that is to be reverted: a
   * task job's own spec doesn't hold that. Undefined when the parent is gone.
   */
  async readParentRecord(remoteTask: RemoteTask): Promise<AtomRecord | undefined> {
    return await readParentRecord(this.#parts, remoteTask);
  }

  /** Cancels a task job; one that has ended, or isn't there, is left as it is. Harmless to repeat. */
  async cancelTaskJob(id: JobId, options: { readonly reason: string }): Promise<void> {
    const status = await cancelTaskJob(this.#parts, id, options.reason);
    if (status) await settleEnd(this.#parts, status);
  }

  /**
   * True for a claim of a task job whose end nobody waits for any more: its parent is final or gone, or
   * goes on with another version of the flow. Such an attempt is to end as cancelled, with
   * {@link PARENT_IS_OVER} as its reason.
   */
  async isOrphan(claim: Claim): Promise<boolean> {
    return await isOrphan(this.#parts.coord, claim.spec);
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
    const flowVersion = versionToClaim(this.#info, job);
    if (flowVersion === undefined) return undefined; // K3
    const atUnixMs = clock.nowUnixMs();
    const waitedMs = atUnixMs - job.status.phase.readyAtUnixMs;
    const status = transitionJob(job.status, {
      kind: 'claim',
      worker: this.id,
      flowVersion,
      atUnixMs,
      spanId,
    });
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
    const { control, spec } = claim;
    const hasAtoms = claim.status.attempt > 1 || spec.forkedFrom || (control?.changes ?? 0) > 0;
    const hasSignals = (claim.control?.signals ?? 0) > 0;
    const [atoms, signals] = await Promise.all([
      hasAtoms ? readAtoms(coord, id, control) : [],
      hasSignals ? readSignals(coord, id) : [],
    ]);
    return { ...claim, atoms, signals };
  }

  /** Runs one write about a claim, and notes when the claim is over by it. */
  async #end(claim: Claim, ending: AttemptEnding): Promise<AttemptEnded> {
    try {
      const ended = await endAttempt(this.#parts, claim, ending);
      this.#letGo(claim);
      await this.#settle(claim, ended);
      return ended;
    } catch (error) {
      if (error instanceof ClaimLostError) this.#letGo(claim);
      throw error;
    }
  }

  /** What the end of an attempt means for others, where it may be one. Mostly there is nothing to do. */
  async #settle(claim: Claim, ended: AttemptEnded): Promise<void> {
    const isEnd = ended === 'succeeded' || ended === 'failed' || ended === 'cancelled';
    const { status } = claim;
    const concerns =
      status.parentId !== undefined ||
      this.#withTaskJobs.has(claim) ||
      claim.atoms.some(({ taskJob }) => taskJob !== undefined);
    if (!isEnd || !concerns) return;
    const atUnixMs = this.#parts.clock.nowUnixMs();
    await settleEnd(this.#parts, transitionJob(status, { kind: 'finish', state: ended, atUnixMs }));
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

function joinWatches(watches: readonly Watch[]): Watch {
  return {
    armed: Promise.all(watches.map((watch) => watch.armed)).then(() => undefined),
    close: async () => {
      await Promise.all(watches.map((watch) => watch.close()));
    },
  };
}
