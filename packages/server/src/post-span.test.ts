import { Metadata } from '@grpc/grpc-js';
import type { JobId, TraceContext } from '@holdfast/core';
import {
  type Context,
  type Span,
  type SpanContext,
  type SpanOptions,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { afterEach, describe, expect, test } from 'vitest';
import { startPostSpan, traceContextOfCall } from './post-span.ts';

const TRACE_ID = 'a'.repeat(32);
const PARENT: TraceContext = {
  traceparent: `00-${TRACE_ID}-${'b'.repeat(16)}-01`,
  tracestate: 'vendor=1',
};
const JOB = { flow: 'hello', queue: 'default' };

interface RecordedSpan {
  readonly name: string;
  readonly options: SpanOptions;
  readonly parent: SpanContext | undefined;
  readonly attributes: Record<string, unknown>;
  status?: unknown;
  ended: boolean;
}

/** Stands where an SDK would: gives every span an id of its own, in the trace of its parent. */
function registerTracer(): RecordedSpan[] {
  const recorded: RecordedSpan[] = [];
  const startSpan = (name: string, options: SpanOptions, context: Context): Span => {
    const parent = trace.getSpanContext(context);
    const span: RecordedSpan = { name, options, parent, attributes: {}, ended: false };
    recorded.push(span);
    const traceId = parent?.traceId ?? 'c'.repeat(32);
    const spanContext = { traceId, spanId: 'd'.repeat(16), traceFlags: 1 };
    return Object.assign(trace.wrapSpanContext(spanContext), {
      setAttribute: (key: string, value: unknown) => void (span.attributes[key] = value),
      setStatus: (status: unknown) => void (span.status = status),
      end: () => void (span.ended = true),
    }) as unknown as Span;
  };
  // Only startSpan is called.
  const tracer = { startSpan } as unknown as ReturnType<TracerProvider['getTracer']>;
  trace.setGlobalTracerProvider({ getTracer: () => tracer });
  return recorded;
}

afterEach(() => trace.disable());

describe('without a tracer', () => {
  test('the job gets the producer’s own context', () => {
    expect(startPostSpan({ ...JOB, parent: PARENT }).context).toEqual(PARENT);
  });

  test('a job that nobody traces has no context', () => {
    expect(startPostSpan({ ...JOB, parent: undefined }).context).toBeUndefined();
  });
});

describe('with a tracer', () => {
  test('the job gets the context of the span job.post, a child of the producer’s (G10)', () => {
    const recorded = registerTracer();
    const span = startPostSpan({ ...JOB, parent: PARENT });
    expect(span.context?.traceparent).toBe(`00-${TRACE_ID}-${'d'.repeat(16)}-01`);
    expect(recorded).toMatchObject([
      {
        name: 'job.post',
        parent: { traceId: TRACE_ID, spanId: 'b'.repeat(16), isRemote: true },
        options: { attributes: { 'holdfast.flow': 'hello', 'holdfast.queue': 'default' } },
        ended: false,
      },
    ]);
    span.posted('01job' as JobId); // An attribute needs no real id.
    expect(recorded).toMatchObject([{ attributes: { 'holdfast.job.id': '01job' }, ended: true }]);
  });

  test('a job without a producer’s trace begins one', () => {
    registerTracer();
    const { context } = startPostSpan({ ...JOB, parent: undefined });
    expect(context?.traceparent).toBe(`00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`);
  });

  test('a malformed parent is no parent', () => {
    const recorded = registerTracer();
    startPostSpan({ ...JOB, parent: { traceparent: 'nonsense', tracestate: '' } });
    expect(recorded[0]?.parent).toBeUndefined();
  });

  test('a refused post ends its span as an error', () => {
    const recorded = registerTracer();
    startPostSpan({ ...JOB, parent: undefined }).refused(new Error('taken'));
    expect(recorded).toMatchObject([{ status: { message: 'taken' }, ended: true }]);
  });
});

test('the trace context of a call is read from its metadata', () => {
  const metadata = new Metadata();
  expect(traceContextOfCall(metadata)).toBeUndefined();
  metadata.set('traceparent', PARENT.traceparent);
  expect(traceContextOfCall(metadata)).toEqual({ ...PARENT, tracestate: '' });
  metadata.set('tracestate', PARENT.tracestate);
  expect(traceContextOfCall(metadata)).toEqual(PARENT);
});
