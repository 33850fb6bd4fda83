// Scopes, choices, maps, deciders, waits and cancels within and beside each other: what went wrong once.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { when } from './choice.ts';
import { waitFor } from './event-wait.ts';
import { failing, ONCE, signal } from './failing-task.fixture.ts';
import { flow } from './flow.ts';
import { link } from './link.ts';
import { map } from './map.ts';
import { graph, linear } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { Job, noting } from './run-harness.fixture.ts';
import { task } from './task.ts';

describe('patterns within and beside each other', () => {
  test('a decider on a link to a scope is asked once, however many rounds there are', async () => {
    const log: string[] = [];
    const a = noting(log, 'a');
    const s = withRetry(times({ attempts: 2, name: 'r' }), failing(log, 'b', 1));
    const job = new Job(
      flow({
        name: 'f',
        body: graph('g', { tasks: [a, s], links: [link(a, s, { decide: () => true })] }),
      }),
    );
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
  });

  test('a no to a choice takes all of its cases along', async () => {
    const log: string[] = [];
    const a = noting(log, 'a');
    const w = when('w', {
      if: { decide: () => true },
      do: noting(log, 'x'),
      otherwise: noting(log, 'y'),
    });
    const job = new Job(
      flow({
        name: 'f',
        body: graph('g', {
          tasks: [a, w],
          links: [link(a, w, { decide: () => false, depth: 'atom' })],
        }),
      }),
    );
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(log).toEqual(['a']);
  });

  test.each(['controller', 'choice'] as const)(
    'a no to what stands before a %s takes all of it along',
    async (kind) => {
      const log: string[] = [];
      const [a, b] = [noting(log, 'a'), noting(log, 'b')];
      const w = when('w', {
        if: { decide: () => true },
        do: noting(log, 'x'),
        otherwise: noting(log, 'y'),
      });
      const s = withRetry(times({ attempts: 2, name: 'r' }), failing(log, 'c', 1));
      const next = kind === 'choice' ? w : s;
      const job = new Job(
        flow({
          name: 'f',
          body: graph('g', {
            tasks: [a, b, next],
            links: [link(a, b, { decide: () => false, depth: 'neighbours' }), [b, next]],
          }),
        }),
      );
      expect(await job.run()).toMatchObject({ kind: 'succeeded' });
      expect(log).toEqual(['a']);
    },
  );

  test('a no of an earlier round no longer holds outside of the scope', async () => {
    const log: string[] = [];
    let round = 0;
    const a = noting(log, 'a');
    const b = noting(log, 'b');
    let n = 0;
    const c = task({
      name: 'c',
      retry: ONCE,
      execute: async () => {
        for (let i = 0; i < 20; i += 1) await new Promise((r) => setImmediate(r));
        n += 1;
        if (n === 1) throw new Error('c');
      },
    });
    const g = graph('g', {
      tasks: [a, b, c],
      links: [
        link(a, b, {
          decide: () => {
            round += 1;
            return round > 1;
          },
        }),
        [a, c],
      ],
    });
    const job = new Job(
      flow({
        name: 'f',
        body: linear('l', withRetry(times({ attempts: 2, name: 'r' }), g), noting(log, 'y')),
      }),
    );
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(job.states()).toMatchObject({ b: 'success', y: 'success' });
  });

  test.each(['flow', 'neighbours'] as const)(
    'what follows a graph waits for all of it, %s',
    async (depth) => {
      const log: string[] = [];
      const a = noting(log, 'a');
      const b = noting(log, 'b');
      const c = noting(log, 'c');
      const gate = Promise.withResolvers<void>();
      const d = task({
        name: 'd',
        execute: async () => {
          for (let i = 0; i < 50; i += 1) await new Promise((r) => setImmediate(r));
          log.push('d');
          gate.resolve();
        },
      });
      const g = graph('g', {
        tasks: [a, b, c, d],
        links: [link(a, b, { decide: () => false, depth }), [b, c], [d, c]],
      });
      const job = new Job(flow({ name: 'f', body: linear('l', g, noting(log, 'y')) }));
      expect(await job.run()).toMatchObject({ kind: 'succeeded' });
      expect(log).toEqual(['a', 'd', 'y']);
    },
  );

  test('a map that goes on runs no more items at once than it says', async () => {
    let running = 0;
    let most = 0;
    let done = 0;
    const job = new Job(
      flow({
        name: 'f',
        input: z.object({ list: z.array(z.number()) }),
        body: map('m', {
          over: 'list',
          as: 'i',
          concurrency: 1,
          body: task({
            name: 't',
            execute: async () => {
              running += 1;
              most = Math.max(most, running);
              for (let i = 0; i < 5; i += 1) await new Promise((r) => setImmediate(r));
              running -= 1;
              done += 1;
              if (done === 4) suspend.abort();
            },
          }),
        }),
      }),
    );
    const suspend = new AbortController();
    const input = { list: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] };
    expect(await job.run({ input, suspend: suspend.signal })).toMatchObject({ kind: 'suspended' });
    expect(most).toBe(1);
    expect(await job.run({ input })).toMatchObject({ kind: 'succeeded' });
    expect(most).toBe(1);
  });

  test('a signal is taken once, also by an item that a shorter list has no more', async () => {
    const seen: unknown[] = [];
    let round = 0;
    const list = task({
      name: 'list',
      provides: { items: z.array(z.number()) },
      execute: () => {
        round += 1;
        return { items: round === 1 ? [0, 1] : [0] };
      },
    });
    const wait = waitFor('wait', { event: 'go', schema: z.number(), provides: 'n' });
    const note = task({
      name: 'note',
      requires: { n: z.number() },
      execute: ({ n }) => {
        seen.push(n);
      },
    });
    let failed = false;
    const last = task({
      name: 'last',
      retry: ONCE,
      execute: () => {
        if (!failed) {
          failed = true;
          throw new Error('no');
        }
      },
    });
    const job = new Job(
      flow({
        name: 'f',
        body: withRetry(
          times({ attempts: 2, name: 'r' }),
          linear(
            'l',
            list,
            map('m', { over: 'items', as: 'i', concurrency: 1, body: linear('b', wait, note) }),
            last,
          ),
        ),
        output: [],
      }),
    );
    const signals = { received: () => [1, 2, 3, 4].map(signal), onArrival: () => () => undefined };
    expect(await job.run({ signals })).toMatchObject({ kind: 'succeeded' });
    expect(seen).toEqual([1, 2, 3]);
  });

  test('each try of a revert has a key of its own after a cancel', async () => {
    const keys: string[] = [];
    const cancel = new AbortController();
    const a = task({
      name: 'a',
      execute: () => {},
      revert: (_v, ctx) => {
        keys.push(ctx.idempotencyKey);
      },
    });
    const b = failing([], 'b', 1);
    const c = task({
      name: 'c',
      execute: () => {
        cancel.abort(new Error('enough'));
      },
    });
    const job = new Job(
      flow({
        name: 'f',
        body: linear('o', withRetry(times({ attempts: 2, name: 'r' }), linear('l', a, b)), c),
      }),
    );
    expect(await job.run({ cancel: cancel.signal })).toMatchObject({ kind: 'failed' });
    expect(new Set(keys).size).toBe(keys.length);
  });
});
