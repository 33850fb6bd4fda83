// One membership of the fleet: a session, a worker id that is never used again, and the jobs that run
// under it.
//
//   join ──▶ serving ──drain──▶ draining ──▶ left      in order: nothing is held any more
//               │                  │
//               └──────lost────────┴───────▶ lost      what was held is taken over
//
// Invariants:
//   M1. Once the membership is lost (the session can't be trusted, or the board has expelled this
//       worker) every run is aborted and nothing more is written. That is for the sake of speed and of
//       the outside world; the board's fences refuse late writes anyway.
//   M2. A draining member takes no new job. One that a claim under way still brings is handed back
//       unstarted.
//   M3. A membership that ends in order has ended every job it held, each by one commit. Told to stop
//       immediately it doesn't look for claims whose answers were lost: their jobs are taken over.
import { Caretaker, type Claim, type Inbox, type Member, RECONCILE_MS } from '@holdfast/board';
import type { Session } from '@holdfast/coord';
import {
  assert,
  fromUnknown,
  type JobId,
  SessionLostError,
  sleep,
  type WorkerId,
} from '@holdfast/core';
import { canChooseIds, createSpanId } from '@holdfast/telemetry';
import { ClaimLoop } from './claim-loop.ts';
import { runInboxLoop } from './inbox-loop.ts';
import { JobRun } from './job-run.ts';
import { HAND_BACK_TIMEOUT_MS } from './limits.ts';
import type { WorkerParts } from './worker-parts.ts';

/** How the membership ended. */
export type MembershipEnd = 'left' | 'lost';

/** What was asked of a worker that is to end. */
export interface StopSignals {
  /** Take no new jobs, finish those that run. */
  readonly drain: AbortSignal;
  /** Hand back what runs, at once. */
  readonly immediately: AbortSignal;
}

const HAND_BACK_REASON = 'its worker stops';

export class Membership {
  readonly id: WorkerId;
  readonly #parts: WorkerParts;
  readonly #session: Session;
  readonly #member: Member;
  readonly #claimLoop: ClaimLoop;
  readonly #runs = new Map<JobId, JobRun>();
  readonly #running = new Set<Promise<void>>();
  readonly #lost = new AbortController();
  readonly #drain = new AbortController();
  readonly #settled = new AbortController();
  /** News of jobs that a claim under way may be about to bring. */
  readonly #earlyNews = new Set<string>();

  constructor(parts: WorkerParts, session: Session, member: Member) {
    this.id = member.id;
    this.#parts = { ...parts, logger: parts.logger.child({ worker: member.id }) };
    this.#session = session;
    this.#member = member;
    const { random } = parts;
    this.#claimLoop = new ClaimLoop({
      ...this.#parts,
      member,
      freePlaces: () => parts.concurrency - this.#runs.size,
      spanId: () => (canChooseIds() ? createSpanId(random) : undefined),
      take: (claims) => this.#takeAll(claims),
      expelled: (error) => this.#lost.abort(error),
    });
  }

  /** Jobs that run now. */
  get jobs(): number {
    return this.#runs.size;
  }

  /** True once this member takes no new jobs, whoever wanted that. */
  get isDraining(): boolean {
    return this.#drain.signal.aborted;
  }

  /** Serves until it is told to stop, drained by an operator, or lost. */
  async serve(stop: StopSignals): Promise<MembershipEnd> {
    const unlink = [
      follow(this.#session.lost, this.#lost),
      follow(stop.drain, this.#drain),
      follow(stop.immediately, this.#drain),
    ];
    const board = this.#parts.board;
    const caretaker = new Caretaker({ board, holder: this.id });
    await caretaker.start();
    // The inbox is read until the last job has ended: a draining worker's jobs can be cancelled too.
    const inbox = runInboxLoop(
      { ...this.#parts, member: this.#member, act: (read) => this.#act(read) },
      { signal: AbortSignal.any([this.#lost.signal, this.#settled.signal]) },
    );
    await this.#claimLoop.run({ signal: AbortSignal.any([this.#lost.signal, this.#drain.signal]) });
    if (!this.#lost.signal.aborted) await this.#settle(stop.immediately);
    if (this.#lost.signal.aborted) await this.#abandon();
    this.#settled.abort();
    await Promise.all([inbox, caretaker.stop()]);
    const end = this.#lost.signal.aborted ? 'lost' : 'left';
    if (end === 'left') await this.#leave();
    await this.#session.close();
    for (const stopFollowing of unlink) stopFollowing();
    return end;
  }

  /** Lets the jobs finish for as long as a drain may take, then hands back what is left. */
  async #settle(immediately: AbortSignal): Promise<void> {
    const { clock, drainTimeoutMs, logger } = this.#parts;
    logger.info({ jobs: this.#runs.size, drainTimeoutMs }, 'draining: no new jobs are taken');
    if (this.#runs.size > 0) await this.#showDraining();
    const settled = new AbortController();
    const enough = AbortSignal.any([immediately, this.#lost.signal, settled.signal]);
    const timeout = sleep(clock, drainTimeoutMs, { signal: enough });
    // M3. What it brings is handed back (M2).
    if (!enough.aborted) await this.#claimLoop.lookUp({ signal: enough });
    void this.#untilIdle().then(() => settled.abort());
    const lookingUp = this.#keepLookingUp(enough);
    await timeout;
    settled.abort();
    await lookingUp;
    if (this.#lost.signal.aborted) return;
    if (this.#runs.size > 0) {
      logger.info({ jobs: this.#runs.size }, 'handing back the jobs that still run');
    }
    await this.#handBack();
  }

  /** A claim whose answer was lost may happen late; its job is not to wait for the end of the drain. */
  async #keepLookingUp(enough: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!enough.aborted) {
      await sleep(clock, RECONCILE_MS, { signal: enough });
      if (!enough.aborted) await this.#claimLoop.lookUp({ signal: enough });
    }
  }

  async #handBack(): Promise<void> {
    for (const run of this.#runs.values()) run.handBack(HAND_BACK_REASON);
    const isIdle = new AbortController();
    const idle = this.#untilIdle().then(() => isIdle.abort());
    await sleep(this.#parts.clock, HAND_BACK_TIMEOUT_MS, { signal: isIdle.signal });
    if (!isIdle.signal.aborted)
      this.#giveUp(new Error('not all jobs could be handed back in time'));
    await idle;
  }

  /** M1. */
  async #abandon(): Promise<void> {
    const { logger, metrics } = this.#parts;
    const { message } = fromUnknown(this.#lost.signal.reason);
    metrics.sessionLost();
    logger.warn(
      { jobs: this.#runs.size, error: message },
      'this worker has fenced itself off: its jobs are aborted here and taken over elsewhere',
    );
    await this.#untilIdle();
  }

  async #untilIdle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** M3 holds; what follows only tells the others sooner than the end of the session would. */
  async #leave(): Promise<void> {
    const { logger } = this.#parts;
    try {
      await this.#member.leave();
      logger.info({}, 'left the fleet');
    } catch (error) {
      const { code, message } = fromUnknown(error);
      logger.warn({ code, error: message }, 'could not leave in order; the session ends instead');
    }
  }

  async #showDraining(): Promise<void> {
    try {
      await this.#member.setDraining();
    } catch (error) {
      // For people to see only; the drain goes on without it.
      this.#parts.logger.debug({ error: fromUnknown(error).message }, 'draining is not shown');
    }
  }

  #takeAll(claims: readonly Claim[]): void {
    for (const claim of claims) this.#take(claim);
    this.#earlyNews.clear();
  }

  #take(claim: Claim): void {
    const flow = this.#parts.flows.get(claim.spec.flow);
    assert(flow, `job ${claim.spec.id} is of flow ${claim.spec.flow}, which this worker serves`);
    const run = new JobRun(
      {
        ...this.#parts,
        member: this.#member,
        flow,
        isTrusted: () => this.#session.isTrusted(),
        lost: this.#lost.signal,
        giveUp: (error) => this.#giveUp(error),
      },
      claim,
    );
    if (this.#earlyNews.has(`${run.jobId}/${run.attempt}`)) run.look();
    if (this.#drain.signal.aborted) run.handBack(HAND_BACK_REASON); // M2
    this.#runs.set(run.jobId, run);
    const running = run.run().finally(() => {
      this.#running.delete(running);
      // The job may have been claimed again while this run still waited for an answer.
      if (this.#runs.get(run.jobId) === run) this.#runs.delete(run.jobId);
      this.#claimLoop.wake();
    });
    this.#running.add(running);
  }

  #act(inbox: Inbox): void {
    for (const { jobId, attempt } of inbox.news) {
      const run = this.#runs.get(jobId);
      if (run?.attempt === attempt) run.look();
      else if (this.#claimLoop.isClaiming) this.#earlyNews.add(`${jobId}/${attempt}`);
    }
    if (inbox.drain && !this.#drain.signal.aborted) {
      this.#parts.logger.info({}, 'asked to drain');
      this.#drain.abort();
    }
  }

  #giveUp(error: unknown): void {
    const { message } = fromUnknown(error);
    const lost = new SessionLostError(
      `worker ${this.id} gives up its membership so that others take over its jobs: ${message}`,
      { ids: { workerId: this.id } },
    );
    this.#lost.abort(lost);
  }
}

/** Aborts `follower` when `leader` aborts, until the returned function is called. */
function follow(leader: AbortSignal, follower: AbortController): () => void {
  const abort = (): void => follower.abort(leader.reason);
  if (leader.aborted) abort();
  else leader.addEventListener('abort', abort, { once: true });
  return () => leader.removeEventListener('abort', abort);
}
