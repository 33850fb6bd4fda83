import { LIMITS, sleep, TerminalError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { linear, unordered } from './pattern.ts';
import { EXACT, Job, noting } from './run-harness.fixture.ts';
import { task } from './task.ts';
import type { RevertContext } from './task-context.ts';

describe('reverting', () => {
  test('goes against the order of the graph, and the failed task gets its failure', async () => {
    const log: string[] = [];
    const seen: Partial<RevertContext>[] = [];
    const last = task({
      name: 'last',
      retry: { attempts: 1 },
      execute: () => {
        throw new Error('broken');
      },
      revert: (_args, { result, failure, flowFailure }) => {
        log.push('undo last');
        seen.push({ result, failure, flowFailure });
      },
    });
    const body = linear(
      'main',
      noting(log, 'a'),
      unordered('both', noting(log, 'b'), noting(log, 'c')),
      last,
    );
    const job = new Job(flow({ name: 'f', body }));
    const result = await job.run({ concurrency: 1 });
    expect(result).toMatchObject({ kind: 'failed', failure: { message: 'broken', task: 'last' } });
    expect(log.slice(0, 3)).toEqual(['a', 'b', 'c']);
    expect(log[3]).toBe('undo last');
    expect(log.slice(4, 6).sort()).toEqual(['undo b', 'undo c']);
    expect(log[6]).toBe('undo a');
    expect(seen).toMatchObject([
      { result: undefined, failure: { message: 'broken' }, flowFailure: { message: 'broken' } },
    ]);
    expect(new Set(Object.values(job.states()))).toEqual(new Set(['reverted']));
  });

  test('hands a task what it had required and provided', async () => {
    const seen: unknown[] = [];
    const make = task({
      name: 'make',
      requires: { size: z.number() },
      provides: { id: z.string() },
      execute: ({ size }) => ({ id: `disk-${size}` }),
      revert: (
        { size },
        { result, failure, flowFailure, executeIdempotencyKey, idempotencyKey },
      ) => {
        seen.push(size, result, failure, flowFailure.task, executeIdempotencyKey, idempotencyKey);
      },
    });
    const fail = task({
      name: 'fail',
      execute: () => {
        throw new TerminalError('no');
      },
    });
    const body = linear('main', make, fail);
    await new Job(flow({ name: 'f', input: z.object({ size: z.number() }), body })).run({
      input: { size: 3 },
    });
    expect(seen).toEqual([
      3,
      { id: 'disk-3' },
      undefined,
      'fail',
      'job-1/make/1',
      'job-1/make/revert/1',
    ]);
  });

  test('waits for what runs, and starts nothing new', async () => {
    const log: string[] = [];
    const holder: { job?: Job } = {};
    const slow = task({
      name: 'slow',
      execute: async (_args, ctx) => {
        if (holder.job) await sleep(holder.job.clock, 100);
        log.push(`slow done, told to stop: ${ctx.signal.aborted}`);
      },
      revert: () => {
        log.push('undo slow');
      },
    });
    const fail = task({
      name: 'fail',
      execute: () => {
        log.push('fail');
        throw new TerminalError('no');
      },
    });
    const body = linear(
      'main',
      unordered('both', slow, fail, linear('chain', noting(log, 'x'), noting(log, 'never'))),
    );
    const job = new Job(flow({ name: 'f', body }));
    holder.job = job;
    // The commit of x comes after the failure, so that what follows x never starts.
    await job.run({ beforeCommit: () => sleep(job.clock, 10) });
    expect(log).not.toContain('never');
    expect(log.indexOf('undo slow')).toBeGreaterThan(log.indexOf('slow done, told to stop: false'));
    expect(log).toContain('undo x');
    expect(job.state('never')).toBeUndefined();
  });

  test('a task that waited for its next try is reverted when another one fails the flow', async () => {
    const log: string[] = [];
    const flaky = task({
      name: 'flaky',
      retry: { attempts: 3, backoff: EXACT },
      execute: () => {
        throw new Error('not yet');
      },
      revert: (_args, { failure }) => {
        log.push(`undo flaky after ${failure?.message}`);
      },
    });
    const holder: { job?: Job } = {};
    const fail = task({
      name: 'fail',
      execute: async () => {
        if (holder.job) await sleep(holder.job.clock, 10);
        throw new TerminalError('the end');
      },
    });
    const job = new Job(flow({ name: 'f', body: unordered('main', flaky, fail) }));
    holder.job = job;
    expect(await job.run()).toMatchObject({ kind: 'failed', failure: { message: 'the end' } });
    expect(log).toEqual(['undo flaky after not yet']);
    expect(job.states()).toEqual({ flaky: 'reverted', fail: 'reverted' });
    expect(job.clock.monotonicMs()).toBeLessThan(500);
  });

  test('is tried again, and then given up without hiding why the flow failed', async () => {
    let tries = 0;
    const stubborn = task({
      name: 'stubborn',
      retry: { attempts: 3, backoff: EXACT },
      execute: () => undefined,
      revert: (_args, ctx) => {
        tries += 1;
        throw new Error(`cannot undo, try ${ctx.try}`, { cause: new Error('locked') });
      },
    });
    const fail = task({
      name: 'fail',
      execute: () => {
        throw new TerminalError('the end');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', stubborn, fail) }));
    const result = await job.run();
    expect(tries).toBe(3);
    expect(result).toMatchObject({ kind: 'failed', failure: { message: 'the end' } });
    expect(job.record('stubborn')).toMatchObject({
      state: 'revertFailure',
      revertTries: 3,
      revertFailure: { message: 'cannot undo, try 3', causes: [{ message: 'locked' }] },
    });
  });

  test('after a revert that failed for good, what it was built on stays, and the rest is reverted', async () => {
    const log: string[] = [];
    const stuck = task({
      name: 'stuck',
      execute: () => undefined,
      revert: () => {
        throw new TerminalError('cannot undo');
      },
    });
    const fail = task({
      name: 'fail',
      execute: () => {
        throw new TerminalError('the end');
      },
    });
    const body = linear(
      'main',
      unordered(
        'both',
        linear('left', noting(log, 'below'), stuck),
        linear('right', noting(log, 'r1'), noting(log, 'r2')),
      ),
      fail,
    );
    const job = new Job(flow({ name: 'f', body }));
    expect((await job.run()).kind).toBe('failed');
    expect(job.states()).toMatchObject({
      below: 'success',
      stuck: 'revertFailure',
      r1: 'reverted',
      r2: 'reverted',
    });
    expect(log.filter((line) => line.startsWith('undo'))).toEqual(['undo r2', 'undo r1']);
  });

  test('what has nothing to revert is passed over, also below the last task that had', async () => {
    const log: string[] = [];
    const [below, beside] = [
      task({ name: 'below', execute: () => undefined }),
      task({ name: 'beside', execute: () => undefined }),
    ];
    const fail = task({
      name: 'fail',
      execute: () => {
        throw new TerminalError('no');
      },
    });
    const body = linear('main', unordered('both', below, beside), noting(log, 'last'), fail);
    const job = new Job(flow({ name: 'f', body }));
    expect((await job.run()).kind).toBe('failed');
    expect(log).toEqual(['last', 'undo last']);
    expect(new Set(Object.values(job.states()))).toEqual(new Set(['reverted']));
  });

  test('starts only after the failure is durable', async () => {
    const log: string[] = [];
    const fail = task({
      name: 'fail',
      retry: { attempts: 1 },
      execute: () => {
        throw new Error('no');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', noting(log, 'a'), fail) }));
    await job.run({
      beforeCommit: async (atoms) => {
        await sleep(job.clock, 50);
        for (const { name, state } of atoms) log.push(`${name} ${state}`);
      },
    });
    expect(log).toContain('fail failure');
    expect(log.indexOf('undo a')).toBeGreaterThan(log.indexOf('fail failure'));
  });

  test('of a flow that failed as a whole is on record before any is called', async () => {
    const log: string[] = [];
    const big = task({
      name: 'big',
      provides: { text: z.string() },
      execute: () => ({ text: 'x'.repeat(LIMITS.payloadBytes - 100) }),
    });
    const bigger = task({
      name: 'bigger',
      provides: { more: z.string() },
      execute: () => ({ more: 'x'.repeat(200) }),
    });
    const body = linear('main', noting(log, 'a'), big, bigger, noting(log, 'b'));
    const crash = new Error('the process dies');
    const job = new Job(flow({ name: 'f', body }));
    const first = job.run({
      beforeCommit: async (atoms) => {
        await sleep(job.clock, 50);
        if (atoms.some(({ state }) => state === 'reverting')) throw crash;
      },
    });
    await expect(first).rejects.toBe(crash);
    expect(log).toEqual(['a', 'b']);
    const failure = { message: expect.stringContaining('the output of the flow') };
    expect(await job.run()).toMatchObject({ kind: 'failed', failure });
    // The success of b was to be written together with the mark, so it is executed once more.
    expect(log).toEqual(['a', 'b', 'b', 'undo b', 'undo a']);
    expect([...job.records.values()].find((atom) => atom.failure)).toMatchObject({ failure });
  });

  test('that nobody can go on with, because its task was removed, is left to be undone by hand', async () => {
    const crash = new Error('the process dies');
    const fail = task({
      name: 'fail',
      retry: { attempts: 1 },
      execute: () => {
        throw new Error('no');
      },
    });
    const before = new Job(flow({ name: 'f', body: linear('main', noting([], 'gone'), fail) }));
    const amid = before.run({
      afterCommit: () => {
        if (before.state('gone') === 'reverting') throw crash;
      },
    });
    await amid.catch(() => undefined);
    const after = new Job(flow({ name: 'f', body: fail }));
    for (const [name, record] of before.records) after.records.set(name, record);
    expect((await after.run()).kind).toBe('failed');
    expect(after.record('gone')).toMatchObject({
      state: 'revertFailure',
      revertFailure: { message: expect.stringContaining('removed from the flow') },
    });
  });

  test('runs under the timeout of its task', async () => {
    const holder: { job?: Job } = {};
    const slow = task({
      name: 'slow',
      timeoutMs: 50,
      retry: { attempts: 1 },
      execute: () => undefined,
      revert: async () => {
        if (holder.job) await sleep(holder.job.clock, 10_000);
      },
    });
    const fail = task({
      name: 'fail',
      execute: () => {
        throw new TerminalError('the end');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', slow, fail) }));
    holder.job = job;
    expect((await job.run()).kind).toBe('failed');
    expect(job.record('slow').state).toBe('revertFailure');
    expect(job.clock.monotonicMs()).toBeLessThan(1000);
  });
});
