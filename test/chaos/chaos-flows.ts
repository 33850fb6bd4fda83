// The flows of a campaign. Each task tells the outside ledger when it starts and when it has its effect,
// with the fence and the key that it was given; some ignore their signal on purpose, so that a worker
// which was stopped goes on where it stood when it wakes.
import { setTimeout as delay } from 'node:timers/promises';
import {
  type CallContext,
  type Flow,
  flow,
  linear,
  map,
  type RetryOptions,
  sleep,
  type TaskContext,
  task,
  times,
  unordered,
  waitFor,
  withRetry,
} from '@holdfast/flow';
import { z } from 'zod';
import { callRecord } from '../support/call-record.ts';
import type { LedgerRequest } from './ledger-service.ts';

/** How often a task asks a ledger that does not answer, under the same key. */
const LEDGER_TRIES = 10;
const LEDGER_PAUSE_MS = 100;

const RETRY: RetryOptions = { attempts: 5, backoff: { initialMs: 50, maxMs: 200 } };

const input = { ledger: z.string(), workMs: z.number() };

/** What the tasks have in common. */
const common = { requires: input, retry: RETRY };

/** What every flow of a campaign takes. */
export interface ChaosInput {
  readonly ledger: string;
  /** How long each task works, in milliseconds. */
  readonly workMs: number;
}

/** Tells the ledger; its verdict. */
async function tell(
  ledger: string,
  what: LedgerRequest['what'],
  ctx: CallContext,
): Promise<string> {
  const request: LedgerRequest = { what, ...callRecord(ctx) };
  return await send(ledger, JSON.stringify(request));
}

async function note(ledger: string, what: LedgerRequest['what'], ctx: CallContext): Promise<void> {
  const verdict = await tell(ledger, what, ctx);
  if (verdict === 'refused') throw new Error(`the ledger has seen a newer fence than ${ctx.fence}`);
}

async function send(ledger: string, body: string): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await fetch(ledger, { method: 'POST', body });
      return await answer.text();
    } catch (error) {
      if (tries >= LEDGER_TRIES) throw error;
      await delay(LEDGER_PAUSE_MS);
    }
  }
}

async function act({ ledger, workMs }: ChaosInput, ctx: TaskContext): Promise<void> {
  await note(ledger, 'start', ctx);
  await delay(workMs, undefined, { signal: ctx.signal });
  await note(ledger, 'effect', ctx);
}

/** Ignores its signal on purpose, and what the ledger says: only the board can keep its result out. */
async function actDeaf({ ledger, workMs }: ChaosInput, ctx: TaskContext): Promise<void> {
  await tell(ledger, 'start', ctx);
  await delay(workMs);
  await tell(ledger, 'effect', ctx);
}

/** Works, then gives what the task provides. */
function working<Values extends ChaosInput, Provided>(
  work: (input: ChaosInput, ctx: TaskContext) => Promise<void>,
  provide: (values: Values) => Provided,
): (values: Values, ctx: TaskContext) => Promise<Provided> {
  return async (values, ctx) => {
    await work(values, ctx);
    return provide(values);
  };
}

const only = task({
  ...common,
  name: 'only',
  provides: { done: z.boolean() },
  execute: working(actDeaf, () => ({ done: true })),
});

/** One task, which ignores its signal. */
export const chaosOne: Flow<ChaosInput, { done: boolean }> = flow({
  name: 'chaos-one',
  input: z.object(input),
  body: only,
});

const first = task({
  ...common,
  name: 'first',
  provides: { a: z.number() },
  execute: working(act, () => ({ a: 1 })),
});

const second = task({
  ...common,
  name: 'second',
  requires: { ...input, a: z.number() },
  provides: { b: z.number() },
  execute: working(actDeaf, ({ a }) => ({ b: a + 1 })),
});

const third = task({
  ...common,
  name: 'third',
  requires: { ...input, b: z.number() },
  provides: { c: z.number() },
  execute: working(act, ({ b }) => ({ c: b + 1 })),
});

/** Three tasks in a row. */
export const chaosSteps: Flow<ChaosInput, { a: number; b: number; c: number }> = flow({
  name: 'chaos-steps',
  input: z.object(input),
  body: linear('steps', first, second, third),
});

const north = task({ ...common, name: 'north', execute: act });
const east = task({ ...common, name: 'east', execute: act });
const south = task({ ...common, name: 'south', execute: act });

/** Three tasks side by side. */
export const chaosFan: Flow<ChaosInput, object> = flow({
  name: 'chaos-fan',
  input: z.object(input),
  body: unordered('fan', north, east, south),
});

/** Its task fails in its first try. */
export const chaosFlaky: Flow<ChaosInput, object> = flow({
  name: 'chaos-flaky',
  input: z.object(input),
  body: task({
    ...common,
    name: 'flaky',
    async execute(values, ctx) {
      await act(values, ctx);
      if (ctx.try === 1) throw new Error('the first try fails');
    },
  }),
});

const book = task({
  ...common,
  name: 'book',
  provides: { booked: z.boolean() },
  execute: working(act, () => ({ booked: true })),
  revert: ({ ledger }, ctx) => note(ledger, 'revert', ctx),
});

const charge = task({
  name: 'charge',
  requires: { ...input, booked: z.boolean() },
  retry: { attempts: 1 },
  execute: working(act, () => {
    throw new Error('the card is refused');
  }),
});

/** Fails in its second task, and reverts its first. */
export const chaosSaga: Flow<ChaosInput, object> = flow({
  name: 'chaos-saga',
  input: z.object(input),
  body: linear('saga', book, charge),
});

const prepare = task({
  ...common,
  name: 'prepare',
  runs: 'anywhere',
  execute: act,
  revert: ({ ledger }, ctx) => note(ledger, 'revert', ctx),
});

const stage = task({
  ...common,
  name: 'stage',
  execute: act,
  revert: ({ ledger }, ctx) => note(ledger, 'revert', ctx),
});

const deliver = task({
  ...common,
  name: 'deliver',
  retry: { attempts: 1 },
  async execute(values, ctx) {
    await act(values, ctx);
    if (ctx.try === 1) throw new Error('the first round fails');
  },
});

/** Fails in its first round, reverts what that did, here and elsewhere, and succeeds in the second. */
export const chaosRounds: Flow<ChaosInput, object> = flow({
  name: 'chaos-rounds',
  input: z.object(input),
  body: withRetry(
    times({ name: 'again', attempts: 5, backoff: { initialMs: 100, maxMs: 400 } }),
    linear('round', prepare, stage, deliver),
  ),
});

/** How many places there are; the checker counts them too. */
const PLACES = [0, 1, 2];

const survey = task({
  ...common,
  name: 'survey',
  provides: { places: z.array(z.number()) },
  execute: working(act, () => ({ places: PLACES })),
});

const visit = task({
  ...common,
  name: 'visit',
  requires: { ...input, place: z.number() },
  provides: { seen: z.number() },
  execute: working(act, ({ place }) => ({ seen: place })),
});

const sum = task({
  ...common,
  name: 'sum',
  requires: { ...input, seen: z.array(z.number()) },
  execute: act,
});

/** A list that is known at run time, item by item, with a pause behind it that no worker sits out. */
export const chaosMap: Flow<ChaosInput, object> = flow({
  name: 'chaos-map',
  input: z.object(input),
  body: linear(
    'all',
    survey,
    map('visits', { over: 'places', as: 'place', concurrency: 2, body: visit }),
    sleep('nap', { ms: 5200 }),
    sum,
  ),
  output: ['places'],
});

const scout = task({
  ...common,
  name: 'scout',
  provides: { places: z.array(z.number()) },
  execute: working(act, () => ({ places: PLACES })),
});

const carry = task({
  ...common,
  name: 'carry',
  runs: 'anywhere',
  requires: { ...input, place: z.number() },
  provides: { carried: z.number() },
  execute: working(actDeaf, ({ place }) => ({ carried: place })),
});

const gather = task({
  ...common,
  name: 'gather',
  requires: { ...input, carried: z.array(z.number()) },
  execute: act,
});

/** Spread over the fleet: a task for each item of a list, each as a job of its own. */
export const chaosSpread: Flow<ChaosInput, object> = flow({
  name: 'chaos-spread',
  input: z.object(input),
  body: linear('all', scout, map('carries', { over: 'places', as: 'place', body: carry }), gather),
  output: ['places'],
});

const ask = task({ ...common, name: 'ask', execute: act });
const follow = task({ ...common, name: 'follow', execute: act });

/** Waits for a signal between two tasks. */
export const chaosApproval: Flow<ChaosInput, object> = flow({
  name: 'chaos-approval',
  input: z.object(input),
  body: linear('all', ask, waitFor('answer', { event: 'go' }), follow),
});
