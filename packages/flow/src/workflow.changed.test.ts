import { sleep, TerminalError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { type Job, outputOf } from './run-harness.fixture.ts';
import type { WorkflowContext } from './workflow-context.ts';
import { crash, failureOf, jobOf, redeploy, revive } from './workflow-job.fixture.ts';
import { MISMATCH_RETRY } from './workflow-mismatch.ts';

type Code = (ctx: WorkflowContext) => unknown;

/** What the job was begun with: two steps, a sleep that it waits in, and a third. */
const original =
  (log: string[] = []): Code =>
  async (ctx) => {
    await ctx.step('one', () => void log.push('one'), { revert: () => void log.push('undo') });
    await ctx.step('two', () => void log.push('two'));
    await ctx.sleep('nap', 60_000);
    return await ctx.step('three', () => 'done');
  };

/** A job of the original that waits in its sleep, with other code. */
async function changedTo(code: Code): Promise<Job> {
  const job = jobOf(original());
  expect((await job.run()).kind).toBe('waiting');
  const changed = redeploy(job, code);
  await changed.clock.advance(60_000);
  return changed;
}

const FOREVER = { releaseAfterMs: Number.POSITIVE_INFINITY };

describe('changed code', () => {
  const log: string[] = [];
  const cases: Record<
    string,
    { readonly code: Code; readonly step: string; readonly says: string }
  > = {
    'that has lost a step': {
      code: async (ctx) => {
        await ctx.step('one', () => 1);
        await ctx.sleep('nap', 60_000);
      },
      step: 'two',
      says: "the function has not asked for 'two', which is recorded",
    },
    'that has renamed a step': {
      code: async (ctx) => {
        await ctx.step('one', () => 1);
        await ctx.step('second', () => void log.push('second'));
      },
      step: 'two',
      says: "awaits 'second', which is not recorded, and has not asked for 'two'",
    },
    'that has put a step before recorded ones': {
      code: async (ctx) => {
        await ctx.step('zero', () => void log.push('zero'));
        await original(log)(ctx);
      },
      step: 'one',
      says: "awaits 'zero', which is not recorded",
    },
    'that ends before it has asked for what is recorded': {
      code: (ctx) => ctx.step('one', () => 1),
      step: 'two',
      says: "the function returned and had not asked for 'two'",
    },
    'that fails before it has asked for what is recorded': {
      code: () => Promise.reject(new Error('a mistake')),
      step: 'one',
      says: "the function failed and had not asked for 'one'",
    },
    'that asks for something else under a recorded name': {
      code: async (ctx) => {
        await ctx.step('one', () => 1);
        await ctx.sleep('two', 10);
      },
      step: 'two',
      says: "'two' was recorded as a step, and the function asks for a sleep of this name",
    },
    'that waits where it slept': {
      code: async (ctx) => {
        await ctx.step('one', () => 1);
        await ctx.step('two', () => 1);
        await ctx.waitFor('nap', { event: 'nap', timeoutMs: 10 });
      },
      step: 'nap',
      says: "'nap' was recorded as a sleep, and the function asks for a wait of this name",
    },
    'that asks for recorded steps in another order': {
      code: async (ctx) => {
        await ctx.step('two', () => 1);
        await ctx.step('one', () => 1);
      },
      step: 'one',
      says: "the function has not asked for 'one', which is recorded",
    },
  };
  for (const [name, { code, step, says }] of Object.entries(cases)) {
    it(`${name} is reported by the name of the step, and leads to nothing else`, async () => {
      const job = await changedTo(code);
      const before = new Map(job.records);
      const failure = failureOf(await job.run(FOREVER));
      expect(failure).toMatchObject({ type: 'WorkflowChangedError', task: step });
      expect(failure.message).toContain(says);
      expect(failure.message).toContain('job job-1');
      for (const each of ['one', 'two', 'nap']) expect(job.record(each)).toEqual(before.get(each));
      expect(log).toEqual([]);
    });
  }

  it('lets the job go on where it stood once the right code is back, revived or not', async () => {
    const job = await changedTo((ctx) => ctx.step('one', () => 1));
    expect((await job.run(FOREVER)).kind).toBe('failed');
    expect(job.record('test')).toMatchObject({ state: 'pending', failure: { task: 'two' } });
    revive(job);
    const ran: string[] = [];
    const right = redeploy(job, original(ran));
    await right.clock.advance(60_000);
    expect(outputOf(await right.run())).toBe('done');
    expect(ran).toEqual([]);
  });

  it('lets the job wait for a worker that has the right code, for a bounded time', async () => {
    const job = await changedTo((ctx) => ctx.step('one', () => 1));
    const start = job.clock.nowUnixMs();
    const first = await job.run();
    expect(first).toMatchObject({ kind: 'waiting', reason: expect.stringContaining("'two'") });
    let result = first;
    let rounds = 1;
    for (; result.kind === 'waiting' && rounds < 100; rounds += 1) {
      await job.clock.advance((result.untilUnixMs ?? 0) - job.clock.nowUnixMs());
      result = await job.run();
    }
    expect(failureOf(result).type).toBe('WorkflowChangedError');
    expect(rounds).toBe(MISMATCH_RETRY.attempts);
    const waitedMs = job.clock.nowUnixMs() - start;
    expect(waitedMs).toBeGreaterThan(30 * 60_000);
    expect(waitedMs).toBeLessThan(60 * 60_000);
  });

  it('may add steps after the recorded ones, and beside the last of them', async () => {
    const job = await changedTo(async (ctx) => {
      await ctx.step('one', () => 1);
      await ctx.step('two', () => 1);
      const [beside] = await ctx.all([ctx.step('beside', () => 'new'), ctx.sleep('nap', 1)]);
      return [beside, await ctx.step('after', () => 'too')];
    });
    expect(outputOf(await job.run())).toEqual(['new', 'too']);
  });

  it('may do other things in a step that is recorded: its stored result counts', async () => {
    const job = jobOf(async (ctx) => {
      const one = await ctx.step('one', () => 'old');
      await ctx.sleep('nap', 60_000);
      return one;
    });
    await job.run();
    const changed = redeploy(job, async (ctx) => {
      const one = await ctx.step('one', () => 'new');
      await ctx.sleep('nap', 5);
      return one;
    });
    await changed.clock.advance(60_000);
    expect(outputOf(await changed.run())).toBe('old');
  });

  it('a name that is used twice is reported, and nothing is reverted', async () => {
    const log: string[] = [];
    const job = jobOf(async (ctx) => {
      await ctx.step('one', () => void log.push('one'), { revert: () => void log.push('undo') });
      await ctx.step('one', () => void log.push('again')).catch(() => undefined);
    });
    const failure = failureOf(await job.run());
    expect(failure).toMatchObject({ type: 'WorkflowChangedError', task: 'one' });
    expect(failure.message).toContain("'one' is asked for twice");
    expect(log).toEqual(['one']);
    const own = failureOf(await jobOf((ctx) => ctx.step('test', () => 1)).run());
    expect(own.message).toContain("the workflow's own name");
  });

  it('what runs when a mistake is found may end, and its end is recorded', async () => {
    const job = jobOf(async (ctx) => {
      const slow = ctx.step('slow', () => sleep(job.clock, 700).then(() => 'slow'));
      await ctx.step('one', () => 1);
      await Promise.all([slow, ctx.step('one', () => 1)]);
    });
    expect((await job.run()).kind).toBe('failed');
    expect(job.clock.monotonicMs()).toBe(700);
    expect(job.state('slow')).toBe('success');
  });

  it('is not suspected where the function awaits something of its own', async () => {
    const log: string[] = [];
    const job = jobOf(async (ctx) => {
      const side = ctx.step('side', () => sleep(job.clock, 60_000));
      await ctx.step('one', () => void log.push('one'));
      await sleep(job.clock, 3000);
      await ctx.step('two', () => void log.push('two'));
      await side;
    });
    await crash(job, 2);
    expect(job.states()).toEqual({
      test: 'running',
      side: 'running',
      one: 'success',
      two: 'success',
    });
    expect((await job.run()).kind).toBe('succeeded');
    expect(log).toEqual(['one', 'two']);
  });

  it('is not suspected in a job that was revived, whose function may take another way', async () => {
    let isFirst = true;
    const job = jobOf(async (ctx) => {
      const one = ctx.step('one', () => {
        if (isFirst) throw new Error('no');
        return 'fine';
      });
      const result = await one.catch(() => undefined);
      if (result) return result;
      await ctx.step('other way', () => 1).catch(() => undefined);
      await ctx.step('elsewhere', () => 1);
      const revert = (): void => {
        throw new TerminalError('it sticks');
      };
      await ctx.step('stuck', () => 1, { revert });
      throw new Error('broken');
    });
    await job.run();
    expect(job.states()).toMatchObject({ elsewhere: 'success', stuck: 'revertFailure' });
    revive(job);
    isFirst = false;
    expect(outputOf(await job.run())).toBe('fine');
    expect(job.state('elsewhere')).toBe('success');
  });
});
