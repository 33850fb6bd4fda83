// What one attempt reports while it runs: spans and durations of its tasks, and the log lines by
// which an outside witness can count executions.
//
//   task started     debug, before user code starts: jobId, task, try, execution, attempt, fence
//   revert started   debug, likewise for a revert
//   task committed   debug, after the commit of each of a task's records: jobId, task, try, state, attempt
//
// Where a task runs as a job of its own, `jobId` is that job, and `parentId` the one whose flow it is of.
import type { Claim } from '@holdfast/board';
import type { AtomRecord, Clock, Failure, LogFields, Logger } from '@holdfast/core';
import type { RunObserver, TaskCallInfo } from '@holdfast/flow';
import { ATTRIBUTES, SPANS, type WorkerMetrics } from '@holdfast/telemetry';
import { type Context, context, type Span, SpanStatusCode, trace } from '@opentelemetry/api';

export interface RunReportParts {
  readonly claim: Claim;
  /** Carries the attempt's span. */
  readonly context: Context;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: WorkerMetrics;
}

/** The engine's observer of one attempt. */
export class RunReport implements RunObserver {
  readonly #parts: RunReportParts;
  readonly #whose: LogFields;
  #revertFailure: Failure | undefined;

  constructor(parts: RunReportParts) {
    this.#parts = parts;
    const { id: jobId, remoteTask } = parts.claim.spec;
    this.#whose = remoteTask ? { jobId, parentId: remoteTask.parentId } : { jobId };
    this.noteRevertFailures(parts.claim.atoms);
  }

  /** Why a task of the job, in this attempt or an earlier one, could not be reverted. */
  get revertFailure(): Failure | undefined {
    return this.#revertFailure;
  }

  async around<T>(call: TaskCallInfo, run: () => Promise<T>): Promise<T> {
    this.#started(call);
    const { clock, metrics, claim } = this.#parts;
    const span = this.#startSpan(call);
    const startedMs = clock.monotonicMs();
    let outcome: 'success' | 'failure' = 'failure';
    try {
      const result = await context.with(trace.setSpan(this.#parts.context, span), run);
      outcome = 'success';
      return result;
    } catch (error) {
      recordError(span, error);
      throw error;
    } finally {
      span.end();
      const durationMs = clock.monotonicMs() - startedMs;
      const { flow } = claim.spec;
      metrics.taskEnded({ flow, task: call.task, kind: call.kind, outcome, durationMs });
    }
  }

  committed(records: readonly AtomRecord[]): void {
    const { logger } = this.#parts;
    this.noteRevertFailures(records);
    for (const { name, state, attempt, tries } of records) {
      logger.debug({ ...this.#whose, task: name, state, attempt, try: tries }, 'task committed');
    }
  }

  /** Notes which of these records say that a revert has failed for good. */
  noteRevertFailures(records: readonly AtomRecord[]): void {
    const broken = records.find(({ state }) => state === 'revertFailure');
    this.#revertFailure ??= broken?.revertFailure;
  }

  #started(call: TaskCallInfo): void {
    const { claim, logger } = this.#parts;
    logger.debug(
      {
        ...this.#whose,
        task: call.task,
        try: call.try,
        execution: call.execution,
        attempt: claim.status.attempt,
        fence: claim.fence.toString(),
      },
      call.kind === 'execute' ? 'task started' : 'revert started',
    );
  }

  #startSpan(call: TaskCallInfo): Span {
    const { claim } = this.#parts;
    return trace.getTracer('@holdfast/worker').startSpan(
      call.kind === 'execute' ? SPANS.taskExecute : SPANS.taskRevert,
      {
        attributes: {
          [ATTRIBUTES.jobId]: claim.spec.id,
          [ATTRIBUTES.flow]: claim.spec.flow,
          [ATTRIBUTES.task]: call.task,
          [ATTRIBUTES.try]: call.try,
          [ATTRIBUTES.execution]: call.execution,
        },
      },
      this.#parts.context,
    );
  }
}

function recordError(span: Span, error: unknown): void {
  if (error instanceof Error) span.recordException(error);
  span.setStatus({
    code: SpanStatusCode.ERROR,
    message: error instanceof Error ? error.message : String(error),
  });
}
