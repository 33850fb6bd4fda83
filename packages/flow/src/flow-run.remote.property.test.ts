// Flows that are spread over several workers, any of which dies after any of its commits.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type AnyFlow, flow } from './flow.ts';
import { map } from './map.ts';
import { linear, unordered } from './pattern.ts';
import { buildShape, ENOUGH_SIGNALS, type ShapeCall, shape } from './random-shape.fixture.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { EXACT, Job } from './run-harness.fixture.ts';
import type { RunResult } from './run-options.ts';
import { task } from './task.ts';
import { runSpread, TaskJobs } from './task-jobs.fixture.ts';

/** Which process dies, and after which of its commits. */
interface Crash {
  readonly at: 'holder' | 'worker';
  readonly after: number;
}

const CALM: Crash = { at: 'holder', after: Number.POSITIVE_INFINITY };

interface Played {
  readonly job: Job;
  readonly taskJobs: TaskJobs;
  readonly calls: readonly ShapeCall[];
  readonly result: RunResult;
}

async function play(
  build: (calls: ShapeCall[]) => AnyFlow,
  { at, after }: Crash,
  { input, concurrency = 1 }: { readonly input?: unknown; readonly concurrency?: number } = {},
): Promise<Played> {
  const calls: ShapeCall[] = [];
  const job = new Job(build(calls));
  const taskJobs = new TaskJobs(job, at === 'worker' ? { crashAfter: after } : {});
  const result = await runSpread(job, taskJobs, {
    concurrency,
    signals: ENOUGH_SIGNALS,
    ...(input === undefined ? {} : { input }),
    ...(at === 'holder' ? { crashAfter: after } : {}),
  });
  return { job, taskJobs, calls, result };
}

function crashesOf({ job, taskJobs }: Played): readonly Crash[] {
  const all = (at: Crash['at'], count: number): Crash[] =>
    Array.from({ length: count }, (_, index) => ({ at, after: index + 1 }));
  return [...all('holder', job.commits.length), ...all('worker', taskJobs.commits)];
}

function endOf(result: RunResult): string {
  return result.kind === 'failed' ? `failed: ${result.failure.message}` : result.kind;
}

/** What a run leaves, apart from ids, times and workers. */
function leftBy({ job, taskJobs, result }: Played): unknown {
  const atoms = [...job.records.values()]
    .map(({ name, state, tries, revertTries, result: provided }) => {
      const text = provided && new TextDecoder().decode(provided.data);
      return [name, state, tries, revertTries, text];
    })
    .sort(([one], [other]) => (String(one) < String(other) ? -1 : 1));
  return { end: endOf(result), atoms, taskJobs: [...taskJobs.jobs.keys()].sort() };
}

/** Calls under a key that another call had, other than of the try that the crash cut off. */
function repeated(calls: readonly ShapeCall[]): readonly string[] {
  const count = new Map<string, number>();
  for (const { kind, key } of calls) {
    count.set(`${kind} ${key}`, (count.get(`${kind} ${key}`) ?? 0) + 1);
  }
  return [...count].flatMap(([key, times]) => Array.from({ length: times - 1 }, () => key));
}

/** What crashes make different: what is left, calls that were repeated without need, task jobs that go on. */
async function differences(
  build: (calls: ShapeCall[]) => AnyFlow,
  { input, isExact }: { readonly input?: unknown; readonly isExact: boolean },
): Promise<readonly unknown[]> {
  const calm = await play(build, CALM, { input });
  const found: unknown[] = repeated(calm.calls).map((call) => ({ crash: 'none', call }));
  for (const crash of crashesOf(calm)) {
    const crashed = await play(build, crash, { input });
    const left = leftBy(crashed);
    if (JSON.stringify(left) !== JSON.stringify(leftBy(calm))) found.push({ crash, left });
    // One process dies, once; what it ran at that time may be called again.
    const twice = repeated(crashed.calls);
    if (isExact && twice.length > 1) found.push({ crash, twice });
    if (crashed.taskJobs.unfinished.length > 0) found.push({ crash, what: 'task jobs go on' });
  }
  return found;
}

describe('a flow that is spread over workers ends as if none had died', () => {
  const note = (calls: ShapeCall[], kind: ShapeCall['kind']) => {
    return (
      _args: unknown,
      ctx: { readonly task: string; readonly idempotencyKey: string },
    ): void => {
      calls.push({ kind, task: ctx.task, key: ctx.idempotencyKey });
    };
  };

  test('a build: compile each, link, test', async () => {
    const build = (calls: ShapeCall[]): AnyFlow => {
      const compile = task({
        name: 'compile',
        requires: { file: z.string() },
        provides: { object: z.string() },
        retry: { attempts: 3, backoff: EXACT },
        execute: ({ file }, ctx) => {
          note(calls, 'execute')(undefined, ctx);
          if (file === 'b' && ctx.try < 3) throw new Error('disk full');
          return { object: `${file}.o` };
        },
        revert: note(calls, 'revert'),
      });
      const bind = task({
        name: 'bind',
        runs: 'here',
        requires: { objects: z.array(z.string()) },
        provides: { binary: z.string() },
        execute: ({ objects }) => ({ binary: objects.join('+') }),
      });
      const check = task({
        name: 'check',
        requires: { binary: z.string() },
        execute: note(calls, 'execute'),
        revert: note(calls, 'revert'),
      });
      return flow({
        name: 'build',
        runs: 'anywhere',
        input: z.object({ files: z.array(z.string()) }),
        body: linear(
          'main',
          map('all', {
            over: 'files',
            as: 'file',
            concurrency: 2,
            body: compile,
            collect: { object: 'objects' },
          }),
          bind,
          check,
        ),
        output: ['binary'],
      });
    };
    const input = { files: ['a', 'b', 'c'] };
    expect(await differences(build, { input, isExact: false })).toEqual([]);
  });

  test('rounds of a controller, with reverts in each', { timeout: 60_000 }, async () => {
    const build = (calls: ShapeCall[]): AnyFlow => {
      const made = (name: string, failures: number) =>
        task({
          name,
          runs: 'anywhere',
          retry: { attempts: 1 },
          revertRetry: { attempts: 2, backoff: EXACT },
          execute: (_args, ctx) => {
            note(calls, 'execute')(undefined, ctx);
            if (ctx.try <= failures) throw new Error('not yet');
          },
          revert: (_args, ctx) => {
            note(calls, 'revert')(undefined, ctx);
            if (ctx.try === 1) throw new Error('locked');
          },
        });
      return flow({
        name: 'rounds',
        body: withRetry(
          times({ attempts: 3, name: 'again' }),
          linear('main', made('one', 0), unordered('both', made('two', 0), made('three', 2))),
        ),
      });
    };
    expect(await differences(build, { isExact: false })).toEqual([]);
  });

  test('a failure after which all is reverted, here and elsewhere', async () => {
    const build = (calls: ShapeCall[]): AnyFlow => {
      const step = (name: string, runs: 'here' | 'anywhere', fails = false) =>
        task({
          name,
          runs,
          retry: { attempts: 1 },
          execute: (_args, ctx) => {
            note(calls, 'execute')(undefined, ctx);
            if (fails) throw new Error('broken');
          },
          revert: note(calls, 'revert'),
        });
      return flow({
        name: 'saga',
        body: linear(
          'main',
          step('a', 'anywhere'),
          step('b', 'here'),
          step('c', 'anywhere'),
          step('d', 'anywhere', true),
        ),
      });
    };
    expect(await differences(build, { isExact: true })).toEqual([]);
  });
});

describe('random flows that are spread over workers', () => {
  test('that do one thing after another end as if none had died', async () => {
    await fc.assert(
      fc.asyncProperty(shape({ isOrdered: true }), async (plan) => {
        const build = (calls: ShapeCall[]): AnyFlow => buildShape(plan, calls);
        expect(await differences(build, { isExact: true })).toEqual([]);
      }),
      { numRuns: 15 },
    );
  }, 120_000);

  test('end, and leave nothing under way, after a crash at any commit', async () => {
    await fc.assert(
      fc.asyncProperty(
        shape({ isOrdered: false }),
        fc.integer({ min: 1, max: 4 }),
        async (plan, concurrency) => {
          const build = (calls: ShapeCall[]): AnyFlow => buildShape(plan, calls);
          const calm = await play(build, CALM, { concurrency });
          expect(problemsOf(calm)).toEqual([]);
          for (const crash of crashesOf(calm)) {
            const crashed = await play(build, crash, { concurrency });
            expect({ crash, problems: problemsOf(crashed) }).toEqual({ crash, problems: [] });
          }
        },
      ),
      { numRuns: 15 },
    );
  }, 120_000);
});

/** What must not be, whatever failed and whenever. */
function problemsOf({ job, taskJobs, result }: Played): readonly string[] {
  const ends: readonly string[] =
    result.kind === 'succeeded'
      ? ['success', 'ignore']
      : ['reverted', 'pending', 'ignore', 'success', 'failure'];
  const states = Object.entries(job.states()).filter(([, state]) => !ends.includes(state));
  return [
    ...states.map(([name, state]) => `${name} is ${state} after the flow ${result.kind}`),
    ...taskJobs.unfinished.map(({ key }) => `${key} has not ended`),
  ];
}
