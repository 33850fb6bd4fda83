import { sleep, TerminalError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { linear, unordered } from './pattern.ts';
import { EXACT, Job, noting } from './run-harness.fixture.ts';
import { STOP_GRACE_MS } from './run-options.ts';
import { task } from './task.ts';

describe('waiting', () => {
  const flaky = task({
    name: 'flaky',
    retry: { attempts: 3, backoff: { ...EXACT, initialMs: 60_000 } },
    execute: (_args, ctx) => {
      if (ctx.try < 2) throw new Error('not yet');
    },
  });

  test('a run whose next try is far ahead ends, and the next attempt takes up the remaining time', async () => {
    const job = new Job(flow({ name: 'f', body: flaky }));
    const startUnixMs = job.clock.nowUnixMs();
    const result = await job.run();
    expect(result).toMatchObject({
      kind: 'waiting',
      untilUnixMs: startUnixMs + 60_000,
      reason: expect.stringMatching(/flaky.*not yet/),
    });
    expect(job.record('flaky')).toMatchObject({ state: 'pending', tries: 1 });
    await job.clock.advance(58_000);
    expect((await job.run()).kind).toBe('succeeded');
    expect(job.clock.nowUnixMs()).toBe(startUnixMs + 60_000);
    expect(job.record('flaky')).toMatchObject({ tries: 2, executions: 2 });
  });

  test('a run that has something else to do does not end', async () => {
    const log: string[] = [];
    const job = new Job(
      flow({
        name: 'f',
        body: unordered('main', flaky, linear('chain', noting(log, 'a'), noting(log, 'b'))),
      }),
    );
    const result = await job.run({ concurrency: 1, beforeCommit: () => sleep(job.clock, 10) });
    expect(result.kind).toBe('waiting');
    expect(log).toEqual(['a', 'b']);
    expect(job.states()).toEqual({ flaky: 'pending', a: 'success', b: 'success' });
  });

  test('short waits are sat out', async () => {
    const job = new Job(flow({ name: 'f', body: flaky }));
    expect((await job.run({ releaseAfterMs: 60_000 })).kind).toBe('succeeded');
  });

  test('a revert waits likewise', async () => {
    const undo = task({
      name: 'undo',
      retry: { attempts: 2, backoff: { ...EXACT, initialMs: 60_000 } },
      execute: () => undefined,
      revert: (_args, ctx) => {
        if (ctx.try === 1) throw new Error('locked');
      },
    });
    const fail = task({
      name: 'fail',
      execute: () => {
        throw new TerminalError('the end');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', undo, fail) }));
    expect((await job.run()).kind).toBe('waiting');
    expect(job.record('undo')).toMatchObject({ state: 'reverting', revertTries: 1 });
    await job.clock.advance(60_000);
    expect(await job.run()).toMatchObject({ kind: 'failed', failure: { message: 'the end' } });
    expect(job.record('undo')).toMatchObject({ state: 'reverted', revertTries: 2 });
  });
});

describe('stopping', () => {
  test('what finishes in time is recorded, what is cut off stays in flight', async () => {
    const holder: { job?: Job } = {};
    const wait = async (ms: number, signal?: AbortSignal): Promise<void> => {
      if (holder.job) await sleep(holder.job.clock, ms, { signal });
    };
    const obedient = task({
      name: 'obedient',
      execute: async (_args, { signal }) => {
        await wait(100_000, signal);
        signal.throwIfAborted();
      },
    });
    const quick = task({ name: 'quick', execute: () => wait(100) });
    const deaf = task({ name: 'deaf', execute: () => wait(1_000_000) });
    const never = task({ name: 'never', execute: () => undefined });
    const job = new Job(
      flow({ name: 'f', body: linear('main', unordered('all', obedient, quick, deaf), never) }),
    );
    holder.job = job;
    const running = job.run();
    const stop = sleep(job.clock, 50).then(() => job.signal.abort(new Error('drain')));
    const result = await running;
    await stop;
    expect(result.kind).toBe('stopped');
    expect(job.states()).toEqual({ obedient: 'running', quick: 'success', deaf: 'running' });
    expect(job.clock.monotonicMs()).toBe(50 + STOP_GRACE_MS);
  });

  test('a signal that has aborted already stops the run before anything starts', async () => {
    const log: string[] = [];
    const job = new Job(flow({ name: 'f', body: noting(log, 'a') }));
    job.signal.abort(new Error('too late'));
    expect(await job.run()).toEqual({ kind: 'stopped', uncommitted: [] });
    expect(log).toEqual([]);
  });

  test('once its caller says that nothing may be called, nothing is, and the run waits to be stopped', async () => {
    const log: string[] = [];
    const job = new Job(
      flow({ name: 'f', body: linear('main', noting(log, 'a'), noting(log, 'b')) }),
    );
    let isTrusted = true;
    const running = job.run({
      mayCall: () => isTrusted,
      // As when the process is paused while the store answers, and comes back after its lease.
      afterCommit: () => void (isTrusted = false),
    });
    const stop = sleep(job.clock, 50).then(() => job.signal.abort(new Error('lost')));
    expect((await running).kind).toBe('stopped');
    await stop;
    expect(log).toEqual(['a']);
    expect(job.state('a')).toBe('success');
  });

  test('a caller that stops trusting itself while the arguments are read gets no call either', async () => {
    const log: string[] = [];
    let asked = 0;
    const job = new Job(flow({ name: 'f', body: noting(log, 'a') }));
    const running = job.run({ mayCall: () => (asked += 1) === 1 });
    const stop = sleep(job.clock, 50).then(() => job.signal.abort(new Error('lost')));
    expect((await running).kind).toBe('stopped');
    await stop;
    expect([asked, log]).toEqual([2, []]);
  });

  test('an input schema that never answers does not keep a run from stopping', async () => {
    const stuck = z.object({}).refine(() => new Promise<boolean>(() => undefined));
    const job = new Job(flow({ name: 'f', input: stuck, body: linear('main') }));
    const running = job.run();
    job.signal.abort(new Error('drain'));
    expect((await running).kind).toBe('stopped');
  });

  test('a checkpoint that never answers is not waited for beyond the grace period', async () => {
    const job = new Job(
      flow({
        name: 'f',
        body: linear(
          'main',
          task({ name: 'a', execute: () => undefined }),
          task({ name: 'b', execute: () => undefined }),
        ),
      }),
    );
    const running = job.run({ beforeCommit: () => new Promise<void>(() => undefined) });
    const stop = sleep(job.clock, 50).then(() => job.signal.abort(new Error('drain')));
    const result = await running;
    await stop;
    expect(result.kind).toBe('stopped');
    expect(result.uncommitted.map(({ name, state }) => `${name} ${state}`)).toEqual(['a success']);
  });

  test('a stopped run goes on where it was, under the same idempotency key', async () => {
    const keys: string[] = [];
    const holder: { job?: Job } = {};
    const only = task({
      name: 'only',
      execute: async (_args, { signal, idempotencyKey, attempt }) => {
        keys.push(idempotencyKey);
        if (attempt === 1 && holder.job) await sleep(holder.job.clock, 1000, { signal });
        signal.throwIfAborted();
      },
    });
    const body = linear('main', only);
    const job = new Job(flow({ name: 'f', body }));
    holder.job = job;
    const running = job.run();
    const stop = sleep(job.clock, 50).then(() => job.signal.abort());
    expect((await running).kind).toBe('stopped');
    await stop;
    const next = new Job(job.flow);
    next.attempt = 1;
    for (const [name, record] of job.records) next.records.set(name, record);
    expect((await next.run()).kind).toBe('succeeded');
    expect(keys).toEqual(['job-1/only/1', 'job-1/only/1']);
    expect(next.record('only')).toMatchObject({ tries: 1, executions: 2, attempt: 2 });
  });
});

describe('a checkpoint that is refused', () => {
  test('ends the run with its error, and tells the tasks that run', async () => {
    const lost = new Error('the claim is lost');
    const holder: { job?: Job } = {};
    const reasons: unknown[] = [];
    const long = task({
      name: 'long',
      execute: async (_args, { signal }) => {
        if (holder.job) await sleep(holder.job.clock, 100_000, { signal });
        reasons.push(signal.reason);
      },
    });
    const job = new Job(flow({ name: 'f', body: long }));
    holder.job = job;
    const running = job.run({
      beforeCommit: () => {
        throw lost;
      },
    });
    await expect(running).rejects.toBe(lost);
    expect(reasons).toEqual([lost]);
    expect(job.clock.monotonicMs()).toBeLessThan(100);
  });

  test('does not wait for ever for code that ignores its signal', async () => {
    const lost = new Error('the claim is lost');
    const deaf = task({ name: 'deaf', execute: () => new Promise<void>(() => undefined) });
    const job = new Job(flow({ name: 'f', body: deaf }));
    await expect(
      job.run({
        beforeCommit: () => {
          throw lost;
        },
      }),
    ).rejects.toBe(lost);
    expect(job.clock.monotonicMs()).toBeLessThanOrEqual(STOP_GRACE_MS + 100);
  });
});
