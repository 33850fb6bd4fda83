// The board: everything a server, an operator or a worker does to jobs, over the coordination seam.
// Stateless but for caches; any number of processes run one each on the same store.
//
// Invariants (each also stated where it is kept):
//   I1. Every transition of a job is one commit that guards on its status being as read (G2), and
//       writes the status together with the index entries it implies (G7). transition.ts
//   I2. An attempt writes only under its fence. attempt-writes.ts
//   I3. A job is claimed only by a member whose session key exists, and taken from one only when it
//       doesn't. fleet.ts, takeover.ts
//   I4. No ready entry is ever left where nobody looks. ready-buckets.ts

import type { Coord, Session } from '@holdfast/coord';
import {
  type Clock,
  isFinal,
  type JobId,
  type JobStatus,
  type Logger,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
  type WorkerId,
} from '@holdfast/core';
import type { BoardParts } from './board-parts.ts';
import { type DoctorReport, examineBoard } from './doctor.ts';
import { askToDrain, expelWorker, joinFleet, listLiveWorkers, pageOfWorkers } from './fleet.ts';
import type { FlowRecord, FlowView } from './flow-record.ts';
import { pageOfFlows, registerFlow, viewFlow } from './flow-registry.ts';
import { type ChangeRequest, type ChangeResult, changeJob } from './job-change.ts';
import { type CancelOptions, cancelJob, reviveJob } from './job-control.ts';
import { type ForkRequest, forkJob } from './job-fork.ts';
import { listJobs } from './job-listing.ts';
import { readJobView } from './job-reader.ts';
import { type NewSignal, type SignalResult, signalJob } from './job-signals.ts';
import { resumeJob, suspendJob } from './job-suspension.ts';
import type { JobPage, JobQuery, JobView } from './job-view.ts';
import { watchJob } from './job-watch.ts';
import { PROBE_KEY } from './keys.ts';
import { Member } from './member.ts';
import type { NewJob, PostResult } from './new-job.ts';
import type { BoardObserver } from './observer.ts';
import type { PageOf, PageQuery } from './page.ts';
import { settleEnd } from './parent-end.ts';
import { postJob } from './posting.ts';
import { ReadyBuckets } from './ready-buckets.ts';
import { ParentTeller } from './task-ends.ts';
import { waitingReason } from './waiting-reason.ts';
import type { WorkerInfo, WorkerView } from './worker-view.ts';

export interface BoardOptions {
  /** The store; started and stopped by the caller. */
  readonly coord: Coord;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  readonly observer?: BoardObserver | undefined;
}

/**
 * A job board on a store. Every method throws UnavailableError when the store is away, and
 * OutcomeUnknownError when the answer to a write was lost.
 */
export class Board {
  /** For the board's own services, such as the Caretaker; not for users. */
  readonly parts: BoardParts;

  constructor(options: BoardOptions) {
    const { coord, clock = systemClock, random = systemRandom } = options;
    const buckets = new ReadyBuckets({ coord, clock, random });
    const observer = options.observer ?? {};
    this.parts = {
      coord,
      clock,
      random,
      logger: options.logger ?? silentLogger,
      observer,
      buckets,
      teller: new ParentTeller({ coord, clock, random, observer, buckets }),
    };
  }

  /**
   * Posts jobs, each with a verdict of its own, in the order given. A job whose result is `posted`
   * is durable (G1). Never throws.
   */
  async post(jobs: readonly NewJob[]): Promise<readonly PostResult[]> {
    return await Promise.all(jobs.map((job) => postJob(this.parts, job)));
  }

  /** A job with all that is known of it; undefined when it isn't there. */
  async getJob(id: JobId): Promise<JobView | undefined> {
    const read = await readJobView(this.parts.coord, id);
    return read && (await this.#withReason(read.view));
  }

  /** One page of jobs, newest first. Throws InvalidArgumentError for a wrong page token. */
  async listJobs(query: JobQuery): Promise<JobPage> {
    return await listJobs(this.parts, query);
  }

  /**
   * Yields the job as it is, then after changes, and ends after its final state. Changes may be
   * coalesced. Ends when `signal` aborts. Throws NotFoundError when the job isn't there.
   */
  async *watchJob(
    id: JobId,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<JobView> {
    for await (const view of watchJob(this.parts, id, options)) yield await this.#withReason(view);
  }

  /**
   * Cancels a job: at once when it waits; when it runs, its worker is told, and from then on it can
   * only end CANCELLED, even if the worker dies. Returns the status after the request. Cancelling a
   * cancelled job changes nothing.
   *
   * With `revert`, what tasks have done is reverted first, however many attempts that takes; a job
   * that isn't running and has something to revert becomes READY for that. A cancel without revert
   * stops one with it. Where too many attempts are lost, or the total deadline passes, the job ends
   * CANCELLED with that failure.
   *
   * Throws NotFoundError, or FailedPreconditionError when the job is final otherwise, or is to be
   * reverted although it was cancelled without.
   */
  async cancel(id: JobId, options: CancelOptions): Promise<JobStatus> {
    const status = await cancelJob(this.parts, id, options);
    await settleEnd(this.parts, status);
    return status;
  }

  /**
   * Suspends a job: at once when it doesn't run; when it runs, its worker is told to start no further
   * task, and once those that run have ended it is SUSPENDED, or final if that was all. This holds
   * also if the worker dies. Returns the status after the request. Suspending a suspended job changes
   * nothing. Deadlines go on, and signals are kept for it.
   *
   * Throws NotFoundError; FailedPreconditionError when the job is final or is being cancelled.
   */
  async suspend(id: JobId, options: { readonly reason: string }): Promise<JobStatus> {
    return await suspendJob(this.parts, id, options.reason);
  }

  /**
   * Lets a suspended job go on: it becomes READY ahead of new jobs, or SCHEDULED again when it was
   * scheduled for a time that is still to come. One that runs and has not stopped yet is to stop no
   * more. Changes nothing for a job that isn't suspended. Returns the status after the request.
   *
   * Throws NotFoundError; FailedPreconditionError when the job is final.
   */
  async resume(id: JobId): Promise<JobStatus> {
    return await resumeJob(this.parts, id);
  }

  /**
   * Sends a signal to a job, under the next number. A job that waits becomes READY by it; every
   * attempt gets all signals of its job, and those that come while it runs. A repeat under the same
   * idempotency key gives the number of the first one, also when the job has ended since.
   *
   * Throws NotFoundError; FailedPreconditionError when the job is final; AlreadyExistsError when the
   * key belongs to another signal of the job; RESOURCE_EXHAUSTED beyond `LIMITS.signalsPerJob` or
   * `LIMITS.signalBytesPerJob`.
   */
  async signal(id: JobId, signal: NewSignal): Promise<SignalResult> {
    return await signalJob(this.parts, id, signal);
  }

  /**
   * Makes a dead, failed or cancelled job ready again, with its attempts counted anew. Checkpointed
   * results are kept; tasks that failed or were reverted start afresh.
   *
   * Throws NotFoundError; FailedPreconditionError for any other state, or when the job's total
   * deadline has passed.
   */
  async revive(id: JobId): Promise<JobStatus> {
    return await reviveJob(this.parts, id);
  }

  /**
   * Changes what a suspended, failed, cancelled or dead job goes on with, all of it or nothing, and keeps
   * that in the job's history. With `resume` the job becomes READY too: to go forward, or, where nothing
   * but reverts was changed, to go on with its revert. Nobody checks who the caller says it is.
   *
   * Throws NotFoundError; InvalidArgumentError for tasks and values that the flow doesn't have, and for
   * changes that exclude each other; FailedPreconditionError when the job is in another state, runs a
   * single task, is a durable function, its flow isn't registered or in another version, its total
   * deadline has passed, or a task is in no state for the change; PayloadTooLargeError;
   * RESOURCE_EXHAUSTED beyond `LIMITS.changesPerJob` or `LIMITS.changeBytesPerJob`.
   */
  async change(id: JobId, request: ChangeRequest): Promise<ChangeResult> {
    return await changeJob(this.parts, id, request);
  }

  /**
   * Posts a new job that begins with copies of what succeeded in a suspended or finished one, up to a
   * task where one is given. What it takes over is never reverted by it. A repeat under the same
   * idempotency key gives the job of the first one.
   *
   * Throws what {@link Board.change} throws, but for its limits.
   */
  async fork(id: JobId, request: ForkRequest): Promise<PostResult> {
    return await forkJob(this.parts, id, request);
  }

  /** Registers a flow so that it can be posted to. Writes only when its shape is new. */
  async registerFlow(flow: FlowRecord): Promise<void> {
    await registerFlow(this.parts.coord, flow);
  }

  /** A registered flow; undefined when there is none of that name. */
  async getFlow(name: string): Promise<FlowView | undefined> {
    return await viewFlow(this.parts.coord, name);
  }

  /** One page of the registered flows, by name. */
  async listFlows(query: PageQuery): Promise<PageOf<FlowView>> {
    return await pageOfFlows(this.parts.coord, query);
  }

  /** One page of workers, by id; those that are gone and still hold jobs are among them. */
  async listWorkers(query: PageQuery): Promise<PageOf<WorkerView>> {
    return await pageOfWorkers(this.parts.coord, query);
  }

  /** Asks a worker to drain. Throws NotFoundError when there is no such live worker. */
  async drainWorker(id: WorkerId): Promise<void> {
    await askToDrain(this.parts.coord, id);
  }

  /**
   * Ends a worker's right to claim, at once and for ever, so that its jobs are taken over. Safe even
   * when the worker is alive: fences refuse whatever it writes then. True when it was there.
   */
  async expel(id: WorkerId): Promise<boolean> {
    return await expelWorker(this.parts.coord, id);
  }

  /**
   * Joins the fleet under an id that was never used before; `session` is the worker's lease. Throws
   * FailedPreconditionError for a used id, SessionLostError when the session is gone.
   */
  async join(info: WorkerInfo, session: Session): Promise<Member> {
    await joinFleet(this.parts.coord, info, session);
    return new Member(this.parts, info, session);
  }

  /** Checks that all records agree (G7), on the live board, and repairs what it can when asked to. */
  async doctor(options: { readonly repair: boolean }): Promise<DoctorReport> {
    return await examineBoard(this.parts, options);
  }

  /**
   * Writes a record without meaning: resolves when the store takes writes now. Throws what every other
   * write would, such as RESOURCE_EXHAUSTED when the store is full.
   */
  async probe(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const write = { kind: 'put', key: PROBE_KEY, value: new Uint8Array(0) } as const;
    await this.parts.coord.commit({ when: [], write: [write] }, options);
  }

  async #withReason(view: JobView): Promise<JobView> {
    const { kind } = view.status.phase;
    if (kind === 'running' || isFinal(kind)) return view;
    const live = kind === 'ready' ? await listLiveWorkers(this.parts.coord) : [];
    return { ...view, waitingReason: waitingReason(view, live) };
  }
}
