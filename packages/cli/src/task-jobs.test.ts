import {
  type AtomRecord,
  createJobId,
  createSeededRandom,
  createWorkerId,
  encodeJson,
  type JobSpec,
  type JobStatus,
  pendingAtom,
  type RemoteTask,
  VirtualClock,
} from '@holdfast/core';
import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { jobToJson } from './job-json.ts';
import { formatJob, type TextStyle } from './job-text.ts';
import type { ViewedJob } from './task-jobs.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const source = { clock: new VirtualClock(NOW), random: createSeededRandom(1) };
const worker = createWorkerId('build-2', source);
const holder = createWorkerId('build-1', source);
const [id, taskJob, queued] = [createJobId(source), createJobId(source), createJobId(source)];
const style: TextStyle = { colors: picocolors.createColors(false), width: 80, nowUnixMs: NOW };

const spec: JobSpec = {
  id,
  flow: 'build',
  input: encodeJson({}),
  queue: 'default',
  priority: 5,
  maxAttempts: 5,
  deadlines: {},
  retentionMs: 1000,
  labels: {},
  contentDigest: '',
  postedAtUnixMs: NOW - 180_000,
};

function statusOf(of: Pick<JobStatus, 'id' | 'phase'>): JobStatus {
  return {
    flow: 'build',
    queue: 'default',
    priority: 5,
    attempt: 1,
    lostAttempts: 0,
    revivals: 0,
    attempts: [
      {
        number: 1,
        worker: holder,
        claimedAtUnixMs: NOW - 120_000,
        end: 'released',
        endedAtUnixMs: NOW - 60_000,
      },
    ],
    attemptsDropped: 0,
    updatedAtUnixMs: NOW,
    ...of,
  };
}

const elsewhere = (name: string, of: Partial<AtomRecord>): AtomRecord => ({
  ...pendingAtom(name),
  state: 'running',
  tries: 1,
  executions: 1,
  attempt: 1,
  startedAtUnixMs: NOW - 100_000,
  ...of,
});

const view: ViewedJob = {
  spec,
  status: statusOf({ id, phase: { kind: 'waiting', reason: '2 tasks run elsewhere' } }),
  atoms: [elsewhere('compile[0]', { taskJob }), elsewhere('compile[1]', { taskJob: queued })],
  waitingReason: '2 tasks run elsewhere',
  signals: [],
  changes: [],
};

const running = statusOf({
  id: taskJob,
  phase: { kind: 'running', worker, claimedAtUnixMs: NOW - 90_000 },
});
const ready = statusOf({
  id: queued,
  phase: { kind: 'ready', readyAtUnixMs: NOW, position: { bucket: 'b', order: '1' } },
});

describe('a job whose tasks run elsewhere', () => {
  it('says of each where it runs, and never that it was interrupted', () => {
    const taskJobs = new Map([
      [taskJob, running],
      [queued, ready],
    ]);
    const text = formatJob({ ...view, taskJobs }, undefined, style);
    const words = text.replaceAll(/\s+/g, ' ');
    expect(words).toContain(`compile[0] running 1m 40s 1 job ${taskJob} on ${worker}`);
    expect(words).toContain(`compile[1] waiting 1m 40s 1 job ${queued}, which is ready`);
    expect(words).toContain('waiting for tasks that run elsewhere');
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('says at least the id where nothing more is known', () => {
    const words = formatJob(view, undefined, style).replaceAll(/\s+/g, ' ');
    expect(words).toContain(`compile[0] running 1m 40s 1 job ${taskJob}`);
    expect(words).not.toContain('interrupted');
  });

  it('says of tasks that were under way that they were interrupted once it is over', () => {
    const phase = { kind: 'cancelled', finishedAtUnixMs: NOW } as const;
    const text = formatJob({ ...view, status: { ...view.status, phase } }, undefined, style);
    expect(text.match(/interrupted/g)).toHaveLength(2);
  });

  it('has the task job of each task in its JSON', () => {
    expect(jobToJson(view)).toMatchObject({ tasks: [{ taskJob }, { taskJob: queued }] });
  });
});

describe('a task job', () => {
  const remoteTask: RemoteTask = {
    parentId: id,
    task: 'compile[0]',
    intention: 'execute',
    flowVersion: 3,
    labels: { gpu: 'a100' },
    atom: pendingAtom('compile[0]'),
    fenceBase: 0n,
  };
  const own: ViewedJob = {
    ...view,
    spec: { ...spec, id: taskJob, remoteTask },
    status: running,
    atoms: [],
  };

  it('says whose task it runs', () => {
    expect(formatJob(own, undefined, style)).toContain(`compile[0] of job ${id}`);
    const undoing = { ...own.spec, remoteTask: { ...remoteTask, intention: 'revert' } as const };
    expect(formatJob({ ...own, spec: undoing }, undefined, style)).toContain(
      `revert of compile[0] of job ${id}`,
    );
    expect(jobToJson(own)).toMatchObject({
      task: { parentId: id, name: 'compile[0]', intention: 'execute', flowVersion: 3 },
    });
  });
});
