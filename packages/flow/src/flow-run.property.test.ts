import { type AtomRecord, canTransitionTask, sleep, type TaskState } from '@holdfast/core';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildFlow, type Event, type FlowPlan, flowPlan } from './random-flow.fixture.ts';
import { Job, outputOf, type RunRequest } from './run-harness.fixture.ts';
import type { RunResult } from './run-options.ts';

const RUNS = { numRuns: 60 };

interface Play {
  readonly job: Job;
  readonly events: Event[];
  /** What happened, checkpoints included: `committed t1 success`, `start t2` … */
  readonly log: string[];
}

/** A job of a random flow, ready to run. */
function play(plan: FlowPlan): Play {
  const events: Event[] = [];
  const log: string[] = [];
  const holder: { job?: Job } = {};
  const jobOf = (): Job => {
    if (!holder.job) throw new Error('the job is not there yet');
    return holder.job;
  };
  const noted = new Proxy(events, {
    get: (target, key) =>
      key === 'push'
        ? (event: Event) => {
            log.push(`${event.kind} ${event.task}`);
            return target.push(event);
          }
        : Reflect.get(target, key),
  });
  const job = new Job(buildFlow(plan, noted, jobOf));
  holder.job = job;
  return { job, events, log };
}

function requestOf(plan: FlowPlan, { job, log }: Play, more: RunRequest = {}): RunRequest {
  return {
    concurrency: plan.concurrency,
    releaseAfterMs: Number.POSITIVE_INFINITY,
    ...more,
    beforeCommit: async (atoms) => {
      if (plan.commitMs > 0) await sleep(job.clock, plan.commitMs);
      for (const { name, state } of atoms) log.push(`committed ${name} ${state}`);
    },
  };
}

/** Records that became durable although they can't follow the one before, even with others in between. */
function illegalCommits(commits: readonly (readonly AtomRecord[])[]): readonly string[] {
  const states = new Map<string, TaskState>();
  const problems: string[] = [];
  for (const { name, state } of commits.flat()) {
    const before = states.get(name) ?? 'pending';
    if (!isReachable(before, state)) problems.push(`${name}: ${before} → ${state}`);
    states.set(name, state);
  }
  return problems;
}

const STATES: readonly TaskState[] = [
  'pending',
  'running',
  'success',
  'failure',
  'reverting',
  'reverted',
  'revertFailure',
  'ignore',
];

function isReachable(from: TaskState, to: TaskState): boolean {
  const reached = new Set<TaskState>([from]);
  for (const state of reached) {
    for (const next of STATES) if (canTransitionTask(state, next)) reached.add(next);
  }
  return reached.has(to);
}

/** Transitions of the engine that core's table doesn't allow. */
function illegalTransitions(transitions: readonly string[]): readonly string[] {
  return transitions.filter((line) => {
    const [, from, to] = /: (\w+) → (\w+)$/.exec(line) ?? [];
    return !canTransitionTask(from as TaskState, to as TaskState);
  });
}

/** Edges of the graph that were not kept to, forwards or backwards. */
function brokenEdges({ job, log }: Play): readonly string[] {
  const problems: string[] = [];
  for (const { from, to } of job.flow.graph.edges) {
    const started = log.indexOf(`start ${to}`);
    const durable = log.indexOf(`committed ${from} success`);
    if (started >= 0 && (durable < 0 || durable > started)) {
      problems.push(`${to} started before ${from} was durable`);
    }
    const undone = log.indexOf(`undo ${from}`);
    if (undone < 0) continue;
    if (log.lastIndexOf(`undo ${to}`) > undone) problems.push(`${from} was undone before ${to}`);
    const left = job.state(to) ?? 'pending';
    if (left !== 'pending' && left !== 'reverted') {
      problems.push(`${from} was undone though ${to} is left ${left}`);
    }
  }
  return problems;
}

/** Tasks that a run has left without a resolution. */
function unresolved({ job }: Play, result: RunResult): readonly string[] {
  return Object.entries(job.states())
    .filter(([name, state]) => {
      if (result.kind === 'succeeded') return state !== 'success';
      if (state !== 'success') return !['pending', 'reverted', 'revertFailure'].includes(state);
      // Only what stands under a revert that failed for good may be left as it was.
      const behind = job.flow.graph.edges.filter(({ from }) => from === name);
      return !behind.some(({ to }) => ['revertFailure', 'success'].includes(job.state(to) ?? ''));
    })
    .map(([name, state]) => `${name} is left ${state} by a run that ${result.kind}`);
}

function problemsOf(played: Play, result: RunResult): readonly string[] {
  return [
    ...brokenEdges(played),
    ...unresolved(played, result),
    ...illegalTransitions(played.job.transitions),
    ...illegalCommits(played.job.commits),
  ];
}

describe('random flows', () => {
  test('every task runs exactly as often as it has to, in the order of the graph', async () => {
    await fc.assert(
      fc.asyncProperty(flowPlan({ withFailure: false }), async (plan) => {
        const played = play(plan);
        const result = await played.job.run(requestOf(plan, played));
        outputOf(result);
        for (const [index, { failures }] of plan.tasks.entries()) {
          const starts = played.events.filter((e) => e.kind === 'start' && e.task === `t${index}`);
          expect(starts.map(({ key }) => key)).toEqual(
            Array.from({ length: failures + 1 }, (_, n) => `job-1/t${index}/${n + 1}`),
          );
        }
        expect(problemsOf(played, result)).toEqual([]);
      }),
      RUNS,
    );
  }, 60_000);

  test('a failure is followed by reverts against the order of the graph', async () => {
    await fc.assert(
      fc.asyncProperty(flowPlan({ withFailure: true }), async (plan) => {
        const played = play(plan);
        const result = await played.job.run(requestOf(plan, played));
        const mustFail = plan.tasks.some((each) => each.failsForGood);
        expect(result.kind).toBe(mustFail ? 'failed' : 'succeeded');
        expect(problemsOf(played, result)).toEqual([]);
      }),
      RUNS,
    );
  }, 60_000);
});

class Crash extends Error {}

interface CrashedRun {
  readonly result: RunResult;
  /** What was executed or reverted again although its end was durable: G3, and its twin for reverts. */
  readonly repeated: readonly string[];
}

/** Runs attempt after attempt, each crashing after so many checkpoints, until one gets to an end. */
async function runWithCrashes(
  plan: FlowPlan,
  played: Play,
  crashAfter: (attempt: number) => number,
): Promise<CrashedRun> {
  const repeated: string[] = [];
  for (let attempt = 1; attempt < 500; attempt += 1) {
    const durable = new Map([...played.job.records].map(([name, { state }]) => [name, state]));
    const eventsBefore = played.events.length;
    const result = await runToCrash(plan, played, crashAfter(attempt));
    for (const { kind, task } of played.events.slice(eventsBefore)) {
      const state = durable.get(task) ?? 'pending';
      const isOver = kind === 'start' ? ['success', 'reverted'] : ['reverted', 'revertFailure'];
      if ((kind === 'start' || kind === 'undo') && isOver.includes(state)) {
        repeated.push(`${kind} ${task}, which was ${state}`);
      }
    }
    if (result) return { result, repeated };
  }
  throw new Error('the job does not end');
}

/** One attempt; undefined when it crashed. */
async function runToCrash(
  plan: FlowPlan,
  played: Play,
  crashAfter: number,
): Promise<RunResult | undefined> {
  const crash = new Crash('the process dies');
  try {
    return await played.job.run(
      requestOf(plan, played, {
        afterCommit: (commit) => {
          if (commit >= crashAfter) throw crash;
        },
      }),
    );
  } catch (error) {
    if (error !== crash) throw error;
    return undefined;
  }
}

describe('a run that crashes after any checkpoint', () => {
  test('is taken up where it was, and ends as if nothing had happened', async () => {
    await fc.assert(
      fc.asyncProperty(flowPlan({ withFailure: true }), async (plan) => {
        const calm = play(plan);
        const expected = endOf(plan, await calm.job.run(requestOf(plan, calm)));
        const commits = calm.job.commits.length;
        for (let crashAfter = 1; crashAfter <= commits; crashAfter += 1) {
          const played = play(plan);
          const { result, repeated } = await runWithCrashes(plan, played, (attempt) =>
            attempt === 1 ? crashAfter : Number.POSITIVE_INFINITY,
          );
          expect(endOf(plan, result)).toEqual(expected);
          expect(repeated).toEqual([]);
          expect(problemsOf(played, result)).toEqual([]);
        }
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  test('ends even when every attempt crashes after its third checkpoint', async () => {
    await fc.assert(
      fc.asyncProperty(flowPlan({ withFailure: true }), async (plan) => {
        const calm = play(plan);
        const expected = endOf(plan, await calm.job.run(requestOf(plan, calm)));
        const played = play(plan);
        const { result, repeated } = await runWithCrashes(plan, played, () => 3);
        expect(endOf(plan, result)).toEqual(expected);
        expect(repeated).toEqual([]);
        expect(problemsOf(played, result)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});

/** What has to be the same however often a run was cut off. */
function endOf(plan: FlowPlan, result: RunResult): unknown {
  if (result.kind === 'succeeded') return outputOf(result);
  // Of several tasks that fail for good, now one may be the first and now another.
  const culprits = plan.tasks.filter((each) => each.failsForGood).length;
  return result.kind === 'failed' && culprits === 1 ? result.failure.message : result.kind;
}
