import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type AtomRecord,
  type AttemptRecord,
  createJobId,
  createSeededRandom,
  createWorkerId,
  type Failure,
  HoldfastError,
  type JobId,
  type JobPhase,
  type JobSignal,
  type JobSpec,
  type JobStatus,
  type Payload,
  VirtualClock,
  type WorkerId,
} from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeAtom, encodeAtom } from './atom.ts';
import {
  decodeFlow,
  encodeFlow,
  type FlowFields,
  type FlowGraphFields,
  type FlowViewFields,
  flowViewFromProto,
  flowViewToProto,
} from './flow.ts';
import { AtomSchema, JobStatusSchema } from './gen/holdfast/v1/records_pb.ts';
import {
  type JobViewFields,
  jobFromProto,
  jobSummaryFromProto,
  jobSummaryToProto,
  jobToProto,
} from './job.ts';
import { decodeJobControl, encodeJobControl, type JobControlFields } from './job-control.ts';
import { decodeJobOutcome, encodeJobOutcome, type JobOutcomeFields } from './job-outcome.ts';
import { decodeJobSignal, encodeJobSignal } from './job-signal.ts';
import { decodeJobSpec, encodeJobSpec } from './job-spec.ts';
import { decodeJobStatus, encodeJobStatus } from './job-status.ts';
import { decodeReadyEntry, encodeReadyEntry } from './ready-entry.ts';
import {
  decodeWorker,
  encodeWorker,
  type WorkerFields,
  type WorkerViewFields,
  workerViewFromProto,
  workerViewToProto,
} from './worker.ts';

const seed = fc.integer({ min: 0, max: 0xffffffff });
const labels: fc.Arbitrary<Record<string, string>> = fc.dictionary(fc.string(), fc.string(), {
  maxKeys: 4,
  noNullPrototype: true,
});
const jobId: fc.Arbitrary<JobId> = seed.map((value) =>
  createJobId({ clock: new VirtualClock(), random: createSeededRandom(value) }),
);
const workerId: fc.Arbitrary<WorkerId> = seed.map((value) =>
  createWorkerId('host-1', { clock: new VirtualClock(), random: createSeededRandom(value) }),
);
// Text that UTF-8 can hold (R3), empty included where empty means something.
const text = fc.string({ unit: 'binary', maxLength: 20 });
const someText = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
const count = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const unixMs = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 });
const durationMs = fc.integer({ min: 1, max: 316_224_000_000 });
const option = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(of, { nil: undefined });
const texts = fc.array(text, { maxLength: 4 });

const payload: fc.Arbitrary<Payload> = fc.record({
  contentType: text,
  data: fc.uint8Array({ maxLength: 64 }),
});
const failure: fc.Arbitrary<Failure> = fc.record({
  type: text,
  message: text,
  stack: text,
  task: option(someText),
  causes: fc.array(fc.record({ type: text, message: text }), { maxLength: 3 }),
});
const atom: fc.Arbitrary<AtomRecord> = fc.record({
  name: someText,
  state: fc.constantFrom(
    'pending' as const,
    'running',
    'success',
    'failure',
    'reverting',
    'reverted',
    'revertFailure',
    'ignore',
    'retrying',
  ),
  intention: fc.constantFrom('execute' as const, 'ignore', 'revert', 'retry'),
  tries: count,
  forgivenTries: count,
  executions: count,
  result: option(payload),
  failure: option(failure),
  revertFailure: option(failure),
  revertTries: count,
  errors: fc.array(fc.record({ atUnixMs: unixMs, try: count, failure }), { maxLength: 3 }),
  errorsDropped: count,
  progress: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
  progressMessage: option(someText),
  startedAtUnixMs: option(unixMs),
  finishedAtUnixMs: option(unixMs),
  nextAtUnixMs: option(unixMs),
  generation: count,
  blocked: option(fc.constantFrom('all' as const, 'flow', 'neighbours', 'atom')),
  rounds: fc.array(
    fc.record({
      startedAtUnixMs: unixMs,
      provided: option(payload),
      failures: fc.array(failure, { maxLength: 2 }),
      decision: option(fc.constantFrom('retry' as const, 'revert', 'revertAll')),
    }),
    { maxLength: 2 },
  ),
  signal: option(fc.integer({ min: 1, max: 1000 })),
  forgivenRevertTries: count,
  flowVersion: fc.integer({ min: 1, max: 1000 }),
  taskJob: option(jobId),
  attempt: count,
  worker: text,
});
const jobSpec: fc.Arbitrary<JobSpec> = fc.record({
  id: jobId,
  flow: text,
  input: payload,
  queue: text,
  priority: fc.integer({ min: 0, max: 9 }),
  runAtUnixMs: option(unixMs),
  maxAttempts: count,
  deadlines: fc.record({
    queueMs: option(durationMs),
    attemptMs: option(durationMs),
    totalMs: option(durationMs),
  }),
  retentionMs: fc.maxSafeNat(),
  labels,
  idempotencyKey: option(someText),
  contentDigest: text,
  trace: option(fc.record({ traceparent: text, tracestate: text })),
  postedAtUnixMs: unixMs,
  remoteTask: option(
    fc.record({
      parentId: jobId,
      task: someText,
      intention: fc.constantFrom('execute' as const, 'revert'),
      flowVersion: count,
      labels,
      atom,
      flowFailure: option(failure),
    }),
  ),
});
const attempt: fc.Arbitrary<AttemptRecord> = fc.record({
  number: count,
  worker: workerId,
  claimedAtUnixMs: unixMs,
  spanId: option(someText),
  end: option(fc.constantFrom('succeeded' as const, 'failed', 'cancelled', 'lost', 'released')),
  endedAtUnixMs: option(unixMs),
  reason: option(someText),
});
const phase: fc.Arbitrary<JobPhase> = fc.oneof(
  fc.record({ kind: fc.constant('scheduled' as const), runAtUnixMs: unixMs, reason: text }),
  fc.record({
    kind: fc.constant('ready' as const),
    readyAtUnixMs: unixMs,
    position: fc.record({ bucket: text, order: text }),
  }),
  fc.record({ kind: fc.constant('running' as const), worker: workerId, claimedAtUnixMs: unixMs }),
  fc.record({ kind: fc.constant('waiting' as const), untilUnixMs: option(unixMs), reason: text }),
  fc.record({
    kind: fc.constant('suspended' as const),
    suspendedAtUnixMs: unixMs,
    reason: text,
    runAtUnixMs: option(unixMs),
  }),
  fc.record({
    kind: fc.constantFrom('succeeded' as const, 'failed', 'cancelled', 'dead'),
    finishedAtUnixMs: unixMs,
    failure: option(failure),
  }),
);
const jobStatus: fc.Arbitrary<JobStatus> = fc.record({
  id: jobId,
  flow: text,
  queue: text,
  priority: fc.integer({ min: 0, max: 9 }),
  phase,
  attempt: count,
  lostAttempts: count,
  revivals: count,
  attempts: fc.array(attempt, { maxLength: 3 }),
  attemptsDropped: count,
  updatedAtUnixMs: unixMs,
  flowVersion: option(fc.integer({ min: 1, max: 1000 })),
  startedAtUnixMs: option(unixMs),
});
const control: fc.Arbitrary<JobControlFields> = fc.record({
  wish: fc.constantFrom('none' as const, 'suspend', 'cancelWithRevert', 'cancel'),
  requestedAtUnixMs: unixMs,
  reason: text,
  signals: count,
  signalBytes: count,
  taskEnds: count,
  changes: count,
});
const signal: fc.Arbitrary<JobSignal> = fc.record({
  seq: fc.integer({ min: 1, max: 1000 }),
  name: someText,
  payload,
  atUnixMs: unixMs,
});
const { graph } = fc.letrec<{ graph: FlowGraphFields }>((tie) => ({
  graph: fc.record({
    nodes: fc.array(
      fc.record(
        {
          name: someText,
          requires: texts,
          provides: texts,
          path: texts,
          hasRevert: fc.boolean(),
          kind: someText,
          controller: someText,
          body: tie('graph'),
          runsOn: labels,
        },
        { requiredKeys: ['name', 'requires', 'provides', 'path', 'hasRevert'] },
      ),
      { maxLength: 3, depthIdentifier: 'graph' },
    ),
    edges: fc.array(
      fc.record(
        { from: text, to: text, values: texts, label: someText },
        { requiredKeys: ['from', 'to', 'values'] },
      ),
      { maxLength: 3 },
    ),
  }),
}));
const flow: fc.Arbitrary<FlowFields> = fc
  .record({
    name: someText,
    description: text,
    inputSchemaJson: text,
    graph,
    digest: text,
    registeredAtUnixMs: unixMs,
    registeredBy: text,
    version: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ graph: { nodes, edges }, ...rest }) => ({ ...rest, nodes, edges }));
const worker: fc.Arbitrary<WorkerFields> = fc.record({
  id: workerId,
  host: text,
  pid: fc.maxSafeNat(),
  queues: texts,
  flows: texts,
  concurrency: count,
  startedAtUnixMs: unixMs,
  leaseTtlMs: fc.maxSafeNat(),
  version: text,
  isDraining: fc.boolean(),
  labels,
  served: fc.array(
    fc.record({
      flow: text,
      version: count,
      continues: fc.array(count, { maxLength: 2 }),
      remote: texts,
    }),
    { maxLength: 2 },
  ),
});
const jobView: fc.Arbitrary<JobViewFields> = fc.record({
  spec: jobSpec,
  status: jobStatus,
  atoms: fc.array(atom, { maxLength: 3 }),
  output: option(payload),
  control: option(control),
  waitingReason: text,
  signals: fc.array(signal, { maxLength: 2 }),
});

/** What fast-check has to say about the way there and back; undefined when nothing was lost. */
function lossOf<Record>(
  records: fc.Arbitrary<Record>,
  there: (record: Record) => Record,
): string | undefined {
  const property = fc.property(records, (record) => {
    expect(there(record)).toEqual(record);
  });
  return fc.defaultReportMessage(fc.check(property));
}

describe('a record read back equals the record written (R1)', () => {
  test('job spec', () => {
    expect(lossOf(jobSpec, (spec) => decodeJobSpec(encodeJobSpec(spec)))).toBeUndefined();
  });
  test('job status', () => {
    expect(lossOf(jobStatus, (status) => decodeJobStatus(encodeJobStatus(status)))).toBeUndefined();
  });
  test('atom', () => {
    expect(lossOf(atom, (record) => decodeAtom(encodeAtom(record)))).toBeUndefined();
  });
  test('job outcome', () => {
    const outcome: fc.Arbitrary<JobOutcomeFields> = fc.record({ output: option(payload) });
    expect(lossOf(outcome, (record) => decodeJobOutcome(encodeJobOutcome(record)))).toBeUndefined();
  });
  test('job control', () => {
    expect(lossOf(control, (record) => decodeJobControl(encodeJobControl(record)))).toBeUndefined();
  });
  test('job control that only counts signals', () => {
    const counted: fc.Arbitrary<JobControlFields> = fc.record({
      wish: fc.constant('none' as const),
      requestedAtUnixMs: fc.constant(undefined),
      reason: fc.constant(''),
      signals: fc.integer({ min: 1, max: 1000 }),
      signalBytes: count,
      taskEnds: count,
      changes: count,
    });
    expect(lossOf(counted, (record) => decodeJobControl(encodeJobControl(record)))).toBeUndefined();
  });
  test('signal', () => {
    expect(lossOf(signal, (record) => decodeJobSignal(encodeJobSignal(record)))).toBeUndefined();
  });
  test('ready entry', () => {
    const entry = fc.record({ jobId });
    expect(lossOf(entry, (record) => decodeReadyEntry(encodeReadyEntry(record)))).toBeUndefined();
  });
  test('flow', () => {
    expect(lossOf(flow, (record) => decodeFlow(encodeFlow(record)))).toBeUndefined();
  });
  test('worker', () => {
    expect(lossOf(worker, (record) => decodeWorker(encodeWorker(record)))).toBeUndefined();
  });
});

describe('what the API sends reads back as what the board said (R1)', () => {
  test('job', () => {
    expect(lossOf(jobView, (view) => jobFromProto(jobToProto(view)))).toBeUndefined();
  });
  test('job summary', () => {
    const there = (status: JobStatus): JobStatus =>
      jobSummaryFromProto(jobSummaryToProto(status)).status;
    expect(lossOf(jobStatus, there)).toBeUndefined();
  });
  test('flow listing', () => {
    const view: fc.Arbitrary<FlowViewFields> = fc.record({ flow, workers: count });
    expect(lossOf(view, (of) => flowViewFromProto(flowViewToProto(of)))).toBeUndefined();
  });
  test('worker listing', () => {
    const view: fc.Arbitrary<WorkerViewFields> = fc.record({
      info: worker,
      claims: count,
      isLive: fc.boolean(),
    });
    expect(lossOf(view, (of) => workerViewFromProto(workerViewToProto(of)))).toBeUndefined();
  });
});

const DECODERS: readonly [string, (bytes: Uint8Array, place?: string) => unknown][] = [
  ['JobSpec', decodeJobSpec],
  ['JobStatus', decodeJobStatus],
  ['Atom', decodeAtom],
  ['JobControl', decodeJobControl],
  ['JobSignal', decodeJobSignal],
  ['ReadyEntry', decodeReadyEntry],
  ['Flow', decodeFlow],
  ['Worker', decodeWorker],
];

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

test('a flow reads back with as many maps in each other as a flow may have', () => {
  const [example] = fc.sample(flow, { numRuns: 1, seed: 1 });
  const node = { name: 'map', requires: [], provides: [], path: [], hasRevert: false };
  let body: FlowGraphFields = { nodes: [node], edges: [] };
  for (let depth = 0; depth < 30; depth += 1) body = { nodes: [{ ...node, body }], edges: [] };
  const nested = { ...(example as FlowFields), ...body };
  expect(decodeFlow(encodeFlow(nested))).toEqual(nested);
});

describe('damaged bytes are an error that names the record (R2)', () => {
  test.each(DECODERS)('%s: no bytes at all', (name, decode) => {
    const error = thrownBy(() => decode(new Uint8Array(), 'jobs/1/x'));
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({ code: 'INTERNAL' });
    expect(String(error)).toContain(`record ${name} at jobs/1/x cannot be read`);
  });

  test.each([...DECODERS, ['JobOutcome', decodeJobOutcome] as const])(
    '%s: arbitrary bytes decode or fail with INTERNAL, never otherwise',
    (_name, decode) => {
      const property = fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const error = thrownBy(() => decode(bytes));
        return error === undefined || (error instanceof HoldfastError && error.code === 'INTERNAL');
      });
      expect(fc.check(property)).toMatchObject({ failed: false });
    },
  );

  test('a state that this version has no name for is refused', () => {
    fc.assert(
      fc.property(jobStatus, fc.integer({ min: 10, max: 1000 }), (status, state) => {
        const message = fromBinary(JobStatusSchema, encodeJobStatus(status));
        // A number that the enum does not know is what a newer version would send.
        message.state = state as typeof message.state;
        const bytes = toBinary(JobStatusSchema, message);
        expect(() => decodeJobStatus(bytes)).toThrow(
          `record JobStatus cannot be read: JobStatus.state has the unknown value ${state}`,
        );
      }),
    );
  });

  test('an unspecified state is refused', () => {
    const bytes = toBinary(AtomSchema, create(AtomSchema, { name: 'clone' }));
    expect(() => decodeAtom(bytes)).toThrow('Atom.state has the unknown value 0');
  });
});

describe('what a message cannot hold is refused when it is written', () => {
  const [example] = fc.sample(jobSpec, { numRuns: 1, seed: 1 });

  test.each([
    ['a fraction of a millisecond', { postedAtUnixMs: 0.5 }],
    ['a fractional duration', { retentionMs: 0.5 }],
    ['a number beyond 32 bits', { priority: 2 ** 31 }],
  ])('%s', (_name, change) => {
    const error = thrownBy(() => encodeJobSpec({ ...(example as JobSpec), ...change }));
    expect(error).toMatchObject({ code: 'INTERNAL' });
    expect(String(error)).toContain('record JobSpec cannot be written');
  });
});
