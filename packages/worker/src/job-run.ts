// One attempt of a job, from its claim to its end.
//
// It owns the run of the flow, the job's deadlines, and the one commit that ends the attempt. It does
// not own the claim: the board's fence does, and every write here may be refused by it.
//
// Invariants:
//   R1. Once the membership is lost, or the claim is, nothing more is written about the job.
//   R2. A failure of the store that passes ends nothing: the write is repeated for as long as the
//       membership holds. A repeat is harmless, because the fence is the status's version: what an
//       attempt wrote already it writes again, and an end that happened is recognised as its own.
//   R3. However the run ends, the attempt is either ended on the board, or left to be taken over by
//       the loss of the membership. No job is dropped.
//   R4. What the outside wants of the job is heeded while it runs: a cancel stops the run, a cancel with
//       revert and a suspend are handed to it. What comes too late for that, the board sees to when the
//       attempt ends.
//       A task job that nobody waits for any more is cancelled by its own worker.
//   R5. A process that was paused past its lease calls no user code when it wakes: the lease is judged
//       by arithmetic right before each call. A pause between that and the call is what fences are for.
import type { AttemptEnded, Claim, JobControl, Member } from '@holdfast/board';
import { deadlineFailure, PARENT_IS_OVER } from '@holdfast/board';
import {
  AssertionError,
  type AtomRecord,
  ClaimLostError,
  type Clock,
  fromUnknown,
  type JobId,
  type Logger,
  type Random,
  type RemoteTask,
  sleep,
  toFailure,
} from '@holdfast/core';
import {
  type AnyFlow,
  joinObservers,
  type ListenerHub,
  type RunListening,
  type RunOptions,
  type RunResult,
  runFlow,
  runRemoteTask,
} from '@holdfast/flow';
import { type AttemptSpan, startAttemptSpan, type WorkerMetrics } from '@holdfast/telemetry';
import { context } from '@opentelemetry/api';
import { writeResult } from './attempt-result.ts';
import { settleFormerTaskJobs } from './former-task-jobs.ts';
import { ParentWatch } from './parent-watch.ts';
import type { Patience } from './patience.ts';
import { AttemptRemoteTasks } from './remote-tasks.ts';
import { RunNews } from './run-news.ts';
import { RunReport } from './run-report.ts';
import { type StopOrder, stopReason, withReason } from './stop-order.ts';

export interface JobRunParts {
  readonly member: Member;
  readonly flow: AnyFlow;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: WorkerMetrics;
  readonly listeners: ListenerHub;
  /** Whether the session of this member can still be trusted, by arithmetic. */
  readonly isTrusted: () => boolean;
  /** Aborts when this worker is no member any more. */
  readonly lost: AbortSignal;
  /** Ends the membership: the last resort for a job whose end can't be written (R3). */
  readonly giveUp: (error: unknown) => void;
}

/** How the attempt ended: as the board says, or lost to it. */
type AttemptOutcome = AttemptEnded | 'lost';

export class JobRun {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly #parts: JobRunParts;
  readonly #claim: Claim;
  readonly #logger: Logger;
  readonly #span: AttemptSpan;
  readonly #report: RunReport;
  readonly #news: RunNews;
  readonly #remote: AttemptRemoteTasks;
  readonly #parent: ParentWatch;
  readonly #stop = new AbortController();
  readonly #revert = new AbortController();
  readonly #suspend = new AbortController();
  readonly #done = new AbortController();
  #isEnding = false;
  #order: StopOrder | undefined;

  constructor(parts: JobRunParts, claim: Claim) {
    this.jobId = claim.spec.id;
    this.attempt = claim.status.attempt;
    this.#parts = parts;
    this.#claim = claim;
    const { spec, status, fence } = claim;
    this.#logger = parts.logger.child({
      jobId: spec.id,
      flow: spec.flow,
      attempt: status.attempt,
      ...(spec.remoteTask ? { parentId: spec.remoteTask.parentId } : {}),
    });
    this.#span = startAttemptSpan({ spec, attempts: status.attempts }, { fence });
    this.#report = new RunReport({
      claim,
      context: this.#span.context,
      clock: parts.clock,
      logger: parts.logger,
      metrics: parts.metrics,
    });
    const common = { ...parts, claim, logger: this.#logger, done: this.#done.signal };
    this.#remote = new AttemptRemoteTasks(common);
    this.#news = new RunNews({
      ...common,
      wanted: (control) => {
        this.#remote.told(control.taskEnds);
        this.#heed(control);
      },
    });
    this.#parent = new ParentWatch({
      ...common,
      orphaned: () => this.#giveOrder({ kind: 'cancel', reason: PARENT_IS_OVER }),
    });
    if (claim.control) this.#heed(claim.control);
  }

  /** Tells that something was asked of the job, or that it was told something. */
  look(): void {
    if (this.#done.signal.aborted) return;
    this.#news.look();
    this.#parent.look();
  }

  /** Stops the run; the job is handed back to the board at once. */
  handBack(reason: string): void {
    this.#giveOrder({ kind: 'handBack', reason });
  }

  /** Runs the attempt to its end, whatever that is. Call it once. Rejects for defects only. */
  async run(): Promise<void> {
    const { spec } = this.#claim;
    const { lost, metrics } = this.#parts;
    const fence = (): void => {
      this.#stop.abort(lost.reason);
      this.#finish();
    };
    if (lost.aborted) fence();
    else lost.addEventListener('abort', fence, { once: true });
    this.#startDeadlines();
    metrics.attemptStarted(spec);
    let outcome: AttemptOutcome = 'lost';
    try {
      outcome = await context.with(this.#span.context, () => this.#runToEnd());
    } finally {
      lost.removeEventListener('abort', fence);
      this.#finish();
      await Promise.all([this.#news.settled(), this.#remote.settled(), this.#parent.settled()]);
      metrics.attemptEnded(spec, attemptEnd(outcome));
    }
  }

  /** Neither deadlines nor news matter any more. */
  #finish(): void {
    this.#done.abort('over'); // A reason, because without one each abort would make an exception.
  }

  async #runToEnd(): Promise<AttemptOutcome> {
    try {
      // What came before the answer to the claim is heeded first.
      await Promise.all([this.#news.settled(), this.#parent.start()]);
      const result = await this.#execute();
      this.#isEnding = true;
      const outcome = await this.#end(result);
      this.#report.committed(result.uncommitted);
      this.#reportEnd(outcome, result);
      return outcome;
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      return this.#reportLoss(error); // R1
    }
  }

  /** Runs the flow, or its one task. What it rejects with, other than the loss of the claim, is the job's failure. */
  async #execute(): Promise<RunResult> {
    const { flow, lost, listeners } = this.#parts;
    const { spec, status } = this.#claim;
    if (this.#stop.signal.aborted) return { kind: 'stopped', uncommitted: [] };
    const { remoteTask } = spec;
    const parentId = remoteTask?.parentId;
    const listening = listeners.listen({ flow, jobId: spec.id, attempt: status.attempt, parentId });
    let result: RunResult | undefined;
    try {
      const atoms = await this.#recordsToGoOnFrom();
      if (!atoms) return { kind: 'stopped', uncommitted: [] };
      const options = this.#runOptions(listening, atoms);
      result = remoteTask
        ? await this.#runTask(remoteTask, options)
        : await runFlow({
            ...options,
            signals: this.#news,
            remote: this.#remote,
            startedAtUnixMs: status.startedAtUnixMs,
          });
      return result;
    } catch (error) {
      const isOver = error instanceof ClaimLostError || lost.aborted;
      if (isOver || error instanceof AssertionError) throw error;
      this.#logger.error({ error }, 'the flow cannot go on, so the job fails');
      return { kind: 'failed', failure: toFailure(error), uncommitted: [] };
    } finally {
      this.#remote.close();
      listening.ended(result);
    }
  }

  async #runTask(remoteTask: RemoteTask, options: RunOptions): Promise<RunResult> {
    if (remoteTask.intention === 'execute' || options.atoms.length > 0) {
      return await runRemoteTask({ ...options, remoteTask });
    }
    // What a revert is about stands in the parent's record, until an attempt has taken it over.
    const record = await this.#keepTrying('read what is to be reverted', () =>
      this.#parts.member.readParentRecord(remoteTask),
    );
    if (!record) {
      this.#giveOrder({ kind: 'cancel', reason: PARENT_IS_OVER });
      return { kind: 'stopped', uncommitted: [] };
    }
    const atom = { ...remoteTask.atom, result: record.result };
    return await runRemoteTask({ ...options, remoteTask: { ...remoteTask, atom } });
  }

  /** Undefined when the attempt is to end before they are known. */
  async #recordsToGoOnFrom(): Promise<readonly AtomRecord[] | undefined> {
    const { signal: stop } = this.#stop;
    try {
      return await settleFormerTaskJobs({ ...this.#parts, stop }, this.#claim);
    } catch (error) {
      if (stop.aborted && !(error instanceof ClaimLostError)) return undefined;
      throw error;
    }
  }

  #runOptions(listening: RunListening, atoms: readonly AtomRecord[]): RunOptions {
    const { flow, clock, random, member, isTrusted } = this.#parts;
    const { spec, status } = this.#claim;
    const fence = this.#claim.fence + (spec.remoteTask?.fenceBase ?? 0n);
    return {
      flow,
      input: spec.input,
      identity: { jobId: spec.id, attempt: status.attempt, worker: member.id, fence },
      atoms,
      checkpoint: (records) => this.#checkpoint(records),
      signal: this.#stop.signal,
      suspend: this.#suspend.signal, // R4
      cancel: this.#revert.signal,
      mayCall: isTrusted, // R5
      clock,
      random,
      logger: this.#logger,
      observer: joinObservers(this.#report, listening.observer),
    };
  }

  async #checkpoint(records: readonly AtomRecord[]): Promise<void> {
    await this.#keepTrying('write a checkpoint', async () => {
      // A run that was stopped doesn't wait for a checkpoint for ever; once it has gone on to end the
      // job, a checkpoint that was left behind has nothing to say any more.
      if (this.#isEnding)
        throw new ClaimLostError(this.jobId, 'a checkpoint of a run that is over');
      await this.#parts.member.checkpoint(this.#claim, records);
    });
  }

  /** Ends the attempt on the board; a result that can't be stored becomes a failure that can (R3). */
  async #end(result: RunResult): Promise<AttemptEnded> {
    try {
      return await this.#writeEnd(result);
    } catch (error) {
      if (error instanceof ClaimLostError || this.#parts.lost.aborted) throw error;
      this.#logger.error({ error }, 'the end of the job cannot be stored, so the job fails');
      try {
        return await this.#writeEnd({
          kind: 'failed',
          failure: toFailure(error),
          uncommitted: [],
        });
      } catch (again) {
        if (!(again instanceof ClaimLostError)) this.#parts.giveUp(again);
        throw again;
      }
    }
  }

  async #writeEnd(result: RunResult): Promise<AttemptEnded> {
    const parts = {
      member: this.#parts.member,
      claim: this.#claim,
      clock: this.#parts.clock,
      report: this.#report,
      remote: this.#remote,
      order: this.#order,
      isReverting: this.#revert.signal.aborted,
    };
    return await this.#keepTrying('end a job', () => writeResult(parts, result));
  }

  /** R2. */
  async #keepTrying<T>(what: string, call: () => Promise<T>): Promise<T> {
    const { patience, lost } = this.#parts;
    return await patience.keepTrying(call, { signal: lost, what });
  }

  /** R4. */
  #heed({ wish, reason }: JobControl): void {
    switch (wish) {
      case 'cancel':
        return this.#giveOrder({ kind: 'cancel', reason });
      case 'cancelWithRevert':
        return this.#revert.abort(new Error(withReason('the job was cancelled', reason)));
      case 'suspend':
        return this.#suspend.abort(new Error(withReason('the job was suspended', reason)));
      case 'none':
        // A suspend that was taken back: the run ends in order nevertheless, and goes on as a new attempt.
        return;
      default:
        return wish satisfies never;
    }
  }

  #giveOrder(order: StopOrder): void {
    if (this.#order) return; // The first one counts; an acknowledged cancel wins on the board anyway.
    this.#order = order;
    this.#stop.abort(stopReason(order));
  }

  #startDeadlines(): void {
    const { attemptMs, totalMs } = this.#claim.spec.deadlines;
    if (attemptMs !== undefined) this.#startDeadline('attempt', attemptMs, attemptMs);
    if (totalMs !== undefined) {
      const leftMs = this.#claim.spec.postedAtUnixMs + totalMs - this.#parts.clock.nowUnixMs();
      this.#startDeadline('total', totalMs, leftMs);
    }
  }

  #startDeadline(which: 'attempt' | 'total', limitMs: number, leftMs: number): void {
    const expire = (): void => {
      if (this.#done.signal.aborted) return;
      this.#giveOrder({ kind: 'deadline', failure: deadlineFailure(which, limitMs) });
    };
    if (leftMs <= 0) expire();
    else void sleep(this.#parts.clock, leftMs, { signal: this.#done.signal }).then(expire);
  }

  #reportEnd(outcome: AttemptEnded, result: RunResult): void {
    const failure =
      result.kind === 'failed'
        ? result.failure
        : this.#order?.kind === 'deadline'
          ? this.#order.failure
          : undefined;
    const error = outcome === 'failed' ? failure?.message : undefined;
    this.#span.end({
      outcome: attemptEnd(outcome),
      atUnixMs: this.#parts.clock.nowUnixMs(),
      error,
    });
    const fields = { outcome, ...(error === undefined ? {} : { error }) };
    if (outcome === 'succeeded') this.#logger.debug(fields, 'job ended');
    else this.#logger.info(fields, 'job ended');
  }

  /** The span stays open: whoever ends the job exports it, under its id. */
  #reportLoss(thrown: unknown): 'lost' {
    const { code, message } = fromUnknown(thrown);
    this.#logger.warn({ code, error: message }, 'attempt lost; nothing more is written about it');
    return 'lost';
  }
}

function attemptEnd(outcome: AttemptOutcome): string {
  switch (outcome) {
    case 'ready':
    case 'scheduled':
    case 'waiting':
    case 'suspended':
      return 'released';
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'lost':
      return outcome;
    default:
      return outcome satisfies never;
  }
}
