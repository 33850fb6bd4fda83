import { HoldfastError, RetryLaterError, sleep, TerminalError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isFlow } from './flow.ts';
import { EXACT, Job, outputOf } from './run-harness.fixture.ts';
import { workflow } from './workflow.ts';
import { StepFailedError } from './workflow-failure.ts';
import { crash, failureOf, jobOf, runToEnd } from './workflow-job.fixture.ts';

describe('a durable function', () => {
  it('is a flow, whose steps are recorded under their names', async () => {
    const job = jobOf(async (ctx) => {
      const one = await ctx.step('one', () => 1);
      return { sum: one + (await ctx.step('two', async () => 2)) };
    });
    expect(isFlow(job.flow)).toBe(true);
    expect(outputOf(await job.run())).toEqual({ sum: 3 });
    expect(job.states()).toEqual({ test: 'success', one: 'success', two: 'success' });
  });

  it('gets its input through its schema, and puts its output out through the other', async () => {
    const flow = workflow(
      {
        name: 'typed',
        input: z.object({ n: z.coerce.number() }),
        output: z.object({ n: z.number() }),
      },
      (_ctx, { n }) => ({ n: n + 1, besides: true }),
    );
    const job = new Job(flow);
    expect(outputOf(await job.run({ input: { n: '1' } }))).toEqual({ n: 2 });
    const bad = await new Job(flow).run({ input: { n: 'x' } });
    expect(failureOf(bad)).toMatchObject({ type: 'InvalidArgumentError' });
  });

  it('an output that does not pass its schema fails it, and reverts', async () => {
    const log: string[] = [];
    const flow = workflow({ name: 'test', output: z.object({ n: z.number() }) }, async (ctx) => {
      await ctx.step('one', () => 1, { revert: () => void log.push('undo one') });
      return { n: Number.NaN };
    });
    expect(failureOf(await new Job(flow).run()).message).toContain('what the function returned');
    expect(log).toEqual(['undo one']);
  });

  it('sees results as JSON leaves them, in the first run too', async () => {
    const job = jobOf(async (ctx) => {
      const at = await ctx.step('at', () => new Date(0));
      const none = await ctx.step('none', () => undefined);
      return [at, none];
    });
    expect(outputOf(await job.run())).toEqual(['1970-01-01T00:00:00.000Z', null]);
  });

  it('a step whose result is refused by its schema, or is no JSON, fails without another try', async () => {
    const tries: number[] = [];
    const job = jobOf(async (ctx) => {
      const step = ctx.step(
        'bad',
        ({ try: n }) => {
          tries.push(n);
          return 1 as never;
        },
        { schema: z.string() },
      );
      return await step.catch((error: unknown) => String(error));
    });
    expect(outputOf(await job.run())).toContain('what step bad returned');
    expect(tries).toEqual([1]);
    const big = jobOf((ctx) => ctx.step('big', () => 1n));
    expect(failureOf(await big.run()).message).toContain('what step big returned');
  });

  it('steps run side by side, as many as the run allows', async () => {
    let running = 0;
    let most = 0;
    const job = jobOf(async (ctx) => {
      const work = async (): Promise<void> => {
        running += 1;
        most = Math.max(most, running);
        await sleep(job.clock, 10);
        running -= 1;
      };
      const { a, list } = await ctx.all({
        a: ctx.step('a', () => 'A'),
        list: ctx.all([1, 2, 3, 4, 5].map((n) => ctx.step(`n${n}`, work))),
      });
      return [a, list.length];
    });
    expect(outputOf(await job.run({ concurrency: 3 }))).toEqual(['A', 5]);
    expect(most).toBe(3);
  });

  it('a finished step is not run again, and the function goes on where it was', async () => {
    const log: string[] = [];
    const job = jobOf(async (ctx) => {
      await ctx.step('one', () => void log.push('one'));
      await ctx.sleep('nap', 60_000);
      return await ctx.step('two', ({ attempt }) => attempt);
    });
    expect(await job.run()).toMatchObject({
      kind: 'waiting',
      reason: 'nap sleeps',
      waitsForSignal: false,
    });
    expect(job.clock.monotonicMs()).toBe(0);
    await job.clock.advance(59_999);
    expect(outputOf(await job.run())).toBe(2);
    expect(job.clock.monotonicMs()).toBe(60_000);
    expect(log).toEqual(['one']);
  });

  it('a step that fails is tried again, under a key of its own, and its pause survives a crash', async () => {
    const keys: string[] = [];
    const job = jobOf((ctx) =>
      ctx.step('flaky', ({ idempotencyKey, try: n }) => {
        keys.push(idempotencyKey);
        if (n === 1) throw new RetryLaterError('not yet', { afterMs: 100_000 });
        return n;
      }),
    );
    const { untilUnixMs } = (await job.run()) as { untilUnixMs?: number };
    expect(untilUnixMs).toBe(job.clock.nowUnixMs() + 100_000);
    await job.clock.advance(99_000);
    // The rest of the pause is short enough to be waited for here.
    expect(outputOf(await job.run())).toBe(2);
    expect(job.clock.monotonicMs()).toBe(100_000);
    expect(keys).toEqual(['job-1/flaky/1', 'job-1/flaky/2']);
  });

  it('a try that was cut off is repeated under its number, with a higher fence', async () => {
    const seen: string[] = [];
    const job = jobOf(async (ctx) => {
      await ctx.step('slow', async ({ idempotencyKey, fence }) => {
        seen.push(`${idempotencyKey} ${fence}`);
        await sleep(job.clock, 1000);
      });
    });
    await crash(job, 1);
    expect(job.state('slow')).toBe('running');
    expect((await job.run()).kind).toBe('succeeded');
    expect(seen).toEqual(['job-1/slow/1 10', 'job-1/slow/1 20']);
    expect(job.record('slow')).toMatchObject({ tries: 1, executions: 2 });
  });

  it('a failure that the function catches is the same on every resume', async () => {
    const seen: string[] = [];
    let calls = 0;
    const job = jobOf(async (ctx) => {
      try {
        await ctx.step('bad', () => {
          calls += 1;
          throw new TerminalError('no such thing');
        });
      } catch (error) {
        seen.push(`${error instanceof StepFailedError} ${String(error)}`);
      }
      await ctx.sleep('nap', 60_000);
      return 'went on';
    });
    expect(outputOf(await runToEnd(job))).toBe('went on');
    expect(seen).toEqual([
      'true TerminalError: no such thing',
      'true TerminalError: no such thing',
    ]);
    expect(calls).toBe(1);
    expect(job.states()).toEqual({ test: 'success', bad: 'failure', nap: 'success' });
  });

  it('the failure of the job is that of the step, when the function lets it through', async () => {
    const job = jobOf((ctx) =>
      ctx.step('bad', () => {
        throw new TypeError('broken');
      }),
    );
    expect(failureOf(await runToEnd(job))).toMatchObject({
      type: 'TypeError',
      message: 'broken',
      task: 'bad',
    });
    expect(job.record('bad').tries).toBe(2);
  });

  it('what the function itself throws is final, whatever it is', async () => {
    let calls = 0;
    const job = jobOf(() => {
      calls += 1;
      throw new RetryLaterError('later', { afterMs: 1000 });
    });
    expect(failureOf(await job.run())).toMatchObject({ type: 'RetryLaterError', message: 'later' });
    expect(calls).toBe(1);
  });

  it('a step that takes too long fails with its timeout', async () => {
    const job = jobOf((ctx) =>
      ctx.step('slow', ({ signal }) => sleep(job.clock, 60_000, { signal }), {
        timeoutMs: 500,
        retry: { attempts: 1 },
      }),
    );
    expect(failureOf(await job.run()).message).toContain('timeout of 500 ms');
    expect(job.clock.monotonicMs()).toBe(500);
  });

  it('a race is won by the same step on every resume', async () => {
    const winners: string[] = [];
    const job = jobOf(async (ctx) => {
      const slow = ctx.step('slow', async () => {
        await sleep(job.clock, 50);
        return 'slow';
      });
      const fast = ctx.step('fast', async () => {
        await sleep(job.clock, 20);
        return 'fast';
      });
      // The longer way from the end of a step to its race does not change who was first.
      const longWay = fast.then((value) => value).then((value) => value);
      winners.push(await Promise.race([slow, longWay]));
      await slow;
      await ctx.sleep('nap', 60_000);
      return winners.at(-1);
    });
    expect(outputOf(await runToEnd(job))).toBe('fast');
    expect(winners).toEqual(['fast', 'fast']);
  });

  it('steps that lost a race are told so, and what is still open ends with the function', async () => {
    const reasons: string[] = [];
    const job = jobOf(async (ctx) => {
      const lost = ctx.step('lost', async ({ signal }) => {
        await sleep(job.clock, 60_000, { signal });
        reasons.push(String(signal.reason));
        throw new Error('given up');
      });
      return await Promise.race([
        lost,
        ctx.sleep('nap', 1000).then(() => 'too slow'),
        ctx.sleep('year', 1e9),
      ]);
    });
    expect(outputOf(await job.run())).toBe('too slow');
    expect(job.clock.monotonicMs()).toBe(1000);
    expect(reasons).toEqual(['Error: the function has ended']);
    expect(job.states()).toEqual({
      test: 'success',
      lost: 'failure',
      nap: 'success',
      year: 'ignore',
    });
  });

  it('time, random numbers and ids are the same on every resume', async () => {
    const seen: unknown[] = [];
    const job = jobOf(async (ctx) => {
      const start = ctx.now();
      await ctx.step('one', () => sleep(job.clock, 500));
      const after = ctx.now();
      seen.push([start, after - start, ctx.random('dice'), ctx.uuid('id'), ctx.uuid('other')]);
      await ctx.sleep('nap', 60_000);
      return ctx.now() - start;
    });
    const start = job.clock.nowUnixMs();
    expect(outputOf(await runToEnd(job))).toBe(60_500);
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[0]).toEqual([
      start,
      500,
      expect.any(Number),
      expect.stringMatching(
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      ),
      expect.any(String),
    ]);
    expect(new Set(seen[0] as unknown[]).size).toBe(5);
  });

  it('logs once what it logs between steps', async () => {
    const lines: string[] = [];
    const write = (_fields: unknown, message: string): void => void lines.push(message);
    const logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
    const job = jobOf(async (ctx) => {
      ctx.log.info({}, 'begins');
      await ctx.step('one', () => 1);
      await ctx.sleep('nap', 60_000);
      ctx.log.child({ more: 1 }).info({}, 'ends');
    });
    await job.run({ logger });
    await job.clock.advance(60_000);
    await job.run({ logger });
    expect(lines).toEqual(['begins', 'ends']);
  });

  it('nothing may be asked for inside of a step', async () => {
    const job = jobOf((ctx) => ctx.step('outer', () => ctx.step('inner', () => 1)));
    expect(failureOf(await runToEnd(job)).message).toContain('step(outer)');
    expect(job.state('inner')).toBeUndefined();
  });

  it('what is asked for wrongly is refused by name', async () => {
    for (const ask of [
      (ctx) => ctx.step('no name', () => 1),
      (ctx) => ctx.sleep('a', -1),
      (ctx) => ctx.sleep('a', Number.NaN),
      (ctx) => ctx.waitFor('a', { event: 'not an event' }),
      (ctx) => ctx.step('a', () => 1, { timeoutMs: 0 }),
      (ctx) => ctx.step('a', () => 1, { retry: { attempts: 0 } }),
    ] satisfies ((ctx: Parameters<Parameters<typeof jobOf>[0]>[0]) => unknown)[]) {
      expect(failureOf(await jobOf(ask).run()).type).toBe('InvalidArgumentError');
    }
  });

  it('a definition that is wrong is refused', () => {
    expect(() => workflow('no name', () => 1)).toThrow(HoldfastError);
    expect(() => workflow('name', undefined as never)).toThrow('workflow(name)');
    expect(() => workflow({ name: 'x', output: {} as never }, () => 1)).toThrow('Standard Schema');
    expect(() => workflow({ name: 'x', retry: { attempts: 0 } }, () => 1)).toThrow('attempts');
  });

  it('an output that JSON can not hold, or that is too large, fails the job', async () => {
    expect(failureOf(await jobOf(() => 1n).run()).message).toContain('BigInt');
    expect(failureOf(await jobOf(() => 'x'.repeat(600_000)).run()).message).toContain('524288');
  });

  it('takes the policy of the step before that of the workflow', async () => {
    const flow = workflow({ name: 'test', retry: { attempts: 5, backoff: EXACT } }, (ctx) =>
      ctx.step('bad', () => Promise.reject(new Error('no')), { retry: { attempts: 3 } }),
    );
    const job = new Job(flow);
    await runToEnd(job);
    expect(job.record('bad').tries).toBe(3);
  });
});
