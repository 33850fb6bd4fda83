// A worker finds a job that its version of the flow can't go on with.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type AnyFlow, flow } from './flow.ts';
import { map } from './map.ts';
import { giving, isDone, using } from './migrated-flow.fixture.ts';
import type { Migration } from './migration.ts';
import { linear } from './pattern.ts';
import { dieOnce, redeployed } from './redeployed-job.fixture.ts';
import { CONTINUE_RETRY_MS } from './run-flow.ts';
import { Job, noting, outputOf, runWithCrash } from './run-harness.fixture.ts';
import { workflow } from './workflow.ts';

describe('a job that its worker can not go on with waits, and nothing of it is run, written or reverted', () => {
  const log: string[] = [];
  const body = linear('l', giving(log, 'a', { x: 1 }), using(log, 'b', 'x'));
  const bodyWithMap = linear(
    'l',
    map('a', { over: 'names', as: 'name', body: noting(log, 'each') }),
    noting(log, 'b'),
  );
  const versionTwo = flow({ name: 'f', version: 2, body });
  const migrating = (migration: Migration): AnyFlow =>
    flow({ name: 'f', version: 2, migrations: { 1: migration }, body });
  const cases: [string, AnyFlow, string][] = [
    [
      'no migration from its version',
      versionTwo,
      'version 1 of the flow has begun it, and version 2',
    ],
    [
      'a migration that throws',
      migrating({
        results: {
          b: () => {
            throw new Error('no idea');
          },
        },
      }),
      'from version 1 to 2 of the flow gives no usable result for task b: no idea',
    ],
    [
      'a migration that gives what the task could not have returned',
      migrating({ results: { b: () => ({ seen: 'four' }) } }),
      'provides.seen',
    ],
    [
      'a migration that gives what JSON can not hold',
      migrating({ results: { b: () => ({ seen: 1n }) } }),
      'no usable result for task b',
    ],
    [
      'a task that is a map now',
      flow({
        name: 'f',
        input: z.object({ names: z.array(z.string()).default([]) }),
        body: bodyWithMap,
      }),
      "'a' was recorded without the length of a list, and is a map now",
    ],
  ];
  test.each(cases)('%s', async (_name, next, reason) => {
    const job = redeployed(await dieOnce(new Job(flow({ name: 'f', body })), isDone('a')), next);
    log.length = 0;
    const before = [...job.records.values()];
    const result = await job.run();
    expect(result).toMatchObject({
      kind: 'waiting',
      untilUnixMs: job.clock.nowUnixMs() + CONTINUE_RETRY_MS,
      waitsForSignal: false,
      reason: expect.stringContaining(reason),
      uncommitted: [],
    });
    expect([log, job.commits, [...job.records.values()]]).toEqual([[], [], before]);
    // Mended code goes on with it.
    expect(outputOf(await redeployed(job, migrating({})).run())).toEqual({ x: 1, seen: 1 });
  });

  test('records of a later version', async () => {
    const later = flow({ name: 'f', version: 5, body });
    const job = await dieOnce(new Job(later), isDone('a'));
    const result = await redeployed(job, flow({ name: 'f', version: 4, body })).run();
    expect(result).toMatchObject({
      kind: 'waiting',
      reason: 'version 5 of the flow has gone on with it, and this worker has version 4',
    });
  });

  test('a durable function of another version', async () => {
    const build = (version: number) =>
      workflow({ name: 'w', version }, async (ctx) => {
        await ctx.step('one', () => 1);
        return await ctx.step('two', () => 2);
      });
    const job = await dieOnce(new Job(build(1)), isDone('one'));
    expect(job.record('one').flowVersion).toBe(1);
    const next = redeployed(job, build(2));
    expect(await next.run()).toMatchObject({
      kind: 'waiting',
      reason: expect.stringContaining('version 1 of the flow has begun it'),
    });
    expect(outputOf(await redeployed(next, build(1)).run())).toBe(2);
  });

  test('a run that is to sit out its waits fails instead', async () => {
    const job = await dieOnce(new Job(flow({ name: 'f', body })), isDone('a'));
    const result = await redeployed(job, versionTwo).run({
      releaseAfterMs: Number.POSITIVE_INFINITY,
    });
    const message = expect.stringContaining("job-1 can't go on with version 2 of flow f");
    expect(result).toMatchObject({ kind: 'failed', failure: { message } });
  });

  test('one that is stopped meanwhile ends stopped', async () => {
    const job = await dieOnce(new Job(flow({ name: 'f', body })), isDone('a'));
    const later = redeployed(job, migrating({ results: { b: () => ({ seen: 1 }) } }));
    later.signal.abort();
    expect(await later.run()).toMatchObject({ kind: 'stopped' });
    expect(later.commits).toEqual([]);
    const crashed = runWithCrash(redeployed(job, migrating({})), 1);
    expect((await crashed).kind).toBe('succeeded');
  });
});
