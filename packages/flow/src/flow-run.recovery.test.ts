// Reverts and rounds where something else comes in between: a cancel, a crash, another version of the flow.
import { sleep } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { failing, ONCE } from './failing-task.fixture.ts';
import { flow } from './flow.ts';
import { link } from './link.ts';
import { graph, linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { retryController, times } from './retry-rounds.ts';
import { compareCrashes, Job, noting } from './run-harness.fixture.ts';
import { task } from './task.ts';

/** Passes the same records on to another version of the flow. */
function redeploy(job: Job, next: Job): Job {
  for (const [name, record] of job.records) next.records.set(name, record);
  next.attempt = job.attempt;
  return next;
}

describe('a cancel with revert', () => {
  test.each(['while its last task runs', 'amid the revert'])(
    'of a flow that was to be reverted in part reverts all of it: %s',
    async (when) => {
      const log: string[] = [];
      const cancel = new AbortController();
      const enough = (): void => cancel.abort(new Error('enough'));
      const holder: { job?: Job } = {};
      const a = task({
        name: 'a',
        execute: () => {
          log.push('a');
        },
        revert: () => {
          log.push('undo a');
          if (when === 'amid the revert') enough();
        },
      });
      const slow = task({
        name: 'slow',
        execute: async () => {
          if (holder.job) await sleep(holder.job.clock, 100);
          if (when !== 'amid the revert') enough();
        },
      });
      const inner = withRetry(
        times({ attempts: 1, escalates: false }),
        linear('inner', a, failing(log, 'b', 9)),
      );
      const body = linear('main', noting(log, 'before'), unordered('both', slow, inner));
      const job = new Job(flow({ name: 'f', body }));
      holder.job = job;
      expect(await job.run({ cancel: cancel.signal })).toMatchObject({
        kind: 'failed',
        failure: { message: 'enough' },
      });
      expect(log).toEqual(['before', 'a', 'b', 'undo b', 'undo a', 'undo before']);
      expect(new Set(Object.values(job.states()))).toEqual(new Set(['reverted']));
    },
  );
});

describe('a revert', () => {
  test('in a further round has all the tries that its policy gives it', async () => {
    const log: string[] = [];
    let reverts = 0;
    const a = task({
      name: 'a',
      revertRetry: { attempts: 2, backoff: { initialMs: 10, factor: 1, maxMs: 10, jitter: 0 } },
      execute: () => undefined,
      revert: (_args, ctx) => {
        reverts += 1;
        log.push(ctx.idempotencyKey);
        if (reverts % 2 === 1) throw new Error('locked');
      },
    });
    const body = withRetry(times({ attempts: 3 }), linear('inner', a, failing([], 'b', 2)));
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(log).toEqual([1, 2, 3, 4].map((number) => `job-1/a/revert/${number}`));
    expect(job.record('a')).toMatchObject({ revertTries: 4, forgivenRevertTries: 4 });
  });
});

describe('a round', () => {
  test('starts only once everything in its scope is reverted durably', async () => {
    const holder: { job?: Job } = {};
    const seen: unknown[] = [];
    const controller = retryController({
      name: 'r',
      execute: () => {
        seen.push(holder.job?.state('a'));
      },
      onFailure: () => 'retry',
    });
    const body = withRetry(controller, linear('inner', noting([], 'a'), failing([], 'b', 1)));
    const job = new Job(flow({ name: 'f', body }));
    holder.job = job;
    const commitMs = 50;
    await job.run({ beforeCommit: () => sleep(job.clock, commitMs) });
    expect(seen).toEqual([undefined, 'reverted']);
  });

  test('of what has failed around a scope is decided there, and nobody asks the scope within', async () => {
    const asked: string[] = [];
    const controller = (name: string) =>
      retryController({
        name,
        onFailure: (_args, { history }) => {
          asked.push(name);
          return history.length < 2 ? 'retry' : 'revert';
        },
      });
    const holder: { job?: Job } = {};
    const failingAfter = (name: string, ms: number) =>
      task({
        name,
        retry: ONCE,
        execute: async (_args, ctx) => {
          if (holder.job) await sleep(holder.job.clock, ms);
          if (ctx.try === 1) throw new Error(`${name} fails`);
        },
      });
    const late = failingAfter('late', 100);
    const inner = withRetry(controller('inner'), linear('i', late, noting([], 'c')));
    const body = withRetry(controller('outer'), unordered('o', failingAfter('b', 50), inner));
    const job = new Job(flow({ name: 'f', body }));
    holder.job = job;
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(asked).toEqual(['outer']);
  });

  test('makes pending what a decider had kept from running after the scope, after a crash too', async () => {
    const createJob = () => {
      const say = task({
        name: 'say',
        requires: { round: z.number() },
        provides: { said: z.number() },
        execute: ({ round }) => ({ said: round }),
      });
      const [q, z0] = [noting([], 'q'), noting([], 'z')];
      const last = task({
        name: 'last',
        retry: ONCE,
        execute: async (_args, ctx) => {
          await sleep(job.clock, 100);
          if (ctx.try === 1) throw new Error('not in the first round');
        },
      });
      const decide = (results: Readonly<Record<string, { said?: unknown }>>): boolean =>
        results['say']?.said === 2;
      const inner = graph('inner', {
        tasks: [say, q, last],
        links: [link(say, q, { decide, depth: 'all' })],
      });
      const scope = withRetry(times({ attempts: 2, provides: 'round' }), inner);
      const job = new Job(flow({ name: 'f', body: linear('main', scope, z0), output: [] }));
      return job;
    };
    const { calm, result, different } = await compareCrashes(createJob);
    expect(calm.transitions).toContain('z: pending → ignore');
    expect(result.kind).toBe('succeeded');
    expect(calm.states()).toMatchObject({ q: 'success', z: 'success' });
    expect(different).toEqual([]);
  });
});

describe('a flow that is being reverted', () => {
  test('waits for its reverts, and no longer for tries that there will not be', async () => {
    const pause = (ms: number) => ({
      attempts: 2,
      backoff: { initialMs: ms, factor: 1, maxMs: ms, jitter: 0 },
    });
    const patient = task({
      name: 'patient',
      retry: pause(60_000),
      execute: () => {
        throw new Error('not yet');
      },
    });
    const sticky = task({
      name: 'sticky',
      revertRetry: pause(3_600_000),
      execute: () => undefined,
      revert: () => {
        throw new Error('it sticks');
      },
    });
    const body = unordered('main', patient, linear('row', sticky, failing([], 'b', 9)));
    const job = new Job(flow({ name: 'f', body }));
    const fromMs = job.clock.nowUnixMs();
    expect(await job.run()).toMatchObject({
      kind: 'waiting',
      untilUnixMs: fromMs + 3_600_000,
      reason: 'the revert of task sticky waits for try 2 after Error: it sticks',
    });
  });

  test('reverts what a task was built on once its own revert is durable, not only begun', async () => {
    const holder: { job?: Job } = {};
    const seen: unknown[] = [];
    const wait = async (ms: number): Promise<void> => {
      if (holder.job) await sleep(holder.job.clock, ms);
    };
    const a = task({
      name: 'a',
      execute: () => undefined,
      revert: () => {
        seen.push(holder.job?.state('b'));
      },
    });
    // Its revert ends while the mark that it began is being written.
    const b = task({ name: 'b', execute: () => undefined, revert: () => wait(20) });
    const body = linear('main', a, b, failing([], 'c', 9));
    const job = new Job(flow({ name: 'f', body }));
    holder.job = job;
    await job.run({ beforeCommit: () => wait(50) });
    expect(seen).toEqual(['reverted']);
  });
});

describe('another version of the flow', () => {
  test('runs a task that was reverted in an earlier round and lies in no scope any more', async () => {
    const log: string[] = [];
    const suspend = new AbortController();
    const first = task({
      name: 'first',
      execute: (_args, ctx) => {
        if (ctx.try === 2) suspend.abort();
      },
    });
    const [a, b] = [noting(log, 'a'), failing(log, 'b', 1)];
    const controller = times({ attempts: 3, name: 'r' });
    const old = new Job(
      flow({ name: 'f', body: withRetry(controller, linear('inner', first, a, b)) }),
    );
    expect(await old.run({ suspend: suspend.signal })).toMatchObject({ kind: 'suspended' });
    expect(old.states()).toMatchObject({ r: 'success', a: 'reverted', b: 'reverted' });
    const body = linear('main', withRetry(controller, linear('inner', first, b)), a);
    expect(await redeploy(old, new Job(flow({ name: 'f', body }))).run()).toMatchObject({
      kind: 'succeeded',
    });
    expect(log).toEqual(['a', 'b', 'undo b', 'undo a', 'b', 'a']);
  });

  test('goes on reverting what its controller had given up, although it has that no more', async () => {
    const log: string[] = [];
    const suspend = new AbortController();
    const a = task({
      name: 'a',
      execute: () => undefined,
      revert: () => suspend.abort(),
    });
    const [before, b] = [noting(log, 'before'), failing(log, 'b', 9)];
    const scope = withRetry(times({ attempts: 1 }), linear('inner', a, b));
    const old = new Job(flow({ name: 'f', body: linear('main', before, scope) }));
    expect(await old.run({ suspend: suspend.signal })).toMatchObject({ kind: 'suspended' });
    expect(old.states()).toMatchObject({ a: 'reverted', b: 'reverted', before: 'success' });
    const job = new Job(flow({ name: 'f', body: linear('main', before, a, b) }));
    expect(await redeploy(old, job).run()).toMatchObject({
      kind: 'failed',
      failure: { message: 'b fails' },
    });
    expect(log).toEqual(['before', 'b', 'undo b', 'undo before']);
  });
});
