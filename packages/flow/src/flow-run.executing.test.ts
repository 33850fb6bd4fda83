import { sleep } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { linear, unordered } from './pattern.ts';
import { Job, outputOf } from './run-harness.fixture.ts';
import { task } from './task.ts';
import type { TaskContext } from './task-context.ts';

describe('executing', () => {
  test('values flow from the input through the tasks into the output', async () => {
    const length = task({
      name: 'length',
      requires: { word: z.string() },
      provides: { letters: z.number() },
      execute: ({ word }) => ({ letters: word.length }),
    });
    const double = task({
      name: 'double',
      requires: { letters: z.number() },
      provides: { twice: z.number() },
      execute: async ({ letters }) => ({ twice: letters * 2 }),
    });
    const words = flow({
      name: 'words',
      input: z.object({ word: z.string() }),
      body: linear('main', length, double),
    });
    const job = new Job(words);
    expect(outputOf(await job.run({ input: { word: 'holdfast' } }))).toEqual({
      letters: 8,
      twice: 16,
    });
    expect(job.states()).toEqual({ length: 'success', double: 'success' });
  });

  test('a dependent starts only after the success before it is durable', async () => {
    const log: string[] = [];
    const first = task({
      name: 'first',
      execute: () => {
        log.push('first runs');
      },
    });
    const second = task({
      name: 'second',
      execute: () => {
        log.push('second runs');
      },
    });
    const job = new Job(flow({ name: 'f', body: linear('main', first, second) }));
    await job.run({
      beforeCommit: async (atoms) => {
        await sleep(job.clock, 50);
        for (const { name, state } of atoms) log.push(`${name} ${state}`);
      },
    });
    expect(log.indexOf('second runs')).toBeGreaterThan(log.indexOf('first success'));
  });

  test('one checkpoint is under way at a time', async () => {
    let underWay = 0;
    let most = 0;
    const tasks = Array.from({ length: 20 }, (_, index) =>
      task({ name: `t${index}`, execute: () => undefined }),
    );
    const job = new Job(flow({ name: 'f', body: unordered('main', ...tasks) }));
    await job.run({
      beforeCommit: async () => {
        underWay += 1;
        most = Math.max(most, underWay);
        await sleep(job.clock, 5);
        underWay -= 1;
      },
    });
    expect(most).toBe(1);
    expect(Object.values(job.states())).toEqual(Array.from({ length: 20 }, () => 'success'));
  });

  test('no more tasks run at once than the concurrency allows', async () => {
    let running = 0;
    let most = 0;
    const clockOf = { job: undefined as Job | undefined };
    const tasks = Array.from({ length: 10 }, (_, index) =>
      task({
        name: `t${index}`,
        execute: async () => {
          running += 1;
          most = Math.max(most, running);
          if (clockOf.job) await sleep(clockOf.job.clock, 10);
          running -= 1;
        },
      }),
    );
    const job = new Job(flow({ name: 'f', body: unordered('main', ...tasks) }));
    clockOf.job = job;
    await job.run({ concurrency: 3 });
    expect(most).toBe(3);
    clockOf.job = undefined;
    most = 0;
    await new Job(flow({ name: 'f', body: unordered('main', ...tasks) })).run({ concurrency: 1 });
    expect(most).toBe(1);
  });

  test('the success of the last task is left to be committed with the outcome', async () => {
    const only = task({ name: 'only', execute: () => undefined });
    const job = new Job(flow({ name: 'f', body: only }));
    const result = await job.drive(job.start());
    expect(result.uncommitted.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'only success',
    ]);
  });

  test('a flow without tasks succeeds', async () => {
    expect(outputOf(await new Job(flow({ name: 'f', body: linear('main') })).run())).toEqual({});
  });

  test('the context tells whose call it is', async () => {
    const seen: Partial<TaskContext>[] = [];
    const only = task({
      name: 'only',
      execute: (_args, ctx) => {
        seen.push(ctx);
      },
    });
    await new Job(flow({ name: 'f', body: only })).run();
    expect(seen).toMatchObject([
      {
        idempotencyKey: 'job-1/only/1',
        fence: 10n,
        attempt: 1,
        try: 1,
        jobId: 'job-1',
        task: 'only',
      },
    ]);
  });

  test('tasks see values as they are stored, not the objects that were returned', async () => {
    const given: unknown[] = [];
    const make = task({
      name: 'make',
      provides: { at: z.date(), list: z.array(z.number()) },
      execute: () => ({ at: new Date(0), list: [1] }),
    });
    const look = task({
      name: 'look',
      requires: { at: z.string(), list: z.array(z.number()) },
      execute: ({ at, list }) => {
        given.push(at, [...list]);
        list.push(2);
      },
    });
    const again = task({
      name: 'again',
      requires: { list: z.array(z.number()) },
      execute: ({ list }) => {
        given.push(list);
      },
    });
    await new Job(flow({ name: 'f', body: linear('main', make, look, again) })).run();
    expect(given).toEqual(['1970-01-01T00:00:00.000Z', [1], [1]]);
  });

  test('no task can change the input under the feet of another', async () => {
    const anything = z.custom<{ list: number[] }>(() => true);
    const spoil = task({
      name: 'spoil',
      requires: { data: anything },
      retry: { attempts: 1 },
      execute: ({ data }) => {
        data.list.push(4);
      },
    });
    const result = await new Job(
      flow({ name: 'f', input: z.object({ data: anything }), body: spoil }),
    ).run({ input: { data: { list: [] } } });
    expect(result).toMatchObject({ kind: 'failed', failure: { type: 'TypeError', task: 'spoil' } });
  });

  test('what a task returns besides what it provides is not stored, and a log line says so', async () => {
    const lines: unknown[] = [];
    const logger = {
      debug() {},
      info() {},
      error() {},
      warn: (fields: object, message: string) => void lines.push({ ...fields, message }),
      child: () => logger,
    };
    const only = task({
      name: 'only',
      provides: { a: z.number() },
      execute: () => ({ a: 1, b: 2 }),
    });
    const job = new Job(flow({ name: 'f', body: only }));
    expect(outputOf(await job.run({ logger }))).toEqual({ a: 1 });
    expect(lines).toMatchObject([{ notStored: ['b'] }]);
  });
});

describe('options', () => {
  const nothing = flow({ name: 'f', body: linear('main') });
  test.each([0, -1, 1.5, Number.NaN])('a concurrency of %s is refused', async (concurrency) => {
    await expect(new Job(nothing).run({ concurrency })).rejects.toThrow(/concurrency/);
  });
  test.each([-1, Number.NaN])('a releaseAfterMs of %s is refused', async (releaseAfterMs) => {
    await expect(new Job(nothing).run({ releaseAfterMs })).rejects.toThrow(/releaseAfterMs/);
  });
});
