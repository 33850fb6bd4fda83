import type { JobId, TraceContext } from '@holdfast/core';
import { createTraceState, isSpanContextValid, type SpanContext } from '@opentelemetry/api';

// W3C Trace Context, section 3.2: version, trace id, parent id, flags. A version above 00 may add
// fields after these, which are ignored; version ff is forbidden.
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/**
 * The span that a stored or received trace context names; undefined when there is none, or when it
 * is malformed: a broken trace header must not keep a job from running.
 */
export function parseTraceContext(trace: TraceContext | undefined): SpanContext | undefined {
  const match = trace && TRACEPARENT.exec(trace.traceparent);
  if (!match) return undefined;
  const [, traceId = '', spanId = '', flags = '00'] = match;
  const context: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(trace.tracestate === '' ? {} : { traceState: createTraceState(trace.tracestate) }),
  };
  return isSpanContextValid(context) ? context : undefined;
}

/** A span as it is stored with a job; undefined for the invalid span of a process without tracing. */
export function formatTraceContext(span: SpanContext): TraceContext | undefined {
  if (!isSpanContextValid(span)) return undefined;
  const flags = span.traceFlags.toString(16).padStart(2, '0');
  return {
    traceparent: `00-${span.traceId}-${span.spanId}-${flags}`,
    tracestate: span.traceState?.serialize() ?? '',
  };
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * The trace of a job that was posted without one: a job id holds exactly the 128 bits of a trace
 * id, so every worker names the same trace without having to ask (G10).
 */
export function traceIdOfJob(id: JobId): string {
  let value = 0n;
  for (const char of id) value = (value << 5n) | BigInt(ALPHABET.indexOf(char));
  return BigInt.asUintN(128, value).toString(16).padStart(32, '0');
}
