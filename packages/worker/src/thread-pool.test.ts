import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  FailedPreconditionError,
  HoldfastError,
  InvalidArgumentError,
  LIMITS,
  RetryLaterError,
  silentLogger,
  TerminalError,
  toFailure,
  UnavailableError,
  VirtualClock,
} from '@holdfast/core';
import type { TaskContext, TaskDefinition } from '@holdfast/flow';
import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import type { z } from 'zod';
import { type LogLine, recordingLogger } from './test-fleet.fixture.ts';
import { ThreadDiedError } from './thread-call.ts';
import { THREAD_ABORT_GRACE_MS } from './thread-context.ts';
import { createCells, GO, TURNS, untilTurning } from './thread-functions.fixture.ts';
import { ThreadPool, type ThreadPoolOptions } from './thread-pool.ts';

// Real threads, on a machine that may be busy.
vi.setConfig({ testTimeout: 30_000 });

const FUNCTIONS = new URL('./thread-functions.fixture.ts', import.meta.url);

const opened = new Set<ThreadPool>();

afterEach(async () => {
  await Promise.all([...opened].map((pool) => pool.stop()));
  opened.clear();
});

async function startPool(options: ThreadPoolOptions = {}): Promise<ThreadPool> {
  const pool = new ThreadPool({ threads: 1, ...options });
  opened.add(pool);
  await pool.start();
  return pool;
}

/** Runs a function of the fixture. */
async function call(
  pool: ThreadPool,
  exportName: string,
  { args = {}, ctx = {} }: { readonly args?: unknown; readonly ctx?: Partial<TaskContext> } = {},
): Promise<unknown> {
  return await pool.run<unknown, unknown>(FUNCTIONS, { exportName })(args, createContext(ctx));
}

async function failureOf(failing: Promise<unknown>): Promise<Error> {
  const error = await failing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof Error) return error;
  throw new Error(`not an error: ${String(error)}`);
}

function createContext(overrides: Partial<TaskContext> = {}): TaskContext {
  return {
    signal: new AbortController().signal,
    idempotencyKey: 'job/resize/2',
    fence: 12_345_678_901_234_567_890n,
    attempt: 3,
    try: 2,
    jobId: 'job',
    task: 'resize',
    log: silentLogger,
    progress: () => undefined,
    heartbeat: () => undefined,
    recordError: () => undefined,
    ...overrides,
  };
}

describe('a function in a thread', () => {
  test('gets its values and gives its result', async () => {
    const pool = await startPool();
    expect(await call(pool, 'double', { args: { count: 21 } })).toEqual({ count: 42 });
  });

  test('gets the data of its context', async () => {
    const { idempotencyKey, fence, attempt, try: tries, jobId, task: name } = createContext();
    expect(await call(await startPool(), 'describeContext')).toEqual({
      ...{ idempotencyKey, fence, attempt, try: tries, jobId, task: name },
    });
  });

  test('leaves the event loop of its worker alone', async () => {
    const pool = await startPool();
    const cells = createCells();
    const spinning = call(pool, 'spin', { args: { cells } });
    await untilTurning(cells); // By timers: they fire while the loop runs.
    Atomics.store(cells, GO, 1);
    await expect(spinning).resolves.toMatchObject({ turns: expect.any(Number) });
  });

  test('tells progress, life and errors at a bounded rate, the last progress always', async () => {
    const pool = await startPool();
    const cells = createCells();
    const told: unknown[] = [];
    const errors: unknown[] = [];
    const heard = Promise.withResolvers<void>();
    const spinning = call(pool, 'spinLoudly', {
      args: { cells, from: 0.5 },
      ctx: {
        progress: (fraction, message) => {
          told.push([fraction, message]);
          if (told.length === 2) heard.resolve();
        },
        heartbeat: () => told.push('heartbeat'),
        recordError: (error) => errors.push(error),
      },
    });
    await heard.promise;
    await untilTurning(cells, 1000);
    Atomics.store(cells, GO, 1);
    await spinning;
    expect(told.at(-1)).toEqual([1, 'done']);
    expect(told.length).toBeLessThan(Atomics.load(cells, TURNS) / 2);
    expect(errors).toHaveLength(LIMITS.errorsPerTask);
    expect(toFailure(errors[0])).toMatchObject({ type: 'RangeError', message: 'error 0' });
  });

  test('fails when it tells what the context refuses', async () => {
    const pool = await startPool();
    const refuse = (): never => {
      throw new RangeError('7 is no fraction');
    };
    const cells = createCells();
    const spinning = call(pool, 'spinLoudly', {
      args: { cells, from: 7 },
      ctx: { progress: refuse },
    });
    await expect(spinning).rejects.toThrow(new RangeError('7 is no fraction'));
  });

  test('has to be exported', async () => {
    const pool = await startPool();
    for (const exportName of ['missing', 'notAFunction', 'default']) {
      const error = await failureOf(call(pool, exportName));
      expect(error).toBeInstanceOf(TerminalError);
      expect(error.message).toContain(`exports no function ${exportName}`);
    }
  });

  test('is named by a file URL', async () => {
    const pool = await startPool();
    expect(() => pool.run(new URL('https://example.com/resize.js'))).toThrow(InvalidArgumentError);
  });

  test('type-checks against what its task requires and provides', () => {
    type Resize = TaskDefinition<
      'resize',
      { width: z.ZodNumber },
      { bytes: z.ZodNumber }
    >['execute'];
    expectTypeOf<
      ReturnType<typeof ThreadPool.prototype.run<{ width: number }, { bytes: number }>>
    >().toExtend<Resize>();
    expectTypeOf<
      ReturnType<typeof ThreadPool.prototype.run<{ width: string }, { bytes: number }>>
    >().not.toExtend<Resize>();
    expectTypeOf<
      ReturnType<typeof ThreadPool.prototype.run<{ width: number }, { bytes: string }>>
    >().not.toExtend<Resize>();
  });
});

describe('what is thrown in a thread', () => {
  test('keeps name, message, stack, causes, and the names of its classes', async () => {
    const error = await failureOf(call(await startPool(), 'throwQuota'));
    expect(toFailure(error)).toEqual({
      type: 'disk-quota',
      message: 'the disk is full',
      stack: expect.stringMatching(/the disk is full[^]*throwQuota[^]*thread-functions/),
      causes: [
        { type: 'TypeError', message: 'inner' },
        { type: 'RangeError', message: 'innermost' },
        { type: 'number', message: '42' },
      ],
    });
    const parent: object = Object.getPrototypeOf(Object.getPrototypeOf(error));
    expect([error, parent].map((each) => each.constructor.name)).toEqual([
      'DiskQuotaError',
      'QuotaError',
    ]);
  });

  test('means what it means elsewhere when it is a TerminalError or a RetryLaterError', async () => {
    const pool = await startPool();
    const terminal = await failureOf(call(pool, 'throwTerminal'));
    expect(terminal).toBeInstanceOf(TerminalError);
    expect(terminal).toMatchObject({ name: 'NoSuchRevisionError', message: 'deadbeef' });
    expect(terminal.cause).toMatchObject({ message: '404' });
    const later = await failureOf(call(pool, 'throwRetryLater'));
    expect(later).toBeInstanceOf(RetryLaterError);
    expect(later).toMatchObject({ name: 'RetryLaterError', afterMs: 1234 });
    expect(later.cause).toMatchObject({ message: '503' });
  });

  test('may be anything', async () => {
    await expect(call(await startPool(), 'throwText')).rejects.toBe('just a text');
  });

  test('is final for values that cannot be copied, and costs no thread', async () => {
    const pool = await startPool();
    const taken = await failureOf(call(pool, 'double', { args: { count: () => 1 } }));
    expect(taken).toBeInstanceOf(TerminalError);
    expect(taken.message).toContain('the arguments of task resize');
    const given = await failureOf(call(pool, 'returnFunction'));
    expect(given).toBeInstanceOf(TerminalError);
    expect(given.message).toContain('the result of a thread');
    expect(await call(pool, 'double', { args: { count: 1 } })).toEqual({ count: 2 });
  });
});

describe('an abort', () => {
  test('ends a function that listens, which keeps its last word', async () => {
    const pool = await startPool({ clock: new VirtualClock() });
    const cells = createCells();
    const abort = new AbortController();
    const waiting = call(pool, 'waitForAbort', { args: { cells }, ctx: { signal: abort.signal } });
    await untilTurning(cells);
    abort.abort(new Error('cancelled by Ada'));
    const error = await failureOf(waiting);
    expect(error).toMatchObject({ message: 'stopped in order' });
    expect(error.cause).toMatchObject({ message: 'cancelled by Ada' });
  });

  test('terminates a busy loop once its grace is over, and not before', async () => {
    const clock = new VirtualClock();
    const pool = await startPool({ clock });
    const cells = createCells();
    const abort = new AbortController();
    const spinning = call(pool, 'spin', { args: { cells }, ctx: { signal: abort.signal } });
    await untilTurning(cells);
    const reason = new Error('cancelled');
    abort.abort(reason);
    await clock.advance(THREAD_ABORT_GRACE_MS - 1);
    await untilTurning(cells, Atomics.load(cells, TURNS));
    const turnsAtItsEnd = spinning.catch(() => Atomics.load(cells, TURNS));
    const failure = failureOf(spinning);
    await clock.advance(1);
    expect(await failure).toBe(reason);
    const turns = await turnsAtItsEnd;
    expect(await call(pool, 'double', { args: { count: 1 } })).toEqual({ count: 2 });
    expect(Atomics.load(cells, TURNS)).toBe(turns);
  });

  test('takes a call out of the queue at once', async () => {
    const pool = await startPool({ clock: new VirtualClock() });
    const cells = createCells();
    const spinning = call(pool, 'spin', { args: { cells } });
    await untilTurning(cells);
    const abort = new AbortController();
    const waiting = call(pool, 'double', { ctx: { signal: abort.signal } });
    const reason = new Error('cancelled');
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    Atomics.store(cells, GO, 1);
    await spinning;
  });

  test('that came before the call keeps it from starting', async () => {
    const reason = new Error('cancelled');
    const signal = AbortSignal.abort(reason);
    await expect(call(await startPool(), 'exit', { ctx: { signal } })).rejects.toBe(reason);
  });

  test('of the call that runs lets the next one start', async () => {
    const clock = new VirtualClock();
    const pool = await startPool({ clock });
    const cells = createCells();
    const abort = new AbortController();
    const spinning = call(pool, 'spin', { args: { cells }, ctx: { signal: abort.signal } });
    await untilTurning(cells);
    const waiting = call(pool, 'double', { args: { count: 4 } });
    abort.abort(new Error('cancelled'));
    const failure = failureOf(spinning);
    await clock.advance(THREAD_ABORT_GRACE_MS);
    expect(await failure).toMatchObject({ message: 'cancelled' });
    expect(await waiting).toEqual({ count: 8 });
  });
});

describe('a thread that dies', () => {
  test('fails its own call only, and what waits for it runs in another', async () => {
    const pool = await startPool({ threads: 2 });
    const cells = createCells();
    const spinning = call(pool, 'spin', { args: { cells } });
    await untilTurning(cells);
    const dying = failureOf(call(pool, 'exit'));
    const waiting = call(pool, 'double', { args: { count: 5 } });
    const error = await dying;
    expect(error).toBeInstanceOf(ThreadDiedError);
    expect(error.message).toBe('the thread of task resize died: worker exited with code: 7');
    expect(await waiting).toEqual({ count: 10 });
    Atomics.store(cells, GO, 1);
    await expect(spinning).resolves.toMatchObject({ turns: expect.any(Number) });
  });

  test('for want of memory leaves the process alone', async () => {
    const pool = await startPool({ memoryMb: 64 });
    const error = await failureOf(call(pool, 'exhaustMemory'));
    expect(error).toBeInstanceOf(ThreadDiedError);
    expect(error.message).toMatch(/memory/i);
    expect(await call(pool, 'double', { args: { count: 1 } })).toEqual({ count: 2 });
  });

  test('between two calls is replaced, and logged', async () => {
    const lines: LogLine[] = [];
    const pool = await startPool({ logger: recordingLogger(lines) });
    await call(pool, 'leaveBomb');
    await vi.waitFor(() =>
      expect(lines).toMatchObject([
        { level: 'warn', message: 'a thread died between two calls', error: 'too late' },
      ]),
    );
    expect(await call(pool, 'double', { args: { count: 1 } })).toEqual({ count: 2 });
  });

  test('before it is up leaves no call waiting for ever, and the next ones are tried anew', async () => {
    const script = new URL('./thread-boot.fixture.ts', import.meta.url).pathname;
    const breaker = 'if (process.env.NO_THREADS) throw new Error("no start")';
    const options = ['--import', `data:text/javascript,${encodeURIComponent(breaker)}`];
    const { stdout } = await promisify(execFile)(process.execPath, [...options, script]);
    const ends = stdout.trimEnd().split('\n');
    expect(ends).toHaveLength(10);
    for (const end of ends.slice(0, 5)) expect(end).toMatch(/Error: .*(?:no start|comes up)/);
    expect(ends.slice(5)).toEqual([2, 4, 6, 8, 10].map((count) => JSON.stringify({ count })));
  });
});

describe('a thread pool', () => {
  test('bounds what waits for a thread', async () => {
    const pool = await startPool({ threads: 2, maxWaiting: 1 });
    const cells = createCells();
    const calls = [1, 2, 3].map(() => call(pool, 'spin', { args: { cells } }));
    const refused = await failureOf(call(pool, 'double'));
    expect(refused).toBeInstanceOf(HoldfastError);
    expect(refused).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryable: true });
    Atomics.store(cells, GO, 1);
    await Promise.all(calls);
    expect(await call(pool, 'double', { args: { count: 1 } })).toEqual({ count: 2 });
  });

  test('ends what runs and what waits when it stops, and starts again', async () => {
    const pool = await startPool();
    const cells = createCells();
    const calls = [
      failureOf(call(pool, 'spin', { args: { cells } })),
      failureOf(call(pool, 'spin')),
    ];
    let ended = 0;
    for (const each of calls) void each.finally(() => (ended += 1));
    await untilTurning(cells);
    await Promise.all([pool.stop(), pool.stop()]);
    const turns = Atomics.load(cells, TURNS);
    expect(ended).toBe(2);
    for (const failure of await Promise.all(calls))
      expect(failure).toBeInstanceOf(UnavailableError);
    await expect(call(pool, 'double')).rejects.toBeInstanceOf(FailedPreconditionError);
    await pool.start();
    expect(await call(pool, 'double', { args: { count: 1 } })).toEqual({ count: 2 });
    expect(Atomics.load(cells, TURNS)).toBe(turns);
  });

  test('can be started and stopped in any order', async () => {
    const pool = await startPool({ threads: 2 });
    for (let round = 0; round < 5; round += 1) {
      const calls = [1, 2, 3].map(() => call(pool, 'double', { args: { count: 1 } }));
      const stops = [pool.stop(), pool.start(), pool.stop(), pool.start()];
      const failures = await Promise.all(
        calls.map((each) =>
          each.then(
            () => [],
            (error: unknown) => [error],
          ),
        ),
      );
      await Promise.all(stops);
      for (const failure of failures.flat()) expect(failure).toBeInstanceOf(UnavailableError);
    }
    expect(await call(pool, 'double', { args: { count: 1 } })).toEqual({ count: 2 });
  });

  test('refuses options beyond their limits', () => {
    for (const options of [{ threads: 0 }, { threads: 257 }, { maxWaiting: -1 }, { memoryMb: 1 }]) {
      expect(() => new ThreadPool(options)).toThrow(InvalidArgumentError);
    }
  });
});
