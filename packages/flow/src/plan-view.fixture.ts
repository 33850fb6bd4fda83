// Small flows, and ways to look at what the compiler makes of them.
import { WiringError } from '@holdfast/core';
import { z } from 'zod';
import { type AnyFlow, flow, planOf } from './flow.ts';
import type { FlowPlan, PlanBody, PlanNode, PlanRole } from './flow-plan.ts';
import { type Task, task } from './task.ts';
import type { Item } from './wiring-type.ts';

/** A task that takes and gives numbers of these names. */
export function node(
  name: string,
  takes: readonly string[] = [],
  gives: readonly string[] = [],
): Task {
  const schemas = (names: readonly string[]) =>
    Object.fromEntries(names.map((value) => [value, z.number()]));
  return task({
    name,
    requires: schemas(takes),
    provides: schemas(gives),
    execute: () => Object.fromEntries(gives.map((value) => [value, 1])),
  });
}

/** What the flows take. */
const input: z.ZodObject = z.object({ list: z.array(z.number()), n: z.number() });

/** A flow of this body. */
export function compiled(body: Item): AnyFlow {
  return flow({ name: 'f', body, input } as never);
}

/** Its plan. */
export function planFor(body: Item): FlowPlan {
  return planOf(compiled(body));
}

/** What is wrong with it; empty when nothing is. */
export function problemsOf(body: Item): readonly string[] {
  try {
    compiled(body);
    return [];
  } catch (error) {
    if (!(error instanceof WiringError)) throw error;
    return error.problems.map(({ kind, message }) => `${kind}: ${message}`);
  }
}

/** The node of this name. Throws when there is none. */
export function nodeOf(body: PlanBody, name: string): PlanNode {
  const found = body.nodes.find((each) => each.name === name);
  if (!found) throw new Error(`there is no node ${name}`);
  return found;
}

/** Its role. Throws when it is another one. */
export function roleOf<Kind extends PlanRole['kind']>(
  body: PlanBody,
  name: string,
  kind: Kind,
): Extract<PlanRole, { kind: Kind }> {
  const { role } = nodeOf(body, name);
  if (role.kind !== kind) throw new Error(`${name} is a ${role.kind}`);
  return role as Extract<PlanRole, { kind: Kind }>; // as was just checked
}

/** Where a node's values come from: `x=a.x|b.x`. */
export function sourcesOf(body: PlanBody, name: string): readonly string[] {
  return nodeOf(body, name).sources.map(({ name: value, from }) => {
    const providers = from.map((each) => {
      if (each.kind === 'node') return `${body.nodes[each.node]?.name}.${each.value}`;
      return 'value' in each ? `${each.kind}.${each.value}` : each.kind;
    });
    return `${value}=${providers.join('|')}`;
  });
}

/** The names of the nodes at these places. */
export function namesAt(
  body: PlanBody,
  places: readonly number[],
): readonly (string | undefined)[] {
  return places.map((place) => body.nodes[place]?.name);
}

/** The scope of each node, by its name. */
export function scopesOf(body: PlanBody): Readonly<Record<string, number>> {
  return Object.fromEntries(body.nodes.map(({ name, scope }) => [name, scope]));
}
