import type { Metadata } from '@grpc/grpc-js';
import type { JobId, TraceContext } from '@holdfast/core';
import { ATTRIBUTES, formatTraceContext, parseTraceContext, SPANS } from '@holdfast/telemetry';
import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

/**
 * The span of one post, from request to acknowledgement. It is the parent of the job's attempts
 * (G10): its context is what the job's spec holds. Without a tracer the producer's context takes
 * its place.
 */
export interface PostSpan {
  /** For the job's spec; undefined when nobody traces. */
  readonly context: TraceContext | undefined;
  posted(id: JobId): void;
  refused(error: Error): void;
}

/** The trace context of a call (W3C Trace Context), as its metadata carries it. */
export function traceContextOfCall(metadata: Metadata): TraceContext | undefined {
  const [traceparent] = metadata.get('traceparent');
  const [tracestate] = metadata.get('tracestate');
  if (typeof traceparent !== 'string') return undefined;
  return { traceparent, tracestate: typeof tracestate === 'string' ? tracestate : '' };
}

/** Starts the span as a child of the producer's, if there is one. A malformed parent is no parent. */
export function startPostSpan(job: {
  readonly flow: string;
  readonly queue: string;
  readonly parent: TraceContext | undefined;
}): PostSpan {
  const parent = parseTraceContext(job.parent);
  const context = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
  const attributes = { [ATTRIBUTES.flow]: job.flow, [ATTRIBUTES.queue]: job.queue };
  const span: Span = trace
    .getTracer('@holdfast/server')
    .startSpan(SPANS.jobPost, { kind: SpanKind.PRODUCER, attributes }, context);
  return {
    context: formatTraceContext(span.spanContext()),
    posted(id) {
      span.setAttribute(ATTRIBUTES.jobId, id);
      span.end();
    },
    refused(error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      span.end();
    },
  };
}
