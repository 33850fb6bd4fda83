// Scopes, choices, maps, deciders, waits and cancels within and beside each other: what went wrong once.
import { encodeJson } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { waitFor } from './event-wait.ts';
import { failing, ONCE, signal } from './failing-task.fixture.ts';
import { flow } from './flow.ts';
import { map } from './map.ts';
import { linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { alwaysRevert, alwaysRevertAll, retryController, times } from './retry-rounds.ts';
import { compareCrashes, Job, noting, outputOf } from './run-harness.fixture.ts';
import type { Signal } from './run-options.ts';
import { task } from './task.ts';

describe('patterns that fail, are cancelled or taken up again', () => {
  test("tries of a controller in earlier rounds don't count", async () => {
    let starts = 0;
    const r = retryController({
      name: 'r',
      execute: () => {
        starts += 1;
        if (starts === 3) throw new Error('flaky');
      },
      onFailure: () => 'retry',
    });
    const job = new Job(flow({ name: 'f', body: withRetry(r, failing([], 'b', 2)) }));
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
  });

  test("a controller's wish to revert everything is known after a crash amid the reverts", async () => {
    const build = () => {
      const log: string[] = [];
      const inner = withRetry(
        alwaysRevertAll({ name: 's' }),
        linear('il', noting(log, 'b'), failing(log, 'x', 1)),
      );
      return new Job(
        flow({
          name: 'f',
          body: linear(
            'l',
            noting(log, 'a'),
            withRetry(times({ attempts: 3, name: 't' }), linear('m', noting(log, 'c'), inner)),
          ),
        }),
      );
    };
    expect((await compareCrashes(build)).different).toEqual([]);
  });

  test('a task that had succeeded before it was moved into a scope is not executed again', async () => {
    const log: string[] = [];
    const b = task({ name: 'b', execute: () => {} });
    const a = noting(log, 'a');
    const one = new Job(flow({ name: 'f', body: linear('l', a, b) }));
    const suspend = new AbortController();
    await one.run({ suspend: suspend.signal, beforeCommit: () => suspend.abort() });
    expect(one.state('a')).toBe('success');
    const two = new Job(
      flow({
        name: 'f',
        body: linear('l', withRetry(times({ attempts: 2, name: 'r' }), linear('i', a, b))),
      }),
    );
    for (const [k, v] of one.records) two.records.set(k, v);
    two.attempt = 1;
    const s2 = new AbortController();
    await two.run({ suspend: s2.signal, beforeCommit: () => s2.abort() });
    expect(await two.run()).toMatchObject({ kind: 'succeeded' });
    expect(log).toEqual(['a']);
  });
  test('a task that had failed before it was moved into a scope fails the flow', async () => {
    const log: string[] = [];
    const a = task({
      name: 'a',
      execute: () => {},
      revert: () => {
        suspend.abort();
      },
    });
    const suspend = new AbortController();
    const b = failing(log, 'b', 9);
    const z0 = noting(log, 'z0');
    const one = new Job(flow({ name: 'f', body: linear('l', z0, a, b) }));
    expect(await one.run({ suspend: suspend.signal })).toMatchObject({ kind: 'suspended' });
    const two = new Job(
      flow({
        name: 'f',
        body: linear('l', z0, withRetry(times({ attempts: 2, name: 'r' }), linear('i', a, b))),
      }),
    );
    for (const [k, v] of one.records) two.records.set(k, v);
    two.attempt = 1;
    expect(await two.run()).toMatchObject({ kind: 'failed' });
  });

  test('a cancel ends while a wait has a signal and a task ignores its abort', async () => {
    const cancel = new AbortController();
    const slow = task({ name: 'slow', execute: () => new Promise<void>(() => {}) });
    const listeners = new Set<() => void>();
    const all: Signal[] = [];
    let looks = 0;
    const signals = {
      received: () => {
        looks += 1;
        if (looks > 5000) throw new Error('spins');
        return all;
      },
      onArrival: (l: () => void) => {
        listeners.add(l);
        return () => listeners.delete(l);
      },
    };
    const job = new Job(
      flow({ name: 'f', body: unordered('u', slow, waitFor('w', { event: 'go' })) }),
    );
    const running = job.run({ cancel: cancel.signal, signals });
    for (let i = 0; i < 20; i += 1) await new Promise((r) => setImmediate(r));
    cancel.abort(new Error('enough'));
    all.push(signal(1));
    for (const l of listeners) l();
    expect(await running).toMatchObject({ kind: 'failed' });
  });
  test('a controller is not asked while nothing may be called', async () => {
    let may = true;
    let looks = 0;
    const b = task({
      name: 'b',
      retry: ONCE,
      execute: () => {
        may = false;
        throw new Error('x');
      },
    });
    const job = new Job(flow({ name: 'f', body: withRetry(times({ attempts: 2, name: 'r' }), b) }));
    const running = job.run({
      mayCall: () => {
        if (!may) {
          looks += 1;
          if (looks > 5000) throw new Error('spins');
        }
        return may;
      },
    });
    running.catch(() => {});
    for (let i = 0; i < 20; i += 1) await new Promise((r) => setImmediate(r));
    job.signal.abort(new Error('lost'));
    expect(await running).toMatchObject({ kind: 'stopped' });
    expect(looks).toBeLessThan(10);
  });
  test('a scope that has failed takes no signal', async () => {
    const all: Signal[] = [];
    const listeners = new Set<() => void>();
    const signals = {
      received: () => all,
      onArrival: (l: () => void) => {
        listeners.add(l);
        return () => listeners.delete(l);
      },
    };
    const send = () => {
      all.push(signal(all.length + 1));
      for (const l of listeners) l();
    };
    const slow = task({
      name: 'slow',
      execute: async () => {
        for (let i = 0; i < 40; i += 1) await new Promise((r) => setImmediate(r));
      },
    });
    let n = 0;
    const x = task({
      name: 'x',
      retry: ONCE,
      execute: () => {
        n += 1;
        if (n === 1) throw new Error('x');
      },
    });
    const job = new Job(
      flow({
        name: 'f',
        body: withRetry(
          times({ attempts: 2, name: 'r' }),
          unordered('u', waitFor('w', { event: 'go' }), slow, x),
        ),
      }),
    );
    const running = job.run({
      signals,
      observer: {
        transition: (r) => {
          if (r.name === 'x' && r.state === 'failure') setImmediate(send);
        },
      },
    });
    expect(await running).toMatchObject({ kind: 'succeeded' });
  });
  test.each(['reverting', 'retrying'])(
    'nothing is left amid a revert when only a scope is reverted: %s',
    async (kind) => {
      const log: string[] = [];
      const pause = { initialMs: 3_000_000, factor: 1, maxMs: 3_000_000, jitter: 0 };
      const a = task({
        name: 'a',
        revertRetry: { attempts: 3, backoff: pause },
        execute: () => {},
        revert: () => {
          if (kind === 'reverting') throw new Error('later');
        },
      });
      const one = withRetry(
        times({ attempts: 2, name: 'r1', backoff: pause }),
        linear('l1', a, failing(log, 'b', 1)),
      );
      const gate = Promise.withResolvers<void>();
      const x = task({
        name: 'x',
        retry: ONCE,
        execute: async () => {
          await gate.promise;
          throw new Error('x');
        },
      });
      const two = withRetry(alwaysRevert({ name: 'r2', escalates: false }), x);
      const job = new Job(flow({ name: 'f', body: unordered('u', one, two) }));
      const running = job.run({ drive: false });
      for (let i = 0; i < 100; i += 1) await new Promise((r) => setImmediate(r));
      gate.resolve();
      expect(await job.drive(running)).toMatchObject({ kind: 'failed' });
      expect(
        Object.entries(job.states()).filter(([, s]) =>
          ['reverting', 'retrying', 'running'].includes(s),
        ),
      ).toEqual([]);
    },
  );
  test('no controller is left retrying when the flow has failed', async () => {
    const cancel = new AbortController();
    const a = task({
      name: 'a',
      revertRetry: ONCE,
      execute: () => {},
      revert: () => {
        cancel.abort(new Error('enough'));
        throw new Error('no');
      },
    });
    const b = task({
      name: 'b',
      retry: ONCE,
      execute: () => {
        throw new Error('x');
      },
    });
    const job = new Job(
      flow({ name: 'f', body: withRetry(times({ attempts: 2, name: 'r' }), linear('l', a, b)) }),
    );
    expect(await job.run({ cancel: cancel.signal })).toMatchObject({ kind: 'failed' });
    expect(job.states()).toMatchObject({ r: 'failure' });
  });
  test('the failure that is told is the same after a crash', async () => {
    const build = () => {
      const pause = { initialMs: 2000, factor: 1, maxMs: 2000, jitter: 0 };
      const x = failing([], 'x', 1);
      const y = task({
        name: 'y',
        retry: ONCE,
        timeoutMs: 1000,
        execute: () => new Promise<void>(() => {}),
        revert: () => {},
      });
      const p = task({ name: 'p', execute: () => {}, revert: () => {} });
      return new Job(
        flow({
          name: 'f',
          body: linear(
            'o',
            p,
            unordered(
              'u',
              withRetry(times({ attempts: 2, name: 'r1', backoff: pause }), x),
              withRetry(
                alwaysRevert({ name: 'r2' }),
                linear('l', task({ name: 'q', execute: () => {}, revert: () => {} }), y),
              ),
            ),
          ),
        }),
      );
    };
    expect((await compareCrashes(build)).different).toEqual([]);
  });
  test('signals of earlier rounds stay taken', async () => {
    // signal taken by an item of round 1, crash in round 2 before the map is expanded
    const build = () => {
      let round = 0;
      const list = task({
        name: 'list',
        provides: { items: z.array(z.number()) },
        execute: () => {
          round += 1;
          return { items: round === 1 ? [0, 1] : [] };
        },
      });
      const last = task({
        name: 'last',
        retry: ONCE,
        execute: (_v, ctx) => {
          if (ctx.try === 1) throw new Error('no');
        },
      });
      const body = linear(
        'o',
        withRetry(
          times({ attempts: 2, name: 'r' }),
          linear(
            'l',
            list,
            map('m', { over: 'items', as: 'i', body: waitFor('w', { event: 'go' }) }),
            last,
          ),
        ),
        waitFor('out', { event: 'go', schema: z.number(), provides: 'n' }),
      );
      return new Job(flow({ name: 'f', body, output: ['n'] }));
    };
    const sig = [1, 2, 3].map((seq) => ({
      seq,
      name: 'go',
      payload: encodeJson(seq),
      atUnixMs: 0,
    }));
    const result = await build().run({
      signals: { received: () => sig, onArrival: () => () => undefined },
    });
    expect(outputOf(result)).toEqual({ n: 3 });
  });
});
