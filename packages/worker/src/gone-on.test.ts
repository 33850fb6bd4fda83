import { type AtomRecord, pendingAtom } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { goneOn } from './gone-on.ts';

const running: AtomRecord = { ...pendingAtom('task'), state: 'running', tries: 1, executions: 1 };
const reverting: AtomRecord = { ...running, state: 'reverting', revertTries: 1 };

describe('a task that is begun again after its task job was stopped', () => {
  test.each([
    ['never begun', undefined, [1, 1]],
    ['amid a try', { ...running, tries: 3, executions: 4 }, [3, 5]],
    ['between two tries', { ...running, state: 'pending', tries: 3, executions: 3 }, [4, 4]],
  ] as const)('%s: has a number that no other try has', (_, stopped, wanted) => {
    const { tries, executions, taskJob } = goneOn(running, stopped);
    expect([[tries, executions], taskJob]).toEqual([wanted, undefined]);
  });

  test.each([
    ['never begun', undefined, 1],
    ['amid a try', { ...reverting, revertTries: 3 }, 3],
    ['between two tries', { ...reverting, revertTries: 3, nextAtUnixMs: 5 }, 4],
  ] as const)('%s: so has its revert', (_, stopped, wanted) => {
    const { tries, revertTries } = goneOn(reverting, stopped);
    expect([tries, revertTries]).toEqual([1, wanted]);
  });
});
