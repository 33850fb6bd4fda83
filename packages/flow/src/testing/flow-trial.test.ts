import { readFile } from 'node:fs/promises';
import { RetryLaterError, sleep, TerminalError, VirtualClock } from '@holdfast/core';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { waitFor } from '../event-wait.ts';
import { type Flow, flow } from '../flow.ts';
import { linear, unordered } from '../pattern.ts';
import { sleep as sleepFor } from '../sleep.ts';
import { task } from '../task.ts';
import { type FlowTrial, testFlow } from './index.ts';

const reserve = task({
  name: 'reserve',
  requires: { order: z.number() },
  provides: { seat: z.string() },
  execute: ({ order }) => ({ seat: `seat-${order}` }),
  revert: () => undefined,
});
const charge = task({
  name: 'charge',
  requires: { seat: z.string() },
  provides: { receipt: z.string() },
  retry: { attempts: 3, backoff: { initialMs: 1000, jitter: 0 } },
  timeoutMs: 10_000,
  execute: ({ seat }) => ({ receipt: `paid ${seat}` }),
});
const order: Flow<{ order: number }, { seat: string; receipt: string }> = flow({
  name: 'order',
  input: z.object({ order: z.number() }),
  body: linear('main', reserve, charge),
});

describe('a flow on trial', () => {
  test('gives its output with the types of the flow', async () => {
    const trial = await testFlow(order, { input: { order: 7 } });
    expectTypeOf(trial).toEqualTypeOf<FlowTrial<{ seat: string; receipt: string }>>();
    expect(trial.kind).toBe('succeeded');
    expect(trial.output).toEqual({ seat: 'seat-7', receipt: 'paid seat-7' });
    expect(trial).toMatchObject({ attempts: 1, failure: undefined });
  });

  test('traces the states of its tasks as lines', async () => {
    const { trace } = await testFlow(order, { input: { order: 7 } });
    expect(trace.text).toBe(
      'reserve: pending -> running\nreserve: running -> success\n' +
        'charge: pending -> running\ncharge: running -> success\n',
    );
    expect(trace.lines).toHaveLength(trace.events.length);
  });

  test('tells of each task its state, result, record and calls', async () => {
    const trial = await testFlow(order, { input: { order: 7 }, fail: { charge: 1 } });
    const { state, result, record, calls, executions, reverts } = trial.task('charge');
    expect({ state, result, executions, reverts }).toEqual({
      state: 'success',
      result: { receipt: 'paid seat-7' },
      executions: 2,
      reverts: 0,
    });
    expect(record.tries).toBe(2);
    expect(calls.map(({ kind, try: tryNumber, args }) => ({ kind, tryNumber, args }))).toEqual([
      { kind: 'execute', tryNumber: 1, args: { seat: 'seat-7' } },
      { kind: 'execute', tryNumber: 2, args: { seat: 'seat-7' } },
    ]);
    expect(calls[1]?.idempotencyKey).toBe('test-job/charge/2');
  });

  test('tells of what never began', async () => {
    const trial = await testFlow(order, {
      input: { order: 7 },
      fail: { reserve: new TerminalError('x') },
    });
    expect(trial.task('charge')).toMatchObject({ state: 'pending', calls: [], result: undefined });
    expect(() => trial.task('chrage')).toThrow(/"chrage".*reserve, charge/);
  });

  test('fails for a bad input as a job would', async () => {
    const trial = await testFlow(order, {
      input: { order: 'seven' as unknown as number }, // what a caller without types may send
    });
    expect(trial).toMatchObject({ kind: 'failed', failure: { type: 'InvalidArgumentError' } });
    expect(trial.failure?.message).toContain('input.order');
  });

  test('says what happened where an output is asked for that is not there', async () => {
    const trial = await testFlow(order, { input: { order: 7 }, fail: { charge: new Error('no') } });
    expect(() => trial.output).toThrow(
      /has no output: it failed in task charge: Error: no\nreserve/,
    );
  });

  test('notes the non-fatal errors of its tasks', async () => {
    const warn = task({
      name: 'warn',
      execute: (_args, ctx) => ctx.recordError(new RangeError('too\n hot')),
    });
    const { trace } = await testFlow(flow({ name: 'f', body: warn }));
    expect(trace.lines).toContain('warn: reports RangeError: too hot');
  });
});

describe('the input of a flow on trial', () => {
  test('has to be there where the flow needs one, and has its type', () => {
    // None of these is called: it is the compiler that is asked.
    const wrong = (): void => {
      // @ts-expect-error The flow needs an input.
      void testFlow(order);
      // @ts-expect-error An order is a number.
      void testFlow(order, { input: { order: 'x' } });
      void testFlow(flow({ name: 'f', body: task({ name: 'a', execute() {} }) }));
    };
    expect(wrong).toBeTypeOf('function');
  });
});

describe('failures that a test asks for', () => {
  test('a number fails the first tries, with pauses that take no real time', async () => {
    const trial = await testFlow(order, { input: { order: 7 }, fail: { charge: 2 } });
    expect(trial.output.receipt).toBe('paid seat-7');
    expect(trial.elapsedMs).toBeGreaterThanOrEqual(3000);
    expect(trial.trace.lines.slice(2)).toEqual([
      'charge: pending -> running',
      'charge: running -> pending',
      'charge: pending -> running',
      'charge: running -> pending',
      'charge: pending -> running',
      'charge: running -> success',
    ]);
  });

  test('an error fails every try, and the flow is reverted', async () => {
    const trial = await testFlow(order, {
      input: { order: 7 },
      fail: { charge: new RangeError('no funds') },
    });
    expect(trial.failure).toMatchObject({ type: 'RangeError', task: 'charge' });
    expect(trial.task('charge').executions).toBe(3);
    expect(trial.task('reserve')).toMatchObject({ state: 'reverted', reverts: 1 });
  });

  test('a rule names the tries, makes the errors, and says whether the work is done first', async () => {
    const done: number[] = [];
    const work = task({
      name: 'work',
      execute: (_args, ctx) => void done.push(ctx.try),
    });
    const one = flow({ name: 'f', body: work, retry: { attempts: 4 } });
    const error = (tryNumber: number): Error => new Error(`try ${tryNumber} is unlucky`);
    const trial = await testFlow(one, { fail: { work: { tries: [1, 3], error, when: 'after' } } });
    expect(trial.task('work').executions).toBe(2);
    expect(done).toEqual([1, 2]);
    const before = await testFlow(one, { fail: { work: { tries: [1], error } } });
    expect(done).toEqual([1, 2, 2]);
    expect(before.task('work').record.failure).toBeUndefined();
  });

  test('what is thrown keeps its meaning: final, or later', async () => {
    const final = await testFlow(order, {
      input: { order: 7 },
      fail: { charge: new TerminalError('never') },
    });
    expect(final.task('charge').executions).toBe(1);
    const later = await testFlow(order, {
      input: { order: 7 },
      fail: { charge: { tries: 1, error: new RetryLaterError('busy', { afterMs: 3_600_000 }) } },
    });
    expect(later.kind).toBe('succeeded');
    expect(later.elapsedMs).toBeGreaterThanOrEqual(3_600_000);
  });

  test('a wait that is too long for one attempt is passed over by another', async () => {
    const { attempts, trace } = await testFlow(order, {
      input: { order: 7 },
      fail: { charge: { tries: 1, error: new RetryLaterError('busy', { afterMs: 86_400_000 }) } },
    });
    expect(attempts).toBe(2);
    expect(trace.lines).toContain('--- attempt 2');
  });

  test('a revert can fail too', async () => {
    const trial = await testFlow(order, {
      input: { order: 7 },
      fail: { charge: new TerminalError('no') },
      failRevert: { reserve: new TerminalError('stuck') },
    });
    expect(trial.task('reserve')).toMatchObject({ state: 'revertFailure', reverts: 1 });
  });

  test.each([
    [{ fail: { chrage: 1 } }, /fail: "chrage".*a task of flow order: reserve, charge/],
    [{ stub: { x: {} } }, /stub: "x"/],
    [{ fail: { charge: 0 } }, /fail\.charge/],
    [{ delay: { charge: -1 } }, /delay\.charge\.execute/],
    [{ seed: 0.5 }, /seed/],
    [{ crashAfter: -1 }, /crashAfter/],
  ])('%j is refused with what is allowed', async (options, message) => {
    await expect(testFlow(order, { input: { order: 7 }, ...options })).rejects.toThrow(message);
  });
});

describe('delays', () => {
  test('take virtual time only, and run into timeouts', async () => {
    const slow = await testFlow(order, { input: { order: 7 }, delay: { charge: 9999 } });
    expect(slow.kind).toBe('succeeded');
    expect(slow.elapsedMs).toBeGreaterThanOrEqual(9999);
    const late = await testFlow(order, { input: { order: 7 }, delay: { charge: 10_001 } });
    expect(late.failure?.message).toContain('longer than its timeout');
  });

  test('of one task let another one go first', async () => {
    const a = task({ name: 'a', execute() {} });
    const b = task({ name: 'b', execute() {} });
    const both = flow({ name: 'f', body: unordered('main', a, b) });
    const { trace } = await testFlow(both, { delay: { a: 50 } });
    expect(trace.lines.indexOf('b: running -> success')).toBeLessThan(
      trace.lines.indexOf('a: running -> success'),
    );
  });

  test('of a revert and of commits count as well', async () => {
    const trial = await testFlow(order, {
      input: { order: 7 },
      fail: { charge: new TerminalError('no') },
      delay: { reserve: { revert: 500 } },
      commitMs: 40,
    });
    expect(trial.task('reserve').state).toBe('reverted');
    expect(trial.elapsedMs).toBeGreaterThanOrEqual(540);
  });
});

describe('stubs', () => {
  test('a value stands in for execute, and its schema is still asked', async () => {
    const trial = await testFlow(order, {
      input: { order: 7 },
      stub: { charge: { execute: { receipt: 'r-1' } } },
    });
    expect(trial.output.receipt).toBe('r-1');
    const wrong = await testFlow(order, {
      input: { order: 7 },
      stub: { charge: { execute: { receipt: 1 } } },
    });
    expect(wrong.failure?.message).toContain('provides.receipt');
  });

  test('functions stand in for execute and revert', async () => {
    const undone: unknown[] = [];
    const trial = await testFlow(order, {
      input: { order: 7 },
      stub: {
        reserve: {
          execute: ({ order: number }: { order: number }) => ({ seat: `stub-${number}` }),
          revert: (_args: object, ctx: { result: unknown }) => undone.push(ctx.result),
        },
      },
      fail: { charge: new TerminalError('no') },
    });
    expect(undone).toEqual([{ seat: 'stub-7' }]);
    expect(trial.task('charge').calls[0]?.args).toEqual({ seat: 'stub-7' });
  });
});

describe('a crash that a test asks for', () => {
  test('leaves what was durable, and is resumed from there', async () => {
    const crashed = await testFlow(order, { input: { order: 7 }, crashAfter: 1 });
    expect(crashed).toMatchObject({ kind: 'crashed', commits: 1 });
    expect(crashed.task('reserve').state).toBe('success');
    expect(() => crashed.output).toThrow('it has crashed');
    const resumed = await crashed.resume();
    expect(resumed.output).toEqual({ seat: 'seat-7', receipt: 'paid seat-7' });
    expect(resumed.task('reserve').executions).toBe(1);
    expect(resumed.trace.lines).toContain('--- crash after commit 1');
    expect(resumed.trace.lines).toContain('--- attempt 2');
  });

  test('before any commit leaves nothing', async () => {
    const crashed = await testFlow(order, { input: { order: 7 }, crashAfter: 0 });
    expect(crashed).toMatchObject({ kind: 'crashed', commits: 0 });
    expect(crashed.task('reserve').state).toBe('pending');
    expect((await crashed.resume()).task('reserve').executions).toBe(2);
  });

  test('that comes too late does not come', async () => {
    const calm = await testFlow(order, { input: { order: 7 } });
    const trial = await testFlow(order, { input: { order: 7 }, crashAfter: calm.commits });
    expect(trial.kind).toBe('succeeded');
    await expect(trial.resume()).rejects.toThrow('the flow has succeeded');
  });

  test('can be followed by other scripts, and by another crash', async () => {
    const first = await testFlow(order, { input: { order: 7 }, crashAfter: 1 });
    const second = await first.resume({ fail: { charge: 1 }, crashAfter: 1 });
    expect(second.kind).toBe('crashed');
    const last = await second.resume({ fail: {} });
    expect(last.kind).toBe('succeeded');
    expect(last.attempts).toBe(3);
  });

  test('tells what runs to stop, and notes nothing of it any more', async () => {
    const clock = new VirtualClock();
    const long = task({
      name: 'long',
      execute: (_args, { signal }) => sleep(clock, 60_000, { signal }),
    });
    const quick = task({ name: 'quick', execute() {} });
    const after = task({ name: 'after', execute() {} });
    const both = flow({
      name: 'f',
      body: unordered('both', long, linear('line', quick, after)),
    });
    const crashed = await testFlow(both, { clock, crashAfter: 1 });
    expect(crashed.kind).toBe('crashed');
    expect(crashed.trace.lines.at(-1)).toBe('--- crash after commit 1');
    expect(crashed.elapsedMs).toBeLessThan(60_000);
    expect((await crashed.resume()).kind).toBe('succeeded');
  });
});

describe('signals', () => {
  const approved = flow({
    name: 'approved',
    body: linear(
      'main',
      sleepFor('cool-down', { ms: 86_400_000 }),
      waitFor('approval', { event: 'approve', provides: 'approval', timeoutMs: 604_800_000 }),
    ),
  });

  test('arrive when the test sends them, while nobody waits for them or somebody does', async () => {
    for (const afterMs of [0, 1000, 90_000_000]) {
      const signals = [{ name: 'approve', payload: { by: 'Ada' }, afterMs }];
      const trial = await testFlow(approved, { signals });
      expect(trial.output).toEqual({ approval: { by: 'Ada' } });
      expect(trial.elapsedMs).toBe(Math.max(afterMs, 86_400_000));
    }
  });

  test('that come too late are not waited for, and those that never come end the trial', async () => {
    const late = await testFlow(approved, {
      signals: [{ name: 'approve', afterMs: 86_400_000 + 604_800_001 }],
    });
    expect(late.failure?.message).toContain('604800000 ms');
    const patient = flow({ name: 'f', body: waitFor('approval', { event: 'approve' }) });
    const trial = await testFlow(patient);
    expect(trial.kind).toBe('waiting');
    expect((await trial.resume({ signals: [{ name: 'approve' }] })).kind).toBe('succeeded');
  });
});

describe('time', () => {
  test('stands still while a task really does something', async () => {
    const read = task({
      name: 'read',
      timeoutMs: 1,
      provides: { bytes: z.number() },
      execute: async () => ({ bytes: (await readFile(new URL(import.meta.url))).length }),
    });
    const trial = await testFlow(flow({ name: 'f', body: read }));
    expect(trial.output['bytes']).toBeGreaterThan(100);
  });

  test('goes on when the patience is used up', async () => {
    const stuck = task({
      name: 'stuck',
      timeoutMs: 5000,
      retry: { attempts: 1 },
      execute: () => new Promise<void>(() => undefined),
    });
    const trial = await testFlow(flow({ name: 'f', body: stuck }), { patienceMs: 5 });
    expect(trial.failure?.message).toContain('longer than its timeout of 5000 ms');
  });

  test('that nothing can move is an error, not a test that hangs', async () => {
    const stuck = task({ name: 'stuck', execute: () => new Promise<void>(() => undefined) });
    const trial = testFlow(flow({ name: 'f', body: stuck }), { patienceMs: 5 });
    await expect(trial).rejects.toThrow('the run waits, and no timer is left');
  });

  test('the same seed gives the same times, another one others', async () => {
    const jittery = task({ name: 'a', retry: { backoff: { jitter: 1 } }, execute() {} });
    const one = flow({ name: 'f', body: jittery });
    const timesOf = async (seed?: number): Promise<readonly number[]> =>
      (await testFlow(one, { fail: { a: 2 }, seed })).trace.events.map(({ atMs }) => atMs);
    expect(await timesOf()).toEqual(await timesOf(1));
    expect(await timesOf(2)).not.toEqual(await timesOf(1));
  });
});
