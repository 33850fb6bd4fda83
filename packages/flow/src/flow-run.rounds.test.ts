// Retry controllers: what a failure leads to in the scope of one, of several, of none.
import { decodeJson, LIMITS } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import {
  alwaysRevert,
  alwaysRevertAll,
  forEach,
  parameterizedForEach,
  retryController,
  times,
} from './retry-rounds.ts';
import {
  compareCrashes,
  EXACT,
  Job,
  noting,
  outputOf,
  runWithCrash,
} from './run-harness.fixture.ts';
import { task } from './task.ts';

const ONCE = { attempts: 1 };

/** What a log holds, from a line: 'a b,undo b' is a, b, undo b. */
function words(line: string): string[] {
  return line.split(',').flatMap((part) => (part.startsWith('undo') ? [part] : part.split(' ')));
}

/** Fails in the first rounds, and notes what it does. */
function failing(log: string[], name: string, rounds: number) {
  return task({
    name,
    retry: ONCE,
    execute: (_args, ctx) => {
      log.push(name);
      if (ctx.try <= rounds) throw new Error(`${name} fails, try ${ctx.try}`);
    },
    revert: () => {
      log.push(`undo ${name}`);
    },
  });
}

describe('a retry controller', () => {
  test('has its scope reverted in reverse, and done anew, and leaves what is outside alone', async () => {
    const log: string[] = [];
    const body = linear(
      'main',
      noting(log, 'before'),
      withRetry(times({ attempts: 3 }), linear('inner', noting(log, 'a'), failing(log, 'b', 2))),
      noting(log, 'after'),
    );
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(log).toEqual(words('before a b,undo b,undo a,a b,undo b,undo a,a b after'));
    expect(job.record('inner.retry').rounds.map(({ decision }) => decision)).toEqual([
      'retry',
      'retry',
      undefined,
    ]);
    expect(job.record('b')).toMatchObject({ tries: 3, generation: 3, state: 'success' });
  });

  test('tells every state on the way, in order', async () => {
    const log: string[] = [];
    const body = withRetry(
      times({ attempts: 2 }),
      linear('inner', noting(log, 'a'), failing(log, 'b', 1)),
    );
    const job = new Job(flow({ name: 'f', body }));
    await job.run({ concurrency: 1 });
    expect(job.transitions).toEqual([
      'inner.retry: pending → running',
      'inner.retry: running → success',
      'a: pending → running',
      'a: running → success',
      'b: pending → running',
      'b: running → failure',
      'inner.retry: success → retrying',
      'b: failure → reverting',
      'b: reverting → reverted',
      'a: success → reverting',
      'a: reverting → reverted',
      'inner.retry: retrying → running',
      'inner.retry: running → success',
      'a: pending → running',
      'a: running → success',
      'b: pending → running',
      'b: running → success',
    ]);
  });

  test('gives the flow up when its rounds are over, and everything is reverted', async () => {
    const log: string[] = [];
    const body = linear(
      'main',
      noting(log, 'before'),
      withRetry(times({ attempts: 2 }), linear('inner', failing(log, 'b', 9))),
    );
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({
      kind: 'failed',
      failure: { task: 'b', message: 'b fails, try 2' },
    });
    expect(log).toEqual(['before', 'b', 'undo b', 'b', 'undo b', 'undo before']);
  });

  test('that does not escalate leaves what is outside of its scope as it is', async () => {
    const log: string[] = [];
    const body = linear(
      'main',
      noting(log, 'before'),
      withRetry(
        times({ attempts: 1, escalates: false }),
        linear('inner', noting(log, 'a'), failing(log, 'b', 9)),
      ),
    );
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'failed', failure: { task: 'b' } });
    expect(log).toEqual(['before', 'a', 'b', 'undo b', 'undo a']);
    expect(job.state('before')).toBe('success');
  });

  test.each([
    [
      'alwaysRevert',
      alwaysRevert(),
      'first a b,undo b,undo a,undo first,first a b,undo b,undo a,undo first',
    ],
    ['alwaysRevertAll', alwaysRevertAll(), 'first a b,undo b,undo a,undo first'],
  ])('%s: the controller around it is asked, or not', async (_name, inner, expected) => {
    const log: string[] = [];
    const body = withRetry(
      times({ attempts: 2, name: 'outer' }),
      linear(
        'main',
        noting(log, 'first'),
        withRetry(inner, linear('inner', noting(log, 'a'), failing(log, 'b', 9))),
      ),
    );
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'failed', failure: { task: 'b' } });
    expect(log).toEqual(words(expected));
  });

  test('in a scope starts from nothing when the scope around it starts anew', async () => {
    const log: string[] = [];
    const seen: number[] = [];
    const use = task({
      name: 'use',
      requires: { round: z.number() },
      retry: ONCE,
      execute: ({ round }) => {
        seen.push(round);
        throw new Error('never');
      },
    });
    const body = withRetry(
      times({ attempts: 2, name: 'outer' }),
      linear(
        'main',
        noting(log, 'a'),
        withRetry(times({ attempts: 2, provides: 'round' }), linear('inner', use)),
      ),
    );
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'failed' });
    expect(seen).toEqual([1, 2, 1, 2]);
    expect(log).toEqual(['a', 'undo a', 'a', 'undo a']);
  });

  test('provides the next value each time, until there is none', async () => {
    const tried: string[] = [];
    const connect = task({
      name: 'connect',
      requires: { host: z.string() },
      provides: { via: z.string() },
      retry: ONCE,
      execute: ({ host }) => {
        tried.push(host);
        if (host !== 'c') throw new Error(`${host} is away`);
        return { via: host };
      },
    });
    const fixed = flow({
      name: 'fixed',
      body: withRetry(
        forEach({ values: ['a', 'b', 'c'], provides: 'host' }),
        linear('inner', connect),
      ),
    });
    expect(outputOf(await new Job(fixed).run())).toEqual({ host: 'c', via: 'c' });
    expect(tried).toEqual(['a', 'b', 'c']);
    const given = flow({
      name: 'given',
      input: z.object({ hosts: z.array(z.string()) }),
      body: withRetry(
        parameterizedForEach({ values: 'hosts', schema: z.string(), provides: 'host' }),
        linear('inner', connect),
      ),
    });
    expect(await new Job(given).run({ input: { hosts: ['x', 'y'] } })).toMatchObject({
      kind: 'failed',
      failure: { message: 'y is away' },
    });
  });

  test('sees in its history what failed, round by round, also after a crash', async () => {
    const seen: string[][] = [];
    const controller = () =>
      retryController({
        name: 'mine',
        onFailure: (_args, { history }) => {
          seen.push(
            history.map(
              ({ round, failures }) => `${round} ${failures.map(({ message }) => message).join()}`,
            ),
          );
          return history.length < 3 ? 'retry' : 'revert';
        },
      });
    const log: string[] = [];
    const createJob = () =>
      new Job(
        flow({ name: 'f', body: withRetry(controller(), linear('inner', failing(log, 'b', 9))) }),
      );
    await createJob().run();
    expect(seen.at(-1)).toEqual(['1 b fails, try 1', '2 b fails, try 2', '3 b fails, try 3']);
    expect((await compareCrashes(createJob)).different).toEqual([]);
  });

  test('that throws fails itself, and what is around it decides', async () => {
    const log: string[] = [];
    const controller = retryController({
      name: 'mine',
      onFailure: () => {
        throw new Error('no idea');
      },
    });
    const body = linear(
      'main',
      noting(log, 'a'),
      withRetry(controller, linear('inner', failing(log, 'b', 9))),
    );
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'failed' });
    expect(log).toEqual(['a', 'b', 'undo b', 'undo a']);
    expect(job.record('mine').failure?.message).toBe('no idea');
  });

  test('waits before the next round for what is left of the pause after a crash', async () => {
    const log: string[] = [];
    const createJob = () =>
      new Job(
        flow({
          name: 'f',
          body: withRetry(
            times({ attempts: 3, backoff: EXACT }),
            linear('inner', failing(log, 'b', 2)),
          ),
        }),
      );
    const calm = createJob();
    const startMs = calm.clock.nowUnixMs();
    await runWithCrash(calm, Number.POSITIVE_INFINITY);
    expect(calm.clock.nowUnixMs() - startMs).toBeGreaterThanOrEqual(3000);
    for (let crashAfter = 1; crashAfter <= calm.commits.length; crashAfter += 1) {
      const job = createJob();
      const fromMs = job.clock.nowUnixMs();
      expect(await runWithCrash(job, crashAfter)).toMatchObject({ kind: 'succeeded' });
      expect(job.clock.nowUnixMs() - fromMs).toBeLessThan(3100);
    }
  });

  test('ends the attempt when its pause is long, and says what it waits for', async () => {
    const log: string[] = [];
    const backoff = { ...EXACT, initialMs: 60_000 };
    const body = withRetry(times({ attempts: 2, backoff }), linear('inner', failing(log, 'b', 1)));
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({
      kind: 'waiting',
      reason: 'retry controller inner.retry waits for its next round',
    });
    expect(log).toEqual(['b', 'undo b']);
    await job.clock.advance(60_000);
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
  });

  test('starts no round after its total time', async () => {
    const log: string[] = [];
    const body = withRetry(
      times({ attempts: 50, backoff: EXACT, totalMs: 4000 }),
      linear('inner', failing(log, 'b', 99)),
    );
    const job = new Job(flow({ name: 'f', body }));
    expect(await runWithCrash(job, Number.POSITIVE_INFINITY)).toMatchObject({ kind: 'failed' });
    expect(log.filter((each) => each === 'b')).toHaveLength(3);
  });

  test('starts no round beyond the limit', async () => {
    const log: string[] = [];
    const controller = retryController({ name: 'mine', onFailure: () => 'retry' });
    const job = new Job(
      flow({ name: 'f', body: withRetry(controller, linear('inner', failing(log, 'b', 999))) }),
    );
    expect(await job.run()).toMatchObject({ kind: 'failed' });
    expect(log.filter((each) => each === 'b')).toHaveLength(LIMITS.roundsPerController);
  });

  test('starts no other round when something could not be reverted', async () => {
    const log: string[] = [];
    const stuck = task({
      name: 'stuck',
      retry: ONCE,
      execute: () => {
        log.push('stuck');
      },
      revert: () => {
        throw new Error('it sticks');
      },
    });
    const body = linear(
      'main',
      noting(log, 'a'),
      withRetry(times({ attempts: 3 }), linear('inner', stuck, failing(log, 'b', 9))),
    );
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'failed' });
    expect(log.filter((each) => each === 'b')).toHaveLength(1);
    expect(job.state('stuck')).toBe('revertFailure');
    expect(job.record('inner.retry').failure?.message).toMatch(/the revert of task stuck failed/);
  });

  test('that starts anew after a revival keeps what had succeeded and could not be reverted', async () => {
    const log: string[] = [];
    let isBroken = true;
    const stuck = task({
      name: 'stuck',
      retry: ONCE,
      execute: () => {
        log.push('stuck');
      },
      revert: () => {
        throw new Error('it sticks');
      },
    });
    const last = task({
      name: 'last',
      retry: ONCE,
      execute: () => {
        if (isBroken) throw new Error('broken');
      },
    });
    const createFlow = () =>
      flow({
        name: 'f',
        body: withRetry(times({ attempts: 1 }), linear('inner', noting(log, 'a'), stuck, last)),
      });
    const job = new Job(createFlow());
    expect(await job.run()).toMatchObject({ kind: 'failed' });
    expect(job.states()).toMatchObject({ a: 'success', stuck: 'revertFailure' });
    // What a revival does: failed and reverted tasks start afresh, results are kept.
    for (const record of job.records.values()) {
      if (record.state === 'success' && record.intention === 'execute') continue;
      const { tries } = record;
      const fresh = { state: 'pending', intention: 'execute', forgivenTries: tries } as const;
      job.records.set(record.name, { ...record, ...fresh, result: undefined, rounds: [] });
    }
    isBroken = false;
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(log).toEqual(['a', 'stuck', 'stuck']);
  });

  test('lets a scope beside it go on meanwhile', async () => {
    const log: string[] = [];
    const body = unordered(
      'both',
      withRetry(times({ attempts: 2, backoff: EXACT }), linear('one', failing(log, 'b', 1))),
      withRetry(times({ attempts: 2 }), linear('two', noting(log, 'x'), noting(log, 'y'))),
    );
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(log).not.toContain('undo x');
    expect(job.transitions.indexOf('y: running → success')).toBeLessThan(
      job.transitions.indexOf('one.retry: retrying → running'),
    );
  });

  test.each([
    ['succeeds in the end', 2],
    ['fails in the end', 9],
  ])('nested, crashed after any commit, %s as if nothing had happened', async (_name, rounds) => {
    const log: string[] = [];
    const createJob = () => {
      const inner = withRetry(
        times({ attempts: 2, provides: 'round' }),
        unordered('inner', noting(log, 'a'), failing(log, 'b', rounds), noting(log, 'c')),
      );
      const body = linear(
        'main',
        noting(log, 'first'),
        withRetry(
          times({ attempts: 2, name: 'outer' }),
          linear('middle', noting(log, 'second'), inner),
        ),
        noting(log, 'last'),
      );
      return new Job(flow({ name: 'f', body, output: ['round'] }));
    };
    const { result, different } = await compareCrashes(createJob, { concurrency: 2 });
    expect(result.kind).toBe(rounds === 2 ? 'succeeded' : 'failed');
    expect(result.kind === 'succeeded' && decodeJson(result.output)).toEqual(
      rounds === 2 && { round: 1 },
    );
    expect(different).toEqual([]);
  });
});
