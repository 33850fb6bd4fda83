// The flows of a campaign. Each task tells the outside ledger when it starts and when it has its effect,
// with the fence and the key that it was given; some ignore their signal on purpose, so that a worker
// which was stopped goes on where it stood when it wakes.
import { setTimeout as delay } from 'node:timers/promises';
import {
  type CallContext,
  type Flow,
  flow,
  linear,
  type RetryOptions,
  type TaskContext,
  task,
  unordered,
} from '@holdfast/flow';
import { z } from 'zod';
import type { LedgerRequest } from './ledger-service.ts';

/** How often a task asks a ledger that does not answer, under the same key. */
const LEDGER_TRIES = 10;
const LEDGER_PAUSE_MS = 100;

const RETRY: RetryOptions = { attempts: 5, backoff: { initialMs: 50, maxMs: 200 } };

const input = { ledger: z.string(), workMs: z.number() };

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
  const request: LedgerRequest = {
    what,
    jobId: ctx.jobId,
    task: ctx.task,
    try: ctx.try,
    attempt: ctx.attempt,
    fence: ctx.fence.toString(),
    key: ctx.idempotencyKey,
    pid: process.pid,
  };
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

const only = task({
  name: 'only',
  requires: input,
  provides: { done: z.boolean() },
  retry: RETRY,
  async execute(values, ctx) {
    await actDeaf(values, ctx);
    return { done: true };
  },
});

/** One task, which ignores its signal. */
export const chaosOne: Flow<ChaosInput, { done: boolean }> = flow({
  name: 'chaos-one',
  input: z.object(input),
  body: only,
});

const first = task({
  name: 'first',
  requires: input,
  provides: { a: z.number() },
  retry: RETRY,
  async execute(values, ctx) {
    await act(values, ctx);
    return { a: 1 };
  },
});

const second = task({
  name: 'second',
  requires: { ...input, a: z.number() },
  provides: { b: z.number() },
  retry: RETRY,
  async execute({ a, ...values }, ctx) {
    await actDeaf(values, ctx);
    return { b: a + 1 };
  },
});

const third = task({
  name: 'third',
  requires: { ...input, b: z.number() },
  provides: { c: z.number() },
  retry: RETRY,
  async execute({ b, ...values }, ctx) {
    await act(values, ctx);
    return { c: b + 1 };
  },
});

/** Three tasks in a row. */
export const chaosSteps: Flow<ChaosInput, { a: number; b: number; c: number }> = flow({
  name: 'chaos-steps',
  input: z.object(input),
  body: linear('steps', first, second, third),
});

const north = task({
  name: 'north',
  requires: input,
  retry: RETRY,
  execute: (values, ctx) => act(values, ctx),
});

const east = task({
  name: 'east',
  requires: input,
  retry: RETRY,
  execute: (values, ctx) => act(values, ctx),
});

const south = task({
  name: 'south',
  requires: input,
  retry: RETRY,
  execute: (values, ctx) => act(values, ctx),
});

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
    name: 'flaky',
    requires: input,
    retry: RETRY,
    async execute(values, ctx) {
      await act(values, ctx);
      if (ctx.try === 1) throw new Error('the first try fails');
    },
  }),
});

const book = task({
  name: 'book',
  requires: input,
  provides: { booked: z.boolean() },
  retry: RETRY,
  async execute(values, ctx) {
    await act(values, ctx);
    return { booked: true };
  },
  async revert({ ledger }, ctx) {
    await note(ledger, 'revert', ctx);
  },
});

const charge = task({
  name: 'charge',
  requires: { ...input, booked: z.boolean() },
  retry: { attempts: 1 },
  async execute({ booked: _booked, ...values }, ctx) {
    await act(values, ctx);
    throw new Error('the card is refused');
  },
});

/** Fails in its second task, and reverts its first. */
export const chaosSaga: Flow<ChaosInput, object> = flow({
  name: 'chaos-saga',
  input: z.object(input),
  body: linear('saga', book, charge),
});
