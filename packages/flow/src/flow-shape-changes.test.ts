// The code of a flow changes under its jobs, and its version doesn't: what each change means for a job
// that has begun. The rules stand in RUNNING.md in the same order.

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { failing, ONCE } from './failing-task.fixture.ts';
import { flow } from './flow.ts';
import { map } from './map.ts';
import { graph, linear, unordered } from './pattern.ts';
import { begun, goOn, NAMES, redeployed } from './redeployed-job.fixture.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { noting, outputOf } from './run-harness.fixture.ts';
import { task } from './task.ts';

function size(log: string[], value: unknown = 1) {
  return task({
    name: 'size',
    provides: { size: z.any() },
    execute: () => {
      log.push('size');
      return { size: value };
    },
    revert: () => {
      log.push('undo size');
    },
  });
}

function show(log: string[], schema: z.ZodType = z.number()) {
  return task({
    name: 'show',
    retry: ONCE,
    requires: { size: schema },
    execute: ({ size: value }) => {
      log.push(`show ${String(value)}`);
    },
  });
}

describe('a task that was added', () => {
  test('runs, and what comes after it waits for it', async () => {
    const log: string[] = [];
    const [a, b, c] = [noting(log, 'a'), noting(log, 'b'), noting(log, 'c')];
    const job = await begun(linear('l', a, c), { a: 'success' });
    log.length = 0;
    const { result } = await goOn(job, linear('l', a, b, c));
    expect([result.kind, log]).toEqual(['succeeded', ['b', 'c']]);
  });

  test('runs also before what is done, which is not done anew', async () => {
    const log: string[] = [];
    const [a, b, c] = [noting(log, 'a'), noting(log, 'b'), noting(log, 'c')];
    const job = await begun(linear('l', a, c), { a: 'success' });
    log.length = 0;
    const { result } = await goOn(job, linear('l', b, a, c));
    expect([result.kind, log]).toEqual(['succeeded', ['b', 'c']]);
  });

  test('gives its values to those that have not run; who has seen the old ones keeps that', async () => {
    const log: string[] = [];
    const nearer = task({
      name: 'nearer',
      provides: { size: z.number() },
      execute: () => ({ size: 2 }),
    });
    const again = task({
      name: 'again',
      requires: { size: z.number() },
      execute: ({ size: value }) => {
        log.push(`again ${value}`);
      },
    });
    const job = await begun(linear('l', size(log), show(log), again), { show: 'success' });
    const { result } = await goOn(job, linear('l', size(log), nearer, show(log), again));
    expect([result.kind, log]).toEqual(['succeeded', ['size', 'show 1', 'again 2']]);
  });

  test('in a flow that is being reverted is not run', async () => {
    const log: string[] = [];
    const fails = failing(log, 'fails', 9);
    const job = await begun(linear('l', noting(log, 'a'), fails), { fails: 'failure' });
    log.length = 0;
    const { result } = await goOn(job, linear('l', noting(log, 'a'), noting(log, 'b'), fails));
    expect([result.kind, log]).toEqual(['failed', ['undo fails', 'undo a']]);
  });
});

describe('a task that was removed', () => {
  test('is left as it is: its record stays, and counts for nothing', async () => {
    const log: string[] = [];
    const [a, b, c] = [noting(log, 'a'), noting(log, 'b'), noting(log, 'c')];
    const job = await begun(linear('l', a, b, c), { a: 'success', b: 'success' });
    log.length = 0;
    const { result, job: later } = await goOn(job, linear('l', a, c));
    expect([result.kind, log, later.state('b')]).toEqual(['succeeded', ['c'], 'success']);
  });

  test('is not reverted when the flow fails', async () => {
    const log: string[] = [];
    const fails = failing(log, 'fails', 9);
    const job = await begun(linear('l', noting(log, 'a'), noting(log, 'b'), fails), {
      b: 'success',
    });
    log.length = 0;
    const { result, job: later } = await goOn(job, linear('l', noting(log, 'a'), fails));
    expect([result.kind, log]).toEqual(['failed', ['fails', 'undo fails', 'undo a']]);
    expect(later.state('b')).toBe('success');
  });

  test('has not failed: the flow goes on', async () => {
    const log: string[] = [];
    const fails = failing(log, 'fails', 9);
    const job = await begun(linear('l', noting(log, 'a'), fails, noting(log, 'b')), {
      fails: 'failure',
    });
    log.length = 0;
    const { result } = await goOn(job, linear('l', noting(log, 'a'), noting(log, 'b')));
    expect([result.kind, log]).toEqual(['succeeded', ['b']]);
  });

  test('leaves its value to the next provider, where there is one', async () => {
    const log: string[] = [];
    const outer = task({
      name: 'outer',
      provides: { size: z.number() },
      execute: () => ({ size: 7 }),
    });
    const job = await begun(linear('l', outer, size(log), show(log)), { size: 'success' });
    const { result } = await goOn(job, linear('l', outer, show(log)));
    expect([result.kind, log]).toEqual(['succeeded', ['size', 'show 7']]);
  });

  test('amid its revert is said to be left to be undone by hand', async () => {
    const log: string[] = [];
    const fails = failing(log, 'fails', 9);
    const stubborn = task({
      name: 'gone',
      execute: () => {},
      revert: () => {
        throw new Error('not yet');
      },
    });
    const job = await begun(linear('l', stubborn, fails), { gone: 'reverting' });
    const { result, job: later } = await goOn(job, linear('l', fails));
    expect([result.kind, later.state('gone')]).toEqual(['failed', 'revertFailure']);
  });
});

test('a task that was renamed is one that was removed and one that was added', async () => {
  const log: string[] = [];
  const fails = failing(log, 'fails', 9);
  const job = await begun(linear('l', noting(log, 'old'), fails), { old: 'success' });
  const { result } = await goOn(job, linear('l', noting(log, 'new'), fails));
  expect([result.kind, log]).toEqual(['failed', ['old', 'new', 'fails', 'undo fails', 'undo new']]);
});

describe('a task that provides something else now', () => {
  test('is not run again; who has not run yet judges what it had provided', async () => {
    const log: string[] = [];
    const job = await begun(linear('l', size(log, 'large'), show(log)), { size: 'success' });
    const { result, job: later } = await goOn(job, linear('l', size(log, 3), show(log)));
    // A wrong value is a failure like any other, and says which value it is. Nothing is left half done.
    expect(result).toMatchObject({
      kind: 'failed',
      failure: { task: 'show', message: expect.stringContaining('requires.size') },
    });
    expect([log, later.states()]).toEqual([
      ['size', 'undo size'],
      { size: 'reverted', show: 'reverted' },
    ]);
  });

  test('does no harm where the old value does for those who read it', async () => {
    const log: string[] = [];
    const job = await begun(linear('l', size(log, '5'), show(log)), { size: 'success' });
    const { result } = await goOn(job, linear('l', size(log, 3), show(log, z.coerce.number())));
    expect([result.kind, log]).toEqual(['succeeded', ['size', 'show 5']]);
  });

  test('leaves out a value that it had not provided then', async () => {
    const log: string[] = [];
    const both = task({
      name: 'size',
      provides: { size: z.number(), unit: z.string() },
      execute: () => ({ size: 1, unit: 'cm' }),
    });
    const read = task({
      name: 'read',
      requires: { unit: z.string().default('mm') },
      execute: ({ unit }) => {
        log.push(unit);
      },
    });
    const job = await begun(linear('l', size([]), noting([], 'end')), { size: 'success' });
    const { result } = await goOn(job, linear('l', both, read));
    expect([result.kind, log]).toEqual(['succeeded', ['mm']]);
  });
});

describe('a task that was moved', () => {
  test('to another pattern counts there, whatever comes before it now', async () => {
    const log: string[] = [];
    const [a, b, c] = [noting(log, 'a'), noting(log, 'b'), noting(log, 'c')];
    const job = await begun(linear('l', a, b, c), { a: 'success' });
    log.length = 0;
    const { result } = await goOn(
      job,
      linear('l', unordered('u', b, c), graph('g', { tasks: [a] })),
    );
    expect([result.kind, log.toSorted()]).toEqual(['succeeded', ['b', 'c']]);
  });

  test('under a retry controller, or out from under it, counts there', async () => {
    const log: string[] = [];
    const a = noting(log, 'a');
    const bare = linear('l', a, noting(log, 'b'));
    const controlled = linear(
      'l',
      withRetry(times({ attempts: 2, name: 'r' }), linear('i', a)),
      noting(log, 'b'),
    );
    const into = await goOn(await begun(bare, { a: 'success' }), controlled);
    const out = await goOn(await begun(controlled, { a: 'success' }), bare);
    expect([into.result.kind, out.result.kind]).toEqual(['succeeded', 'succeeded']);
    expect(log).toEqual(['a', 'b', 'a', 'b']);
  });

  test('into a map, or out of it, is another task', async () => {
    const log: string[] = [];
    const request = { input: { names: ['x', 'y'] } };
    const [a, b] = [noting(log, 'a'), noting(log, 'b')];
    const mapped = linear('l', map('m', { over: 'names', as: 'name', body: a }), b);
    const into = await goOn(
      await begun(linear('l', a, b), { a: 'success' }, request),
      mapped,
      request,
    );
    expect([into.result.kind, log]).toEqual(['succeeded', ['a', 'a', 'a', 'b']]);
    log.length = 0;
    const job = await begun(mapped, { 'a[0]': 'success', 'a[1]': 'success' }, request);
    const out = await goOn(job, linear('l', a, b), request);
    expect([out.result.kind, log]).toEqual(['succeeded', ['a', 'a', 'a', 'b']]);
  });
});

test('an output that is another one now is made of what is recorded', async () => {
  const log: string[] = [];
  const body = linear('l', size(log), noting(log, 'end'));
  const job = await begun(body, { size: 'success' });
  const next = flow({ name: 'f', input: NAMES, body, output: ['size'] });
  expect(outputOf(await redeployed(job, next).run())).toEqual({ size: 1 });
});
