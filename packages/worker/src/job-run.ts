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
//   R5. A process that was paused past its lease calls no user code when it wakes: the lease is judged
//       by arithmetic right before each call. A pause between that and the call is what fences are for.
import type { AttemptEnded, Claim, JobControl, Member } from '@holdfast/board';
import { deadlineFailure } from '@holdfast/board';
import {
  AssertionError,
  type AtomRecord,
  assert,
  ClaimLostError,
  type Clock,
  type Failure,
  fromUnknown,
  type JobId,
  type Logger,
  type Random,
  sleep,
  toFailure,
} from '@holdfast/core';
import {
  type AnyFlow,
  joinObservers,
  type ListenerHub,
  type RunResult,
  runFlow,
} from '@holdfast/flow';
import { type AttemptSpan, startAttemptSpan, type WorkerMetrics } from '@holdfast/telemetry';
import { context } from '@opentelemetry/api';
import type { Patience } from './patience.ts';
import { RunNews } from './run-news.ts';
import { RunReport } from './run-report.ts';

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

/** Why a run was stopped before its flow was done. */
type StopOrder =
  | { readonly kind: 'cancel'; readonly reason: string }
  | { readonly kind: 'deadline'; readonly failure: Failure }
  | { readonly kind: 'handBack'; readonly reason: string };

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
    });
    this.#span = startAttemptSpan({ spec, attempts: status.attempts }, { fence });
    this.#report = new RunReport({
      claim,
      context: this.#span.context,
      clock: parts.clock,
      logger: parts.logger,
      metrics: parts.metrics,
    });
    this.#news = new RunNews({
      member: parts.member,
      claim,
      patience: parts.patience,
      logger: this.#logger,
      done: this.#done.signal,
      wanted: (control) => this.#heed(control),
    });
    if (claim.control) this.#heed(claim.control);
  }

  /** Tells that something was asked of the job, or that it was told something. */
  look(): void {
    if (!this.#done.signal.aborted) this.#news.look();
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
      await this.#news.settled();
      metrics.attemptEnded(spec, attemptEnd(outcome));
    }
  }

  /** Neither deadlines nor news matter any more. */
  #finish(): void {
    this.#done.abort('over'); // A reason, because without one each abort would make an exception.
  }

  async #runToEnd(): Promise<AttemptOutcome> {
    try {
      await this.#news.settled(); // What came before the answer to the claim is heeded first.
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

  /** Runs the flow. What it rejects with, other than the loss of the claim, is the job's failure. */
  async #execute(): Promise<RunResult> {
    const { flow, clock, random, member, lost, isTrusted, listeners } = this.#parts;
    const { spec, status, fence, atoms } = this.#claim;
    if (this.#stop.signal.aborted) return { kind: 'stopped', uncommitted: [] };
    const listening = listeners.listen({ flow, jobId: spec.id, attempt: status.attempt });
    let result: RunResult | undefined;
    try {
      result = await runFlow({
        flow,
        input: spec.input,
        identity: { jobId: spec.id, attempt: status.attempt, worker: member.id, fence },
        atoms,
        checkpoint: (records) => this.#checkpoint(records),
        signal: this.#stop.signal,
        suspend: this.#suspend.signal, // R4
        cancel: this.#revert.signal,
        signals: this.#news,
        mayCall: isTrusted, // R5
        clock,
        random,
        logger: this.#logger,
        observer: joinObservers(this.#report, listening.observer),
      });
      return result;
    } catch (error) {
      const isOver = error instanceof ClaimLostError || lost.aborted;
      if (isOver || error instanceof AssertionError) throw error;
      this.#logger.error({ error }, 'the flow cannot go on, so the job fails');
      return { kind: 'failed', failure: toFailure(error), uncommitted: [] };
    } finally {
      listening.ended(result);
    }
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
    return await this.#keepTrying('end a job', () => this.#writeEndOnce(result));
  }

  async #writeEndOnce(result: RunResult): Promise<AttemptEnded> {
    const { member } = this.#parts;
    const claim = this.#claim;
    const atoms = result.uncommitted;
    switch (result.kind) {
      case 'succeeded':
        return await member.succeed(claim, { atoms, output: result.output });
      case 'failed':
        return await this.#writeFailure(result);
      case 'waiting':
        return await this.#writeWait(result);
      case 'suspended':
        return await member.suspended(claim, { atoms });
      case 'stopped':
        return await this.#writeStop(atoms);
      default:
        return result satisfies never;
    }
  }

  /** A flow that was to be reverted ends failed, and its job cancelled. */
  async #writeFailure(result: RunResult & { readonly kind: 'failed' }): Promise<AttemptEnded> {
    const { member } = this.#parts;
    const { failure, uncommitted: atoms } = result;
    if (!this.#revert.signal.aborted) return await member.fail(this.#claim, { atoms, failure });
    this.#report.noteRevertFailures(atoms);
    return await member.cancelled(this.#claim, {
      atoms,
      reason: 'cancelled by request',
      failure: this.#report.revertFailure,
    });
  }

  async #writeWait(result: RunResult & { readonly kind: 'waiting' }): Promise<AttemptEnded> {
    const { member } = this.#parts;
    const { uncommitted: atoms, untilUnixMs, signalsSeen, reason } = result;
    if (result.waitsForSignal) {
      return await member.wait(this.#claim, { atoms, untilUnixMs, signalsSeen, reason });
    }
    assert(untilUnixMs !== undefined, `job ${this.jobId} waits for a signal, or for a time`);
    const reverts = this.#revert.signal.aborted;
    return await member.retryLater(this.#claim, {
      atoms,
      runAtUnixMs: untilUnixMs,
      reason,
      reverts,
    });
  }

  async #writeStop(atoms: readonly AtomRecord[]): Promise<AttemptEnded> {
    const { member } = this.#parts;
    const claim = this.#claim;
    const order = this.#order ?? { kind: 'handBack', reason: 'its run was stopped' };
    switch (order.kind) {
      case 'cancel':
        return await member.cancelled(claim, { atoms, reason: order.reason });
      case 'deadline':
        return await member.fail(claim, { atoms, failure: order.failure });
      case 'handBack':
        return await member.release(claim, { atoms, reason: order.reason });
      default:
        return order satisfies never;
    }
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

/** A reason may be empty. */
function withReason(what: string, reason: string): string {
  return reason === '' ? what : `${what}: ${reason}`;
}

/** What the task's AbortSignal says. */
function stopReason(order: StopOrder): Error {
  switch (order.kind) {
    case 'cancel':
      return new Error(withReason('the job was cancelled', order.reason));
    case 'deadline':
      return new Error(order.failure.message);
    case 'handBack':
      return new Error(`the job is handed back: ${order.reason}`);
    default:
      return order satisfies never;
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
