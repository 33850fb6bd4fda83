import {
  type AttemptRecord,
  createJobId,
  createSeededRandom,
  createWorkerId,
  encodeJson,
  type JobSpec,
  type LogFields,
  type Logger,
  silentLogger,
  VirtualClock,
} from '@holdfast/core';
import { trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { recordLostAttempts, startAttemptSpan } from './attempt-span.ts';
import { canChooseIds, createSpanId, spanWithId } from './chosen-ids.ts';
import { createInstruments } from './instruments.ts';
import { createLogger } from './logger.ts';
import { METRICS } from './names.ts';
import { OtlpReceiver } from './otlp-receiver.ts';
import { FLUSH_TIMEOUT_MS, requestedSignals, startTelemetry, type Telemetry } from './setup.ts';
import { traceIdOfJob } from './trace-context.ts';

const clock = new VirtualClock();
const random = createSeededRandom(7);
const worker = createWorkerId('w', { clock, random });

const spec: JobSpec = {
  id: createJobId({ clock, random }),
  flow: 'f',
  input: encodeJson(null),
  queue: 'default',
  priority: 5,
  maxAttempts: 5,
  deadlines: {},
  retentionMs: 1000,
  labels: {},
  contentDigest: '',
  postedAtUnixMs: clock.nowUnixMs(),
};
const traced: JobSpec = {
  ...spec,
  trace: {
    traceparent: '00-000000000000000000000000000000aa-00000000000000bb-01',
    tracestate: '',
  },
};

function attempt(number: number, end?: AttemptRecord['end']): AttemptRecord {
  const claimedAtUnixMs = clock.nowUnixMs() + number * 1000;
  return {
    number,
    worker,
    claimedAtUnixMs,
    spanId: createSpanId(random),
    end,
    endedAtUnixMs: end === undefined ? undefined : claimedAtUnixMs + 500,
  };
}

describe('telemetry', () => {
  test.each([
    [{}, false, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c' }, true, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c' }, true, false],
    [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://c' }, false, true],
    [{ OTEL_TRACES_EXPORTER: 'console' }, true, false],
    [{ OTEL_METRICS_EXPORTER: 'prometheus' }, false, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_METRICS_EXPORTER: 'none' }, true, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_SDK_DISABLED: 'true' }, false, false],
  ])('with %o in the environment reports traces: %s, metrics: %s', (env, traces, metrics) => {
    expect(requestedSignals(env)).toEqual({ traces, metrics });
  });

  test('is off, and everything that reports is a no-op, when nothing asks for it', async () => {
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', '');
    const telemetry = await startTelemetry({
      serviceName: 's',
      serviceVersion: '1',
      logger: silentLogger,
    });
    expect(telemetry.isOn).toBe(false);
    expect(canChooseIds()).toBe(false);
    const span = startAttemptSpan({ spec: traced, attempts: [attempt(1)] }, { fence: 1n });
    span.end({ outcome: 'succeeded', atUnixMs: clock.nowUnixMs() });
    createInstruments().worker.sessionLost();
    await telemetry.stop();
    vi.unstubAllEnvs();
  });
});

describe('telemetry that reports over OTLP', () => {
  let receiver: OtlpReceiver;
  let telemetry: Telemetry;
  const warnings: LogFields[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields) };

  beforeEach(async () => {
    receiver = new OtlpReceiver();
    await receiver.start();
    for (const [name, value] of Object.entries(receiver.environment())) vi.stubEnv(name, value);
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment.name=test');
    telemetry = await startTelemetry({
      serviceName: 'a service',
      serviceVersion: '1.2.3',
      logger,
      clock,
    });
  });

  afterEach(async () => {
    await telemetry.stop();
    await receiver.stop();
    vi.unstubAllEnvs();
    warnings.length = 0;
  });

  test('names the service, its version and what the operator added', async () => {
    trace.getTracer('t').startSpan('one').end();
    const [span] = await receiver.waitFor((spans) => spans.length === 1);
    expect(span?.resource).toMatchObject({
      'service.name': 'a service',
      'service.version': '1.2.3',
      'deployment.environment.name': 'test',
    });
    expect(process.env['OTEL_RESOURCE_ATTRIBUTES']).toBe('deployment.environment.name=test');
  });

  test('gives a span the id that was chosen for it, and no other span', async () => {
    const tracer = trace.getTracer('t');
    const spanId = createSpanId(random);
    const chosen = spanWithId({ spanId }, () => tracer.startSpan('chosen'));
    const other = tracer.startSpan('other');
    expect(chosen.spanContext().spanId).toBe(spanId);
    expect(other.spanContext().spanId).not.toBe(spanId);
  });

  test('exports the spans of lost attempts with the first attempt that ends in order', async () => {
    const attempts = [attempt(1, 'lost'), attempt(2, 'lost'), attempt(3)];
    const span = startAttemptSpan({ spec: traced, attempts }, { fence: 9n });
    span.end({ outcome: 'succeeded', atUnixMs: clock.nowUnixMs() + 5000 });
    const spans = await receiver.waitFor((all) => all.length === 3);
    expect(spans.map((s) => s.attributes['holdfast.attempt'])).toEqual([1, 2, 3]);
    expect(spans.map((s) => s.status.code)).toEqual(['error', 'error', 'unset']);
    expect(spans[0]?.status.message).toBe('worker lost');
    for (const [index, received] of spans.entries()) {
      expect(received.traceId).toBe('000000000000000000000000000000aa');
      expect(received.parentSpanId).toBe('00000000000000bb');
      expect(received.spanId).toBe(attempts[index]?.spanId);
      expect(received.startUnixMs).toBe(attempts[index]?.claimedAtUnixMs);
      expect(received.links.map((link) => link.spanId)).toEqual(
        index === 0 ? [] : [attempts[index - 1]?.spanId],
      );
    }
    expect(spans[0]?.endUnixMs).toBe(attempts[0]?.endedAtUnixMs);
  });

  test('exports a lost attempt once only, whatever ended in order since', async () => {
    const attempts = [attempt(1, 'lost'), attempt(2, 'released'), attempt(3, 'lost')];
    recordLostAttempts({ spec: traced, attempts });
    await telemetry.stop();
    expect(receiver.spans.map((s) => s.attributes['holdfast.attempt'])).toEqual([3]);
  });

  test('exports the spans of lost attempts with the takeover that gives the job up', async () => {
    const attempts = [attempt(1, 'lost'), attempt(2, 'lost')];
    createInstruments().board.takenOver({ spec: traced, attempts, outcome: 'dead' });
    await telemetry.stop();
    expect(receiver.spans.map((s) => s.attributes['holdfast.attempt'])).toEqual([1, 2]);
  });

  test('puts the attempts of a job that was posted without a trace into one trace', async () => {
    const attempts = [attempt(1, 'lost'), attempt(2)];
    const span = startAttemptSpan({ spec, attempts }, { fence: 9n });
    span.end({ outcome: 'failed', atUnixMs: clock.nowUnixMs() + 5000, error: 'no luck' });
    const spans = await receiver.waitFor((all) => all.length === 2);
    expect(new Set(spans.map((s) => s.traceId))).toEqual(new Set([traceIdOfJob(spec.id)]));
    expect(spans.map((s) => s.parentSpanId)).toEqual([undefined, undefined]);
    expect(spans[1]?.links).toEqual([
      { traceId: traceIdOfJob(spec.id), spanId: attempts[0]?.spanId },
    ]);
    expect(spans[1]?.status).toEqual({ code: 'error', message: 'no luck' });
  });

  test('respects the decision of a producer not to sample', async () => {
    const unsampled: JobSpec = {
      ...spec,
      trace: {
        traceparent: '00-000000000000000000000000000000aa-00000000000000bb-00',
        tracestate: '',
      },
    };
    const span = startAttemptSpan(
      { spec: unsampled, attempts: [attempt(1, 'lost'), attempt(2)] },
      { fence: 1n },
    );
    span.end({ outcome: 'succeeded', atUnixMs: clock.nowUnixMs() });
    await telemetry.stop();
    expect(receiver.spans).toEqual([]);
  });

  test('puts the ids of the active span on log lines', () => {
    const lines: string[] = [];
    const log = createLogger({
      name: 't',
      destination: { write: (line) => void lines.push(line) },
    });
    trace.getTracer('t').startActiveSpan('active', (span) => {
      log.info({}, 'inside');
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({
        trace_id: span.spanContext().traceId,
        span_id: span.spanContext().spanId,
      });
      span.end();
    });
    log.info({}, 'outside');
    expect(JSON.parse(lines[1] ?? '')).not.toHaveProperty('trace_id');
  });

  test('reports every metric that is named', async () => {
    const { board, worker: workerMetrics, observeStore } = createInstruments();
    const job = { queue: 'q', flow: 'f' };
    board.posted(job);
    board.claimed({ ...job, waitedMs: 250 });
    board.claimCollision(job);
    board.fenceRejected({ what: 'a checkpoint' });
    board.takenOver({ spec: { ...spec, ...job }, attempts: [], outcome: 'ready' });
    board.finished({ ...job, state: 'succeeded', totalMs: 10 });
    board.committed({ what: 'checkpoint', durationMs: 1 });
    board.ready({ queue: 'q', jobs: 12, oldestAgeMs: 1500 });
    workerMetrics.attemptStarted(job);
    workerMetrics.attemptStarted(job);
    workerMetrics.attemptEnded(job, 'succeeded');
    workerMetrics.taskEnded({
      flow: 'f',
      task: 't',
      kind: 'execute',
      outcome: 'success',
      durationMs: 3,
    });
    workerMetrics.sessionLost();
    const stats = { commits: 0, groups: 0, reads: 0 };
    const stopObserving = observeStore(stats);
    Object.assign(stats, { commits: 30, groups: 10, reads: 5 });
    await telemetry.stop();
    stopObserving();
    const byName = new Map(receiver.points.map((point) => [point.name, point]));
    expect([...byName.keys()].sort()).toEqual(
      Object.values(METRICS)
        .map((metric) => metric.name)
        .sort(),
    );
    for (const metric of Object.values(METRICS)) {
      expect(byName.get(metric.name)?.unit).toBe(metric.unit);
      const expected = metric.attributes.map((name) => `holdfast.${name}`).sort();
      expect(Object.keys(byName.get(metric.name)?.attributes ?? {}).sort()).toEqual(expected);
    }
    expect(byName.get(METRICS.jobsRunning.name)?.value).toBe(1);
    expect(byName.get(METRICS.storeGroupSize.name)?.value).toBe(3);
    expect(byName.get(METRICS.oldestReadyAge.name)?.value).toBe(1.5);
  });

  test('stops in time, and says so, when nobody takes the last spans', async () => {
    await receiver.stop();
    trace.getTracer('t').startSpan('late').end();
    const stopping = telemetry.stop();
    await clock.advance(FLUSH_TIMEOUT_MS);
    await stopping;
    expect(warnings).toContainEqual({ error: `not done within ${FLUSH_TIMEOUT_MS} ms` });
  });
});
