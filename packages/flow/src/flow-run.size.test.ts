import { TerminalError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow } from './flow.ts';
import { graph, linear, unordered } from './pattern.ts';
import { Job, outputOf } from './run-harness.fixture.ts';
import { task } from './task.ts';

describe('size', () => {
  const many = (count: number, provides: boolean) =>
    Array.from({ length: count }, (_, index) =>
      provides
        ? task({
            name: `t${index}`,
            requires: index === 0 ? {} : { [`v${index - 1}`]: z.number() },
            provides: { [`v${index}`]: z.number() },
            execute: (args) =>
              ({ [`v${index}`]: index === 0 ? 1 : Number(args[`v${index - 1}`]) + 1 }) as never,
          })
        : task({ name: `t${index}`, execute: () => undefined }),
    );

  test('10,000 tasks in a row', async () => {
    const long = flow({
      name: 'long',
      body: linear('main', ...many(10_000, true)),
      output: ['v9999'],
    });
    expect(outputOf(await new Job(long).run())).toEqual({ v9999: 10_000 });
  }, 60_000);

  test('10,000 tasks at once', async () => {
    const wide = flow({ name: 'wide', body: unordered('main', ...many(10_000, false)) });
    const job = new Job(wide);
    expect((await job.run()).kind).toBe('succeeded');
    expect(job.records.size).toBe(10_000);
    expect(Math.max(...job.commits.map((commit) => commit.length))).toBeLessThanOrEqual(200);
  }, 60_000);

  test('10,000 tasks are reverted', async () => {
    const fail = task({
      name: 'fail',
      execute: () => {
        throw new TerminalError('no');
      },
    });
    const long = flow({ name: 'long', body: linear('main', ...many(9_999, false), fail) });
    const job = new Job(long);
    expect((await job.run()).kind).toBe('failed');
    expect(new Set(Object.values(job.states()))).toEqual(new Set(['reverted']));
  }, 60_000);

  test('two large groups in a row, without the product of their edges', async () => {
    const name = (prefix: string) =>
      Array.from({ length: 3000 }, (_, index) =>
        task({ name: `${prefix}${index}`, execute: () => undefined }),
      );
    const two = flow({
      name: 'two',
      body: graph('main', {
        tasks: [linear('l', unordered('a', ...name('a')), unordered('b', ...name('b')))],
      }),
    });
    expect(two.graph.edges.length).toBeLessThan(7000);
    expect((await new Job(two).run()).kind).toBe('succeeded');
  }, 60_000);
});
