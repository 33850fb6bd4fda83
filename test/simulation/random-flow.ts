// Random flows, nested, from fast-check, so that what fails can be shrunk; and their tasks, which
// write down what they do in an outside ledger.
import { type Clock, RetryLaterError, sleep, TerminalError } from '@holdfast/core';
import {
  type AnyFlow,
  type CallContext,
  flow,
  graph,
  linear,
  type Task,
  type TaskDefinition,
  task,
  times,
  unordered,
  waitFor,
  withRetry,
} from '@holdfast/flow';
import * as fc from 'fast-check';
import { z } from 'zod';

/** How one task behaves. */
export interface TaskPlan {
  readonly kind: 'task';
  readonly durationMs: number;
  /** Tries that fail before one succeeds. */
  readonly failures: number;
  readonly failsForGood: boolean;
  /** Its first try asks to be tried again only after this time; 0 = it doesn't. */
  readonly laterMs: number;
  readonly revert: 'none' | 'works' | 'flaky' | 'broken';
  readonly heedsSignal: boolean;
  /** Which of the values that it can see it takes. */
  readonly takes: readonly number[];
}

export interface GroupPlan {
  readonly kind: 'linear' | 'unordered' | 'graph';
  /** Rounds that a retry controller around it allows; 0 = there is none. */
  readonly rounds: number;
  readonly items: readonly ItemPlan[];
}

export type ItemPlan = TaskPlan | GroupPlan;

const taskPlan: fc.Arbitrary<ItemPlan> = fc.record({
  kind: fc.constant('task'),
  durationMs: fc.constantFrom(0, 0, 20, 300, 2000, 9000),
  failures: fc.constantFrom(0, 0, 0, 0, 1, 2),
  failsForGood: fc.constantFrom(false, false, false, false, false, false, false, false, true),
  laterMs: fc.constantFrom(0, 0, 0, 0, 0, 0, 3000, 15_000),
  revert: fc.constantFrom('none', 'works', 'works', 'flaky', 'broken'),
  heedsSignal: fc.boolean(),
  takes: fc.array(fc.nat(20), { maxLength: 2 }),
});

/** A tree of groups, three deep, of at most four items each. */
export const flowPlan: fc.Arbitrary<GroupPlan> = fc.letrec<{
  item: ItemPlan;
  group: GroupPlan;
}>((tie) => ({
  item: fc.oneof({ maxDepth: 2, depthSize: 'small' }, taskPlan, tie('group')),
  group: fc.record({
    kind: fc.constantFrom('linear', 'linear', 'unordered', 'graph'),
    rounds: fc.constantFrom(0, 0, 0, 1, 2, 3),
    items: fc.array(tie('item'), { minLength: 1, maxLength: 4 }),
  }),
})).group;

/** What tasks tell about themselves, and what the outside world answers. */
export interface Outside {
  /** User code has been called. */
  started(call: OutsideCall): void;
  /** The effect of a try; the same value for every repeat of it. Throws for a fence that was superseded. */
  effect(call: OutsideCall): number;
}

export interface OutsideCall {
  readonly kind: 'execute' | 'revert';
  readonly ctx: CallContext;
}

/** Where a flow's tasks live: the process that runs them. */
export interface FlowHost {
  readonly clock: Clock;
  readonly outside: Outside;
  /** Ends the process from within, as a segmentation fault would. */
  crash(): void;
}

/** Builds the flow that `plan` describes, for one process. */
export function buildFlow(name: string, plan: GroupPlan, host: FlowHost): AnyFlow {
  const builder = { next: 0, groups: 0, host };
  return flow({ name, input: INPUT, body: buildGroup(builder, plan, []).item });
}

/** What jobs of random flows are posted with. */
const INPUT = z.object({ order: z.number().int().nonnegative() });

interface Builder {
  /** Numbers of the next task, and of the last group. */
  next: number;
  groups: number;
  readonly host: FlowHost;
}

type AnyItem = Parameters<typeof unordered>[1];

interface Built {
  readonly item: AnyItem;
  /** Numbers of the tasks in it. */
  readonly gives: readonly number[];
}

function buildItem(builder: Builder, plan: ItemPlan, visible: readonly number[]): Built {
  if (plan.kind !== 'task') return buildGroup(builder, plan, visible);
  const index = builder.next;
  builder.next += 1;
  const takes = visible.length === 0 ? [] : plan.takes.map((at) => visible[at % visible.length]);
  const known = [...new Set(takes)].filter((at) => at !== undefined);
  return { item: buildTask(builder.host, { plan, index, takes: known }), gives: [index] };
}

function buildGroup(builder: Builder, plan: GroupPlan, visible: readonly number[]): Built {
  const name = `g${builder.next}`;
  builder.groups += 1;
  const number = builder.groups;
  const items: AnyItem[] = [];
  const gives: number[] = [];
  for (const each of plan.items) {
    const seen = plan.kind === 'unordered' ? visible : [...visible, ...gives];
    const built = buildItem(builder, each, seen);
    items.push(built.item);
    gives.push(...built.gives);
  }
  const item = arrange(name, plan.kind, items);
  if (plan.rounds === 0) return { item, gives };
  const backoff = { initialMs: 400, factor: 2, maxMs: 20_000, jitter: 0.5 };
  const controller = times({ name: `c${number}`, attempts: plan.rounds, backoff });
  return { item: withRetry(controller, item), gives };
}

function arrange(name: string, kind: GroupPlan['kind'], items: readonly AnyItem[]): AnyItem {
  switch (kind) {
    case 'linear':
      return linear(name, ...items);
    case 'unordered':
      return unordered(name, ...items);
    case 'graph':
      // Listed the wrong way round: the order follows from the values.
      return graph(name, { tasks: items.toReversed() });
    default:
      return kind satisfies never;
  }
}

interface TaskParts {
  readonly plan: TaskPlan;
  readonly index: number;
  readonly takes: readonly number[];
}

type AnyDefinition = TaskDefinition<
  string,
  Record<string, z.ZodNumber>,
  Record<string, z.ZodNumber>
>;

function buildTask(host: FlowHost, { plan, index, takes }: TaskParts): Task {
  const definition: AnyDefinition = {
    name: `t${index}`,
    requires: Object.fromEntries(takes.map((from) => [`v${from}`, z.number()])),
    provides: { [`v${index}`]: z.number() },
    retry: { attempts: 4, backoff: { initialMs: 50, factor: 3, maxMs: 7000, jitter: 0.5 } },
    async execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      await work(host.clock, plan, ctx);
      if (plan.failsForGood) throw new TerminalError('it fails for good');
      if (plan.laterMs > 0 && ctx.try === 1) {
        throw new RetryLaterError('not yet', { afterMs: plan.laterMs });
      }
      if (ctx.try <= plan.failures) throw new Error(`try ${ctx.try} fails`);
      return { [`v${index}`]: host.outside.effect({ kind: 'execute', ctx }) };
    },
    revert: plan.revert === 'none' ? undefined : (_args, ctx) => undo(host, plan, ctx),
  };
  return task(definition) as unknown as Task; // its names are not known statically
}

async function undo(host: FlowHost, plan: TaskPlan, ctx: CallContext): Promise<void> {
  host.outside.started({ kind: 'revert', ctx });
  await work(host.clock, plan, ctx);
  if (plan.revert === 'broken') throw new TerminalError('it cannot be undone');
  if (plan.revert === 'flaky' && ctx.try < 2) throw new Error('it cannot be undone yet');
  host.outside.effect({ kind: 'revert', ctx });
}

async function work(clock: Clock, plan: TaskPlan, ctx: CallContext): Promise<void> {
  if (plan.durationMs === 0) return;
  const { signal } = ctx;
  await sleep(clock, plan.durationMs, plan.heedsSignal ? { signal } : {});
  if (plan.heedsSignal) signal.throwIfAborted();
}

/** A flow whose only task kills the process that runs it. */
export function buildPoison(host: FlowHost): AnyFlow {
  const deadly = task({
    name: 'deadly',
    async execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      await sleep(host.clock, 5);
      host.crash();
      // Nothing of a dead process goes on.
      await new Promise(() => undefined);
    },
  });
  return flow({ name: 'poison', body: linear('main', deadly) });
}

/** A flow that takes no time: what backlogs are made of. */
export function buildQuick(host: FlowHost): AnyFlow {
  const quick = task({
    name: 'quick',
    execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      host.outside.effect({ kind: 'execute', ctx });
    },
  });
  return flow({ name: 'quick', body: linear('main', quick) });
}

/** The flow whose jobs wait for a signal, and the signal. */
export const APPROVAL_FLOW = 'approval';
export const GO = 'go';

/** A flow that waits for a signal between two tasks, the first of which can be reverted. */
export function buildApproval(host: FlowHost): AnyFlow {
  const ask = task({
    name: 'ask',
    execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      host.outside.effect({ kind: 'execute', ctx });
    },
    revert(_args, ctx) {
      host.outside.started({ kind: 'revert', ctx });
      host.outside.effect({ kind: 'revert', ctx });
    },
  });
  const act = task({
    name: 'act',
    async execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      await sleep(host.clock, 300);
      host.outside.effect({ kind: 'execute', ctx });
    },
  });
  const wait = waitFor('wait', { event: GO });
  return flow({ name: APPROVAL_FLOW, body: linear('main', ask, wait, act) });
}

/** A flow that takes long: what takeovers are measured by. */
export function buildSlow(host: FlowHost): AnyFlow {
  const slow = task({
    name: 'slow',
    async execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      await sleep(host.clock, 30_000, { signal: ctx.signal });
      ctx.signal.throwIfAborted();
      host.outside.effect({ kind: 'execute', ctx });
    },
  });
  return flow({ name: 'slow', body: linear('main', slow) });
}
