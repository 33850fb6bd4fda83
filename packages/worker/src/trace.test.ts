import { silentLogger } from '@holdfast/core';
import { flow, linear, task } from '@holdfast/flow';
import { ATTRIBUTES, createInstruments, SPANS } from '@holdfast/telemetry';
import { startTelemetry, type Telemetry } from '@holdfast/telemetry/setup';
import { OtlpReceiver, type ReceivedSpan } from '@holdfast/telemetry/testing';
import { trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { step, stepFlow, untilAborted } from './step-flow.fixture.ts';
import { TestFleet } from './test-fleet.fixture.ts';

const POST = { traceId: 'abcdef00000000000000000000000001', spanId: 'abcdef0000000002' };
const TRACE = { traceparent: `00-${POST.traceId}-${POST.spanId}-01`, tracestate: '' };

let receiver: OtlpReceiver;
let telemetry: Telemetry;

beforeEach(async () => {
  receiver = new OtlpReceiver();
  await receiver.start();
  for (const [name, value] of Object.entries(receiver.environment())) vi.stubEnv(name, value);
  vi.stubEnv('OTEL_METRICS_EXPORTER', 'none');
  telemetry = await startTelemetry({
    serviceName: 'test',
    serviceVersion: '0',
    logger: silentLogger,
  });
});

afterEach(async () => {
  await telemetry.stop();
  await receiver.stop();
  vi.unstubAllEnvs();
});

/** Everything that was reported, once nothing more is to come. */
async function allSpans(): Promise<readonly ReceivedSpan[]> {
  await telemetry.stop();
  return receiver.spans;
}

const named = (spans: readonly ReceivedSpan[], name: string): readonly ReceivedSpan[] =>
  spans.filter((span) => span.name === name);

describe('the trace of a job', () => {
  test('is one over a takeover, with every attempt, linked, and its tasks below (G10)', async () => {
    await using fleet = new TestFleet();
    const first = step();
    const second = step();
    first.act = async () => {
      trace.getTracer('user').startActiveSpan('user code', (span) => span.end());
    };
    second.act = async () => {
      if (second.calls.length === 1) await new Promise(() => undefined);
    };
    const flows = [stepFlow('f', { first, second })];
    const victim = await fleet.startWorker({ flows, leaseTtlMs: 2000 });
    const id = await fleet.post('f', { trace: TRACE });
    await fleet.until(() => second.calls.length === 1);
    await victim.kill();
    await fleet.startWorker({ flows });
    const { status } = await fleet.untilState(id, 'succeeded');
    const spans = await allSpans();
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([POST.traceId]));

    const [lost, last, ...more] = named(spans, SPANS.jobAttempt);
    expect(more).toEqual([]);
    expect([lost?.spanId, last?.spanId]).toEqual(status.attempts.map((each) => each.spanId));
    expect([lost?.parentSpanId, last?.parentSpanId]).toEqual([POST.spanId, POST.spanId]);
    expect(lost?.status).toEqual({ code: 'error', message: 'worker lost' });
    expect(last?.status.code).toBe('unset');
    expect(last?.links).toEqual([{ traceId: POST.traceId, spanId: lost?.spanId }]);

    // The second task of the lost attempt never ended, so it has no span.
    const tasks = named(spans, SPANS.taskExecute);
    expect(tasks.map((span) => [span.attributes[ATTRIBUTES.task], span.parentSpanId])).toEqual([
      ['first', lost?.spanId],
      ['second', last?.spanId],
    ]);
    expect(named(spans, 'user code').map((span) => span.parentSpanId)).toEqual([tasks[0]?.spanId]);
  });

  test.each([
    ['that somebody traced', TRACE],
    ['that nobody traced', undefined],
  ])('is one with tasks that run elsewhere, of a post %s (G10)', async (_, traced) => {
    await using fleet = new TestFleet();
    const remote = task({ name: 'remote', runs: 'anywhere', execute: () => undefined });
    const local = task({ name: 'local', execute: () => undefined });
    const flows = [flow({ name: 'f', body: linear('main', remote, local) })];
    await fleet.startWorker({ flows });
    await fleet.startWorker({ flows });
    const id = await fleet.post('f', { trace: traced });
    const { status, atoms } = await fleet.untilState(id, 'succeeded');
    const taskJob = atoms.find(({ name }) => name === 'remote')?.taskJob;
    const spans = await allSpans();
    expect(new Set(spans.map((span) => span.traceId)).size).toBe(1);
    const attempts = named(spans, SPANS.jobAttempt);
    const ofTaskJob = attempts.find((span) => span.attributes[ATTRIBUTES.jobId] === taskJob);
    expect(ofTaskJob?.attributes).toMatchObject({
      [ATTRIBUTES.parentId]: id,
      [ATTRIBUTES.task]: 'remote',
    });
    const ofParent = attempts.find((span) => span.attributes[ATTRIBUTES.jobId] === id);
    expect(ofParent?.spanId).toBe(status.attempts[0]?.spanId);
    // The task's span is where the task ran, and nowhere else.
    const tasks = named(spans, SPANS.taskExecute);
    expect(tasks.map((span) => [span.attributes[ATTRIBUTES.task], span.parentSpanId])).toEqual([
      ['remote', ofTaskJob?.spanId],
      ['local', ofParent?.spanId],
    ]);
  });

  test('shows every attempt of a job that was given up', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = untilAborted;
    const { worker } = await fleet.startWorker({
      flows: [stepFlow('f', { only })],
      observer: createInstruments().board,
    });
    const id = await fleet.post('f', { trace: TRACE, maxAttempts: 2 });
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await fleet.until(() => only.calls.length === attempt);
      if (worker.id) await (await fleet.producer).expel(worker.id);
    }
    const { status } = await fleet.untilState(id, 'dead');
    const attempts = named(await allSpans(), SPANS.jobAttempt);
    expect(attempts.map((span) => span.spanId)).toEqual(status.attempts.map((a) => a.spanId));
    expect(attempts.map((span) => span.status.code)).toEqual(['error', 'error']);
  });

  test('is one although nobody traced the post', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = async (context) => {
      if (only.calls.length === 1) await untilAborted(context);
    };
    const { worker } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const id = await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    if (worker.id) await (await fleet.producer).expel(worker.id);
    await fleet.untilState(id, 'succeeded');
    const spans = await allSpans();
    expect(new Set(spans.map((span) => span.traceId)).size).toBe(1);
    expect(named(spans, SPANS.jobAttempt)).toHaveLength(2);
  });
});
