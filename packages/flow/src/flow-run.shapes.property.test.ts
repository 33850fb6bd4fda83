// Random flows of everything that the language has, crashed after every commit.
import { RETRY_TRANSITIONS, TASK_TRANSITIONS } from '@holdfast/core';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  buildShape,
  ENOUGH_SIGNALS,
  type Shape,
  type ShapeCall,
  shape,
} from './random-shape.fixture.ts';
import { Job, runWithCrash } from './run-harness.fixture.ts';
import type { RunResult } from './run-options.ts';

interface Played {
  readonly job: Job;
  readonly calls: ShapeCall[];
  readonly result: RunResult;
  readonly problems: readonly string[];
}

async function play(plan: Shape, crashAfter: number, concurrency: number): Promise<Played> {
  const calls: ShapeCall[] = [];
  const job = new Job(buildShape(plan, calls));
  const result = await runWithCrash(job, crashAfter, { concurrency, signals: ENOUGH_SIGNALS });
  return { job, calls, result, problems: problemsOf({ job, calls, result }) };
}

/** What must not be, whatever failed and whenever. */
function problemsOf({ job, calls, result }: Omit<Played, 'problems'>): readonly string[] {
  const problems: string[] = [];
  const states = Object.entries(job.states());
  const allowed =
    result.kind === 'succeeded'
      ? ['success', 'ignore']
      : ['reverted', 'pending', 'ignore', 'success', 'failure'];
  for (const [name, state] of states) {
    // A controller that does not escalate leaves what is outside of its scope as it is.
    if (!allowed.includes(state))
      problems.push(`${name} is ${state} after the flow ${result.kind}`);
  }
  for (const line of job.transitions) {
    const [, from, to] = /: (\w+) → (\w+)$/.exec(line) ?? [];
    const tables = [TASK_TRANSITIONS, RETRY_TRANSITIONS];
    if (
      !tables.some((table) =>
        Object.entries(table).some(
          ([state, next]) => state === from && next.some((each) => each === to),
        ),
      )
    ) {
      problems.push(line);
    }
  }
  // What is called twice under one key was in flight at the crash, and there is one crash.
  const seen = new Set<string>();
  const twice = calls.filter(({ kind, key }) => {
    const call = `${kind} ${key}`;
    return seen.has(call) || !seen.add(call);
  });
  if (job.attempt === 1 && twice.length > 0) problems.push(`called twice: ${twice[0]?.key}`);
  return problems;
}

describe('random flows of every shape', () => {
  test('end, without an illegal state, after a crash at any commit', async () => {
    await fc.assert(
      fc.asyncProperty(
        shape({ isOrdered: false }),
        fc.integer({ min: 1, max: 4 }),
        async (plan, concurrency) => {
          const calm = await play(plan, Number.POSITIVE_INFINITY, concurrency);
          expect(calm.problems).toEqual([]);
          const commits = calm.job.commits.length;
          for (let crashAfter = 1; crashAfter <= commits; crashAfter += 1) {
            const crashed = await play(plan, crashAfter, concurrency);
            expect({ crashAfter, problems: crashed.problems }).toEqual({
              crashAfter,
              problems: [],
            });
          }
        },
      ),
      { numRuns: 20 },
    );
  }, 120_000);

  test('that do one thing after another end exactly as without the crash', async () => {
    await fc.assert(
      fc.asyncProperty(shape({ isOrdered: true }), async (plan) => {
        const calm = await play(plan, Number.POSITIVE_INFINITY, 1);
        const commits = calm.job.commits.length;
        for (let crashAfter = 1; crashAfter <= commits; crashAfter += 1) {
          const { job, result } = await play(plan, crashAfter, 1);
          expect({ crashAfter, end: endOf(result), states: sorted(job) }).toEqual({
            crashAfter,
            end: endOf(calm.result),
            states: sorted(calm.job),
          });
        }
      }),
      { numRuns: 20 },
    );
  }, 120_000);
});

function endOf(result: RunResult): string {
  return result.kind === 'failed' ? `failed: ${result.failure.message}` : result.kind;
}

function sorted(job: Job): [string, string][] {
  return Object.entries(job.states()).sort(([one], [other]) => (one < other ? -1 : 1));
}
