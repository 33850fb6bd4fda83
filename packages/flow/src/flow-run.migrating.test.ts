// A job goes on under a later version of its flow.
import { type AtomRecord, createJobId, createSeededRandom, pendingAtom } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { waitFor } from './event-wait.ts';
import { signal } from './failing-task.fixture.ts';
import { flow } from './flow.ts';
import { map } from './map.ts';
import { giving, isDone, using } from './migrated-flow.fixture.ts';
import type { Migration, OldJob } from './migration.ts';
import { linear } from './pattern.ts';
import { dieOnce, redeployed } from './redeployed-job.fixture.ts';
import { compareCrashes, Job, noting, outputOf } from './run-harness.fixture.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';
import { runSpread, TaskJobs } from './task-jobs.fixture.ts';

describe('a migration', () => {
  test('by name: what is not mentioned counts for the task of its name', async () => {
    const log: string[] = [];
    const old = flow({
      name: 'f',
      body: linear('l', giving(log, 'a', { x: 1 }), using(log, 'b', 'x')),
    });
    const job = await dieOnce(new Job(old), isDone('a'));
    const next = flow({
      name: 'f',
      version: 2,
      migrations: { 1: {} },
      body: linear('l', giving(log, 'a', { x: 2 }), using(log, 'b', 'x')),
    });
    expect(next.continues).toEqual([1]);
    const later = redeployed(job, next);
    expect(outputOf(await later.run())).toEqual({ x: 1, seen: 1 });
    // Nothing is written for its own sake.
    expect([later.record('a').flowVersion, later.record('b').flowVersion]).toEqual([1, 2]);
  });

  test('renames a task, which goes on where the old one stood, and leaves the old record alone', async () => {
    const log: string[] = [];
    const old = flow({
      name: 'f',
      body: linear('l', giving(log, 'resize', { size: 3 }), using(log, 'show', 'size')),
    });
    const job = await dieOnce(new Job(old), isDone('resize'));
    const next = flow({
      name: 'f',
      version: 3,
      migrations: { 1: { rename: { resize: 'scale', show: 'print' } } },
      body: linear('l', giving(log, 'scale', { size: 9 }), using(log, 'print', 'size')),
    });
    const later = redeployed(job, next);
    expect(outputOf(await later.run())).toEqual({ size: 3, seen: 3 });
    expect(log).toEqual(['job-1/resize/1', 'print of 3']);
    expect(Object.fromEntries([...later.records].map(([n, r]) => [n, r.flowVersion]))).toEqual({
      resize: 1,
      print: 3,
    });
  });

  test('renames the tasks of all items of a map, and the map', async () => {
    const log: string[] = [];
    const body = (mapName: string, taskName: string) =>
      map(mapName, {
        over: 'names',
        as: 'name',
        concurrency: 1,
        body: task({
          name: taskName,
          requires: { name: z.string() },
          provides: { length: z.number() },
          execute: ({ name }) => {
            log.push(`${taskName} ${name}`);
            return { length: name.length };
          },
        }),
        collect: { length: 'lengths' },
      });
    const input = z.object({ names: z.array(z.string()) });
    const request = { input: { names: ['x', 'yy', 'zzz'] } };
    const old = new Job(flow({ name: 'f', input, body: body('all', 'measure') }));
    const job = await dieOnce(old, isDone('measure[1]'), request);
    const migrations = { 1: { rename: { all: 'each', measure: 'count' } } };
    const next = flow({ name: 'f', version: 2, migrations, input, body: body('each', 'count') });
    const later = redeployed(job, next);
    expect(outputOf(await later.run(request))).toEqual({ lengths: [1, 2, 3] });
    expect(log).toEqual(['measure x', 'measure yy', 'count zzz']);
  });

  test('a try that was cut off is repeated under its number; a pause and a wait go on', async () => {
    const log: string[] = [];
    let isFirst = true;
    const slow = (name: string) =>
      task({
        name,
        execute: async (_args, ctx) => {
          log.push(ctx.idempotencyKey);
          if (!isFirst) return;
          isFirst = false;
          await new Promise((_resolve, reject) => {
            ctx.signal.addEventListener('abort', () => reject(new Error('stopped')));
          });
        },
      });
    const body = (suffix: string) =>
      linear(
        'l',
        sleep(`rest${suffix}`, { ms: 60_000 }),
        waitFor(`ok${suffix}`, { event: 'go' }),
        slow(`work${suffix}`),
      );
    const one = flow({ name: 'f', body: body('') });
    const two = flow({
      name: 'f',
      version: 2,
      migrations: { 1: { rename: { rest: 'rest2', ok: 'ok2', work: 'work2' } } },
      body: body('2'),
    });
    const job = new Job(one);
    expect(await job.run()).toMatchObject({ kind: 'waiting', waitsForSignal: false });
    const rested = redeployed(job, two);
    await rested.clock.advance(30_000);
    const waiting = await rested.run();
    expect(waiting).toMatchObject({ kind: 'waiting', waitsForSignal: false });
    expect(waiting.kind === 'waiting' && waiting.untilUnixMs).toBe(job.record('rest').nextAtUnixMs);
    await rested.clock.advance(31_000);
    expect(await rested.run()).toMatchObject({ kind: 'waiting', waitsForSignal: true });
    const signals = { received: () => [signal(1)], onArrival: () => () => {} };
    const again = redeployed(job, one);
    await again.clock.advance(120_000);
    const running = again.start({ signals });
    await again.drive(Promise.resolve());
    for (let turns = 0; log.length === 0 && turns < 1000; turns += 1) await again.clock.advance(1);
    await again.clock.advance(20);
    expect(again.state('work')).toBe('running');
    again.signal.abort();
    await again.drive(running);
    const last = redeployed(again, two);
    expect((await last.run({ signals })).kind).toBe('succeeded');
    expect(log).toEqual(['job-1/work/1', 'job-1/work2/1']);
  });

  test('forgets what is to be done anew, under keys that were not used before', async () => {
    const log: string[] = [];
    const body = linear(
      'l',
      giving(log, 'a', { x: 1 }),
      giving(log, 'b', { y: 2 }),
      noting([], 'c'),
    );
    const job = await dieOnce(new Job(flow({ name: 'f', body })), isDone('a', 'b'));
    const migrations = { 1: { forget: ['b', 'gone'] } };
    const later = redeployed(job, flow({ name: 'f', version: 2, migrations, body }));
    expect((await later.run()).kind).toBe('succeeded');
    expect(log).toEqual(['job-1/a/1', 'job-1/b/1', 'job-1/b/2']);
  });

  test('gives results to tasks that were split off, merged or retyped, and they are durable first', async () => {
    const log: string[] = [];
    const old = flow({
      name: 'f',
      body: linear('l', giving(log, 'a', { x: 1 }), giving(log, 'b', { y: 2 }), noting(log, 'end')),
    });
    const job = await dieOnce(new Job(old), isDone('a', 'b'));
    const text = task({
      name: 'a',
      provides: { x: z.string() },
      execute: () => {
        log.push('never');
        return { x: '' };
      },
    });
    const results: Migration['results'] = {
      sum: ({ tasks }) => {
        const [a, b] = [tasks.get('a')?.result, tasks.get('b')?.result];
        return a && b && { sum: Number(a['x']) + Number(b['y']) };
      },
      a: ({ tasks }) => {
        const a = tasks.get('a')?.result;
        return a && { x: `was ${String(a['x'])}` };
      },
      end: () => undefined,
    };
    const next = flow({
      name: 'f',
      version: 2,
      migrations: { 1: { results } },
      body: linear('l', text, giving(log, 'sum', { sum: 0 }), noting(log, 'end')),
    });
    const later = redeployed(job, next);
    expect(outputOf(await later.run())).toEqual({ x: 'was 1', sum: 3 });
    expect(log).toEqual(['job-1/a/1', 'job-1/b/1', 'end']);
    expect(
      later.commits[0]?.map(({ name, state, executions }) => [name, state, executions]),
    ).toEqual([
      ['sum', 'success', 0],
      ['a', 'success', 1],
    ]);
  });

  test('asks once: what this version has written since, and what it has reverted, counts', async () => {
    const log: string[] = [];
    const body = linear('l', giving(log, 'a', { x: 1 }), using(log, 'b', 'x'), noting(log, 'c'));
    const job = await dieOnce(new Job(flow({ name: 'f', body })), isDone('a'));
    let asked = 0;
    const results = {
      a: () => {
        asked += 1;
        return { x: 7 };
      },
    };
    const next = flow({ name: 'f', version: 2, migrations: { 1: { results } }, body });
    const once = await dieOnce(redeployed(job, next), isDone('b'));
    expect(outputOf(await redeployed(once, next).run())).toEqual({ x: 7, seen: 7 });
    expect(asked).toBe(1);
  });

  test('sees the input as it was posted, and the records of all versions before', async () => {
    const log: string[] = [];
    const seen: unknown[] = [];
    const body = linear(
      'l',
      giving(log, 'a', { x: 1 }),
      giving(log, 'b', { y: 2 }),
      noting(log, 'c'),
    );
    const look = ({ input, tasks, jobId }: OldJob): void => {
      const each = [...tasks.values()].map(({ name, state, flowVersion }) => [
        name,
        state,
        flowVersion,
      ]);
      seen.push([input, jobId, each]);
    };
    const input = z.object({ n: z.coerce.number() });
    const request = { input: { n: '5' } };
    const one = await dieOnce(new Job(flow({ name: 'f', input, body })), isDone('a'), request);
    const second = flow({ name: 'f', version: 2, migrations: { 1: {} }, input, body });
    const two = await dieOnce(redeployed(one, second), isDone('b'), request);
    const migrations = { 1: { results: { c: look } }, 2: { results: { c: look } } };
    const third = flow({ name: 'f', version: 3, migrations, input, body });
    expect((await redeployed(two, third).run(request)).kind).toBe('succeeded');
    expect(seen).toEqual([
      [{ n: '5' }, 'job-1', [['a', 'success', 1]]],
      [
        { n: '5' },
        'job-1',
        expect.arrayContaining([
          ['a', 'success', 1],
          ['b', 'success', 2],
        ]),
      ],
    ]);
  });

  test('a record of this version wins over a migrated one, and one of a later version over an earlier', async () => {
    const log: string[] = [];
    const at = (name: string, version: number, x: number): AtomRecord => {
      const record = base.record('a');
      const data = new TextEncoder().encode(JSON.stringify({ x }));
      return {
        ...record,
        name,
        flowVersion: version,
        result: { contentType: 'application/json', data },
      };
    };
    const base = await dieOnce(
      new Job(flow({ name: 'f', body: linear('l', giving(log, 'a', { x: 0 }), noting(log, 'b')) })),
      isDone('a'),
    );
    const next = flow({
      name: 'f',
      version: 3,
      migrations: { 1: { rename: { one: 'a' } }, 2: { rename: { two: 'a' } } },
      body: giving(log, 'a', { x: 9 }),
    });
    const run = async (...atoms: AtomRecord[]): Promise<unknown> => {
      const job = new Job(next);
      for (const atom of atoms) job.records.set(atom.name, atom);
      return outputOf(await job.run());
    };
    expect(await run(at('one', 1, 1), at('two', 2, 2))).toEqual({ x: 2 });
    expect(await run(at('two', 2, 2), at('one', 1, 1))).toEqual({ x: 2 });
    expect(await run(at('a', 3, 3), at('two', 2, 2), at('one', 1, 1))).toEqual({ x: 3 });
    expect(await run(at('a', 1, 4), at('one', 1, 1))).toEqual({ x: 1 });
  });

  test('a failed flow goes on being reverted, what was renamed under its new name, and nothing is left amid it', async () => {
    const log: string[] = [];
    const undo = (name: string) =>
      task({
        name,
        execute: () => {},
        revert: () => {
          log.push(`undo ${name}`);
        },
      });
    const fails = task({
      name: 'fails',
      retry: { attempts: 1 },
      execute: () => {
        throw new Error('no');
      },
    });
    const old = flow({ name: 'f', body: linear('l', undo('a'), undo('b'), fails) });
    const job = await dieOnce(
      new Job(old),
      ({ records }) => records.get('b')?.state === 'reverting',
    );
    const next = flow({
      name: 'f',
      version: 2,
      migrations: { 1: { rename: { a: 'a2', b: 'b2' } } },
      body: linear('l', undo('a2'), undo('b2'), fails),
    });
    const later = redeployed(job, next);
    expect(await later.run()).toMatchObject({ kind: 'failed', failure: { message: 'no' } });
    expect(log).toEqual(['undo b2', 'undo a2']);
    // A job with anything amid a revert would have to end that before it can be revived.
    expect(later.states()).toEqual({
      a: 'success',
      b: 'reverted',
      fails: 'reverted',
      b2: 'reverted',
      a2: 'reverted',
    });
  });

  test('a result does not undo a failure', async () => {
    const log: string[] = [];
    const fails = task({
      name: 'fails',
      retry: { attempts: 1 },
      execute: () => {
        throw new Error('no');
      },
    });
    const body = linear('l', noting(log, 'a'), fails);
    const job = await dieOnce(
      new Job(flow({ name: 'f', body })),
      ({ records }) => records.get('fails')?.state === 'failure',
    );
    const results = { fails: () => ({}) };
    const next = flow({ name: 'f', version: 2, migrations: { 1: { results } }, body });
    expect(await redeployed(job, next).run()).toMatchObject({ kind: 'failed' });
  });

  test('a task that runs elsewhere is begun anew: its task job is of the old version', async () => {
    const shout = task({
      name: 'shout',
      runs: 'anywhere',
      provides: { text: z.string() },
      execute: (_args, { idempotencyKey }) => ({ text: idempotencyKey }),
    });
    const job = new Job(flow({ name: 'f', version: 2, migrations: { 1: {} }, body: shout }));
    const source = { clock: job.clock, random: createSeededRandom(1) };
    const taskJob = createJobId(source);
    const running = { state: 'running', tries: 1, executions: 1, attempt: 1, taskJob } as const;
    job.records.set('shout', { ...pendingAtom('shout'), ...running });
    const taskJobs = new TaskJobs(job);
    expect(outputOf(await runSpread(job, taskJobs))).toEqual({ text: 'job-1/shout/1' });
    const { call, id } = taskJobs.job('shout~e1');
    expect(call.atom).toMatchObject({
      tries: 1,
      executions: 2,
      taskJob: undefined,
      flowVersion: 2,
    });
    expect(job.record('shout').taskJob).toBe(id);
  });

  test('a crash after any commit changes nothing', async () => {
    const old = (log: string[]) =>
      flow({
        name: 'f',
        body: linear('l', giving(log, 'a', { x: 1 }), giving(log, 'b', { y: 2 }), noting(log, 'c')),
      });
    const migrations = {
      1: {
        rename: { b: 'b2' },
        forget: ['a'],
        results: {
          sum: ({ tasks }: OldJob) => ({ sum: Number(tasks.get('a')?.result?.['x']) + 10 }),
        },
      },
    };
    const next = (log: string[]) =>
      flow({
        name: 'f',
        version: 2,
        migrations,
        body: linear(
          'l',
          giving(log, 'a', { x: 5 }),
          giving(log, 'b2', { y: 6 }),
          giving(log, 'sum', { sum: 0 }),
          using(log, 'c2', 'sum'),
        ),
      });
    const before = await dieOnce(new Job(old([])), isDone('a', 'b'));
    const { different, result } = await compareCrashes(() => redeployed(before, next([])));
    expect(outputOf(result)).toEqual({ x: 5, y: 2, sum: 11, seen: 11 });
    expect(different).toEqual([]);
  });
});
