import {
  type AnyFlow,
  flow,
  linear,
  type Task,
  task,
  times,
  unordered,
  withRetry,
} from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import { neededTasks } from './needed-tasks.ts';

const step = (name: string): Task<string, never, never> =>
  task<string, {}, {}>({ name, execute() {} });

function needed({ name, graph }: AnyFlow, target: string): readonly string[] {
  return [...neededTasks({ name, ...graph }, target)].toSorted();
}

describe('what a task needs', () => {
  test('is all that it waits for, however far away, and itself', () => {
    const both = unordered('both', step('b'), step('c'));
    const one = flow({ name: 'f', body: linear('line', step('a'), both, step('d')) });
    expect(needed(one, 'b')).toEqual(['a', 'b']);
    expect(needed(one, 'd')).toEqual(['a', 'b', 'c', 'd']);
  });

  test('is found through the points between large groups', () => {
    const many = (word: string): Task<string, never, never>[] =>
      Array.from({ length: 30 }, (_, number) => step(`${word}${number}`));
    const groups = [unordered('x', ...many('x')), unordered('y', ...many('y'))];
    const one = flow({ name: 'f', body: linear('all', ...groups) });
    const names = needed(one, 'y3').filter((name) => !name.includes('['));
    expect(names).toHaveLength(31);
  });

  test('is all that is under the same retry controller, which reverts and starts it as one', () => {
    const retried = withRetry(times({ attempts: 2 }), linear('scope', step('b'), step('c')));
    const one = flow({ name: 'f', body: linear('all', step('a'), retried, step('d')) });
    expect(needed(one, 'b')).toEqual(['a', 'b', 'c', 'scope.retry']);
  });

  test('of a task that is not there is an error that says which ones are', () => {
    expect(() => needed(flow({ name: 'f', body: step('a') }), 'x')).toThrow(
      'flow f has no task x; it has a',
    );
    expect(() => neededTasks({ name: 'code', nodes: [], edges: [] }, 'x')).toThrow(
      'flow code has no task x; its tasks show only as it runs',
    );
  });
});
