// Random records of every kind, as the store may hold them and the API may send them.
import {
  type AtomRecord,
  type AttemptRecord,
  createJobId,
  createSeededRandom,
  createWorkerId,
  type Failure,
  type JobChange,
  type JobId,
  type JobPhase,
  type JobSignal,
  type JobSpec,
  type JobStatus,
  type Payload,
  type TaskChange,
  VirtualClock,
  type WorkerId,
} from '@holdfast/core';
import fc from 'fast-check';
import type { FlowFields, FlowGraphFields } from './flow.ts';
import type { JobViewFields } from './job.ts';
import type { JobControlFields } from './job-control.ts';
import type { WorkerFields } from './worker.ts';

const seed = fc.integer({ min: 0, max: 0xffffffff });
const labels: fc.Arbitrary<Record<string, string>> = fc.dictionary(fc.string(), fc.string(), {
  maxKeys: 4,
  noNullPrototype: true,
});
export const jobId: fc.Arbitrary<JobId> = seed.map((value) =>
  createJobId({ clock: new VirtualClock(), random: createSeededRandom(value) }),
);
const workerId: fc.Arbitrary<WorkerId> = seed.map((value) =>
  createWorkerId('host-1', { clock: new VirtualClock(), random: createSeededRandom(value) }),
);
// Text that UTF-8 can hold (R3), empty included where empty means something.
const text = fc.string({ unit: 'binary', maxLength: 20 });
const someText = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
export const count: fc.Arbitrary<number> = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const unixMs = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 });
const durationMs = fc.integer({ min: 1, max: 316_224_000_000 });
export const option = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(of, { nil: undefined });
const texts = fc.array(text, { maxLength: 4 });

export const payload: fc.Arbitrary<Payload> = fc.record({
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
export const atom: fc.Arbitrary<AtomRecord> = fc.record({
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
  changes: option(fc.integer({ min: 1, max: 1000 })),
  attempt: count,
  worker: text,
});
export const jobSpec: fc.Arbitrary<JobSpec> = fc.record({
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
      fenceBase: fc.maxSafeNat().map(BigInt),
    }),
  ),
  forkedFrom: option(jobId),
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
export const jobStatus: fc.Arbitrary<JobStatus> = fc.record({
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
  parentId: option(jobId),
});
export const control: fc.Arbitrary<JobControlFields> = fc.record({
  wish: fc.constantFrom('none' as const, 'suspend', 'cancelWithRevert', 'cancel'),
  requestedAtUnixMs: unixMs,
  reason: text,
  signals: count,
  signalBytes: count,
  taskEnds: count,
  changes: count,
});
export const signal: fc.Arbitrary<JobSignal> = fc.record({
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
          signal: someText,
          optionalRequires: fc.array(someText, { minLength: 1, maxLength: 2 }),
          storedAs: fc.dictionary(someText, someText, {
            minKeys: 1,
            maxKeys: 2,
            noNullPrototype: true,
          }),
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
export const flow: fc.Arbitrary<FlowFields> = fc
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
export const worker: fc.Arbitrary<WorkerFields> = fc.record({
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
const taskState = fc.constantFrom('pending' as const, 'success', 'ignore', 'reverting', 'reverted');
const taskChange: fc.Arbitrary<TaskChange> = fc.oneof(
  fc.record({ kind: fc.constant('retryFrom' as const), task: someText }),
  fc.record({ kind: fc.constant('setResult' as const), task: someText, values: payload }),
  fc.record({ kind: fc.constant('skip' as const), task: someText, values: option(payload) }),
  fc.record({ kind: fc.constant('revert' as const) }),
  fc.record({ kind: fc.constant('retryRevert' as const), task: someText }),
  fc.record({ kind: fc.constant('resolveRevert' as const), task: someText }),
);
export const jobChange: fc.Arbitrary<JobChange> = fc.record({
  seq: fc.integer({ min: 1, max: 1000 }),
  atUnixMs: unixMs,
  by: someText,
  reason: text,
  changes: fc.array(taskChange, { maxLength: 3 }),
  tasks: fc.array(
    fc.record({
      task: someText,
      before: taskState,
      after: taskState,
      result: option(payload),
      generation: option(fc.integer({ min: 1, max: 1000 })),
    }),
    { maxLength: 3 },
  ),
  attempts: count,
  flowVersion: count,
  resumed: fc.boolean(),
  fork: option(fc.record({ jobId, fromTask: option(someText) })),
});
export const jobView: fc.Arbitrary<JobViewFields> = fc.record({
  spec: jobSpec,
  status: jobStatus,
  atoms: fc.array(atom, { maxLength: 3 }),
  output: option(payload),
  control: option(control),
  waitingReason: text,
  signals: fc.array(signal, { maxLength: 2 }),
  changes: fc.array(jobChange, { maxLength: 2 }),
});
