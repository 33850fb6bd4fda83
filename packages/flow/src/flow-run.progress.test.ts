import { sleep } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { flow } from './flow.ts';
import { Job } from './run-harness.fixture.ts';
import { task } from './task.ts';

describe('progress and non-fatal errors', () => {
  test('progress is written now and then, non-fatal errors soon, and both survive a failure', async () => {
    const holder: { job?: Job } = {};
    const busy = task({
      name: 'busy',
      retry: { attempts: 1 },
      execute: async (_args, ctx) => {
        for (let step = 1; step <= 100; step += 1) {
          ctx.progress(step / 200, `step ${step}`);
          if (step === 3) ctx.recordError(new Error('one file was unreadable'));
          if (holder.job) await sleep(holder.job.clock, 50);
        }
        throw new Error('the end');
      },
    });
    const job = new Job(flow({ name: 'f', body: busy }));
    holder.job = job;
    const result = await job.run();
    expect(result.kind).toBe('failed');
    // 5 s of work: about one write a second, the mark, the error, the end.
    expect(job.commits.length).toBeGreaterThan(4);
    expect(job.commits.length).toBeLessThan(12);
    expect(job.record('busy').errors).toMatchObject([
      { try: 1, failure: { message: 'one file was unreadable', task: 'busy' } },
    ]);
    const seen = job.commits.flat().map(({ progress }) => progress);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  test('of more errors than the limit only the number is kept', async () => {
    const noisy = task({
      name: 'noisy',
      execute: (_args, ctx) => {
        for (let count = 0; count < 25; count += 1) ctx.recordError(new Error(`${count}`));
      },
    });
    const job = new Job(flow({ name: 'f', body: noisy }));
    await job.run();
    expect(job.record('noisy').errors.length).toBe(20);
    expect(job.record('noisy').errorsDropped).toBe(5);
  });

  test.each([-0.1, 1.1, Number.NaN, '0.5'])('progress %s is refused', async (fraction) => {
    const wrong = task({
      name: 'wrong',
      retry: { attempts: 1 },
      execute: (_args, ctx) => ctx.progress(fraction as number),
    });
    expect(await new Job(flow({ name: 'f', body: wrong })).run()).toMatchObject({
      kind: 'failed',
      failure: { type: 'RangeError' },
    });
  });
});
