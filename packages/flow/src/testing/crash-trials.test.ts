import { TerminalError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { flow } from '../flow.ts';
import { linear, unordered } from '../pattern.ts';
import { noting } from '../run-harness.fixture.ts';
import { testEveryCrash } from './index.ts';

const log: string[] = [];
const names = ['a', 'b', 'c', 'd'] as const;
const a = noting(log, 'a');
const b = noting(log, 'b');
const c = noting(log, 'c');
const d = noting(log, 'd');

describe('a flow that is cut off at each of its commits', () => {
  test('is tried once for each, and ends each time as the uninterrupted run', async () => {
    const line = flow({ name: 'line', body: linear('main', a, unordered('both', b, c), d) });
    const { uninterrupted, interrupted } = await testEveryCrash(line);
    expect(uninterrupted.kind).toBe('succeeded');
    expect(interrupted.map(({ crashAfter }) => crashAfter)).toEqual(
      Array.from({ length: uninterrupted.commits }, (_, commit) => commit),
    );
    for (const { trial } of interrupted) {
      expect(trial.attempts).toBe(2);
      expect(trial.output).toEqual(uninterrupted.output);
    }
  });

  test('never runs again what was durable before the crash, forwards or backwards', async () => {
    const failing = flow({ name: 'failing', body: linear('main', a, b, c, d) });
    const { uninterrupted, interrupted } = await testEveryCrash(failing, {
      fail: { d: new TerminalError('no') },
      before: () => {
        log.length = 0;
      },
    });
    expect(uninterrupted.failure?.message).toBe('no');
    for (const { crashed, trial } of interrupted) {
      expect(trial.failure?.message).toBe('no');
      for (const name of names) {
        const before = crashed.task(name).state;
        const { state, calls } = trial.task(name);
        expect(state).toBe('reverted');
        const again = calls.filter(({ attempt }) => attempt === 2).map(({ kind }) => kind);
        expect(again.includes('execute') && !['pending', 'running'].includes(before)).toBe(false);
        expect(again.includes('revert') && before === 'reverted').toBe(false);
      }
    }
    expect(log.filter((line) => line === 'a')).toHaveLength(1);
  });
});
