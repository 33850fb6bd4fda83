import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { link } from './link.ts';
import { map } from './map.ts';
import { graph, linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { Job, noting, outputOf } from './run-harness.fixture.ts';
import { task } from './task.ts';
import { runSpread, TaskJobs } from './task-jobs.fixture.ts';

const source = task({
  name: 'source',
  provides: { text: z.string() },
  execute: () => ({ text: 'hold' }),
});

describe('where remote tasks stand', () => {
  test('each item of a map, and of a map within, is a task job of its own', async () => {
    const cell = task({
      name: 'cell',
      runs: 'anywhere',
      requires: { row: z.array(z.number()), n: z.number(), base: z.number(), at: z.number() },
      provides: { sum: z.number() },
      execute: ({ row, n, base, at }) => ({ sum: base + row.length * n + at }),
    });
    const job = new Job(
      flow({
        name: 'f',
        input: z.object({ rows: z.array(z.array(z.number())), base: z.number() }),
        body: map('outer', {
          over: 'rows',
          as: 'row',
          body: map('inner', { over: 'row', as: 'n', index: 'at', body: cell }),
        }),
      }),
    );
    const taskJobs = new TaskJobs(job);
    const result = await runSpread(job, taskJobs, { input: { rows: [[1, 2], [3]], base: 10 } });
    expect(outputOf(result)).toEqual({ sum: [[12, 15], [13]] });
    expect([...taskJobs.jobs.keys()].sort()).toEqual([
      'cell[0][0]~e1',
      'cell[0][1]~e1',
      'cell[1][0]~e1',
    ]);
  });

  test('a round of a controller starts a further task job, after the first was reverted', async () => {
    const log: string[] = [];
    const made = task({
      name: 'made',
      runs: 'anywhere',
      execute: (_args, ctx) => {
        log.push(`make ${ctx.idempotencyKey}`);
      },
      revert: (_args, ctx) => {
        log.push(`undo ${ctx.idempotencyKey} of ${ctx.executeIdempotencyKey}`);
      },
    });
    const used = task({
      name: 'used',
      runs: 'anywhere',
      retry: { attempts: 1 },
      execute: (_args, ctx) => {
        log.push(`use ${ctx.idempotencyKey}`);
        if (ctx.try < 3) throw new Error('not yet');
      },
    });
    const job = new Job(
      flow({
        name: 'f',
        body: withRetry(times({ attempts: 3, name: 'again' }), linear('main', made, used)),
      }),
    );
    expect((await runSpread(job, new TaskJobs(job))).kind).toBe('succeeded');
    expect(log).toEqual([
      'make job-1/made/1',
      'use job-1/used/1',
      'undo job-1/made/revert/1 of job-1/made/1',
      'make job-1/made/2',
      'use job-1/used/2',
      'undo job-1/made/revert/2 of job-1/made/2',
      'make job-1/made/3',
      'use job-1/used/3',
    ]);
  });

  test('a link asks its decider here before it lets one start', async () => {
    const no = task({ name: 'no', runs: 'anywhere', execute: () => undefined });
    const yes = task({ name: 'yes', runs: 'anywhere', execute: () => undefined });
    const job = new Job(
      flow({
        name: 'f',
        body: graph('g', {
          tasks: [source, yes, no],
          links: [
            link(source, yes, { decide: ({ source: { text } }) => text === 'hold' }),
            link(source, no, { decide: ({ source: { text } }) => text !== 'hold' }),
          ],
        }),
      }),
    );
    const taskJobs = new TaskJobs(job);
    expect((await runSpread(job, taskJobs, { concurrency: 1 })).kind).toBe('succeeded');
    expect([...taskJobs.jobs.keys()]).toEqual(['yes~e1']);
    expect(job.states()).toEqual({ source: 'success', yes: 'success', no: 'ignore' });
  });

  test('neither kind of task takes the room of the other', async () => {
    const log: string[] = [];
    const gate = Promise.withResolvers<void>();
    const items = Array.from({ length: 300 }, (_, index) => index);
    const item = task({ name: 'item', runs: 'anywhere', execute: () => undefined });
    const local = Array.from({ length: 3 }, (_, index) => noting(log, `local-${index}`));
    const job = new Job(
      flow({
        name: 'f',
        input: z.object({ items: z.array(z.number()) }),
        body: unordered(
          'main',
          map('all', { over: 'items', as: 'n', concurrency: 1000, body: item }),
          linear('here', ...local),
        ),
      }),
    );
    const most: number[] = [];
    const taskJobs = new TaskJobs(job, {
      begin: async () => {
        most.push(taskJobs.unfinished.length);
        await gate.promise;
      },
    });
    const running = runSpread(job, taskJobs, { input: { items }, concurrency: 1 });
    while (log.length < 3 || most.length < 256) await job.clock.advance(0);
    await job.clock.advance(1000);
    expect(taskJobs.jobs.size).toBe(256);
    gate.resolve();
    expect((await running).kind).toBe('succeeded');
    expect(taskJobs.jobs.size).toBe(300);
    expect(Math.max(...most)).toBeLessThanOrEqual(256);
  });
});
