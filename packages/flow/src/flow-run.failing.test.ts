import { RetryLaterError, sleep, TerminalError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type AnyFlow, flow } from './flow.ts';
import { linear, unordered } from './pattern.ts';
import { EXACT, Job, outputOf } from './run-harness.fixture.ts';
import { task } from './task.ts';

describe('a task that fails', () => {
  test('is tried again after exponential delays, and its record shows when', async () => {
    const times: number[] = [];
    const tries: string[] = [];
    const holder: { job?: Job } = {};
    const flaky = task({
      name: 'flaky',
      retry: { attempts: 4, backoff: EXACT },
      provides: { n: z.number() },
      execute: (_args, ctx) => {
        times.push(holder.job?.clock.monotonicMs() ?? 0);
        tries.push(ctx.idempotencyKey);
        if (ctx.try < 4) throw new Error(`no ${ctx.try}`);
        return { n: ctx.try };
      },
    });
    const job = new Job(flow({ name: 'f', body: flaky }));
    holder.job = job;
    expect(outputOf(await job.run({ releaseAfterMs: Number.POSITIVE_INFINITY }))).toEqual({ n: 4 });
    expect(times).toEqual([0, 1000, 3000, 7000]);
    expect(tries).toEqual(['job-1/flaky/1', 'job-1/flaky/2', 'job-1/flaky/3', 'job-1/flaky/4']);
    const waits = job.commits.flat().filter(({ state }) => state === 'pending');
    expect(waits[0]?.nextAtUnixMs).toBe(new Date('2026-01-01T00:00:01Z').getTime());
    expect(waits[0]?.failure).toMatchObject({ message: 'no 1', task: 'flaky' });
    expect(job.record('flaky')).toMatchObject({ state: 'success', tries: 4, failure: undefined });
  });

  test('fails for good when its tries are used up, and the flow with it', async () => {
    const hopeless = task({
      name: 'hopeless',
      retry: { attempts: 2, backoff: EXACT },
      execute: (_args, ctx) => {
        throw new RangeError(`no ${ctx.try}`, { cause: new Error('the reason') });
      },
    });
    const job = new Job(flow({ name: 'f', body: hopeless }));
    expect(await job.run()).toMatchObject({
      kind: 'failed',
      failure: {
        type: 'RangeError',
        message: 'no 2',
        task: 'hopeless',
        causes: [{ type: 'Error', message: 'the reason' }],
      },
    });
    expect(job.record('hopeless')).toMatchObject({ state: 'reverted', tries: 2, executions: 2 });
    expect(job.record('hopeless').failure).toMatchObject({ message: 'no 2' });
  });

  class Refused extends Error {}
  class RefusedForEver extends Refused {}
  const finals: [string, () => unknown][] = [
    ['a TerminalError', () => new TerminalError('no')],
    [
      'an error whose name is not to be retried',
      () => Object.assign(new Error('no'), { name: 'Odd' }),
    ],
    ['an error whose class is not to be retried', () => new Refused('no')],
    ['an error of a class below', () => new RefusedForEver('no')],
  ];
  test.each(finals)('is not tried again after %s', async (_what, error) => {
    let tries = 0;
    const picky = task({
      name: 'picky',
      retry: { attempts: 5, doNotRetry: ['Odd', 'Refused'] },
      execute: () => {
        tries += 1;
        throw error();
      },
    });
    expect((await new Job(flow({ name: 'f', body: picky })).run()).kind).toBe('failed');
    expect(tries).toBe(1);
  });

  test('says by itself when to try again, and that counts as a try', async () => {
    const times: number[] = [];
    const holder: { job?: Job } = {};
    const later = task({
      name: 'later',
      retry: { attempts: 2 },
      execute: () => {
        times.push(holder.job?.clock.monotonicMs() ?? 0);
        throw new RetryLaterError('busy', { afterMs: 1234 });
      },
    });
    const job = new Job(flow({ name: 'f', body: later }));
    holder.job = job;
    expect((await job.run()).kind).toBe('failed');
    expect(times).toEqual([0, 1234]);
  });

  test('may throw anything, even nothing', async () => {
    const odd = task({
      name: 'odd',
      retry: { attempts: 1 },
      execute: () => Promise.reject(undefined as unknown as Error),
    });
    const job = new Job(flow({ name: 'f', body: odd }));
    expect(await job.run()).toMatchObject({ kind: 'failed', failure: { task: 'odd' } });
    expect(job.record('odd').failure).toBeDefined();
  });

  test('takes the policy of the flow when it has none', async () => {
    let tries = 0;
    const failing = task({
      name: 'failing',
      retry: { backoff: EXACT },
      execute: () => {
        tries += 1;
        throw new Error('no');
      },
    });
    await new Job(flow({ name: 'f', body: failing, retry: { attempts: 4 } })).run({
      releaseAfterMs: Number.POSITIVE_INFINITY,
    });
    expect(tries).toBe(4);
  });

  test('fails its try at its timeout, and what it does later is ignored', async () => {
    const holder: { job?: Job } = {};
    const reasons: unknown[] = [];
    const slow = task({
      name: 'slow',
      timeoutMs: 100,
      provides: { by: z.number() },
      retry: { attempts: 2, backoff: EXACT },
      execute: async (_args, ctx) => {
        ctx.signal.addEventListener('abort', () => reasons.push(ctx.signal.reason));
        if (ctx.try === 1 && holder.job) {
          await sleep(holder.job.clock, 500);
          ctx.progress(0.9);
          ctx.recordError(new Error('too late'));
        }
        return { by: ctx.try };
      },
    });
    const job = new Job(flow({ name: 'f', body: slow }));
    holder.job = job;
    expect(outputOf(await job.run())).toEqual({ by: 2 });
    expect(reasons).toMatchObject([{ code: 'TASK_TIMEOUT' }]);
    expect(job.record('slow')).toMatchObject({ errors: [], tries: 2 });
    expect(job.clock.monotonicMs()).toBeLessThan(1200);
  });
});

describe('a task that has to give signs of life', () => {
  const working = (job: () => Job, beats: number) =>
    task({
      name: 'working',
      heartbeatMs: 100,
      retry: { attempts: 1 },
      execute: async (_args, ctx) => {
        for (let beat = 0; beat < beats; beat += 1) {
          await sleep(job().clock, 80);
          if (beat % 2 === 0) ctx.heartbeat();
          else ctx.progress(beat / beats);
        }
        await sleep(job().clock, 300, { signal: ctx.signal });
      },
    });

  test('may take as long as it likes', async () => {
    const holder: { job?: Job } = {};
    const long = task({
      name: 'long',
      heartbeatMs: 100,
      execute: async (_args, ctx) => {
        for (let beat = 0; beat < 50; beat += 1) {
          if (holder.job) await sleep(holder.job.clock, 90);
          ctx.heartbeat();
        }
      },
    });
    holder.job = new Job(flow({ name: 'f', body: long }));
    expect(await holder.job.run()).toMatchObject({ kind: 'succeeded' });
  });

  test('fails its try when it is silent for too long', async () => {
    const holder: { job?: Job } = {};
    const subject = working(() => holder.job ?? new Job(flow({ name: 'f', body: subject })), 3);
    holder.job = new Job(flow({ name: 'f', body: subject }));
    expect(await holder.job.run()).toMatchObject({
      kind: 'failed',
      failure: { message: 'task working (execute) gave no sign of life for 100 ms' },
    });
    expect(holder.job.clock.monotonicMs()).toBeLessThan(400);
  });
});

describe('failures around user code end in a resolution too', () => {
  const cases: [string, AnyFlow, RegExp][] = [
    [
      'a value that the schema of its provider refuses',
      flow({
        name: 'f',
        body: task({
          name: 'bad',
          provides: { n: z.number() },
          execute: () => ({ n: 'x' }) as never,
        }),
      }),
      /provides\.n/,
    ],
    [
      'a value that is missing',
      flow({
        name: 'f',
        body: task({ name: 'bad', provides: { n: z.unknown() }, execute: () => ({}) as never }),
      }),
      /provides\.n.*missing/,
    ],
    [
      'a result that is no object',
      flow({
        name: 'f',
        body: task({ name: 'bad', provides: { n: z.unknown() }, execute: () => 'x' as never }),
      }),
      /an object with n/,
    ],
    [
      'a result that JSON cannot hold',
      flow({
        name: 'f',
        body: task({ name: 'bad', provides: { n: z.bigint() }, execute: () => ({ n: 1n }) }),
      }),
      /JSON|BigInt/,
    ],
    [
      'a result beyond the limit',
      flow({
        name: 'f',
        body: task({
          name: 'bad',
          provides: { n: z.string() },
          execute: () => ({ n: 'x'.repeat(600_000) }),
        }),
      }),
      /600\d\d\d bytes, the limit is 524288/,
    ],
    [
      'an argument that the schema of its consumer refuses',
      flow({
        name: 'f',
        body: linear(
          'main',
          task({ name: 'a', provides: { n: z.number() }, execute: () => ({ n: 1 }) }),
          task({ name: 'bad', requires: { n: z.number().min(5) }, execute: () => undefined }),
        ),
      }),
      /requires\.n/,
    ],
  ];
  test.each(cases)('%s', async (_what, failing, message) => {
    const job = new Job(failing);
    const result = await job.run();
    expect(result).toMatchObject({
      kind: 'failed',
      failure: { task: 'bad', message: expect.stringMatching(message) },
    });
    // Final: another try would only repeat it.
    expect(job.record('bad')).toMatchObject({ tries: 1, state: 'reverted' });
  });

  test('an output beyond the limit reverts all tasks', async () => {
    const log: string[] = [];
    const big = (name: string) =>
      task({
        name,
        provides: { [name]: z.string() },
        execute: () => ({ [name]: 'x'.repeat(300_000) }) as never,
        revert: (_args, { failure, flowFailure, result }) => {
          log.push(`${name} ${failure?.type} ${flowFailure.task} ${typeof result?.[name]}`);
        },
      });
    const job = new Job(flow({ name: 'f', body: unordered('main', ...[big('a'), big('b')]) }));
    expect(await job.run()).toMatchObject({
      kind: 'failed',
      failure: { message: expect.stringContaining('the output of the flow') },
    });
    expect(log.sort()).toEqual(['a undefined undefined string', 'b undefined undefined string']);
    expect(job.states()).toEqual({ a: 'reverted', b: 'reverted' });
  });

  test('an observer that throws is a defect, and ends the run with it', async () => {
    const only = task({ name: 'only', execute: () => undefined });
    const defect = new Error('the observer is broken');
    for (const observer of [
      { around: () => Promise.reject(defect) },
      {
        transition: () => {
          throw defect;
        },
      },
      {
        committed: () => {
          throw defect;
        },
      },
    ]) {
      const job = new Job(flow({ name: 'f', body: linear('main', only) }));
      const next = task({ name: 'next', execute: () => undefined });
      const two = new Job(flow({ name: 'f', body: linear('main', only, next) }));
      await expect(('committed' in observer ? two : job).run({ observer })).rejects.toThrow(
        'the observer is broken',
      );
    }
  });
});
