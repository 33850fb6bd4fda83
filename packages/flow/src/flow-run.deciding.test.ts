// Deciders on links, and choices: what is passed over, and what comes of it.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { choose, when } from './choice.ts';
import { flow } from './flow.ts';
import { link } from './link.ts';
import { map } from './map.ts';
import { graph, linear } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { compareCrashes, Job, noting, outputOf } from './run-harness.fixture.ts';
import { task } from './task.ts';

const NO = { decide: () => false } as const;

function stated(job: Job, state: string): string[] {
  return Object.entries(job.states())
    .filter(([, each]) => each === state)
    .map(([name]) => name)
    .sort();
}

describe('a decider that says no', () => {
  //  a ⇢ b → c → d, with c and b in an inner pattern, d after it
  const build = (depth: 'all' | 'flow' | 'neighbours' | 'atom') => {
    const log: string[] = [];
    const [a, b, c, d, e] = [
      noting(log, 'a'),
      noting(log, 'b'),
      noting(log, 'c'),
      noting(log, 'd'),
      noting(log, 'e'),
    ];
    const inner = linear('inner', b, c, e);
    const body = graph('main', {
      tasks: [a, inner, d],
      links: [link(a, inner, { ...NO, depth }), [inner, d]],
    });
    return { log, job: new Job(flow({ name: 'f', body })) };
  };

  test.each([
    ['all', ['b', 'c', 'd', 'e']],
    ['flow', ['b', 'c', 'e']],
    ['neighbours', ['b', 'c']],
    ['atom', ['b']],
  ] as const)('with depth %s keeps %j from running', async (depth, ignored) => {
    const { log, job } = build(depth);
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(stated(job, 'ignore')).toEqual(ignored);
    expect(log).toEqual(
      ['a', 'b', 'c', 'e', 'd'].filter((name) => !ignored.includes(name as never)),
    );
    expect(job.record('b').blocked).toBe(depth);
  });

  test.each(['all', 'flow', 'neighbours', 'atom'] as const)(
    'with depth %s leads to the same after a crash at any commit',
    async (depth) => {
      expect((await compareCrashes(() => build(depth).job)).different).toEqual([]);
    },
  );

  test('sees what the source provided, and one no among several is enough, the widest counts', async () => {
    const log: string[] = [];
    const size = task({
      name: 'size',
      provides: { bytes: z.number() },
      execute: () => ({ bytes: 7 }),
    });
    const other = noting(log, 'other');
    const target = noting(log, 'target');
    const after = noting(log, 'after');
    const seen: unknown[] = [];
    const body = graph('main', {
      tasks: [size, other, target, after],
      links: [
        link(size, target, {
          decide: (results) => {
            seen.push(results);
            return results.size.bytes > 10;
          },
          depth: 'atom',
        }),
        link(other, target, { decide: () => false, depth: 'all' }),
        [target, after],
      ],
    });
    const job = new Job(flow({ name: 'f', body }));
    await job.run();
    expect(seen).toEqual([{ size: { bytes: 7 } }]);
    expect(job.record('target').blocked).toBe('all');
    expect(log).toEqual(['other']);
  });

  test('is not asked when what it links from was passed over itself', async () => {
    const log: string[] = [];
    const [a, b, c] = [noting(log, 'a'), noting(log, 'b'), noting(log, 'c')];
    const body = graph('main', {
      tasks: [a, b, c],
      links: [link(a, b, { ...NO, depth: 'atom' }), link(b, c, NO)],
    });
    const job = new Job(flow({ name: 'f', body }));
    await job.run();
    expect(log).toEqual(['a', 'c']);
  });

  test('by throwing fails the task, and the flow is reverted', async () => {
    const log: string[] = [];
    const [a, b] = [noting(log, 'a'), noting(log, 'b')];
    const decide = (): boolean => {
      throw new Error('cannot tell');
    };
    const body = graph('main', { tasks: [a, b], links: [link(a, b, { decide })] });
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'failed', failure: { task: 'b' } });
    expect(log).toEqual(['a', 'undo a']);
    expect(job.record('b').failure?.message).toContain('cannot tell');
  });

  test('takes the scope of a retry controller along', async () => {
    const log: string[] = [];
    const [a, b, d] = [noting(log, 'a'), noting(log, 'b'), noting(log, 'd')];
    const inner = withRetry(times({ attempts: 2 }), linear('inner', b));
    const body = graph('main', {
      tasks: [a, inner, d],
      links: [link(a, inner, { ...NO, depth: 'atom' }), [inner, d]],
    });
    const job = new Job(flow({ name: 'f', body }));
    await job.run();
    expect(log).toEqual(['a', 'd']);
  });
});

describe('a choice', () => {
  const read = task({ name: 'read', provides: { size: z.number() }, execute: () => ({ size: 7 }) });
  const give = (name: string, word: string, log: string[]) =>
    task({
      name,
      provides: { word: z.string() },
      execute: () => {
        log.push(name);
        return { word };
      },
      revert: () => {
        log.push(`undo ${name}`);
      },
    });

  test.each([
    [5, 'large'],
    [10, 'small'],
  ])(
    'with a limit of %i takes the %s case, and gives what that case gives',
    async (limit, expected) => {
      const log: string[] = [];
      const createJob = () =>
        new Job(
          flow({
            name: 'f',
            body: linear(
              'main',
              read,
              when('is-large', {
                if: { requires: { size: z.number() }, decide: ({ size }) => size > limit },
                do: give('big', 'large', log),
                otherwise: linear('else', give('little', 'small', log)),
              }),
            ),
            output: ['word'],
          }),
        );
      const job = createJob();
      expect(outputOf(await job.run())).toEqual({ word: expected });
      expect(log).toEqual([expected === 'large' ? 'big' : 'little']);
      expect((await compareCrashes(createJob)).different).toEqual([]);
    },
  );

  test('without a case to take gives undefined to those who can do without', async () => {
    const log: string[] = [];
    const say = task({
      name: 'say',
      requires: { word: z.string().default('nothing') },
      provides: { said: z.string() },
      execute: ({ word }) => ({ said: word }),
    });
    const job = new Job(
      flow({
        name: 'f',
        body: linear(
          'main',
          read,
          when('never', { if: { decide: () => false }, do: give('big', 'large', log) }),
          say,
        ),
        output: ['said'],
      }),
    );
    expect(outputOf(await job.run())).toEqual({ said: 'nothing' });
    expect(log).toEqual([]);
  });

  test('is made once, and anew in the next round of a scope', async () => {
    const log: string[] = [];
    const asked: number[] = [];
    const createJob = () => {
      asked.length = 0;
      const which = choose('which', {
        requires: { round: z.number() },
        case: ({ round }) => {
          asked.push(round);
          return round === 1 ? 'one' : 'two';
        },
        cases: { one: noting(log, 'one'), two: noting(log, 'two') },
      });
      const last = task({
        name: 'last',
        retry: { attempts: 1 },
        execute: (_args, ctx) => {
          if (ctx.try === 1) throw new Error('once');
        },
      });
      const body = withRetry(
        times({ attempts: 2, provides: 'round' }),
        linear('inner', which, last),
      );
      return new Job(flow({ name: 'f', body }));
    };
    const job = createJob();
    expect(await job.run()).toMatchObject({ kind: 'succeeded' });
    expect(asked).toEqual([1, 2]);
    expect(log).toEqual(['one', 'undo one', 'two']);
    expect(job.states()).toMatchObject({ one: 'ignore', two: 'success' });
    expect((await compareCrashes(createJob)).different).toEqual([]);
  });

  test('of a case that does not exist fails the flow', async () => {
    const log: string[] = [];
    const body = choose('which', {
      case: () => 'three' as 'one',
      cases: { one: noting(log, 'one') },
    });
    const job = new Job(flow({ name: 'f', body }));
    expect(await job.run()).toMatchObject({ kind: 'failed', failure: { task: 'which' } });
    expect(log).toEqual([]);
  });
});

describe('a decider after a map', () => {
  const measure = task({
    name: 'measure',
    requires: { file: z.string() },
    provides: { size: z.number() },
    execute: ({ file }) => ({ size: file.length }),
  });
  const build = (log: string[], isFirstAllowed: boolean) => {
    const [first, last] = [noting(log, 'first'), noting(log, 'last')];
    const each = map('each', {
      over: 'files',
      as: 'file',
      body: measure,
      collect: { size: 'sizes' },
    });
    const decide = ({ each: mapped }: { readonly each?: { readonly sizes: number[] } }) => {
      log.push(`sizes ${mapped?.sizes.join(' ')}`);
      return false;
    };
    const body = graph('main', {
      tasks: [first, each, last],
      links: [
        link(first, each, { decide: () => isFirstAllowed, depth: 'atom' }),
        link(each, last, { decide }),
      ],
    });
    return new Job(flow({ name: 'f', input: z.object({ files: z.array(z.string()) }), body }));
  };

  test('sees its lists', async () => {
    const log: string[] = [];
    const job = build(log, true);
    expect(await job.run({ input: { files: ['a', 'bcd'] } })).toMatchObject({ kind: 'succeeded' });
    expect(log).toEqual(['first', 'sizes 1 3']);
    expect(stated(job, 'ignore')).toEqual(['last']);
  });

  test('is not asked when the map was passed over', async () => {
    const log: string[] = [];
    const job = build(log, false);
    expect(await job.run({ input: { files: ['a', 'bcd'] } })).toMatchObject({ kind: 'succeeded' });
    expect(log).toEqual(['first', 'last']);
  });
});
