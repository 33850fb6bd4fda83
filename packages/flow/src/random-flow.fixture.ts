import { sleep, TerminalError } from '@holdfast/core';
import * as fc from 'fast-check';
import { z } from 'zod';
import { type AnyFlow, flow } from './flow.ts';
import { graph, linear, unordered } from './pattern.ts';
import type { Job } from './run-harness.fixture.ts';
import { type Task, task } from './task.ts';
import type { Item } from './wiring-type.ts';

/** How a task of a random flow behaves. */
export interface TaskPlan {
  /** Tasks of lower number whose values it takes, as indexes modulo its own number. */
  readonly takes: readonly number[];
  /** Tries that fail before one succeeds. */
  readonly failures: number;
  readonly failsForGood: boolean;
  readonly delayMs: number;
  readonly revert: 'none' | 'works' | 'flaky' | 'broken';
}

/** How the tasks are put together. */
export type Shape = 'graph' | 'linear' | 'unordered' | 'groups';

export interface FlowPlan {
  readonly tasks: readonly TaskPlan[];
  readonly shape: Shape;
  /** Rotates the order in which a graph lists its tasks. */
  readonly rotation: number;
  readonly concurrency: number;
  readonly commitMs: number;
}

const taskPlan = (withFailure: boolean): fc.Arbitrary<TaskPlan> =>
  fc.record({
    takes: fc.array(fc.nat(20), { maxLength: 3 }),
    failures: fc.constantFrom(0, 0, 0, 1, 2),
    failsForGood: withFailure
      ? fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true))
      : fc.constant(false),
    delayMs: fc.constantFrom(0, 0, 5, 30),
    revert: fc.constantFrom('none', 'works', 'works', 'flaky', 'broken'),
  });

/** Random flows of up to twelve tasks. */
export const flowPlan = (options: { readonly withFailure: boolean }): fc.Arbitrary<FlowPlan> =>
  fc.record({
    tasks: fc.array(taskPlan(options.withFailure), { minLength: 1, maxLength: 12 }),
    shape: fc.constantFrom('graph', 'linear', 'unordered', 'groups'),
    rotation: fc.nat(11),
    concurrency: fc.integer({ min: 1, max: 4 }),
    commitMs: fc.constantFrom(0, 3, 40),
  });

/** What the tasks of a random flow did, in order. */
export interface Event {
  readonly kind: 'start' | 'end' | 'undo' | 'undone';
  readonly task: string;
  readonly key: string;
  readonly attempt: number;
}

/** Builds the flow. Its tasks wait on the clock of `job()`, and write down what they do. */
export function buildFlow(plan: FlowPlan, events: Event[], job: () => Job): AnyFlow {
  const items = plan.tasks.map((each, index) => buildTask(each, index, { plan, events, job }));
  return flow({ name: 'random', body: arrange(items, plan) });
}

type Notes = { readonly plan: FlowPlan; readonly events: Event[]; readonly job: () => Job };

function buildTask(each: TaskPlan, index: number, { plan, events, job }: Notes): Task {
  const name = `t${index}`;
  const takes = takesOf(each, index, plan);
  return task({
    name,
    requires: Object.fromEntries(takes.map((from) => [`v${from}`, z.number()])),
    provides: { [`v${index}`]: z.number() },
    retry: { attempts: 3, backoff: { initialMs: 10, factor: 2, maxMs: 1000, jitter: 0.5 } },
    async execute(args, ctx) {
      const { attempt, idempotencyKey: key } = ctx;
      events.push({ kind: 'start', task: name, key, attempt });
      if (each.delayMs > 0) await sleep(job().clock, each.delayMs);
      if (each.failsForGood) throw new TerminalError(`${name} fails for good`);
      if (ctx.try <= each.failures) throw new Error(`${name} fails, try ${ctx.try}`);
      events.push({ kind: 'end', task: name, key, attempt });
      return { [`v${index}`]: Object.values(args).reduce<number>((sum, v) => sum + Number(v), 1) };
    },
    revert:
      each.revert === 'none'
        ? undefined
        : async (_args, ctx) => {
            const { attempt, idempotencyKey: key } = ctx;
            events.push({ kind: 'undo', task: name, key, attempt });
            if (each.delayMs > 0) await sleep(job().clock, each.delayMs);
            if (each.revert === 'broken') throw new TerminalError(`${name} cannot be undone`);
            if (each.revert === 'flaky' && ctx.try < 2)
              throw new Error(`${name} cannot be undone yet`);
            events.push({ kind: 'undone', task: name, key, attempt });
          },
  });
}

function takesOf(each: TaskPlan, index: number, plan: FlowPlan): readonly number[] {
  if (index === 0 || plan.shape === 'unordered') return [];
  const earlier = [...new Set(each.takes.map((from) => from % index))];
  // Groups of three run side by side, so that only earlier groups can be taken from.
  if (plan.shape !== 'groups') return earlier;
  return earlier.filter((from) => Math.floor(from / 3) < Math.floor(index / 3));
}

function arrange(items: readonly Item[], plan: FlowPlan): Item {
  const list = [...items];
  switch (plan.shape) {
    case 'graph': {
      const turn = plan.rotation % list.length;
      return graph('main', { tasks: [...list.slice(turn), ...list.slice(0, turn)] });
    }
    case 'linear':
      return linear('main', ...list);
    case 'unordered':
      return unordered('main', ...list);
    case 'groups': {
      const groups: Item[] = [];
      for (let from = 0; from < list.length; from += 3) {
        groups.push(unordered(`group${from}`, ...list.slice(from, from + 3)));
      }
      return linear('main', ...groups);
    }
    default:
      return plan.shape satisfies never;
  }
}
