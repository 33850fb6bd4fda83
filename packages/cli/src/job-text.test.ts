import {
  type AtomRecord,
  createJobId,
  createSeededRandom,
  createWorkerId,
  encodeJson,
  type JobId,
  type JobSpec,
  type JobStatus,
  pendingAtom,
  VirtualClock,
} from '@holdfast/core';
import type { FlowFields, JobViewFields } from '@holdfast/wire';
import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { jobToJson } from './job-json.ts';
import { formatJob, type TextStyle } from './job-text.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const source = { clock: new VirtualClock(NOW), random: createSeededRandom(1) };
const worker = createWorkerId('w', source);
const id: JobId = createJobId(source);
const style: TextStyle = { colors: picocolors.createColors(false), width: 80, nowUnixMs: NOW };

const spec: JobSpec = {
  id,
  flow: 'build',
  input: encodeJson({ revision: 'HEAD', text: 'x'.repeat(200) }),
  queue: 'default',
  priority: 5,
  maxAttempts: 5,
  deadlines: { attemptMs: 60_000 },
  retentionMs: 1000,
  labels: { team: 'a' },
  contentDigest: '',
  postedAtUnixMs: NOW - 180_000,
};

const status: JobStatus = {
  id,
  flow: 'build',
  queue: 'default',
  priority: 5,
  phase: {
    kind: 'failed',
    finishedAtUnixMs: NOW - 60_000,
    failure: {
      type: 'TypeError',
      message: 'x is not a function',
      stack: 'TypeError: x is not a function\n    at compile (flows.ts:3:1)',
      task: 'compile',
      causes: [{ type: 'Error', message: 'deeper' }],
    },
  },
  attempt: 2,
  lostAttempts: 1,
  revivals: 0,
  attempts: [
    {
      number: 1,
      worker,
      claimedAtUnixMs: NOW - 120_000,
      end: 'lost',
      endedAtUnixMs: NOW - 118_800,
      reason: 'the worker is gone',
    },
    {
      number: 2,
      worker,
      claimedAtUnixMs: NOW - 90_000,
      end: 'failed',
      endedAtUnixMs: NOW - 60_000,
      reason: 'x is not a function',
    },
  ],
  attemptsDropped: 0,
  updatedAtUnixMs: NOW - 60_000,
};

function atom(name: string, of: Partial<AtomRecord>): AtomRecord {
  return { ...pendingAtom(name), ...of };
}

const failure = { type: 'Error', message: 'a file is missing', stack: '', causes: [] };

const view: JobViewFields = {
  spec,
  status,
  atoms: [
    atom('fetch', {
      state: 'success',
      tries: 1,
      executions: 2,
      startedAtUnixMs: NOW - 90_000,
      finishedAtUnixMs: NOW - 88_766,
      errors: [{ atUnixMs: NOW, try: 1, failure }],
      errorsDropped: 2,
    }),
    atom('compile', {
      state: 'failure',
      tries: 3,
      executions: 3,
      startedAtUnixMs: NOW - 61_000,
      finishedAtUnixMs: NOW - 60_000,
      failure: { type: 'TypeError', message: 'x is not a function', stack: '', causes: [] },
    }),
    atom('forgotten', { state: 'success', tries: 1, executions: 1 }),
  ],
  waitingReason: '',
};

const node = { requires: [], provides: [], hasRevert: false };
const flow: FlowFields = {
  name: 'build',
  description: '',
  inputSchemaJson: '',
  nodes: [
    { ...node, name: 'fetch', path: ['build'] },
    { ...node, name: 'compile', path: ['build', 'make'] },
    { ...node, name: 'publish', path: ['build', 'make'] },
  ],
  edges: [],
  digest: '',
  registeredAtUnixMs: 0,
  registeredBy: '',
};

describe('a job for people', () => {
  const text = formatJob(view, flow, style);

  it('fits in 80 columns', () => {
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it('says how each attempt ended', () => {
    expect(text).toMatch(/ 1 {2}w-\S+ {2}2m ago {4}1\.2s {2}lost\n {9}the worker is gone\n/);
    expect(text).toContain('5 lost attempts (1 so far), attempt 1m');
  });

  it('shows the tasks as a tree, in the order of the flow, with those to come', () => {
    const rows = text.slice(text.indexOf('TASK'), text.indexOf('Non-fatal')).trimEnd().split('\n');
    expect(rows.map((row) => row.slice(0, 19).trimEnd())).toEqual([
      'TASK        STATE',
      'fetch       success',
      'make',
      '├─ compile  failure',
      '└─ publish  pending',
      'forgotten   success',
    ]);
    expect(rows[1]).toContain('ran 2 times, 3 non-fatal errors');
  });

  it('keeps what went wrong without ending the task', () => {
    expect(text).toContain('  fetch: Error: a file is missing');
    expect(text).toContain('  fetch: 2 more, not kept');
  });

  it('shows the failure with its causes and its stack', () => {
    expect(text).toContain('Failure in task compile\n  TypeError: x is not a function');
    expect(text).toContain('  caused by Error: deeper');
    expect(text).toContain('      at compile (flows.ts:3:1)');
  });

  it('says why it waits', () => {
    const ready: JobViewFields = {
      ...view,
      status: {
        ...status,
        phase: {
          kind: 'ready',
          readyAtUnixMs: NOW - 60_000,
          position: { bucket: 'b', order: 'o' },
        },
      },
      waitingReason: 'no live worker serves flow build on queue default; it is served on: slow',
    };
    expect(formatJob(ready, undefined, style)).toContain(
      'state     ready for 1m 0s\n' +
        'waits     no live worker serves flow build on queue default; it is served on:\n' +
        '          slow\n',
    );
  });

  it('stops the clock of a task that was cut off when its attempt was', () => {
    const [attempt] = status.attempts;
    const cutOff: AtomRecord = {
      ...pendingAtom('compile'),
      state: 'running',
      attempt: 1,
      tries: 1,
      startedAtUnixMs: (attempt?.endedAtUnixMs ?? 0) - 2000,
    };
    const view: JobViewFields = { spec, status, atoms: [cutOff], waitingReason: '' };
    expect(formatJob(view, undefined, style)).toMatch(/compile +interrupted +2\.0s/);
  });

  it('does not let a flow write to the terminal', () => {
    const evil = { ...view, waitingReason: '\u001b[2J\u0007' };
    expect(formatJob(evil, flow, style)).not.toMatch(/(?!\n)\p{Cc}/u);
  });
});

describe('a job for programs', () => {
  it('is JSON with ISO times, and the input as it was posted', () => {
    const json = JSON.parse(JSON.stringify(jobToJson(view))) as Record<string, unknown>;
    expect(json).toMatchObject({
      id,
      state: 'failed',
      postedAt: '2026-01-01T11:57:00.000Z',
      input: { revision: 'HEAD' },
      failure: { type: 'TypeError', task: 'compile', causes: [{ message: 'deeper' }] },
    });
    expect(json['tasks']).toHaveLength(3);
    expect(json['attempts']).toMatchObject([{ end: 'lost' }, { end: 'failed' }]);
  });
});
