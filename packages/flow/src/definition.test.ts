import { InvalidArgumentError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { flow, isFlow } from './flow.ts';
import { graph, linear, unordered } from './pattern.ts';
import { task } from './task.ts';

const execute = (): void => undefined;
const good = task({ name: 'good', execute });

/** The fields that a definition is refused for. */
function refused(define: () => unknown): string[] {
  try {
    define();
    return [];
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return error.violations.map(({ field }) => field);
  }
}

describe('a malformed definition is refused, and the field is named', () => {
  const cases: [string, () => unknown, string][] = [
    ['a task name', () => task({ name: 'no spaces', execute }), 'task.name'],
    ['an empty task name', () => task({ name: '', execute }), 'task.name'],
    [
      'a value name',
      () => task({ name: 'a', requires: { 'a b': z.string() }, execute }),
      'task(a).requires',
    ],
    [
      'a value that is no schema',
      () =>
        task({ name: 'a', provides: { x: 'string' as never }, execute: () => ({ x: 1 }) as never }),
      'task(a).provides.x',
    ],
    ['no execute', () => task({ name: 'a' } as never), 'task(a).execute'],
    [
      'a revert that is no function',
      () => task({ name: 'a', execute, revert: 1 as never }),
      'task(a).revert',
    ],
    ['a timeout of nothing', () => task({ name: 'a', execute, timeoutMs: 0 }), 'task(a).timeoutMs'],
    [
      'a timeout in fractions',
      () => task({ name: 'a', execute, timeoutMs: 1.5 }),
      'task(a).timeoutMs',
    ],
    [
      'a priority out of range',
      () => task({ name: 'a', execute, priority: 1001 }),
      'task(a).priority',
    ],
    [
      'a value of a revert that is no schema',
      () => task({ name: 'a', execute, revertRequires: { x: 1 as never } }),
      'task(a).revertRequires.x',
    ],
    [
      'no attempts at all',
      () => task({ name: 'a', execute, retry: { attempts: 0 } }),
      'task(a).retry.attempts',
    ],
    [
      'a backoff that shrinks',
      () => task({ name: 'a', execute, retry: { backoff: { factor: 0.5 } } }),
      'task(a).retry.backoff.factor',
    ],
    [
      'an error class instead of its name',
      () => task({ name: 'a', execute, retry: { doNotRetry: [TypeError as never] } }),
      'task(a).retry.doNotRetry',
    ],
    ['a pattern name', () => linear('no spaces', good), 'linear.name'],
    ['an item that is none', () => unordered('u', {} as never), 'unordered(u)[0]'],
    ['tasks that are no list', () => graph('g', { tasks: good as never }), 'graph(g).tasks'],
    [
      'a link that is no pair',
      () => graph('g', { tasks: [good], links: [[good]] as never }),
      'graph(g).links[0]',
    ],
    ['a flow name', () => flow({ name: 'a/b', body: good }), 'flow.name'],
    ['a body that is none', () => flow({ name: 'f', body: 'good' as never }), 'flow(f).body'],
    [
      'an input that is no schema',
      () => flow({ name: 'f', input: {} as never, body: good }),
      'flow(f).input',
    ],
    [
      'an output that is no list',
      () => flow({ name: 'f', output: 'x' as never, body: good }),
      'flow(f).output',
    ],
    [
      'a policy of the flow',
      () => flow({ name: 'f', retry: { attempts: 1001 }, body: good }),
      'flow(f).retry.attempts',
    ],
  ];
  test.each(cases)('%s', (_what, define, field) => {
    expect(refused(define)).toEqual([field]);
  });
});

test('a flow is told from anything else', () => {
  expect(isFlow(flow({ name: 'f', body: good }))).toBe(true);
  for (const other of [undefined, null, 'f', {}, good, { name: 'f', graph: {} }]) {
    expect(isFlow(other)).toBe(false);
  }
});
