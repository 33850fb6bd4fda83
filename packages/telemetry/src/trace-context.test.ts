import { createJobId, createSeededRandom, VirtualClock } from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatTraceContext, parseTraceContext, traceIdOfJob } from './trace-context.ts';

const hex = (digits: number): fc.Arbitrary<string> =>
  fc.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`)).filter((text) => /[1-9a-f]/.test(text));

describe('a trace context', () => {
  test('says the same after it was parsed and formatted again', () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.constantFrom('00', '01'), (traceId, spanId, flags) => {
        const trace = {
          traceparent: `00-${traceId}-${spanId}-${flags}`,
          tracestate: 'vendor=value',
        };
        const span = parseTraceContext(trace);
        expect(span).toMatchObject({ traceId, spanId, isRemote: true });
        expect(span && formatTraceContext(span)).toEqual(trace);
      }),
    );
  });

  test.each([
    '',
    'garbage',
    '00-00000000000000000000000000000000-0000000000000001-01',
    '00-0000000000000000000000000000000a-0000000000000000-01',
    'ff-0000000000000000000000000000000a-0000000000000001-01',
    '00-0000000000000000000000000000000A-0000000000000001-01',
  ])('that is malformed (%s) counts as none', (traceparent) => {
    expect(parseTraceContext({ traceparent, tracestate: '' })).toBeUndefined();
  });

  test('of a later version is read as far as it is known', () => {
    const traceparent = '01-0000000000000000000000000000000a-000000000000000b-01-more';
    expect(parseTraceContext({ traceparent, tracestate: '' })?.spanId).toBe('000000000000000b');
  });

  test('is not made from the invalid span of a process without tracing', () => {
    const span = { traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 0 };
    expect(formatTraceContext(span)).toBeUndefined();
  });
});

test('every job without a trace context has a trace of its own', () => {
  const source = { clock: new VirtualClock(), random: createSeededRandom(1) };
  const traces = Array.from({ length: 100 }, () => traceIdOfJob(createJobId(source)));
  for (const trace of traces) expect(trace).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(traces).size).toBe(100);
});
