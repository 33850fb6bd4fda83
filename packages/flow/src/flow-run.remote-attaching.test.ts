import type { JobId } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { unordered } from './pattern.ts';
import { Job, outputOf } from './run-harness.fixture.ts';
import type { RemoteCall } from './run-options.ts';
import { task } from './task.ts';
import { createSpread, runSpread, TaskJobs, through } from './task-jobs.fixture.ts';

const slow = task({
  name: 'slow',
  runs: 'anywhere',
  provides: { done: z.string() },
  execute: () => ({ done: 'slowly' }),
  revert: () => undefined,
});

describe('a task job that was posted', () => {
  test('is found by its key when the record of the task does not name it', async () => {
    const job = new Job(flow({ name: 'f', body: slow, output: ['done'] }));
    const taskJobs = new TaskJobs(job);
    const lost = new Error('the process dies');
    await expect(
      job.run({
        remote: () => ({
          run: (call) => {
            taskJobs.postAlone(call);
            return Promise.reject(lost);
          },
        }),
      }),
    ).rejects.toBe(lost);
    expect(job.records.size).toBe(0);
    expect(outputOf(await runSpread(job, taskJobs))).toEqual({ done: 'slowly' });
    expect(taskJobs.jobs.size).toBe(1);
  });

  test('is attached to once, by a port that knows it at once', async () => {
    const both = unordered(
      'both',
      slow,
      task({ name: 'other', runs: 'anywhere', execute: () => undefined }),
    );
    const [job, taskJobs] = createSpread(flow({ name: 'f', body: both }), 60_000);
    await job.run(through(taskJobs));
    const calls: string[] = [];
    const port = taskJobs.port(() => Promise.resolve());
    const running = job.run({
      remote: () => ({
        run: (call, options) => {
          calls.push(call.atom.name);
          const ending = port.run(call, options);
          options.posted(taskJobs.job(`${call.atom.name}~e1`).id);
          return ending;
        },
      }),
      releaseAfterMs: 60_000,
    });
    expect((await running).kind).toBe('succeeded');
    expect(calls).toEqual(['slow', 'other']);
  });

  test('is waited for although the task is to run here by now', async () => {
    const calls: RemoteCall[] = [];
    const here = task({
      name: 'slow',
      provides: { done: z.string() },
      execute: () => ({ done: 'here' }),
    });
    const job = new Job(flow({ name: 'f', body: here, output: ['done'] }));
    const taskJobs = new TaskJobs(job);
    const [old, oldJobs] = createSpread(flow({ name: 'f', body: slow }), 60_000);
    await old.run(through(oldJobs));
    job.records.set('slow', old.record('slow'));
    const result = await job.run({
      remote: () => ({
        run: (call) => {
          calls.push(call);
          const data = new TextEncoder().encode('{"done":"there"}');
          const end = { contentType: 'application/json', data };
          const atom = { ...call.atom, state: 'success', result: end } as const;
          return Promise.resolve({ kind: 'ended', atom });
        },
      }),
    });
    expect(outputOf(result)).toEqual({ done: 'there' });
    expect(calls).toHaveLength(1);
    expect(taskJobs.jobs.size).toBe(0);
  });

  test('that nobody can find any more is posted again by whoever runs without a port: here', async () => {
    const job = new Job(flow({ name: 'f', body: slow, output: ['done'] }));
    job.records.set('slow', {
      ...(await recordOfRunning()),
      taskJob: '01h00000000000000000000000' as JobId, // of another board
    });
    expect(outputOf(await job.run())).toEqual({ done: 'slowly' });
    expect(job.record('slow').taskJob).toBeUndefined();
  });
});

async function recordOfRunning(): Promise<ReturnType<Job['record']>> {
  const [job, taskJobs] = createSpread(flow({ name: 'f', body: slow }), 60_000);
  await job.run(through(taskJobs));
  return job.record('slow');
}
