// The total time of a flow: over all of its attempts, and for durable functions too.
import { sleep as sleepOn } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { waitFor } from './event-wait.ts';
import { type AnyFlow, flow } from './flow.ts';
import { linear, unordered } from './pattern.ts';
import { compareCrashes, Job, noting, type RunRequest } from './run-harness.fixture.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';
import { workflow } from './workflow.ts';

const HOUR_MS = 3_600_000;

/** A job whose first attempt begins now, whatever attempt is run. */
function jobOf(made: AnyFlow): { readonly job: Job; readonly request: RunRequest } {
  const job = new Job(made);
  return { job, request: { startedAtUnixMs: job.clock.nowUnixMs() } };
}

const tooLate = (timeoutMs: number) => ({
  kind: 'failed',
  failure: {
    type: 'HoldfastError',
    message: `the flow has not come to its end within ${timeoutMs} ms`,
  },
});

describe('a flow that has not come to its end in its total time', () => {
  test('fails: what runs is told to stop, and everything is reverted, however long that takes', async () => {
    const log: string[] = [];
    const holder: { job?: Job } = {};
    const wait = async (ms: number, signal?: AbortSignal): Promise<void> => {
      if (holder.job) await sleepOn(holder.job.clock, ms, { signal });
    };
    const a = task({
      name: 'a',
      execute: () => undefined,
      revert: async () => {
        await wait(HOUR_MS);
        log.push('undo a');
      },
    });
    const slow = task({
      name: 'slow',
      execute: async (_args, { signal }) => {
        await wait(HOUR_MS, signal);
        log.push(String(signal.reason));
        signal.throwIfAborted();
      },
    });
    const body = linear('main', a, slow, noting(log, 'never'));
    const { job, request } = jobOf(flow({ name: 'f', timeoutMs: 60_000, body }));
    holder.job = job;
    const fromMs = job.clock.nowUnixMs();
    expect(await job.run(request)).toMatchObject(tooLate(60_000));
    expect(log).toEqual([
      'HoldfastError: the flow has not come to its end within 60000 ms',
      'undo a',
    ]);
    expect(job.states()).toEqual({ a: 'reverted', slow: 'reverted' });
    expect(job.clock.nowUnixMs() - fromMs).toBe(60_000 + HOUR_MS);
  });

  test('does not wait for longer, and fails at once on resume', async () => {
    const log: string[] = [];
    const body = linear('main', noting(log, 'a'), waitFor('w', { event: 'go' }));
    const { job, request } = jobOf(flow({ name: 'f', timeoutMs: HOUR_MS, body }));
    const untilUnixMs = job.clock.nowUnixMs() + HOUR_MS;
    const waits = { kind: 'waiting', untilUnixMs, waitsForSignal: true };
    expect(await job.run(request)).toMatchObject(waits);
    await job.clock.advance(1000);
    expect(await job.run(request)).toMatchObject(waits);
    await job.clock.advance(HOUR_MS);
    expect(await job.run(request)).toMatchObject(tooLate(HOUR_MS));
    expect(log).toEqual(['a', 'undo a']);
  });

  test('fails in the end although it would have waited a little longer only', async () => {
    const body = unordered('main', sleep('pause', { ms: 4000 }), noting([], 'a'));
    const { job, request } = jobOf(flow({ name: 'f', timeoutMs: 2000, body }));
    const fromMs = job.clock.nowUnixMs();
    expect(await job.run(request)).toMatchObject(tooLate(2000));
    expect(job.clock.nowUnixMs() - fromMs).toBe(2000);
  });

  test('has failed for any later attempt too, also one that does not know of its beginning', async () => {
    const createJob = () => {
      const body = linear('main', noting([], 'a'), noting([], 'b'), sleep('pause', { ms: 10_000 }));
      return new Job(flow({ name: 'f', timeoutMs: 2000, body }));
    };
    const { result, different } = await compareCrashes(createJob);
    expect(result).toMatchObject(tooLate(2000));
    expect(different).toEqual([]);
  });

  test('has succeeded when there is nothing left to do', async () => {
    const { job, request } = jobOf(
      flow({ name: 'f', timeoutMs: 1000, body: linear('main', noting([], 'a'), noting([], 'b')) }),
    );
    const late = job.start({
      ...request,
      afterCommit: () => {
        throw new Error('the process dies');
      },
    });
    await expect(job.drive(late)).rejects.toThrow('dies');
    expect(job.states()).toEqual({ a: 'success' });
    const { tries, generation } = job.record('a');
    job.records.set('b', { ...job.record('a'), name: 'b', tries, generation });
    await job.clock.advance(2000);
    expect(await job.run(request)).toMatchObject({ kind: 'succeeded' });
  });

  test('takes a number of milliseconds that a clock can hold', () => {
    const body = noting([], 'a');
    for (const timeoutMs of [0, 1.5, Number.POSITIVE_INFINITY]) {
      expect(() => flow({ name: 'f', timeoutMs, body })).toThrow(/flow\(f\).timeoutMs/);
    }
  });
});

describe('a durable function that has not ended in its total time', () => {
  const made = (log: string[], timeoutMs: number) =>
    workflow({ name: 'f', timeoutMs }, async (ctx) => {
      await ctx.step('a', () => void log.push('a'), { revert: () => void log.push('undo a') });
      await ctx.waitFor('w', { event: 'go' });
    });

  test('does not wait for longer, and fails at once on resume', async () => {
    const log: string[] = [];
    const { job, request } = jobOf(made(log, HOUR_MS));
    const untilUnixMs = job.clock.nowUnixMs() + HOUR_MS;
    expect(await job.run(request)).toMatchObject({ kind: 'waiting', untilUnixMs });
    await job.clock.advance(HOUR_MS);
    expect(await job.run(request)).toMatchObject(tooLate(HOUR_MS));
    expect(log).toEqual(['a', 'undo a']);
  });

  test('fails while it runs', async () => {
    const log: string[] = [];
    const { job, request } = jobOf(made(log, 3000));
    const fromMs = job.clock.nowUnixMs();
    expect(await job.run(request)).toMatchObject(tooLate(3000));
    expect(job.clock.nowUnixMs() - fromMs).toBe(3000);
    expect(log).toEqual(['a', 'undo a']);
  });
});
