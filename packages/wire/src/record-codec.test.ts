import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { HoldfastError, type JobSpec, type JobStatus } from '@holdfast/core';
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
import { jobFromProto, jobSummaryFromProto, jobSummaryToProto, jobToProto } from './job.ts';
import { decodeJobChange, encodeJobChange } from './job-change.ts';
import { decodeJobControl, encodeJobControl, type JobControlFields } from './job-control.ts';
import { decodeJobOutcome, encodeJobOutcome, type JobOutcomeFields } from './job-outcome.ts';
import { decodeJobSignal, encodeJobSignal } from './job-signal.ts';
import { decodeJobSpec, encodeJobSpec } from './job-spec.ts';
import { decodeJobStatus, encodeJobStatus } from './job-status.ts';
import {
  atom,
  control,
  count,
  flow,
  jobChange,
  jobId,
  jobSpec,
  jobStatus,
  jobView,
  option,
  payload,
  signal,
  worker,
} from './random-records.fixture.ts';
import { decodeReadyEntry, encodeReadyEntry } from './ready-entry.ts';
import {
  decodeWorker,
  encodeWorker,
  type WorkerViewFields,
  workerViewFromProto,
  workerViewToProto,
} from './worker.ts';

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
  test('change by an operator', () => {
    expect(lossOf(jobChange, (record) => decodeJobChange(encodeJobChange(record)))).toBeUndefined();
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
