import { type AtomRecord, canTransitionTask, sleep, TerminalError } from '@holdfast/core';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Job, outputOf, type RunRequest } from './run-harness.fixture.ts';
import type { RunResult } from './run-options.ts';
import { workflow } from './workflow.ts';
import type { WorkflowContext } from './workflow-context.ts';
import { Inbox } from './workflow-job.fixture.ts';

/** What a random durable function does. */
type Deed =
  | {
      readonly kind: 'step';
      /** Tries that fail before one succeeds; three are allowed. */
      readonly failures: number;
      readonly delayMs: number;
      readonly revert: 'none' | 'works' | 'flaky' | 'broken';
      readonly isCaught: boolean;
    }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'wait'; readonly timeoutMs: number | undefined; readonly isTaken: boolean }
  | { readonly kind: 'all' | 'race'; readonly deeds: readonly Deed[] };

interface Plan {
  readonly deeds: readonly Deed[];
  readonly fails: boolean;
  readonly concurrency: number;
  readonly commitMs: number;
  readonly releaseAfterMs: number;
}

const step: fc.Arbitrary<Deed> = fc.record({
  kind: fc.constant('step' as const),
  failures: fc.constantFrom(0, 0, 0, 0, 1, 2, 3),
  delayMs: fc.constantFrom(0, 0, 7, 30),
  revert: fc.constantFrom('none', 'works', 'works', 'flaky', 'broken'),
  isCaught: fc.boolean(),
});
const pause: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ kind: fc.constant('sleep' as const), ms: fc.constantFrom(0, 11, 9000) }),
  fc
    .record({
      kind: fc.constant('wait' as const),
      timeoutMs: fc.constantFrom(undefined, 13, 8000),
      isTaken: fc.boolean(),
    })
    // A wait that nothing ends would keep the job waiting for ever.
    .filter(({ timeoutMs, isTaken }) => isTaken || timeoutMs !== undefined),
);
const simple = fc.oneof({ weight: 4, arbitrary: step }, { weight: 1, arbitrary: pause });
const group: fc.Arbitrary<Deed> = fc.record({
  kind: fc.constantFrom('all', 'all', 'race'),
  deeds: fc.array(simple, { minLength: 1, maxLength: 4 }),
});
const planOf = (deed: fc.Arbitrary<Deed>): fc.Arbitrary<Plan> =>
  fc.record({
    deeds: fc.array(deed, { minLength: 1, maxLength: 5 }),
    fails: fc.oneof({ weight: 2, arbitrary: fc.constant(false) }, fc.constant(true)),
    concurrency: fc.integer({ min: 1, max: 4 }),
    commitMs: fc.constantFrom(0, 3, 40),
    releaseAfterMs: fc.constantFrom(0, 5000, Number.POSITIVE_INFINITY),
  });
const anyPlan = planOf(fc.oneof({ weight: 3, arbitrary: simple }, { weight: 1, arbitrary: group }));
/** Nothing runs beside anything, so that there is one way only in which it can go. */
const serialPlan = planOf(simple);

interface Event {
  readonly kind: 'run' | 'undo';
  readonly name: string;
  readonly key: string;
}

/** A job of a random durable function. */
class Play {
  readonly events: Event[] = [];
  /** What every run of the function has seen, run by run. */
  readonly sights: string[][] = [];
  readonly inbox: Inbox = new Inbox();
  readonly job: Job;
  readonly #plan: Plan;
  /** What was run or reverted again although its end was durable. */
  readonly problems: string[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
    const retry = { attempts: 3, backoff: { initialMs: 10, factor: 2, maxMs: 1000, jitter: 0.5 } };
    this.job = new Job(
      workflow({ name: 'test', retry }, async (ctx) => {
        const seen: string[] = [];
        this.sights.push(seen);
        const values = [];
        for (const [index, deed] of plan.deeds.entries()) {
          values.push(await this.#do(ctx, { deed, name: `d${index}`, seen }));
        }
        if (plan.fails) throw new Error('it fails');
        return values;
      }),
    );
    this.#send(plan.deeds, 'd');
  }

  /** Runs attempt after attempt, the first one dying after so many checkpoints. */
  async run(crashAfter: (attempt: number) => number): Promise<RunResult> {
    for (let attempt = 1; attempt < 500; attempt += 1) {
      const over = new Map([...this.job.records].filter(([, { state }]) => OVER.has(state)));
      const before = this.events.length;
      const result = await this.#attempt(crashAfter(attempt));
      for (const { kind, name } of this.events.slice(before)) {
        const state = over.get(name)?.state;
        const isRepeated = state !== undefined && (kind === 'run' || state.startsWith('revert'));
        if (isRepeated) this.problems.push(`${kind} ${name}, which was ${state}`);
      }
      if (!result) continue;
      if (result.kind !== 'waiting') return result;
      const { clock } = this.job;
      await clock.advance(Math.max(0, (result.untilUnixMs ?? 0) - clock.nowUnixMs()));
    }
    throw new Error('the job does not end');
  }

  async #attempt(crashAfter: number): Promise<RunResult | undefined> {
    const { concurrency, commitMs, releaseAfterMs } = this.#plan;
    const death = new Error('the process dies');
    const request: RunRequest = {
      concurrency,
      releaseAfterMs,
      signals: this.inbox.source,
      beforeCommit: async () => {
        if (commitMs > 0) await sleep(this.job.clock, commitMs);
      },
      afterCommit: (commit) => {
        if (commit >= crashAfter) throw death;
      },
    };
    try {
      return await this.job.run(request);
    } catch (error) {
      if (error !== death) throw error;
      return undefined;
    }
  }

  async #do(
    ctx: WorkflowContext,
    { deed, name, seen }: { readonly deed: Deed; readonly name: string; readonly seen: string[] },
  ): Promise<unknown> {
    const note = <Value>(value: Value): Value => {
      seen.push(`${name} ${JSON.stringify(value)}`);
      return value;
    };
    switch (deed.kind) {
      case 'step': {
        const done = this.#step(ctx, deed, name).then(note);
        return deed.isCaught
          ? await done.catch((error: unknown) => note(String(error)))
          : await done;
      }
      case 'sleep':
        return await ctx.sleep(name, deed.ms).then(() => note('slept'));
      case 'wait': {
        const { timeoutMs } = deed;
        const waiting = ctx.waitFor(name, { event: name, timeoutMs });
        return await waiting
          .then(note)
          .catch((error: unknown) => note(error instanceof Error && error.name));
      }
      case 'all':
      case 'race': {
        const parts = deed.deeds.map((each, index) =>
          this.#do(ctx, { deed: each, name: `${name}.${index}`, seen }),
        );
        // What loses may fail as well; that is nobody's failure then.
        for (const part of parts) part.catch(() => undefined);
        return deed.kind === 'all' ? await ctx.all(parts) : note(await Promise.race(parts));
      }
      default:
        return deed satisfies never;
    }
  }

  #step(
    ctx: WorkflowContext,
    deed: Deed & { readonly kind: 'step' },
    name: string,
  ): Promise<string> {
    const { clock } = this.job;
    return ctx.step(
      name,
      async (call) => {
        this.events.push({ kind: 'run', name, key: call.idempotencyKey });
        if (deed.delayMs > 0) await sleep(clock, deed.delayMs);
        if (call.try <= deed.failures) throw new Error(`${name} fails, try ${call.try}`);
        return `${name} done`;
      },
      {
        revert:
          deed.revert === 'none'
            ? undefined
            : async (call) => {
                this.events.push({ kind: 'undo', name, key: call.idempotencyKey });
                if (deed.delayMs > 0) await sleep(clock, deed.delayMs);
                if (deed.revert === 'broken') throw new TerminalError(`${name} can't be undone`);
                if (deed.revert === 'flaky' && call.try < 2) throw new Error(`${name} can't yet`);
              },
      },
    );
  }

  #send(deeds: readonly Deed[], prefix: string): void {
    for (const [index, deed] of deeds.entries()) {
      const name = `${prefix}${index}`;
      if (deed.kind === 'wait' && deed.isTaken) this.inbox.send(name, `to ${name}`);
      if (deed.kind === 'all' || deed.kind === 'race') this.#send(deed.deeds, `${name}.`);
    }
  }
}

const OVER: ReadonlySet<string> = new Set(['success', 'failure', 'reverted', 'revertFailure']);
const CALM = (): number => Number.POSITIVE_INFINITY;

/** How the job has ended, and what it leaves behind. */
function endOf({ job, sights }: Play, result: RunResult): unknown {
  const end =
    result.kind === 'succeeded'
      ? outputOf(result)
      : result.kind === 'failed' && result.failure.message;
  return {
    kind: result.kind,
    end,
    states: Object.fromEntries(Object.entries(job.states())),
    seen: sights.at(-1),
  };
}

/** The same where things happen side by side: which of them was first may differ. */
function roughEndOf(plan: Plan, { job }: Play, result: RunResult): unknown {
  // What loses a race is cut off, so that its failure counts in one run and in another doesn't.
  const hasRace = plan.deeds.some(({ kind }) => kind === 'race');
  return hasRace ? plan.fails && result.kind : { kind: result.kind, root: job.state('test') };
}

/** Every run of the function has seen the same as those before it, as far as it got. */
function contradictions({ sights }: Play): readonly string[] {
  const problems: string[] = [];
  for (const [index, seen] of sights.entries()) {
    const before = sights[index - 1] ?? [];
    const shared = Math.min(before.length, seen.length);
    if (before.slice(0, shared).join() === seen.slice(0, shared).join()) continue;
    problems.push(`run ${index} saw ${seen.join(', ')} after ${before.join(', ')}`);
  }
  return problems;
}

/** What no run may do, whatever crashes. */
function problemsOf(play: Play, result: RunResult): readonly string[] {
  const { job, problems } = play;
  const illegal = job.transitions.filter((line) => {
    const [, from, to] = /: (\w+) → (\w+)$/.exec(line) ?? [];
    return !canTransitionTask(from as AtomRecord['state'], to as AtomRecord['state']);
  });
  const open = Object.entries(job.states()).filter(
    ([, state]) => state === 'running' || state === 'reverting' || state === 'pending',
  );
  const left = open.map(([name, state]) => `${name} is left ${state} by a run that ${result.kind}`);
  return [...problems, ...illegal, ...left, ...contradictions(play)];
}

async function runCalmly(plan: Plan): Promise<{ readonly play: Play; readonly result: RunResult }> {
  const play = new Play(plan);
  return { play, result: await play.run(CALM) };
}

describe('random durable functions', () => {
  test('that crash after any checkpoint end exactly as if nothing had happened', async () => {
    await fc.assert(
      fc.asyncProperty(serialPlan, async (plan) => {
        const calm = await runCalmly(plan);
        expect(problemsOf(calm.play, calm.result)).toEqual([]);
        const commits = calm.play.job.commits.length;
        for (let crashAfter = 1; crashAfter <= commits; crashAfter += 1) {
          const play = new Play(plan);
          const result = await play.run((attempt) => (attempt === 1 ? crashAfter : CALM()));
          expect(endOf(play, result)).toEqual(endOf(calm.play, calm.result));
          expect(problemsOf(play, result)).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  test('that do things side by side contradict nothing that they have seen before', async () => {
    await fc.assert(
      fc.asyncProperty(anyPlan, async (plan) => {
        const calm = await runCalmly(plan);
        expect(problemsOf(calm.play, calm.result)).toEqual([]);
        const commits = calm.play.job.commits.length;
        for (let crashAfter = 1; crashAfter <= commits; crashAfter += 1) {
          const play = new Play(plan);
          const result = await play.run((attempt) => (attempt === 1 ? crashAfter : CALM()));
          expect(problemsOf(play, result)).toEqual([]);
          expect(roughEndOf(plan, play, result)).toEqual(roughEndOf(plan, calm.play, calm.result));
        }
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  test('end even when every attempt crashes after its third checkpoint', async () => {
    await fc.assert(
      fc.asyncProperty(anyPlan, async (plan) => {
        const play = new Play(plan);
        const result = await play.run(() => 3);
        expect(problemsOf(play, result)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});
