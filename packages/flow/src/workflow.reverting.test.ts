import { RetryLaterError, sleep, TerminalError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { outputOf } from './run-harness.fixture.ts';
import type { RevertContext } from './task-context.ts';
import type { WorkflowContext } from './workflow-context.ts';
import { crash, failureOf, jobOf, redeploy, revive, runToEnd } from './workflow-job.fixture.ts';

/** A step that notes when it runs and when it is reverted. */
function noting(log: string[], ctx: WorkflowContext, name: string): Promise<string> {
  return ctx.step(
    name,
    () => {
      log.push(name);
      return name;
    },
    { revert: ({ result }) => void log.push(`undo ${result}`) },
  );
}

describe('a durable function that fails', () => {
  it('reverts what it did in reverse order of completion, the failed step first', async () => {
    const log: string[] = [];
    const contexts: RevertContext[] = [];
    const job = jobOf(async (ctx) => {
      await noting(log, ctx, 'first');
      const slow = ctx.step('slow', () => sleep(job.clock, 20), {
        revert: () => void log.push('undo slow'),
      });
      await ctx.all([slow, noting(log, ctx, 'fast')]);
      await ctx.step('plain', () => 1);
      await ctx.sleep('nap', 10);
      await ctx.step(
        'bad',
        () => {
          throw new TerminalError('broken');
        },
        { revert: (context) => void contexts.push(context) },
      );
    });
    expect(failureOf(await runToEnd(job))).toMatchObject({ message: 'broken', task: 'bad' });
    expect(log).toEqual(['first', 'fast', 'undo slow', 'undo fast', 'undo first']);
    expect(contexts[0]).toMatchObject({
      result: undefined,
      failure: { message: 'broken' },
      flowFailure: { message: 'broken' },
      idempotencyKey: 'job-1/bad/revert/1',
      executeIdempotencyKey: 'job-1/bad/1',
    });
    expect(new Set(Object.values(job.states()))).toEqual(new Set(['reverted']));
  });

  it('reverts a step whose failure it had caught, and one that was cut off', async () => {
    const log: string[] = [];
    const job = jobOf(async (ctx) => {
      const caught = ctx.step('caught', () => Promise.reject(new TerminalError('no')), {
        revert: ({ failure }) => void log.push(`undo caught: ${failure?.message}`),
      });
      await caught.catch(() => undefined);
      const cut = ctx.step(
        'cut',
        ({ signal }) =>
          sleep(job.clock, 9000, { signal }).then(() => Promise.reject(new Error('aborted'))),
        {
          revert: ({ failure }) => void log.push(`undo cut: ${failure?.message}`),
        },
      );
      await ctx.all([cut, ctx.step('bad', () => Promise.reject(new TerminalError('broken')))]);
    });
    expect(failureOf(await job.run()).message).toBe('broken');
    expect(log).toEqual([
      'undo cut: step cut was cut off, because the function had ended meanwhile',
      'undo caught: no',
    ]);
  });

  it('waits for what still runs, and reverts it by what it came to', async () => {
    const log: string[] = [];
    const job = jobOf(async (ctx) => {
      const slow = ctx.step('slow', () => sleep(job.clock, 500).then(() => 'done after all'), {
        revert: ({ result }) => void log.push(`undo ${result}`),
      });
      await ctx.all([slow, ctx.step('bad', () => Promise.reject(new TerminalError('broken')))]);
    });
    expect(failureOf(await job.run()).message).toBe('broken');
    expect(log).toEqual(['undo done after all']);
    expect(job.clock.monotonicMs()).toBe(500);
  });

  it('reverts nothing before the decision is durable, and each step only after the one before', async () => {
    const log: string[] = [];
    const job = jobOf(async (ctx) => {
      for (const name of ['one', 'two']) await noting(log, ctx, name);
      throw new Error('broken');
    });
    await job.run({
      beforeCommit: async (atoms) => {
        await sleep(job.clock, 50);
        for (const { name, state } of atoms) log.push(`${name} ${state}`);
      },
    });
    expect(log.slice(log.indexOf('two success') + 1)).toEqual([
      'test reverting',
      'undo two',
      'two reverted',
      'undo one',
    ]);
  });

  it('tries a revert again, and its pause survives a crash', async () => {
    const keys: string[] = [];
    const job = jobOf(async (ctx) => {
      await ctx.step('one', () => 1, {
        revert: ({ idempotencyKey, try: n }) => {
          keys.push(idempotencyKey);
          if (n === 1) throw new RetryLaterError('not yet', { afterMs: 60_000 });
        },
      });
      throw new Error('broken');
    });
    expect(await job.run()).toMatchObject({
      kind: 'waiting',
      reason: expect.stringContaining('revert of task one'),
    });
    await job.clock.advance(60_000);
    expect(failureOf(await job.run()).message).toBe('broken');
    expect(keys).toEqual(['job-1/one/revert/1', 'job-1/one/revert/2']);
    expect(job.states()).toEqual({ test: 'reverted', one: 'reverted' });
  });

  it('a revert that fails for good is visible, and leaves what was done before it', async () => {
    const log: string[] = [];
    const job = jobOf(async (ctx) => {
      await noting(log, ctx, 'first');
      await ctx.step('stuck', () => 1, {
        revert: () => {
          throw new TerminalError('cannot be undone');
        },
      });
      await noting(log, ctx, 'last');
      throw new Error('broken');
    });
    expect(failureOf(await job.run()).message).toBe('broken');
    expect(log).toEqual(['first', 'last', 'undo last']);
    expect(job.states()).toEqual({
      test: 'revertFailure',
      first: 'success',
      stuck: 'revertFailure',
      last: 'reverted',
    });
    expect(job.record('stuck').revertFailure?.message).toBe('cannot be undone');
  });

  it('goes on reverting after a crash in the middle, and starts nothing on the way', async () => {
    for (const commits of [4, 5, 6]) {
      const log: string[] = [];
      const undone: string[] = [];
      const job = jobOf(async (ctx) => {
        for (const name of ['a', 'b', 'c']) {
          await ctx.step(name, () => void log.push(name), {
            revert: async ({ flowFailure }) => {
              await sleep(job.clock, 100);
              undone.push(`${name} ${flowFailure.message}`);
            },
          });
        }
        throw new Error('broken');
      });
      await crash(job, commits);
      expect(failureOf(await job.run()).message).toBe('broken');
      expect(log).toEqual(['a', 'b', 'c']);
      expect([...new Set(undone)]).toEqual(['c broken', 'b broken', 'a broken']);
      expect(new Set(Object.values(job.states()))).toEqual(new Set(['reverted']));
    }
  });

  it('code that no longer asks for what is to be reverted is reported, and reverts once it does again', async () => {
    const log: string[] = [];
    const code = async (ctx: WorkflowContext): Promise<void> => {
      await noting(log, ctx, 'one');
      await noting(log, ctx, 'two');
      throw new Error('broken');
    };
    const job = jobOf(code);
    await crash(job, 3);
    expect(job.state('test')).toBe('reverting');
    const wrong = redeploy(job, (ctx) => noting(log, ctx, 'two'));
    const failure = failureOf(await wrong.run({ releaseAfterMs: Number.POSITIVE_INFINITY }));
    expect(failure).toMatchObject({ type: 'WorkflowChangedError', task: 'one' });
    revive(wrong);
    const right = redeploy(wrong, code);
    expect(failureOf(await right.run()).message).toBe('broken');
    expect(log).toEqual(['one', 'two', 'undo two', 'undo one']);
  });

  it('a revived job runs anew, with keys that were not used before', async () => {
    const keys: string[] = [];
    let isFixed = false;
    const job = jobOf(async (ctx) => {
      await ctx.step('one', ({ idempotencyKey }) => void keys.push(idempotencyKey), {
        revert: () => undefined,
      });
      await ctx.sleep('nap', 10);
      return await ctx.step('two', () => {
        if (!isFixed) throw new TerminalError('broken');
        return 'done';
      });
    });
    expect((await job.run()).kind).toBe('failed');
    revive(job);
    isFixed = true;
    expect(outputOf(await job.run())).toBe('done');
    expect(keys).toEqual(['job-1/one/1', 'job-1/one/2']);
  });
});

describe('a step whose failure was not reverted because of a later one', () => {
  it('starts afresh after a revival, and so does what a revert has failed for', async () => {
    let isFixed = false;
    const tries: string[] = [];
    const job = jobOf(async (ctx) => {
      await ctx.all([
        ctx.step('quick', ({ idempotencyKey }) => {
          tries.push(idempotencyKey);
          if (!isFixed) throw new TerminalError('broken');
        }),
        ctx.step('slow', () => sleep(job.clock, 100), {
          retry: { attempts: 2, backoff: { initialMs: 1, factor: 1, maxMs: 1, jitter: 0 } },
          revert: (_ctx) => {
            throw new Error('it sticks');
          },
        }),
      ]);
    });
    expect((await job.run()).kind).toBe('failed');
    expect(job.states()).toMatchObject({ quick: 'failure', slow: 'revertFailure' });
    expect(job.record('slow').revertTries).toBe(2);
    revive(job);
    expect((await job.run()).kind).toBe('failed');
    expect(job.record('slow')).toMatchObject({ revertTries: 4, forgivenRevertTries: 2 });
    revive(job);
    isFixed = true;
    expect((await job.run()).kind).toBe('succeeded');
    expect(tries).toEqual(['job-1/quick/1', 'job-1/quick/2', 'job-1/quick/3']);
  });
});

describe('a job that is cancelled with revert', () => {
  it('stops what runs, reverts everything, and ends failed with the reason', async () => {
    const log: string[] = [];
    const cancel = new AbortController();
    const job = jobOf(async (ctx) => {
      await noting(log, ctx, 'one');
      await ctx.step(
        'slow',
        async ({ signal }) => {
          cancel.abort(new Error('nobody wants it'));
          await sleep(job.clock, 60_000, { signal });
          throw new Error('aborted');
        },
        { revert: () => void log.push('undo slow') },
      );
      await noting(log, ctx, 'never');
    });
    expect(failureOf(await job.run({ cancel: cancel.signal })).message).toBe('nobody wants it');
    expect(job.clock.monotonicMs()).toBe(0);
    expect(log).toEqual(['one', 'undo slow', 'undo one']);
  });

  it('a later attempt reverts too, whether or not it is told to', async () => {
    const log: string[] = [];
    const cancel = new AbortController();
    const job = jobOf(async (ctx) => {
      await noting(log, ctx, 'one');
      await noting(log, ctx, 'two');
      await ctx.waitFor('approval', { event: 'approve' });
    });
    expect(await job.run()).toMatchObject({
      kind: 'waiting',
      untilUnixMs: undefined,
      waitsForSignal: true,
    });
    cancel.abort(new Error('nobody wants it'));
    await crash(job, 1, { cancel: cancel.signal });
    expect(job.state('test')).toBe('reverting');
    expect(failureOf(await job.run()).message).toBe('nobody wants it');
    expect(log).toEqual(['one', 'two', 'undo two', 'undo one']);
    expect(job.state('approval')).toBe('ignore');
  });
});
