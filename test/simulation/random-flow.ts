// Builds the random flows of flow-outline.ts for one process. Their tasks write down what they do in an
// outside ledger; their names say what may be done with them (task-names.ts).
import { type Clock, sleep as pause, RetryLaterError, TerminalError } from '@holdfast/core';
import {
  type AnyFlow,
  type CallContext,
  flow,
  graph,
  linear,
  link,
  map,
  type RunsWhere,
  sleep,
  type Task,
  type TaskDefinition,
  task,
  times,
  unordered,
  when,
  withRetry,
} from '@holdfast/flow';
import { z } from 'zod';
import type {
  ChoiceOutline,
  DecidedOutline,
  GroupOutline,
  ItemOutline,
  MapOutline,
  TaskOutline,
} from './flow-outline.ts';
import { KEPT_OUT } from './task-names.ts';

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

/** Which generation of a flow's code a process has. */
export interface FlowGeneration {
  readonly version: number;
  /** Whether it goes on with jobs of the versions before. */
  readonly continues: boolean;
}

/** The label that tasks ask for which run neither here nor anywhere. */
export const LABELS = { site: 'north' } as const;

/** Builds the flow of this outline, for one process. */
export function buildFlow(
  name: string,
  outline: GroupOutline,
  { host, version, continues }: FlowGeneration & { readonly host: FlowHost },
): AnyFlow {
  const builder = { next: 0, groups: 0, host, tasks: [] };
  const { item } = buildGroup(builder, outline, OUTERMOST);
  const migrations = continues && version > 1 ? { [version - 1]: {} } : undefined;
  return flow({ name, version, migrations, input: INPUT, body: item, output: [] });
}

/** The tasks with an effect that a job of this flow has done when it succeeds. */
export function tasksOf(outline: GroupOutline): readonly string[] {
  const builder: Builder = { next: 0, groups: 0, host: NOBODY, tasks: [] };
  buildGroup(builder, outline, OUTERMOST);
  return builder.tasks;
}

/** What jobs of random flows are posted with. */
const INPUT = z.object({ order: z.number().int().nonnegative() });

interface Builder {
  /** Numbers of the next task, and of the last group. */
  next: number;
  groups: number;
  readonly host: FlowHost;
  /** Tasks with an effect so far that nothing keeps from running. */
  readonly tasks: string[];
}

/** Where in a flow something stands. */
interface Surroundings {
  /** Numbers of the values that can be seen. */
  readonly visible: readonly number[];
  /** Behind a choice or a decider that says no. */
  readonly isKeptOut: boolean;
  /** How many items the maps around it have, the outermost first. */
  readonly counts: readonly number[];
}

const OUTERMOST: Surroundings = { visible: [], isKeptOut: false, counts: [] };

type AnyItem = Parameters<typeof unordered>[1];

interface Built {
  readonly item: AnyItem;
  /** Numbers of the values that can be seen behind it. */
  readonly gives: readonly number[];
}

function buildItem(builder: Builder, outline: ItemOutline, around: Surroundings): Built {
  switch (outline.kind) {
    case 'task':
      return buildTask(builder, { outline, around });
    case 'choice':
      return buildChoice(builder, outline, around);
    case 'decided':
      return buildDecided(builder, outline, around);
    case 'map':
      return buildMap(builder, outline, around);
    case 'sleep':
      return { item: sleep(nextName(builder, 's', around), { ms: outline.ms }), gives: [] };
    case 'linear':
    case 'unordered':
    case 'graph':
      return buildGroup(builder, outline, around);
    default:
      return outline satisfies never;
  }
}

function nextNumber(builder: Builder): number {
  builder.next += 1;
  return builder.next - 1;
}

function nextName(builder: Builder, letter: string, { isKeptOut }: Surroundings): string {
  return `${isKeptOut ? KEPT_OUT : ''}${letter}${nextNumber(builder)}`;
}

function buildGroup(builder: Builder, outline: GroupOutline, around: Surroundings): Built {
  const name = `g${nextNumber(builder)}`;
  builder.groups += 1;
  const number = builder.groups;
  const items: AnyItem[] = [];
  const gives: number[] = [];
  for (const each of outline.items) {
    const isAlone = outline.kind === 'unordered';
    const visible = isAlone ? around.visible : [...around.visible, ...gives];
    const built = buildItem(builder, each, { ...around, visible });
    items.push(built.item);
    gives.push(...built.gives);
  }
  const item = arrange(name, outline.kind, items);
  if (outline.rounds === 0) return { item, gives };
  const backoff = { initialMs: 400, factor: 2, maxMs: 20_000, jitter: 0.5 };
  const controller = times({
    name: `${around.isKeptOut ? KEPT_OUT : ''}c${number}`,
    attempts: outline.rounds,
    backoff,
  });
  return { item: withRetry(controller, item), gives };
}

function arrange(name: string, kind: GroupOutline['kind'], items: readonly AnyItem[]): AnyItem {
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

/** What is chosen may not have run, so nothing behind it takes a value of it. */
function buildChoice(builder: Builder, outline: ChoiceOutline, around: Surroundings): Built {
  const { answer } = outline;
  const name = nextName(builder, 'w', around);
  const branch = (each: ItemOutline, isTaken: boolean): AnyItem =>
    buildItem(builder, each, { ...around, isKeptOut: around.isKeptOut || !isTaken }).item;
  const yes = branch(outline.do, answer);
  const no = branch(outline.otherwise, !answer);
  const item = when(name, { if: { decide: () => answer }, do: yes, otherwise: no });
  return { item: item as AnyItem, gives: [] };
}

function buildDecided(builder: Builder, outline: DecidedOutline, around: Surroundings): Built {
  const { answer } = outline;
  const name = `d${nextNumber(builder)}`;
  const from = buildTask(builder, { outline: outline.from, around });
  const behind = {
    ...around,
    visible: [...around.visible, ...from.gives],
    isKeptOut: around.isKeptOut || !answer,
  };
  const { item: to } = buildItem(builder, outline.to, behind);
  const decided = link(from.item, to, { decide: () => answer, depth: 'flow' });
  return { item: graph(name, { tasks: [from.item, to], links: [decided] }), gives: from.gives };
}

function buildMap(builder: Builder, outline: MapOutline, around: Surroundings): Built {
  const { count, concurrency } = outline;
  const listed = `items${builder.next}`;
  const list = buildTask(builder, {
    outline: { ...outline.list, runs: 'here' },
    around,
    kind: {
      letter: 'l',
      provides: { [listed]: z.array(z.number()) },
      give: (value) => ({ [listed]: Array.from({ length: count }, (_, place) => value + place) }),
    },
  });
  const name = nextName(builder, 'm', around);
  const each = nextNumber(builder);
  const visible = [...around.visible, each];
  const counts = [...around.counts, count];
  const { item: body } = buildItem(builder, outline.body, { ...around, visible, counts });
  const over: string = listed;
  const item = map(name, { over, as: `v${each}`, concurrency, body } as never) as AnyItem;
  return { item: linear(`b${nextNumber(builder)}`, list.item, item), gives: [] };
}

type AnyDefinition = TaskDefinition<string, Record<string, z.ZodNumber>, Record<string, z.ZodType>>;

/** What a task is besides what its outline says. */
interface TaskKind {
  readonly letter: string;
  readonly provides: Record<string, z.ZodType>;
  /** What it gives, from the value that the world outside has for it. */
  readonly give: (value: number) => Readonly<Record<string, unknown>>;
}

interface TaskParts {
  readonly outline: TaskOutline;
  readonly around: Surroundings;
  /** Default: one that gives the value. */
  readonly kind?: TaskKind;
}

function buildTask(builder: Builder, { outline, around, kind }: TaskParts): Built {
  const { visible, isKeptOut, counts } = around;
  const letter = kind?.letter ?? (outline.runs === 'here' ? 't' : 'r');
  const value = `v${builder.next}`;
  const gives = kind ? [] : [builder.next];
  const name = nextName(builder, letter, around);
  if (!isKeptOut) builder.tasks.push(...placesOf(name, counts));
  const takes = visible.length === 0 ? [] : outline.takes.map((at) => visible[at % visible.length]);
  const { host } = builder;
  const give = kind?.give ?? ((number) => ({ [value]: number }));
  const definition: AnyDefinition = {
    name,
    requires: Object.fromEntries(takes.map((from) => [`v${from}`, z.number()])),
    provides: kind?.provides ?? { [value]: z.number() },
    retry: { attempts: 4, backoff: { initialMs: 50, factor: 3, maxMs: 7000, jitter: 0.5 } },
    ...whereOf(outline),
    async execute(_args, ctx) {
      host.outside.started({ kind: 'execute', ctx });
      await work(host.clock, outline, ctx);
      if (outline.failsForGood) throw new TerminalError('it fails for good');
      if (outline.laterMs > 0 && ctx.try === 1) {
        throw new RetryLaterError('not yet', { afterMs: outline.laterMs });
      }
      if (ctx.try <= outline.failures) throw new Error(`try ${ctx.try} fails`);
      return give(host.outside.effect({ kind: 'execute', ctx }));
    },
    revert: outline.revert === 'none' ? undefined : (_args, ctx) => undo(host, outline, ctx),
  };
  // Its names are not known statically.
  return { item: task(definition) as unknown as Task, gives };
}

/** Of a task in maps, each of its records. */
function placesOf(name: string, counts: readonly number[]): readonly string[] {
  return counts.reduce<readonly string[]>(
    (names, count) =>
      names.flatMap((each) => Array.from({ length: count }, (_, place) => `${each}[${place}]`)),
    [name],
  );
}

function whereOf({ runs, startTimeoutMs }: TaskOutline): {
  readonly runs: RunsWhere;
  readonly startTimeoutMs?: number;
} {
  if (runs === 'here') return { runs };
  const where: RunsWhere = runs === 'labelled' ? { labels: LABELS } : runs;
  return startTimeoutMs === 0 ? { runs: where } : { runs: where, startTimeoutMs };
}

async function undo(host: FlowHost, outline: TaskOutline, ctx: CallContext): Promise<void> {
  host.outside.started({ kind: 'revert', ctx });
  await work(host.clock, outline, ctx);
  if (outline.revert === 'broken') throw new TerminalError('it cannot be undone');
  if (outline.revert === 'flaky' && ctx.try < 2) throw new Error('it cannot be undone yet');
  host.outside.effect({ kind: 'revert', ctx });
}

async function work(clock: Clock, outline: TaskOutline, ctx: CallContext): Promise<void> {
  if (outline.durationMs === 0) return;
  const { signal } = ctx;
  await pause(clock, outline.durationMs, outline.heedsSignal ? { signal } : {});
  if (outline.heedsSignal) signal.throwIfAborted();
}

/** For a flow that is looked at and never run. */
const NOBODY: FlowHost = {
  clock: { nowUnixMs: () => 0, monotonicMs: () => 0, startTimer: () => ({ cancel: () => {} }) },
  outside: { started: () => {}, effect: () => 0 },
  crash: () => {},
};
