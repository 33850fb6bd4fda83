// The spans of attempts: who exports them, when, and under which id.
//
// A worker that is killed never exports the span of the attempt it was running. Someone else has to,
// and that someone may be killed by the same job a moment later. So the spans of lost attempts wait
// for the first attempt that ends in order, whose worker is evidently well, and go out with its own;
// when the job is given up instead, they go out with the takeover that did so.
//
// Invariants:
//   A1. Every attempt is a child of the post's span (or, for a job posted without a trace context, a
//       root in the trace that its id names), and linked to the attempt before it. A task job is in the
//       trace of the job whose task it runs.
//   A2. An attempt's span is exported once, by whoever committed the job's first orderly end at or
//       after that attempt. A worker that lost its claim therefore never ends the span.
//   A3. Its id is the one stored in the attempt's record, so the spans that the dead worker did
//       export find their parent.
import { type AttemptRecord, assert, type JobSpec } from '@holdfast/core';
import {
  type Attributes,
  type Context,
  type HrTime,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { spanWithId } from './chosen-ids.ts';
import { ATTRIBUTES, SPANS } from './names.ts';
import { parseTraceContext, traceIdOfJob } from './trace-context.ts';

/** A job and the history of its attempts, oldest first. */
export interface TracedJob {
  readonly spec: JobSpec;
  readonly attempts: readonly AttemptRecord[];
}

/** The span of an attempt that this process runs. */
export interface AttemptSpan {
  /** For the spans of the attempt's tasks. */
  readonly context: Context;
  /**
   * Exports the span, and with it those of the attempts that were lost just before (A2). Not to be
   * called unless the attempt's end was committed.
   */
  end(end: {
    readonly outcome: string;
    readonly atUnixMs: number;
    /** What went wrong; absent when nothing did. */
    readonly error?: string | undefined;
  }): void;
}

/**
 * Starts the span of the job's last attempt, which was just claimed. Costs next to nothing while
 * tracing is off.
 */
export function startAttemptSpan(job: TracedJob, options: { readonly fence: bigint }): AttemptSpan {
  const attempt = job.attempts.at(-1);
  assert(attempt, `job ${job.spec.id} was claimed, so its history has an attempt`);
  const span = startSpan(job, attempt, { [ATTRIBUTES.fence]: options.fence.toString() });
  return {
    context: trace.setSpan(ROOT_CONTEXT, span),
    end({ outcome, atUnixMs, error }) {
      recordLostAttempts({ spec: job.spec, attempts: job.attempts.slice(0, -1) });
      span.setAttribute(ATTRIBUTES.outcome, outcome);
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end(hrTime(atUnixMs));
    },
  };
}

/**
 * Exports the spans of the lost attempts at the end of the history, on behalf of the workers that
 * are gone. For whoever gave the job up after a loss; {@link AttemptSpan.end} does it by itself.
 * Attempts that were claimed by a worker without tracing are left out.
 */
export function recordLostAttempts(job: TracedJob): void {
  const lastInOrder = job.attempts.findLastIndex((attempt) => attempt.end !== 'lost');
  for (const attempt of job.attempts.slice(lastInOrder + 1)) {
    if (attempt.spanId === undefined) continue;
    const span = startSpan(job, attempt, {
      [ATTRIBUTES.outcome]: 'lost',
      ...(attempt.reason === undefined ? {} : { [ATTRIBUTES.reason]: attempt.reason }),
    });
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'worker lost' });
    span.end(hrTime(attempt.endedAtUnixMs ?? attempt.claimedAtUnixMs));
  }
}

function startSpan(job: TracedJob, attempt: AttemptRecord, attributes: Attributes): Span {
  const { spec } = job;
  const parent = parseTraceContext(spec.trace);
  const start = (): Span =>
    tracer().startSpan(
      SPANS.jobAttempt,
      {
        startTime: hrTime(attempt.claimedAtUnixMs),
        links: linkToPrevious(job, attempt, parent),
        attributes: {
          [ATTRIBUTES.jobId]: spec.id,
          [ATTRIBUTES.flow]: spec.flow,
          [ATTRIBUTES.queue]: spec.queue,
          [ATTRIBUTES.attempt]: attempt.number,
          [ATTRIBUTES.worker]: attempt.worker,
          ...taskOf(spec),
          ...attributes,
        },
      },
      parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT, // A1
    );
  if (attempt.spanId === undefined) return start();
  return spanWithId({ spanId: attempt.spanId, traceId: traceIdOf(job, parent) }, start); // A3
}

/** What a task job runs, and for whom. */
function taskOf({ remoteTask }: JobSpec): Attributes {
  if (!remoteTask) return {};
  return { [ATTRIBUTES.parentId]: remoteTask.parentId, [ATTRIBUTES.task]: remoteTask.task };
}

function linkToPrevious(
  job: TracedJob,
  attempt: AttemptRecord,
  parent: SpanContext | undefined,
): Link[] {
  const previous = job.attempts.find((other) => other.number === attempt.number - 1);
  if (previous?.spanId === undefined) return [];
  return [
    {
      context: {
        traceId: traceIdOf(job, parent),
        spanId: previous.spanId,
        traceFlags: parent?.traceFlags ?? TraceFlags.SAMPLED,
        isRemote: true,
      },
      attributes: { [ATTRIBUTES.attempt]: previous.number },
    },
  ];
}

function traceIdOf(job: TracedJob, parent: SpanContext | undefined): string {
  return parent?.traceId ?? traceIdOfJob(job.spec.remoteTask?.parentId ?? job.spec.id);
}

function tracer(): Tracer {
  return trace.getTracer('@holdfast/telemetry');
}

/**
 * A time as seconds and nanoseconds. A plain number of milliseconds won't do: the SDK takes one
 * that lies before the start of the process for an offset from that start.
 */
function hrTime(unixMs: number): HrTime {
  const seconds = Math.floor(unixMs / 1000);
  return [seconds, Math.round((unixMs - seconds * 1000) * 1_000_000)];
}
