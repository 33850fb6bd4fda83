import { sleep } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { outputOf } from './run-harness.fixture.ts';
import { crash, Inbox, jobOf, revive } from './workflow-job.fixture.ts';

describe('a durable function that waits', () => {
  it('for a signal holds no worker, and gets what the signal carries', async () => {
    const inbox = new Inbox();
    const job = jobOf(async (ctx) => {
      const answer = await ctx.waitFor('approval', {
        event: 'approve',
        schema: z.object({ by: z.string() }),
      });
      return answer.by;
    });
    inbox.send('other', 1);
    expect(await job.run({ signals: inbox.source })).toMatchObject({
      kind: 'waiting',
      untilUnixMs: undefined,
      waitsForSignal: true,
      signalsSeen: 1,
      reason: "approval waits for signal 'approve'",
    });
    inbox.send('approve', { by: 'Ada' });
    expect(outputOf(await job.run({ signals: inbox.source }))).toBe('Ada');
    expect(job.record('approval')).toMatchObject({ state: 'success', signal: 2, executions: 0 });
    expect(inbox.listeners).toBe(0);
  });

  it('is woken by a signal that arrives while the run goes on', async () => {
    const inbox = new Inbox();
    const job = jobOf((ctx) => ctx.waitFor('approval', { event: 'approve' }));
    const running = job.start({ signals: inbox.source, releaseAfterMs: Number.POSITIVE_INFINITY });
    job.clock.startTimer(3_600_000, () => inbox.send('approve', 'late'));
    expect(outputOf(await job.drive(running))).toBe('late');
  });

  it('takes signals of one name in their order, each by one wait', async () => {
    const inbox = new Inbox();
    for (const n of [1, 2, 3]) inbox.send('number', n);
    const job = jobOf(async (ctx) => {
      const first = ctx.waitFor('first', { event: 'number' });
      const second = ctx.waitFor('second', { event: 'number' });
      const both = await ctx.all([first, second]);
      await ctx.sleep('nap', 60_000);
      return [...both, await ctx.waitFor('third', { event: 'number' })];
    });
    await job.run({ signals: inbox.source });
    await job.clock.advance(60_000);
    expect(outputOf(await job.run({ signals: inbox.source }))).toEqual([1, 2, 3]);
    expect(job.record('third').signal).toBe(3);
  });

  it('refuses a signal that does not fit, once and for all, and says so', async () => {
    const inbox = new Inbox();
    inbox.send('number', 'one');
    inbox.send('number', 2);
    const job = jobOf(async (ctx) => [
      await ctx.waitFor('strict', { event: 'number', schema: z.number() }),
      await ctx.waitFor('any', { event: 'number' }),
    ]);
    expect(await job.run({ signals: inbox.source })).toMatchObject({ kind: 'waiting' });
    expect(job.record('strict')).toMatchObject({
      state: 'success',
      signal: 2,
      errors: [{ failure: { type: 'InvalidArgumentError' } }],
    });
    inbox.send('number', 3);
    expect(outputOf(await job.run({ signals: inbox.source }))).toEqual([2, 3]);
  });

  it('judges the signals of one name one after the other, however long that takes', async () => {
    const inbox = new Inbox();
    inbox.send('number', 1);
    inbox.send('number', 2);
    const job = jobOf((ctx) => {
      const schema = z.number().refine(async (n) => {
        await sleep(job.clock, n === 1 ? 500 : 0);
        return true;
      });
      const names = ['first', 'second'];
      return ctx.all(names.map((name) => ctx.waitFor(name, { event: 'number', schema })));
    });
    expect(outputOf(await job.run({ signals: inbox.source }))).toEqual([1, 2]);
    const ends = ['first', 'second'].map((name) => job.record(name).finishedAtUnixMs ?? 0);
    expect(ends).toEqual([...ends].sort((a, b) => a - b));
  });

  it('gives up waiting at its timeout, also over a crash', async () => {
    const job = jobOf(async (ctx) => {
      try {
        return await ctx.waitFor('approval', { event: 'approve', timeoutMs: 60_000 });
      } catch (error) {
        return error instanceof Error && error.name;
      }
    });
    const start = job.clock.nowUnixMs();
    expect(await job.run()).toMatchObject({
      kind: 'waiting',
      untilUnixMs: start + 60_000,
      waitsForSignal: true,
    });
    await job.clock.advance(60_000);
    expect(outputOf(await job.run())).toBe('WaitTimedOutError');
  });

  it('for several things at once is released until the first of them', async () => {
    const job = jobOf((ctx) =>
      ctx.all([
        ctx.sleep('long', 90_000),
        ctx.sleep('short', 60_000),
        ctx.waitFor('w', { event: 'e' }),
      ]),
    );
    expect(await job.run()).toMatchObject({
      untilUnixMs: job.clock.nowUnixMs() + 60_000,
      waitsForSignal: true,
    });
  });

  it('is not released while a step runs beside the wait', async () => {
    const job = jobOf((ctx) =>
      ctx.all([ctx.sleep('long', 90_000), ctx.step('work', () => sleep(job.clock, 80_000))]),
    );
    expect(await job.run()).toMatchObject({ kind: 'waiting' });
    expect(job.clock.monotonicMs()).toBe(80_000);
    expect(job.state('work')).toBe('success');
  });

  it('sleeps for what was left when it had begun, however often the run crashes', async () => {
    const job = jobOf(async (ctx) => {
      const start = ctx.now();
      await ctx.all([ctx.sleep('nap', 4500), ctx.step('busy', () => sleep(job.clock, 500))]);
      return ctx.now() - start;
    });
    for (const commits of [1, 1, 1]) await crash(job, commits);
    expect(outputOf(await job.run())).toBe(4500);
  });

  it('waits for a new signal once it was revived', async () => {
    const inbox = new Inbox();
    inbox.send('approve', 1);
    let isFixed = false;
    const job = jobOf(async (ctx) => {
      const answer = await ctx.waitFor('approval', { event: 'approve' });
      if (!isFixed) throw new Error('broken');
      return answer;
    });
    expect((await job.run({ signals: inbox.source })).kind).toBe('failed');
    revive(job);
    isFixed = true;
    expect((await job.run({ signals: inbox.source })).kind).toBe('waiting');
    inbox.send('approve', 2);
    expect(outputOf(await job.run({ signals: inbox.source }))).toBe(2);
  });
});

describe('a run of a durable function', () => {
  it('that is suspended starts nothing more, lets what runs end, and goes on later', async () => {
    const log: string[] = [];
    const suspend = new AbortController();
    const job = jobOf(async (ctx) => {
      await ctx.step('one', async () => {
        suspend.abort();
        await sleep(job.clock, 500);
        log.push('one');
      });
      await ctx.step('two', () => void log.push('two'));
    });
    expect((await job.run({ suspend: suspend.signal })).kind).toBe('suspended');
    expect(log).toEqual(['one']);
    expect(job.state('one')).toBe('success');
    expect((await job.run()).kind).toBe('succeeded');
    expect(log).toEqual(['one', 'two']);
  });

  it('that is suspended amid its reverts goes on with them later', async () => {
    const log: string[] = [];
    const suspend = new AbortController();
    const job = jobOf(async (ctx) => {
      for (const name of ['one', 'two']) {
        await ctx.step(name, () => 1, {
          revert: () => {
            log.push(name);
            suspend.abort();
          },
        });
      }
      throw new Error('broken');
    });
    expect((await job.run({ suspend: suspend.signal })).kind).toBe('suspended');
    expect(log).toEqual(['two']);
    expect((await job.run()).kind).toBe('failed');
    expect(log).toEqual(['two', 'one']);
  });

  it('that is stopped tells its steps, and leaves what runs on behind after its grace', async () => {
    const job = jobOf(async (ctx) => {
      const stubborn = ctx.step('stubborn', () => sleep(job.clock, 60_000));
      const polite = ctx.step('polite', async ({ signal }) => {
        job.signal.abort(new Error('drained'));
        await sleep(job.clock, 60_000, { signal });
        throw new Error('stopped');
      });
      await ctx.all([stubborn, polite, ctx.step('one', () => 1)]);
    });
    expect((await job.run()).kind).toBe('stopped');
    expect(job.clock.monotonicMs()).toBe(2000);
    expect(job.states()).toEqual({
      test: 'running',
      stubborn: 'running',
      polite: 'running',
      one: 'success',
    });
  });

  it('whose checkpoint is refused rejects with the same error, and calls nothing more', async () => {
    const log: string[] = [];
    const job = jobOf(async (ctx) => {
      await ctx.step('one', () => void log.push('one'));
      await ctx.step('two', () => void log.push('two'));
    });
    const refusal = new Error('the claim is lost');
    const running = job.run({ beforeCommit: () => Promise.reject(refusal) });
    await expect(running).rejects.toBe(refusal);
    expect(log).toEqual(['one']);
    expect(job.clock.pendingTimers).toBe(0);
  });

  it('that may not call user code any more calls none, and waits to be stopped', async () => {
    const log: string[] = [];
    const job = jobOf(async (ctx) => {
      await ctx.step('one', () => void log.push('one'));
      log.push('between');
      await ctx.step('two', () => void log.push('two'));
    });
    const running = job.start({ mayCall: () => log.length === 0 });
    await job.clock.advance(10_000);
    job.signal.abort(new Error('the lease is lost'));
    expect((await job.drive(running)).kind).toBe('stopped');
    expect(log).toEqual(['one']);
  });

  it('does not take for failed what was not called because the lease is in doubt', async () => {
    let isTrusted = true;
    const job = jobOf(async (ctx) => {
      void ctx.step('one', () => 1);
      await sleep(job.clock, 10);
      throw new Error('of its own');
    });
    const running = job.start({
      mayCall: () => isTrusted,
      observer: {
        around: (_call, run) => {
          isTrusted = false;
          return run();
        },
      },
    });
    await job.clock.advance(10_000);
    expect(job.states()).toEqual({ test: 'running', one: 'running' });
    job.signal.abort(new Error('the lease is lost'));
    expect((await job.drive(running)).kind).toBe('stopped');
  });

  it('whose end was not recorded comes to the same end once more', async () => {
    const log: string[] = [];
    const good = jobOf((ctx) => ctx.step('one', () => log.push('one')));
    const bad = jobOf(async (ctx) => {
      await ctx.step('two', () => log.push('two'), { revert: () => void log.push('undo two') });
      throw new Error('broken');
    });
    for (const _time of [1, 2]) {
      expect(outputOf(await good.run())).toBe(1);
      expect(await bad.run()).toMatchObject({ kind: 'failed', failure: { message: 'broken' } });
    }
    expect(log).toEqual(['one', 'two', 'undo two']);
  });

  it('leaves no timer behind, however it ended', async () => {
    const job = jobOf((ctx) => Promise.race([ctx.sleep('short', 100), ctx.sleep('long', 1000)]));
    expect((await job.run()).kind).toBe('succeeded');
    expect(job.clock.pendingTimers).toBe(0);
  });

  it('runs its steps in the batches that a checkpoint holds, and not far ahead of them', async () => {
    const names = Array.from({ length: 500 }, (_, n) => `n${n}`);
    let started = 0;
    let durable = 0;
    let ahead = 0;
    const job = jobOf(async (ctx) => {
      const work = (): void => void (started += 1);
      return (await ctx.all(names.map((name) => ctx.step(name, work)))).length;
    });
    const result = await job.run({
      beforeCommit: async (atoms) => {
        await sleep(job.clock, 50);
        ahead = Math.max(ahead, started - durable);
        durable += atoms.length;
      },
    });
    expect(outputOf(result)).toBe(500);
    expect(Math.max(...job.commits.map((batch) => batch.length))).toBeLessThanOrEqual(100);
    // A batch under way, one that waits, and what ran when that was full.
    expect(ahead).toBeLessThanOrEqual(100 + 100 + 8);
  });
});
