// The simulation's own promises, and a fixed budget of it: the same seeds in every run of the tests.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { PLANTED_BUGS } from './planted-bugs.ts';
import type { SummaryJson } from './simulation-summary.ts';

const PROGRAM = new URL('simulate.ts', import.meta.url).pathname;

/** The whole of it takes about a minute on a machine with two cores. */
const BUDGET = '1-10';
const LIMIT_MS = 300_000;

/** Runs seeds in a process of their own, as people do; what a planted bug breaks stays in there. */
async function simulate(...options: readonly string[]): Promise<SummaryJson> {
  const run = promisify(execFile)(process.execPath, [PROGRAM, '--json', ...options], {
    timeout: LIMIT_MS,
    maxBuffer: 16_777_216,
  });
  // Status 1 says that a promise broke; which one is for the test to judge.
  const { stdout } = await run.catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 1 && 'stdout' in error) {
      return { stdout: String(error.stdout) };
    }
    throw error;
  });
  return JSON.parse(stdout) as SummaryJson; // written by simulate.ts
}

describe('simulation', () => {
  it(
    'every promise holds in a fixed budget of simulated worlds',
    async () => {
      const summary = await simulate('--seeds', BUDGET);
      expect(summary.broken).toEqual({});
      expect(summary.seeds).toBe(10);
      expect(summary.counts['takeovers']).toBeGreaterThan(100);
    },
    LIMIT_MS,
  );

  it(
    'the same seed gives the same history, byte for byte',
    async () => {
      const first = await simulate('--seeds', '12-14');
      const second = await simulate('--seeds', '12-14');
      expect(Object.keys(first.digests)).toHaveLength(3);
      expect(second.digests).toEqual(first.digests);
      expect(second.events).toBe(first.events);
    },
    LIMIT_MS,
  );

  // Which promise breaks first depends on what the bug meets; none breaks where nothing is planted.
  it.each(Object.keys(PLANTED_BUGS))(
    'the planted bug %s is found',
    async (bug) => {
      const summary = await simulate('--seeds', '1-60', '--first', '--plant', bug);
      expect(Object.values(summary.broken).flat()).not.toEqual([]);
    },
    LIMIT_MS,
  );
});
