import {
  type AtomRecord,
  createJobId,
  createSeededRandom,
  createWorkerId,
  encodeJson,
  type Failure,
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
      causes: [
        { type: 'Error', message: 'deeper' },
        { type: 'Error', message: 'long '.repeat(20).trim() },
      ],
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

const failure = {
  type: 'Error',
  message: 'a file is missing',
  stack: 'Error: a file is missing\n    at fetch (flows.ts:1:1)',
  causes: [{ type: 'Error', message: 'disk' }],
};

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
      errors: [{ atUnixMs: NOW - 60_000, try: 1, failure }],
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
  signals: [],
  changes: [],
};

const node = { requires: [], provides: [], hasRevert: false };
const flow: FlowFields = {
  name: 'build',
  version: 1,
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

  it('fits in 80 columns, but for a text that is longer and is not broken', () => {
    const lines = text.split('\n').filter((line) => !line.includes('x'.repeat(200)));
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it('prints an input, an output and a payload whole, however long they are', () => {
    const long = { list: Array.from({ length: 30 }, (_, each) => `item ${each}`), text: 'y' };
    const signal = { seq: 1, name: 'go', payload: encodeJson(long), atUnixMs: NOW };
    const whole = formatJob({ ...view, output: encodeJson(long), signals: [signal] }, flow, style);
    expect(whole).toContain(
      `Input\n  {\n    "revision": "HEAD",\n    "text": "${'x'.repeat(200)}"\n  }\n`,
    );
    const output = whole.slice(whole.indexOf('Output\n') + 'Output\n'.length);
    expect(JSON.parse(output)).toEqual(long);
    expect(whole).toMatch(/^ +1 +go +just now\n {8}\{\n {10}"list": \[$/m);
    expect(whole).not.toContain('…');
    const short = formatJob(
      { ...view, spec: { ...spec, input: encodeJson({ a: 1 }) } },
      flow,
      style,
    );
    expect(short).toMatch(/^input {5}\{"a":1\}$/m);
  });

  it('tells why an attempt ended in as many lines as that takes', () => {
    const reason = 'the worker is gone '.repeat(10).trim();
    const attempts = status.attempts.map((attempt) => ({ ...attempt, reason }));
    const told = formatJob({ ...view, status: { ...status, attempts } }, flow, style);
    expect(told.replaceAll(/\n +/g, ' ')).toContain(`lost ${reason} `);
  });

  it('says how each attempt ended', () => {
    expect(text).toMatch(/ 1 {2}w-\S+ {2}2m ago {4}1\.2s {2}lost\n {9}the worker is gone\n/);
    expect(text).toContain('5 lost attempts (1 so far), attempt 1m');
  });

  it('shows the tasks as a tree, in the order of the flow, with those to come', () => {
    const rows = text.slice(text.indexOf('TASK'), text.indexOf('NON-FATAL')).trimEnd().split('\n');
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

  it('shows the tasks of a map below it, item by item', () => {
    const body = { nodes: ['scan', 'sum'].map((name) => ({ ...node, name, path: [] })), edges: [] };
    const mapping: FlowFields = {
      ...flow,
      nodes: [{ ...node, name: 'each', path: ['build'], kind: 'map', body }],
    };
    const names = ['scan[10]', 'scan[2]', 'sum[2]', 'each', 'sum[10]'];
    const atoms = names.map((name) => atom(name, { state: 'success' }));
    const mapped = formatJob({ ...view, atoms }, mapping, style);
    expect(mapped).toMatch(
      /^each +success.*\n├─ scan\[2\] .*\n├─ sum\[2\] .*\n├─ scan\[10\] .*\n└─ sum\[10\] /m,
    );
  });

  it('keeps what went wrong without ending the task, with its try and its time', () => {
    expect(text).toMatch(/^NON-FATAL ERROR IN +TRY +WHEN$/m);
    expect(text).toMatch(/^fetch +1 +1m ago +Error: a file is missing, caused by Error: disk$/m);
    expect(text).toMatch(/^fetch +2 more, not kept$/m);
  });

  it('shows the failure cause by cause, each in the width of the terminal', () => {
    expect(text).toContain(
      'Failure in task compile after 3 tries\n  TypeError: x is not a function\n  caused by Error: deeper\n',
    );
    expect(text).toMatch(/^ {2}caused by Error: (?:long ?)+\n {4}(?:long )*long$/m);
    expect(text).not.toContain('flows.ts');
  });

  it('shows the failures of other tasks and of reverts too', () => {
    const failed = (task: string, message: string): Failure => ({
      ...{ type: 'Error', message, stack: '', task },
      causes: [{ type: 'RangeError', message: 'deep' }],
    });
    const atoms = [
      atom('a', { state: 'reverted', tries: 1, failure: failed('a', 'no a') }),
      atom('b', {
        state: 'revertFailure',
        tries: 1,
        revertTries: 2,
        revertFailure: failed('b', 'stuck'),
      }),
      // It is tried again.
      atom('c', { state: 'pending', tries: 1, failure: failed('c', 'no c') }),
    ];
    const others = formatJob({ ...view, atoms }, undefined, style);
    expect(others).toContain('Failure in task a\n  Error: no a\n  caused by RangeError: deep\n');
    expect(others).toContain('Revert failure in task b after 2 tries\n  Error: stuck\n');
    expect(others).toContain('Last failure in task c\n  Error: no c\n');
  });

  it('shows stacks where they are asked for', () => {
    const verbose = formatJob(view, flow, { ...style, withStacks: true });
    // A stack is that of the failure, not of its last cause.
    expect(verbose).toContain(
      '  TypeError: x is not a function\n      at compile (flows.ts:3:1)\n  caused by Error: deeper\n',
    );
    expect(verbose).toContain('Non-fatal error in task fetch\n  Error: a file is missing\n');
    expect(verbose).toContain('      at fetch (flows.ts:1:1)');
  });

  it('says of a wait what for, also while other tasks run, and never that it was cut off', () => {
    const waiting: FlowFields = {
      ...flow,
      nodes: [
        { ...node, name: 'approval', path: ['build'], kind: 'event', signal: 'approve' },
        { ...node, name: 'pause', path: ['build'], kind: 'sleep' },
      ],
    };
    const atoms = [
      atom('approval', { state: 'running', tries: 1, attempt: 1 }),
      atom('pause', { state: 'running', tries: 1, attempt: 1, nextAtUnixMs: NOW + 60_000 }),
    ];
    const phase = { kind: 'running' as const, worker, claimedAtUnixMs: NOW };
    const rows = formatJob({ ...view, atoms, status: { ...status, phase } }, waiting, style);
    expect(rows).toMatch(/^approval +waiting .*for signal approve$/m);
    expect(rows).toMatch(/^pause +waiting .*goes on in 1m$/m);
  });

  it('says how far a task has come, and when it is tried again', () => {
    const atoms = [
      atom('a', { state: 'running', tries: 1, progress: 0.25, progressMessage: 'cloning' }),
      atom('b', { state: 'failure', tries: 1, progress: 0.5 }),
      atom('c', { state: 'pending', tries: 1, nextAtUnixMs: NOW + 5000 }),
    ];
    const running: JobStatus = {
      ...status,
      attempt: 0,
      phase: { kind: 'running', worker, claimedAtUnixMs: NOW },
    };
    const rows = formatJob({ ...view, atoms, status: running }, undefined, style);
    expect(rows).toMatch(/^a +running .*25%, cloning$/m);
    expect(rows).toMatch(/^b +failure .*got to 50%$/m);
    expect(rows).toMatch(/^c +pending .*next try in 5s$/m);
  });

  it('says what an earlier version of the flow has done', () => {
    const atoms = [
      atom('old', { state: 'success', attempt: 1, flowVersion: 1 }),
      atom('new', { state: 'success', attempt: 2, flowVersion: 3 }),
    ];
    const rows = formatJob({ ...view, atoms, status: { ...status, flowVersion: 3 } }, flow, style);
    expect(rows).toMatch(/^old +success .*of version 1$/m);
    expect(rows).toMatch(/^new +success *$/m);
    expect(rows).not.toMatch(/pending .*of version/);
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
    const view: JobViewFields = {
      spec,
      status,
      atoms: [cutOff],
      waitingReason: '',
      signals: [],
      changes: [],
    };
    expect(formatJob(view, undefined, style)).toMatch(/compile +interrupted +2\.0s/);
  });

  it('tells a task that waits from one that was cut off', () => {
    const [attempt] = status.attempts;
    const waiting: JobStatus = {
      ...status,
      attempt: 1,
      phase: { kind: 'waiting', reason: 'task approval waits' },
      attempts: attempt ? [{ ...attempt, end: 'released' }] : [],
    };
    const atoms = [
      atom('approval', { state: 'running', attempt: 1, tries: 1, startedAtUnixMs: NOW - 5000 }),
      atom('nap', { state: 'running', attempt: 1, tries: 1, nextAtUnixMs: NOW + 3_600_000 }),
    ];
    const rows = formatJob({ ...view, atoms, status: waiting }, undefined, style);
    expect(rows).toMatch(/^approval +waiting +5\.0s +1$/m);
    expect(rows).toMatch(/^nap +waiting +1 +goes on in 1h$/m);
  });

  it('says what a job waits for, what it has received, and what was asked of it', () => {
    const waiting: JobViewFields = {
      ...view,
      status: {
        ...status,
        phase: { kind: 'waiting', untilUnixMs: NOW + 120_000, reason: 'for an approval' },
      },
      waitingReason: 'for a signal: for an approval',
      control: {
        wish: 'cancelWithRevert',
        requestedAtUnixMs: NOW - 60_000,
        reason: 'enough',
        signals: 21,
        signalBytes: 42,
        taskEnds: 0,
        changes: 0,
      },
      signals: Array.from({ length: 21 }, (_, index) => ({
        seq: index + 1,
        name: 'noise',
        payload: encodeJson({ by: 'ada' }),
        atUnixMs: NOW - 60_000,
      })),
    };
    const text = formatJob(waiting, flow, style);
    expect(text).toMatch(/state +waiting for a signal, or for its time to be over in 2/);
    expect(text).toMatch(/waits +for a signal: for an approval/);
    expect(text).toMatch(/asked +to be reverted and cancelled, .*: enough/);
    expect(text).toContain('(1 older signals not listed)');
    expect(text).toMatch(/21 +noise +\S.*\{"by":"ada"\}/);
    expect(jobToJson(waiting)).toMatchObject({
      state: 'waiting',
      waitsUntil: new Date(NOW + 120_000).toISOString(),
      cancelRequested: { revert: true, reason: 'enough' },
    });
  });

  it('says since when a job is suspended, and when it was to run', () => {
    const phase = { kind: 'suspended' as const, suspendedAtUnixMs: NOW - 60_000, reason: '' };
    const text = (runAtUnixMs: number | undefined): string =>
      formatJob({ ...view, status: { ...status, phase: { ...phase, runAtUnixMs } } }, flow, style);
    expect(text(undefined)).toMatch(/state +suspended .* ago$/m);
    expect(text(NOW + 120_000)).toMatch(/state +suspended .* ago; it was to run in 2/);
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
      failure: { type: 'TypeError', task: 'compile', causes: [{ message: 'deeper' }, {}] },
    });
    expect(json['tasks']).toHaveLength(3);
    expect(json['attempts']).toMatchObject([{ end: 'lost' }, { end: 'failed' }]);
  });
});
