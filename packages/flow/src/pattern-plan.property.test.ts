// Whatever patterns are put together: the plan that comes out keeps what the engine relies on.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { choose } from './choice.ts';
import { flow, planOf } from './flow.ts';
import type { PlanBody, PlanNode, PlanProvider } from './flow-plan.ts';
import { link } from './link.ts';
import { map } from './map.ts';
import { graph, linear, unordered } from './pattern.ts';
import { withRetry } from './retry-controller.ts';
import { times } from './retry-rounds.ts';
import { sleep } from './sleep.ts';
import { type Task, task } from './task.ts';
import type { Item } from './wiring-type.ts';

/** How items are put together; names and values are given out when they are built. */
type Shape =
  | { readonly kind: 'task'; readonly takes: readonly number[] }
  | { readonly kind: 'sleep' }
  | { readonly kind: 'linear' | 'unordered' | 'choice'; readonly items: readonly Shape[] }
  | {
      readonly kind: 'graph';
      readonly items: readonly Shape[];
      readonly links: readonly (readonly [number, number])[];
      readonly hasDecider: boolean;
      readonly target: number | undefined;
    }
  | { readonly kind: 'retry' | 'map'; readonly item: Shape };

const { shape } = fc.letrec<{ shape: Shape }>((tie) => {
  const items = fc.array(tie('shape'), { maxLength: 5 });
  return {
    shape: fc.oneof(
      { maxDepth: 5, depthSize: 'medium', withCrossShrink: true },
      fc.record({
        kind: fc.constant('task' as const),
        takes: fc.array(fc.nat(30), { maxLength: 3 }),
      }),
      fc.constant({ kind: 'sleep' as const }),
      fc.record({ kind: fc.constantFrom('linear' as const, 'unordered' as const), items }),
      fc.record({
        kind: fc.constant('choice' as const),
        items: fc.array(tie('shape'), { minLength: 1, maxLength: 4 }),
      }),
      fc.record({
        kind: fc.constant('graph' as const),
        items,
        links: fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 4 }),
        hasDecider: fc.boolean(),
        target: fc.option(fc.nat(4), { nil: undefined }),
      }),
      fc.record({ kind: fc.constantFrom('retry' as const, 'map' as const), item: tie('shape') }),
    ),
  };
});

/** Builds items whose wiring is right: each takes only what is certainly there. */
class Builder {
  #count = 0;

  build(
    each: Shape,
    seen: readonly string[],
  ): { readonly item: Item; readonly gives: readonly string[] } {
    this.#count += 1;
    const name = `n${this.#count}`;
    switch (each.kind) {
      case 'task':
        return this.#task(name, each.takes, seen);
      case 'sleep':
        return { item: sleep(name, { ms: 1 }), gives: [] };
      case 'linear': {
        const built = this.#row(each.items, seen);
        const items = built.map(({ item }) => item);
        return { item: linear(name, ...items), gives: built.flatMap(({ gives }) => gives) };
      }
      case 'unordered': {
        const built = each.items.map((inner) => this.build(inner, seen));
        const items = built.map(({ item }) => item);
        return { item: unordered(name, ...items), gives: built.flatMap(({ gives }) => gives) };
      }
      case 'choice': {
        const built = each.items.map(
          (inner, place) => [`c${place}`, this.build(inner, seen)] as const,
        );
        const cases = Object.fromEntries(built.map(([key, { item }]) => [key, item]));
        const item = choose(name, { case: () => 'c0', cases } as never) as Item;
        return { item, gives: built.flatMap(([, { gives }]) => gives) };
      }
      case 'graph':
        return this.#graph(name, each, seen);
      case 'retry': {
        const { item, gives } = this.build(each.item, [...seen, `v-${name}`]);
        const controller = times({ name, attempts: 2, provides: `v-${name}` });
        return { item: withRetry(controller, item), gives: [`v-${name}`, ...gives] };
      }
      case 'map': {
        const { item: body, gives } = this.build(each.item, [...seen, `i-${name}`]);
        return { item: map(name, { over: 'list', as: `i-${name}`, body }), gives };
      }
      default:
        return each satisfies never;
    }
  }

  #task(name: string, takes: readonly number[], seen: readonly string[]) {
    const from = seen.length === 0 ? [] : takes.map((place) => seen[place % seen.length] ?? 'list');
    const item: Task = task({
      name,
      requires: Object.fromEntries(from.map((value) => [value, z.unknown()])),
      provides: { [`v-${name}`]: z.unknown() },
      execute: () => ({}),
    });
    return { item, gives: [`v-${name}`] };
  }

  #row(shapes: readonly Shape[], seen: readonly string[]) {
    const built: { readonly item: Item; readonly gives: readonly string[] }[] = [];
    for (const each of shapes) {
      built.push(this.build(each, [...seen, ...built.flatMap(({ gives }) => gives)]));
    }
    return built;
  }

  #graph(name: string, each: Extract<Shape, { kind: 'graph' }>, seen: readonly string[]) {
    const built = this.#row(each.items, seen);
    const tasks = built.map(({ item }) => item);
    // Links go the way that values do, from lower to higher, so that there is no cycle.
    const links = each.links.flatMap(([one, other]) => {
      const [from, to] = [tasks[Math.min(one, other)], tasks[Math.max(one, other)]];
      if (!from || !to || from === to) return [];
      const isDecided = each.hasDecider && hasTask(from) && hasTask(to);
      return [isDecided ? link(from, to, { decide: () => true } as never) : ([from, to] as const)];
    });
    const target = each.target === undefined ? undefined : tasks[each.target];
    const item: Item = graph(name, { tasks: [...tasks].reverse(), links, target } as never);
    // What a target leaves out gives nothing; nobody else is made to take from such a graph.
    return { item, gives: target ? [] : built.flatMap(({ gives }) => gives) };
  }
}

/** True when something of the item is run for certain. */
function hasTask(item: Item): boolean {
  if (!('items' in item)) return true;
  const { items, target } = item as { items: readonly Item[]; target?: Item | undefined };
  return target ? hasTask(target) : items.some(hasTask);
}

/** Every body of a plan: that of the flow, and those of its maps. */
function bodiesIn(body: PlanBody): readonly PlanBody[] {
  const inner = body.nodes.flatMap(({ role }) => (role.kind === 'fork' ? bodiesIn(role.body) : []));
  return [body, ...inner];
}

const built = shape.map((each) => {
  const { item } = new Builder().build(each, ['list']);
  return planOf(flow({ name: 'f', input: z.looseObject({}), body: item } as never));
});

function check(property: (body: PlanBody) => void): void {
  fc.assert(
    fc.property(built, (plan) => {
      for (const body of bodiesIn(plan)) property(body);
    }),
    { numRuns: 300 },
  );
}

/** The nodes that have to be done before a node may start. */
function before(body: PlanBody, place: number): ReadonlySet<number> {
  const found = new Set(body.nodes[place]?.predecessors);
  // A set that grows while it is read is read to its new end.
  for (const each of found)
    for (const next of body.nodes[each]?.predecessors ?? []) found.add(next);
  return found;
}

const isPoint = ({ role }: PlanNode): boolean => role.kind === 'join' || role.kind === 'gather';

describe('in a plan of any patterns', () => {
  test('atoms are listed after those that they wait for, and points behind all atoms', () => {
    check(({ nodes }) => {
      const atoms = nodes.filter((node) => !isPoint(node)).length;
      expect(nodes.slice(atoms).every(isPoint)).toBe(true);
      for (let place = 0; place < atoms; place += 1) {
        for (const each of before({ nodes, scopes: [] }, place)) {
          expect(each < place || each >= atoms).toBe(true);
        }
      }
    });
  });

  test('predecessors and successors say the same', () => {
    check(({ nodes }) => {
      const pairs = (pick: (node: PlanNode, place: number) => string[]) =>
        nodes.flatMap(pick).sort();
      expect(
        pairs(({ predecessors }, place) => predecessors.map((each) => `${each}>${place}`)),
      ).toEqual(pairs(({ successors }, place) => successors.map((each) => `${place}>${each}`)));
    });
  });

  test('the atoms of a scope stand side by side, right behind its controller, and wait for it', () => {
    check((body) => {
      const { nodes, scopes } = body;
      for (const [scope, { parent, controller }] of scopes.entries()) {
        expect(scope === 0).toBe(parent === undefined);
        expect(scope === 0).toBe(controller === undefined);
        if (parent === undefined || controller === undefined) continue;
        expect(parent).toBeLessThan(scope);
        expect(nodes[controller]?.scope).toBe(parent);
        expect(nodes[controller]?.role).toMatchObject({ kind: 'retry', controls: scope });
        const isIn = (each: number): boolean =>
          each === scope || (each > 0 && isIn(scopes[each]?.parent ?? 0));
        const members = [...nodes.keys()].filter((place) => isIn(nodes[place]?.scope ?? 0));
        for (const place of members) expect(before(body, place)).toContain(controller);
        const atoms = members.filter((place) => nodes[place]?.task);
        expect(atoms).toEqual(atoms.map((_, place) => controller + 1 + place));
      }
    });
  });

  test('every source is there before it is read, and every required value has one', () => {
    check((body) => {
      for (const [place, node] of body.nodes.entries()) {
        const done = before(body, place);
        const names = node.sources.map(({ name }) => name);
        expect(names).toEqual(
          expect.arrayContaining(Object.keys(node.task ? node.task.requires : {})),
        );
        for (const { from } of node.sources) {
          expect(from.length).toBeGreaterThan(0);
          for (const provider of from) checkProvider(body, provider, done);
        }
      }
    });
  });

  test('what the body of a map has from outside, its fork has', () => {
    check(({ nodes }) => {
      for (const { role, sources } of nodes) {
        if (role.kind !== 'fork') continue;
        const known = new Set(sources.map(({ name }) => name));
        expect(known).toContain(role.list);
        for (const inner of role.body.nodes) {
          for (const provider of inner.sources.flatMap(({ from }) => from)) {
            expect(provider.kind !== 'fork' || known.has(provider.value)).toBe(true);
          }
        }
        expect(nodes[role.gather]?.role).toMatchObject({ kind: 'gather' });
      }
    });
  });

  test('the cases of a choice share no node, and nothing outside of them stands between the choice and them', () => {
    check((body) => {
      for (const [place, { role }] of body.nodes.entries()) {
        if (role.kind !== 'choice') continue;
        const all = role.cases.flatMap(({ nodes }) => nodes);
        expect(new Set(all).size).toBe(all.length);
        for (const { nodes } of role.cases) {
          for (const each of nodes) {
            expect(before(body, each)).toContain(place);
            for (const next of body.nodes[each]?.predecessors ?? []) {
              const isAround = before(body, place).has(next);
              expect(next === place || isAround || nodes.includes(next)).toBe(true);
            }
          }
        }
      }
    });
  });

  test('deciders look at what is done, and at atoms and gathers only', () => {
    check((body) => {
      for (const [place, { votes }] of body.nodes.entries()) {
        const done = before(body, place);
        for (const { sources } of votes) {
          expect(sources.length).toBeGreaterThan(0);
          for (const source of sources) {
            expect(done).toContain(source);
            expect(body.nodes[source]?.role.kind).not.toBe('join');
          }
        }
      }
    });
  });
});

function checkProvider(body: PlanBody, provider: PlanProvider, done: ReadonlySet<number>): void {
  if (provider.kind !== 'node') return;
  expect(done).toContain(provider.node);
  const from = body.nodes[provider.node];
  const provided =
    from?.role.kind === 'gather'
      ? from.role.values.map(({ name }) => name)
      : Object.keys(from?.task?.provides ?? {});
  expect(provided).toContain(provider.value);
}

test('edges grow with the tasks, however the patterns are put together', () => {
  const many = (name: string, count: number): Item[] =>
    Array.from({ length: count }, (_, index) => sleep(`${name}-${index}`, { ms: 1 }));
  const wide = (name: string): Item =>
    withRetry(
      times({ attempts: 2 }),
      linear(
        name,
        unordered(`${name}-a`, ...many(`${name}a`, 100)),
        choose(`${name}-c`, {
          case: () => 'x',
          cases: { x: unordered(`${name}-x`, ...many(`${name}x`, 100)) },
        }),
        unordered(`${name}-b`, ...many(`${name}b`, 100)),
      ),
    );
  const items = Array.from({ length: 30 }, (_, index) => wide(`w${index}`));
  const links = items.slice(1).map((item, index) => [items[index], item]);
  const plan = planOf(flow({ name: 'f', body: graph('g', { tasks: items, links } as never) }));
  const edges = plan.nodes.reduce((sum, { predecessors }) => sum + predecessors.length, 0);
  expect(plan.nodes.length).toBeGreaterThan(9000);
  expect(edges).toBeLessThan(2 * plan.nodes.length);
});
