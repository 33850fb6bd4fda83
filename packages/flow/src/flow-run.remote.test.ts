import { TerminalError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { linear } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { EXACT, Job, outputOf } from './run-harness.fixture.ts';
import { task } from './task.ts';
import { runSpread, TaskJobs } from './task-jobs.fixture.ts';
import { type } from './unchecked-schema.ts';

const source = task({
  name: 'source',
  provides: { text: z.string() },
  execute: () => ({ text: 'hold' }),
});

describe('a task that runs elsewhere', () => {
  const shout = task({
    name: 'shout',
    runs: { labels: { os: 'linux' } },
    requires: { text: z.string(), who: z.string(), mark: z.string() },
    provides: { shouted: z.string() },
    rebind: { who: 'name' },
    inject: { mark: '!' },
    startTimeoutMs: 60_000,
    execute: ({ text, who, mark }, ctx) => {
      ctx.recordError(new Error('it was loud'));
      ctx.progress(0.5, 'half');
      return {
        shouted: `${text.toUpperCase()}, ${who}${mark} (${ctx.idempotencyKey}, ${ctx.fence})`,
      };
    },
  });
  const body = flow({
    name: 'f',
    input: z.object({ name: z.string() }),
    body: linear('main', source, shout),
    output: ['shouted'],
  });

  test('gets its arguments by what the flow calls them, and gives its result to the flow', async () => {
    const job = new Job(body);
    const taskJobs = new TaskJobs(job);
    const result = await runSpread(job, taskJobs, { input: { name: 'Ann' } });
    expect(outputOf(result)).toEqual({ shouted: 'HOLD, Ann! (job-1/shout/1, 100)' });
    const { call, id } = taskJobs.job('shout~e1');
    expect(call).toMatchObject({
      intention: 'execute',
      labels: { os: 'linux' },
      startTimeoutMs: 60_000,
      atom: { name: 'shout', state: 'running', tries: 1, executions: 1 },
    });
    expect(new TextDecoder().decode(call.args.data)).toBe('{"text":"hold","name":"Ann"}');
    expect(job.record('shout')).toMatchObject({
      state: 'success',
      taskJob: id,
      tries: 1,
      executions: 1,
      errors: [{ failure: { message: 'it was loud' } }],
      worker: 'worker-1',
    });
    expect(job.transitions).toEqual([
      'source: pending → running',
      'source: running → success',
      'shout: pending → running',
      'shout: running → success',
    ]);
  });

  test('runs where the flow does when the run was not told how it could run elsewhere', async () => {
    const job = new Job(body);
    const result = await job.run({ input: { name: 'Ann' } });
    expect(outputOf(result)).toEqual({ shouted: 'HOLD, Ann! (job-1/shout/1, 10)' });
    expect(job.record('shout').taskJob).toBeUndefined();
  });

  test('is never called here, nor seen by the observer of calls', async () => {
    const seen: string[] = [];
    const job = new Job(body);
    await runSpread(job, new TaskJobs(job), {
      input: { name: 'Ann' },
      observer: {
        around: async (call, run) => {
          seen.push(call.task);
          return await run();
        },
      },
    });
    expect(seen).toEqual(['source']);
  });
});

describe('a task that fails elsewhere', () => {
  test('is tried again there, under the keys that it would have here', async () => {
    const keys: string[] = [];
    const flaky = task({
      name: 'flaky',
      runs: 'anywhere',
      requires: { text: z.string() },
      provides: { done: z.number() },
      retry: { attempts: 3, backoff: EXACT },
      execute: (_args, ctx) => {
        keys.push(ctx.idempotencyKey);
        if (ctx.try < 3) throw new Error(`try ${ctx.try}`);
        return { done: ctx.try };
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', source, flaky), output: ['done'] }));
    const taskJobs = new TaskJobs(job);
    expect(outputOf(await runSpread(job, taskJobs))).toEqual({ done: 3 });
    expect(keys).toEqual(['job-1/flaky/1', 'job-1/flaky/2', 'job-1/flaky/3']);
    expect([...taskJobs.jobs.keys()]).toEqual(['flaky~e1']);
    expect(job.record('flaky')).toMatchObject({ state: 'success', tries: 3, executions: 3 });
  });

  test('gets its arguments anew for each try', async () => {
    const seen: string[] = [];
    const list = task({
      name: 'list',
      provides: { items: z.array(z.number()) },
      execute: () => ({ items: [3, 1, 2] }),
    });
    const sorting = task({
      name: 'sorting',
      runs: 'anywhere',
      requires: { items: type<number[]>() }, // which hands out what it gets
      retry: { attempts: 2, backoff: EXACT },
      execute: ({ items }, ctx) => {
        seen.push(String(items));
        items.sort((one, other) => one - other);
        if (ctx.try === 1) throw new Error('once more');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', list, sorting) }));
    expect((await runSpread(job, new TaskJobs(job))).kind).toBe('succeeded');
    expect(seen).toEqual(['3,1,2', '3,1,2']);
  });

  test('for good fails the flow, and is reverted elsewhere too, with what it has to know', async () => {
    const log: unknown[] = [];
    const made = task({
      name: 'made',
      runs: { labels: { zone: 'b' } },
      requires: { text: z.string() },
      provides: { size: z.number() },
      execute: ({ text }) => ({ size: text.length }),
      revert: ({ text }, ctx) => {
        const { result, failure, flowFailure, idempotencyKey, executeIdempotencyKey } = ctx;
        log.push({ text, result, failure, why: flowFailure.message });
        log.push([idempotencyKey, executeIdempotencyKey]);
      },
    });
    const broken = task({
      name: 'broken',
      runs: 'anywhere',
      requires: { size: z.number() },
      execute: () => {
        throw new TerminalError('no more');
      },
      revert: (_args, ctx) => {
        log.push({ failure: ctx.failure?.message });
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', source, made, broken) }));
    const taskJobs = new TaskJobs(job);
    const result = await runSpread(job, taskJobs);
    expect(result).toMatchObject({
      kind: 'failed',
      failure: { task: 'broken', message: 'no more' },
    });
    expect(log).toEqual([
      { failure: 'no more' },
      { text: 'hold', result: { size: 4 }, failure: undefined, why: 'no more' },
      ['job-1/made/revert/1', 'job-1/made/1'],
    ]);
    expect([...taskJobs.jobs.keys()]).toEqual(['made~e1', 'broken~e1', 'broken~r1', 'made~r1']);
    expect(taskJobs.job('made~r1').call.labels).toEqual({ zone: 'b' });
    expect(job.states()).toEqual({ source: 'reverted', made: 'reverted', broken: 'reverted' });
    expect(job.record('made').taskJob).toBe(taskJobs.job('made~r1').id);
  });

  test('in its revert says so, after the tries that its revert has', async () => {
    const stuck = task({
      name: 'stuck',
      runs: 'anywhere',
      revertRetry: { attempts: 2, backoff: EXACT },
      execute: () => undefined,
      revert: (_args, ctx) => {
        throw new Error(`locked ${ctx.idempotencyKey}`);
      },
    });
    const bad = task({
      name: 'bad',
      execute: () => {
        throw new TerminalError('bad');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', stuck, bad) }));
    const result = await runSpread(job, new TaskJobs(job));
    expect(result).toMatchObject({ kind: 'failed', failure: { task: 'bad' } });
    expect(job.record('stuck')).toMatchObject({
      state: 'revertFailure',
      revertTries: 2,
      revertFailure: { message: 'locked job-1/stuck/revert/2', task: 'stuck' },
    });
  });

  test('to be run at all fails with that, and the numbers of its tries go on', async () => {
    const fragile = task({ name: 'fragile', runs: 'anywhere', execute: () => undefined });
    const job = new Job(
      flow({ name: 'f', body: withRetry(times({ attempts: 2, name: 'again' }), fragile) }),
    );
    const taskJobs = new TaskJobs(job, {
      endAs: ({ key, call }) =>
        key === 'fragile~e1'
          ? {
              kind: 'failed',
              failure: { type: 'Error', message: '5 workers died of it', stack: '', causes: [] },
              atom: { ...call.atom, state: 'pending', tries: 4, executions: 9 },
            }
          : undefined,
    });
    expect((await runSpread(job, taskJobs)).kind).toBe('succeeded');
    expect([...taskJobs.jobs.keys()]).toEqual(['fragile~e1', 'fragile~e5']);
    expect(job.record('fragile')).toMatchObject({ state: 'success', tries: 5, executions: 10 });
    expect(job.record('again').rounds[0]?.failures).toMatchObject([
      { task: 'fragile', message: '5 workers died of it' },
    ]);
  });

  test('because somebody cancelled its task job says so', async () => {
    const job = new Job(
      flow({ name: 'f', body: task({ name: 't', runs: 'anywhere', execute: () => undefined }) }),
    );
    const taskJobs = new TaskJobs(job, { endAs: () => ({ kind: 'cancelled' }) });
    expect(await runSpread(job, taskJobs)).toMatchObject({
      kind: 'failed',
      failure: { task: 't' },
    });
    expect(job.record('t').failure?.message).toMatch(
      /^the task job .{26} of task t was cancelled$/,
    );
  });

  test('counts as done when it had come to its end before its job was cancelled', async () => {
    const job = new Job(
      flow({ name: 'f', body: task({ name: 't', runs: 'anywhere', execute: () => undefined }) }),
    );
    const taskJobs = new TaskJobs(job, {
      endAs: ({ call }) => ({
        kind: 'cancelled',
        atom: { ...call.atom, state: 'success', result: call.args },
      }),
    });
    expect((await runSpread(job, taskJobs)).kind).toBe('succeeded');
  });
});

describe('arguments of a task that runs elsewhere', () => {
  test('that JSON would make something else of fail the task, and are named', async () => {
    const at = task({
      name: 'at',
      runs: 'anywhere',
      requires: { when: z.object({ day: z.date() }) },
      execute: () => undefined,
    });
    const job = new Job(
      flow({
        name: 'f',
        input: z.object({ when: z.object({ day: z.coerce.date() }) }),
        body: at,
      }),
    );
    const taskJobs = new TaskJobs(job);
    const result = await runSpread(job, taskJobs, { input: { when: { day: '2026-01-02' } } });
    expect(result).toMatchObject({
      kind: 'failed',
      failure: {
        task: 'at',
        message:
          "the arguments of task at: 'when.day' is a Date, which JSON can't hold; what a task takes travels as JSON where it runs elsewhere",
      },
    });
    expect(taskJobs.jobs.size).toBe(0);
  });

  test('that are too large together fail the task, with their size and the limit', async () => {
    const half = 'x'.repeat(300_000);
    const one = task({ name: 'one', provides: { a: z.string() }, execute: () => ({ a: half }) });
    const two = task({ name: 'two', provides: { b: z.string() }, execute: () => ({ b: half }) });
    const both = task({
      name: 'both',
      runs: 'anywhere',
      requires: { a: z.string(), b: z.string() },
      execute: () => undefined,
    });
    const job = new Job(flow({ name: 'f', body: linear('main', one, two, both), output: [] }));
    const result = await runSpread(job, new TaskJobs(job));
    expect(result).toMatchObject({
      kind: 'failed',
      failure: { task: 'both', message: expect.stringMatching(/arguments of task both.*524288/) },
    });
  });

  test('that their own schemas refuse fail the task for good, there', async () => {
    const strict = task({
      name: 'strict',
      runs: 'anywhere',
      requires: { text: z.string().max(2) },
      execute: () => undefined,
    });
    const job = new Job(flow({ name: 'f', body: linear('main', source, strict) }));
    const result = await runSpread(job, new TaskJobs(job));
    expect(result).toMatchObject({ kind: 'failed', failure: { task: 'strict' } });
    expect(job.record('strict')).toMatchObject({ tries: 1 });
  });
});
