import { encodeJson } from '@holdfast/core';
import * as fc from 'fast-check';
import { z } from 'zod';
import { when } from './choice.ts';
import { waitFor } from './event-wait.ts';
import { type AnyFlow, flow } from './flow.ts';
import { map } from './map.ts';
import { linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import type { Signal, SignalSource } from './run-options.ts';
import { sleep } from './sleep.ts';
import { task } from './task.ts';
import type { Item } from './wiring-type.ts';

/** A random item of a flow, of every kind that the language has. */
export type Shape =
  /** Fails in so many of its first tries; its own policy tries twice when `isPatient`. */
  | {
      readonly kind: 'task';
      readonly failures: number;
      readonly isPatient: boolean;
      readonly isRemote: boolean;
    }
  | { readonly kind: 'linear' | 'unordered'; readonly items: readonly Shape[] }
  | {
      readonly kind: 'retry';
      readonly attempts: number;
      readonly escalates: boolean;
      readonly item: Shape;
    }
  | {
      readonly kind: 'when';
      readonly answer: boolean;
      readonly do: Shape;
      readonly otherwise: Shape;
    }
  | {
      readonly kind: 'map';
      readonly count: number;
      readonly concurrency: number;
      readonly item: Shape;
    }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'event' };

/** Random shapes; `isOrdered` ones do one thing after another, so that nothing in them depends on time. */
export function shape(options: { readonly isOrdered: boolean }): fc.Arbitrary<Shape> {
  const { tree } = fc.letrec<{ tree: Shape; leaf: Shape }>((tie) => ({
    leaf: fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('task' as const),
          failures: fc.constantFrom(0, 0, 0, 1, 2, 3),
          isPatient: fc.boolean(),
          isRemote: fc.boolean(),
        }),
      },
      fc.record({ kind: fc.constant('sleep' as const), ms: fc.constantFrom(0, 10, 20_000) }),
      fc.record({ kind: fc.constant('event' as const) }),
    ),
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      tie('leaf'),
      fc.record({
        kind: options.isOrdered
          ? fc.constant('linear' as const)
          : fc.constantFrom('linear' as const, 'unordered' as const),
        items: fc.array(tie('tree'), { minLength: 1, maxLength: 4 }),
      }),
      fc.record({
        kind: fc.constant('retry' as const),
        attempts: fc.integer({ min: 1, max: 3 }),
        escalates: fc.boolean(),
        item: tie('tree'),
      }),
      fc.record({
        kind: fc.constant('when' as const),
        answer: fc.boolean(),
        do: tie('tree'),
        otherwise: tie('tree'),
      }),
      fc.record({
        kind: fc.constant('map' as const),
        count: fc.integer({ min: 0, max: 3 }),
        concurrency: options.isOrdered ? fc.constant(1) : fc.integer({ min: 1, max: 3 }),
        item: tie('tree'),
      }),
    ),
  }));
  return tree;
}

/** A call of user code, as the flow's tasks note it. */
export interface ShapeCall {
  readonly kind: 'execute' | 'revert';
  readonly task: string;
  readonly key: string;
}

/** Builds the flow; its tasks write down what they do. */
export function buildShape(plan: Shape, calls: ShapeCall[]): AnyFlow {
  let names = 0;
  const nextName = (): string => {
    names += 1;
    return `n${names}`;
  };
  const build = (each: Shape): Item => {
    const name = nextName();
    switch (each.kind) {
      case 'task':
        return buildTask(name, each, calls);
      case 'linear':
        return linear(name, ...each.items.map(build));
      case 'unordered':
        return unordered(name, ...each.items.map(build));
      case 'retry': {
        const { attempts, escalates } = each;
        return withRetry(times({ attempts, escalates, name: `${name}.retry` }), build(each.item));
      }
      case 'when': {
        const decide = (): boolean => each.answer;
        return when(name, {
          if: { decide },
          do: build(each.do),
          otherwise: build(each.otherwise),
        });
      }
      case 'map': {
        const { count, concurrency } = each;
        const list = task({
          name: `${name}.list`,
          provides: { [`${name}.items`]: z.array(z.number()) },
          execute: () => ({
            [`${name}.items`]: Array.from({ length: count }, (_, place) => place),
          }),
        });
        const over = `${name}.items` as string;
        const body = build(each.item);
        return linear(
          `${name}.both`,
          list as Item,
          map(name, { over, as: `${name}.item`, concurrency, body }) as Item,
        );
      }
      case 'sleep':
        return sleep(name, { ms: each.ms });
      case 'event':
        return waitFor(name, { event: 'go' });
      default:
        return each satisfies never;
    }
  };
  return flow({ name: 'random', body: build(plan) as Item, output: [] });
}

function buildTask(
  name: string,
  each: Extract<Shape, { readonly kind: 'task' }>,
  calls: ShapeCall[],
): Item {
  return task({
    name,
    runs: each.isRemote ? 'anywhere' : 'here',
    retry: {
      attempts: each.isPatient ? 2 : 1,
      backoff: { initialMs: 10, factor: 1, maxMs: 10, jitter: 0 },
    },
    execute: (_args, ctx) => {
      calls.push({ kind: 'execute', task: ctx.task, key: ctx.idempotencyKey });
      if (ctx.try <= each.failures) throw new Error(`${name} fails, try ${ctx.try}`);
    },
    revert: (_args, ctx) => {
      calls.push({ kind: 'revert', task: ctx.task, key: ctx.idempotencyKey });
    },
  });
}

/** As many signals as any of these flows can take. */
export const ENOUGH_SIGNALS: SignalSource = {
  received: () =>
    Array.from(
      { length: 2000 },
      (_, index): Signal => ({
        seq: index + 1,
        name: 'go',
        payload: encodeJson({}),
        atUnixMs: 0,
      }),
    ),
  onArrival: () => () => undefined,
};
