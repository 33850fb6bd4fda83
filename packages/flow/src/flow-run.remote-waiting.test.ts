import { sleep, TerminalError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { EXACT, Job, noting, outputOf } from './run-harness.fixture.ts';
import type { RemoteCall } from './run-options.ts';
import { sleep as pause } from './sleep.ts';
import { task } from './task.ts';
import { createSpread, runSpread, type TaskJob, TaskJobs, through } from './task-jobs.fixture.ts';

const slow = task({
  name: 'slow',
  runs: 'anywhere',
  provides: { done: z.string() },
  execute: () => ({ done: 'slowly' }),
  revert: () => undefined,
});

describe('a run whose only work is elsewhere', () => {
  test('lingers, and then ends as waiting for it; the next attempt finds its result', async () => {
    const log: string[] = [];
    const [job, taskJobs] = createSpread(
      flow({ name: 'f', body: linear('main', slow, noting(log, 'next')), output: ['done'] }),
      600_000,
    );
    const startMs = job.clock.monotonicMs();
    const result = await job.run({ ...through(taskJobs), releaseAfterMs: 3000 });
    expect(result).toMatchObject({
      kind: 'waiting',
      untilUnixMs: undefined,
      waitsForSignal: false,
      remoteTasks: 1,
      reason: '1 task runs elsewhere: slow',
      uncommitted: [],
    });
    expect(job.clock.monotonicMs() - startMs).toBe(3000);
    const { id } = taskJobs.job('slow~e1');
    expect(job.record('slow')).toMatchObject({ state: 'running', tries: 1, taskJob: id });
    await job.clock.advance(600_000);
    expect(outputOf(await job.run(through(taskJobs)))).toEqual({ done: 'slowly' });
    expect(log).toEqual(['next']);
    expect(taskJobs.jobs.size).toBe(1);
    expect(job.record('slow')).toMatchObject({ tries: 1, executions: 1, taskJob: id });
  });

  test('lingers anew after each of them that ends', async () => {
    const job = new Job(
      flow({
        name: 'f',
        body: unordered(
          'main',
          ...Array.from({ length: 5 }, (_, index) =>
            task({ name: `t${index}`, runs: 'anywhere', execute: () => undefined }),
          ),
        ),
      }),
    );
    // One after the other, three seconds apart; the last takes longer than the run lingers.
    const delaysMs = [3000, 6000, 9000, 12_000, 30_000];
    const taskJobs = new TaskJobs(job, {
      begin: ({ call }) => sleep(job.clock, delaysMs[Number(call.atom.name.slice(1))] ?? 0),
    });
    const startMs = job.clock.monotonicMs();
    const result = await job.run({ ...through(taskJobs), releaseAfterMs: 5000 });
    expect(result).toMatchObject({ kind: 'waiting', remoteTasks: 1 });
    expect(job.clock.monotonicMs() - startMs).toBe(17_000);
  });

  test('waits for whichever comes first, a time or the end of a task', async () => {
    const [job, taskJobs] = createSpread(
      flow({ name: 'f', body: unordered('main', slow, pause('nap', { ms: 60_000 })) }),
      600_000,
    );
    const startUnixMs = job.clock.nowUnixMs();
    expect(await job.run(through(taskJobs))).toMatchObject({
      kind: 'waiting',
      untilUnixMs: startUnixMs + 60_000,
      remoteTasks: 1,
    });
    expect((await runSpread(job, taskJobs)).kind).toBe('succeeded');
    expect(taskJobs.jobs.size).toBe(1);
  });

  test('does not end before the port knows all task jobs', async () => {
    const job = new Job(flow({ name: 'f', body: slow }));
    const known = Promise.withResolvers<void>();
    const taskJobs = new TaskJobs(job, { begin: () => sleep(job.clock, 60_000) });
    const running = job.start({
      releaseAfterMs: 0,
      remote: (write) => ({
        run: async (call, options) => {
          await sleep(job.clock, 10_000);
          known.resolve();
          return await taskJobs.port(write).run(call, options);
        },
      }),
    });
    expect(await job.drive(Promise.race([running, known.promise]))).toBeUndefined();
    expect(await job.drive(running)).toMatchObject({ kind: 'waiting', remoteTasks: 1 });
  });

  test('names some of them, and how many there are', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const [job, taskJobs] = createSpread(
      flow({
        name: 'f',
        runs: 'anywhere',
        body: unordered('m', ...names.map((name) => task({ name, execute: () => undefined }))),
      }),
      60_000,
    );
    expect(await job.run(through(taskJobs))).toMatchObject({
      reason: '4 tasks run elsewhere: a, b, c, …',
    });
  });
});

describe('a run that is stopped', () => {
  test('leaves what runs elsewhere alone, and the next attempt attaches to it', async () => {
    const [job, taskJobs] = createSpread(flow({ name: 'f', body: slow }), 60_000);
    const running = job.start(through(taskJobs));
    await job.clock.advance(1000);
    job.signal.abort(new Error('drain'));
    expect((await job.drive(running)).kind).toBe('stopped');
    expect(taskJobs.job('slow~e1').cancel.signal.aborted).toBe(false);
    expect(job.state('slow')).toBe('running');
    const other = new Job(job.flow);
    for (const [name, record] of job.records) other.records.set(name, record);
    const calls: RemoteCall[] = [];
    const result = await job.drive(
      other.run({
        drive: false,
        remote: () => ({
          run: async (call, options) => {
            calls.push(call);
            return await taskJobs.port(() => Promise.resolve()).run(call, options);
          },
        }),
      }),
    );
    expect(result.kind).toBe('succeeded');
    expect(calls).toMatchObject([{ atom: { taskJob: taskJobs.job('slow~e1').id, tries: 1 } }]);
    expect(taskJobs.jobs.size).toBe(1);
  });

  test('posts nothing when its worker may have lost the job', async () => {
    const job = new Job(flow({ name: 'f', body: slow }));
    const taskJobs = new TaskJobs(job);
    const running = job.start({ ...through(taskJobs), mayCall: () => false });
    await job.clock.advance(10);
    job.signal.abort(new Error('lease lost'));
    expect((await job.drive(running)).kind).toBe('stopped');
    expect(taskJobs.jobs.size).toBe(0);
  });

  test('rejects with what its port rejects with', async () => {
    const job = new Job(flow({ name: 'f', body: slow }));
    const lost = new Error('the claim is lost');
    await expect(job.run({ remote: () => ({ run: () => Promise.reject(lost) }) })).rejects.toBe(
      lost,
    );
  });
});

describe('a run that is to be suspended', () => {
  const body = flow({ name: 'f', body: linear('main', slow, noting([], 'next')) });

  test('lets what runs elsewhere end, if it soon does', async () => {
    const [job, taskJobs] = createSpread(body, 2000);
    const suspend = new AbortController();
    const running = job.start({ ...through(taskJobs), suspend: suspend.signal });
    await job.clock.advance(100);
    suspend.abort();
    expect(await job.drive(running)).toMatchObject({
      kind: 'suspended',
      uncommitted: [{ name: 'slow', state: 'success' }],
    });
  });

  test('ends as waiting when it does not, and could go on at once', async () => {
    const [job, taskJobs] = createSpread(body, 60_000);
    const suspend = new AbortController();
    const running = job.start({ ...through(taskJobs), suspend: suspend.signal });
    await job.clock.advance(100);
    suspend.abort();
    const result = await job.drive(running);
    expect(result).toMatchObject({ kind: 'waiting', remoteTasks: 1 });
    expect(result).toMatchObject({ untilUnixMs: job.clock.nowUnixMs() });
    expect((await runSpread(job, taskJobs)).kind).toBe('succeeded');
    expect(taskJobs.jobs.size).toBe(1);
  });
});

describe('a run that is cancelled with revert', () => {
  test('tells what runs elsewhere to stop, waits for it, and reverts it', async () => {
    const log: string[] = [];
    const told: TaskJob[] = [];
    const other = noting(log, 'other');
    const job = new Job(flow({ name: 'f', body: linear('main', other, slow) }));
    const taskJobs = new TaskJobs(job, {
      begin: async (taskJob) => {
        if (taskJob.call.intention === 'revert') return;
        await sleep(job.clock, 600_000, { signal: taskJob.cancel.signal });
        told.push(taskJob);
        // Longer than a run waits for what ignores its signal here.
        await sleep(job.clock, 30_000);
      },
    });
    const cancel = new AbortController();
    const running = job.start({
      ...through(taskJobs),
      cancel: cancel.signal,
      releaseAfterMs: 60_000,
    });
    await job.clock.advance(1000);
    cancel.abort(new Error('no longer wanted'));
    const result = await job.drive(running);
    expect(result).toMatchObject({ kind: 'failed', failure: { message: 'no longer wanted' } });
    expect(told).toHaveLength(1);
    expect([...taskJobs.jobs.keys()]).toEqual(['slow~e1', 'slow~r1']);
    expect(log).toEqual(['other', 'undo other']);
  });

  test('is not taken for reverted by the task job that has executed it, after any crash', async () => {
    const keys = new Set<string>();
    for (let crashAfter = 1; crashAfter <= 8; crashAfter += 1) {
      const job = new Job(flow({ name: 'f', body: linear('main', slow, pause('nap', { ms: 1 })) }));
      const taskJobs = new TaskJobs(job);
      const cancel = new AbortController();
      const result = await runSpread(job, taskJobs, {
        crashAfter,
        cancel: cancel.signal,
        beforeCommit: (atoms) => {
          if (atoms.some(({ name, state }) => name === 'slow' && state === 'success'))
            cancel.abort(new Error('no longer wanted'));
        },
      });
      keys.add(`${result.kind} ${job.state('slow')} ${[...taskJobs.jobs.keys()].join(' ')}`);
    }
    expect([...keys]).toEqual(['failed reverted slow~e1 slow~r1']);
  });

  test('waits as long as that takes, and goes on with it in its next attempt', async () => {
    const job = new Job(flow({ name: 'f', body: slow }));
    const taskJobs = new TaskJobs(job, {
      begin: ({ call }) => sleep(job.clock, call.intention === 'revert' ? 0 : 60_000),
    });
    const cancel = AbortSignal.abort(new Error('no longer wanted'));
    const starting = job.start(through(taskJobs));
    await job.clock.advance(100);
    job.signal.abort();
    await job.drive(starting);
    const later = new Job(job.flow);
    for (const [name, record] of job.records) later.records.set(name, record);
    const result = await job.drive(
      later.run({ ...through(taskJobs), drive: false, cancel, releaseAfterMs: Infinity }),
    );
    expect(result).toMatchObject({ kind: 'failed', failure: { message: 'no longer wanted' } });
    expect([...taskJobs.jobs.keys()]).toEqual(['slow~e1', 'slow~r1']);
  });
});

describe('a scope that settles', () => {
  const failing = task({
    name: 'failing',
    retry: { attempts: 1 },
    execute: (_args, ctx) => {
      if (ctx.try === 1) throw new TerminalError('fails at first');
    },
  });

  test('waits for what runs elsewhere in it, also through the end of the attempt', async () => {
    const [job, taskJobs] = createSpread(
      flow({
        name: 'f',
        body: withRetry(times({ attempts: 2, name: 'again' }), unordered('main', slow, failing)),
      }),
      60_000,
    );
    const first = await job.run(through(taskJobs));
    expect(first).toMatchObject({ kind: 'waiting', remoteTasks: 1, untilUnixMs: undefined });
    expect(job.states()).toMatchObject({ slow: 'running', failing: 'failure', again: 'success' });
    expect((await runSpread(job, taskJobs)).kind).toBe('succeeded');
    expect([...taskJobs.jobs.keys()]).toEqual(['slow~e1', 'slow~r1', 'slow~e2']);
  });

  test('rests while its reverts run elsewhere', async () => {
    const [job, taskJobs] = createSpread(
      flow({ name: 'f', body: linear('main', slow, failing) }),
      60_000,
    );
    const result = await runSpread(job, taskJobs);
    expect(result).toMatchObject({ kind: 'failed', failure: { task: 'failing' } });
    expect(job.states()).toEqual({ slow: 'reverted', failing: 'reverted' });
    expect([...taskJobs.jobs.keys()]).toEqual(['slow~e1', 'slow~r1']);
    expect(job.attempt).toBe(3);
  });
});

test('a try that waits elsewhere is none of the run here', async () => {
  const flaky = task({
    name: 'flaky',
    runs: 'anywhere',
    retry: { attempts: 2, backoff: { ...EXACT, initialMs: 60_000 } },
    execute: (_args, ctx) => {
      if (ctx.try === 1) throw new Error('not yet');
    },
  });
  const job = new Job(flow({ name: 'f', body: flaky }));
  const taskJobs = new TaskJobs(job);
  expect(await job.run(through(taskJobs))).toMatchObject({ kind: 'waiting', remoteTasks: 1 });
  expect(job.record('flaky')).toMatchObject({ state: 'running', tries: 1 });
  expect((await runSpread(job, taskJobs)).kind).toBe('succeeded');
  expect(job.record('flaky')).toMatchObject({ state: 'success', tries: 2 });
});
