import type { WorkerLabels } from '@holdfast/core';
import type { Order } from './order.ts';
import { labelsToRun } from './runs-where.ts';
import { isOptional } from './scope.ts';
import type { RunsWhere, TaskSpec } from './task.ts';
import { nameOf, type Provider, type TaskVertex } from './wiring-tree.ts';

/** A flow's tasks and their order, as data: what is registered and drawn. Frozen. */
export interface CompiledGraph {
  /** The tasks, each after all that it waits for. */
  readonly nodes: readonly GraphNode[];
  /**
   * Who waits for whom, and for which values; in the order of `to`. Both ends are tasks, except at
   * a join.
   */
  readonly edges: readonly GraphEdge[];
  /**
   * Points between two large groups, where all of the first has to be done before any of the second
   * starts. They stand for the product of edges that would say the same; small groups have none.
   */
  readonly joins: readonly string[];
}

export interface GraphNode {
  readonly name: string;
  readonly description: string;
  /** What it is besides a task: a retry controller, a choice, a map, a pause, a wait for a signal. Absent for a task. */
  readonly kind?: 'retry' | 'choice' | 'map' | 'sleep' | 'event';
  readonly requires: readonly string[];
  readonly provides: readonly string[];
  /** Where each required value comes from, in the order of `requires`; several for one that several cases of a choice provide, none for an optional one that nobody does. */
  readonly sources: readonly ValueSource[];
  /** Names of the patterns around the task, outermost first. */
  readonly path: readonly string[];
  readonly hasRevert: boolean;
  /** The retry controller whose scope it lies in, the innermost one; absent when there is none in the same graph. */
  readonly controller?: string;
  /** Of a map: what is done for each item. */
  readonly body?: CompiledGraph;
  /** Of a wait: the name of the signal that ends it. */
  readonly signal?: string;
  /** Of a task that runs as a job of its own: what a worker has to have for it; empty: nothing. */
  readonly runsOn?: WorkerLabels;
  /** Those of `requires` that the task can do without. Absent where there are none. */
  readonly optionalRequires?: readonly string[];
  /** What its checkpoint calls a value that it provides. Absent where all names are the same. */
  readonly storedAs?: Readonly<Record<string, string>>;
}

/** Where a value comes from. In the body of a map also from the item, its place in the list, or from outside by way of the map. */
export type ValueSource =
  | { readonly kind: 'input'; readonly value: string }
  | { readonly kind: 'task'; readonly value: string; readonly task: string }
  | { readonly kind: 'item'; readonly value: string }
  | { readonly kind: 'index'; readonly value: string }
  | { readonly kind: 'outside'; readonly value: string };

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** Values that `to` takes from `from`; empty when it only waits. */
  readonly values: readonly string[];
  /** The case of a choice that it leads to, or `if (<depth>)` for a link with a decider. Absent otherwise. */
  readonly label?: string;
}

/** The graph of an order; `runs` is for tasks that don't say themselves where they run. A map stands in it as one node, which everything after the map waits for. */
export function createGraph(order: Order, runs: RunsWhere): CompiledGraph {
  const joins = order.points.filter((point) => point.kind === 'join');
  // What only the new kinds have is left out elsewhere: a flow without them looks as it always did.
  const edges = [...order.tasks, ...joins].flatMap((to) =>
    [...to.incoming].map(([from, { values, label }]): GraphEdge => {
      const ends = {
        from: from.kind === 'gather' ? nameOf(from.fork) : nameOf(from),
        to: nameOf(to),
      };
      return Object.freeze({
        ...ends,
        values: Object.freeze([...values]),
        ...(label === undefined ? {} : { label }),
      });
    }),
  );
  return Object.freeze({
    nodes: Object.freeze(order.tasks.map((vertex) => createNode(vertex, { order, runs }))),
    edges: Object.freeze(edges),
    joins: Object.freeze(joins.map(nameOf)),
  });
}

function createNode(
  vertex: TaskVertex,
  { order, runs }: { readonly order: Order; readonly runs: RunsWhere },
): GraphNode {
  const { spec, path, role } = vertex;
  const runsOn = role.kind === 'task' ? labelsToRun(spec, runs) : undefined;
  const provides = Object.keys(spec.gives);
  const body = order.bodies.get(vertex);
  const { controller } = order.scopes[order.scopeOf.get(vertex) ?? 0] ?? {};
  const requires = new Set(Object.values(spec.needs));
  return Object.freeze({
    name: spec.name,
    description: spec.description,
    ...(role.kind === 'task' ? {} : { kind: role.kind === 'fork' ? 'map' : role.kind }),
    requires: Object.freeze([...requires]),
    provides: Object.freeze(body ? [...body.gather.lists.keys()] : provides),
    sources: Object.freeze(
      [...vertex.sources].flatMap(([name, providers]) =>
        providers.map((provider) => Object.freeze(sourceOf(spec.needs[name] ?? name, provider))),
      ),
    ),
    path: Object.freeze([...path]),
    hasRevert: spec.revert !== undefined,
    ...(controller ? { controller: nameOf(controller) } : {}),
    ...(body ? { body: createGraph(body.order, runs) } : {}),
    ...(role.kind === 'event' ? { signal: role.event.event } : {}),
    ...(runsOn ? { runsOn } : {}),
    ...namesOf(spec),
  });
}

/** What operators have to know of a task to change its values: left out where there is nothing to say. */
function namesOf(spec: TaskSpec): Pick<GraphNode, 'optionalRequires' | 'storedAs'> {
  const args = Object.entries(spec.needs);
  const needed = new Set(args.filter(([arg]) => !isOptional(spec, arg)).map(([, value]) => value));
  const optional = new Set(args.map(([, value]) => value).filter((value) => !needed.has(value)));
  const renamed = Object.entries(spec.gives).filter(([outer, own]) => outer !== own);
  return {
    ...(optional.size === 0 ? {} : { optionalRequires: Object.freeze([...optional]) }),
    ...(renamed.length === 0 ? {} : { storedAs: Object.freeze(Object.fromEntries(renamed)) }),
  };
}

function sourceOf(value: string, provider: Provider): ValueSource {
  switch (provider.kind) {
    case 'node': {
      const { vertex } = provider;
      return { kind: 'task', value, task: nameOf(vertex.kind === 'gather' ? vertex.fork : vertex) };
    }
    case 'fork':
      return { kind: 'outside', value };
    case 'input':
    case 'item':
    case 'index':
      return { kind: provider.kind, value };
    default:
      return provider satisfies never;
  }
}
