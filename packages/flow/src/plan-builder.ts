import { assert } from '@holdfast/core';
import type {
  PlanBody,
  PlanNode,
  PlanProvider,
  PlanRole,
  PlanSource,
  PlanVote,
} from './flow-plan.ts';
import type { Order } from './order.ts';
import {
  type Gives,
  type NodeProvider,
  nameOf,
  type Provider,
  type TaskVertex,
  type Vertex,
  type VertexVote,
} from './wiring-tree.ts';

/** Turns an order into what the engine runs: nodes that refer to each other by their places. */
export class PlanBuilder {
  readonly #order: Order;
  readonly #vertices: readonly Vertex[];
  readonly #places: ReadonlyMap<Vertex, number>;

  constructor(order: Order) {
    this.#order = order;
    this.#vertices = [...order.tasks, ...order.points];
    this.#places = new Map(this.#vertices.map((vertex, place) => [vertex, place]));
  }

  build(): PlanBody {
    const successors: number[][] = this.#vertices.map(() => []);
    const nodes = this.#vertices.map((vertex, place): PlanNode => {
      const predecessors = [...vertex.incoming.keys()].map((from) => this.#placeOf(from));
      for (const predecessor of predecessors) successors[predecessor]?.push(place);
      const task = vertex.kind === 'task' ? vertex : undefined;
      return {
        name: nameOf(vertex),
        task: task?.spec,
        role: this.#role(vertex),
        sources: this.sources(task?.sources ?? new Map()),
        predecessors,
        successors: successors[place] ?? [],
        scope: this.#scopeOf(vertex),
        pattern: vertex.pattern,
        votes: task?.votes.map((vote) => this.#vote(vote)) ?? [],
      };
    });
    const scopes = this.#order.scopes.map(({ parent, controller }) => ({
      parent,
      controller: controller && this.#placeOf(controller),
    }));
    return { nodes, scopes };
  }

  /** Values by name, each with those who may provide it. */
  sources(providers: ReadonlyMap<string, readonly Provider[]>): readonly PlanSource[] {
    return [...providers].map(([name, from]) => ({
      name,
      from: from.map((provider) => this.#provider(provider)),
    }));
  }

  #provider(provider: Provider): PlanProvider {
    if (provider.kind !== 'node') return provider;
    return { kind: 'node', ...this.#node(provider) };
  }

  #node({ vertex, value }: NodeProvider): { node: number; value: string } {
    return { node: this.#placeOf(vertex), value };
  }

  #role(vertex: Vertex): PlanRole {
    if (vertex.kind === 'join') return { kind: 'join' };
    if (vertex.kind === 'gather') {
      const body = this.#order.bodies.get(vertex.fork);
      assert(body, `${vertex.name} has a body`);
      const values = new PlanBuilder(body.order).lists(vertex.lists);
      return { kind: 'gather', fork: this.#placeOf(vertex.fork), values };
    }
    const { role } = vertex;
    switch (role.kind) {
      case 'task':
      case 'sleep':
      case 'event':
        return role;
      case 'retry': {
        const controls = this.#order.controlled.get(vertex);
        assert(controls !== undefined, `${nameOf(vertex)} has a scope`);
        return { ...role, controls };
      }
      case 'choice':
        return { ...role, cases: this.#cases(vertex) };
      case 'fork': {
        const body = this.#order.bodies.get(vertex);
        assert(body, `${nameOf(vertex)} has a body`);
        const gather = this.#placeOf(body.gather);
        return { ...role, body: new PlanBuilder(body.order).build(), gather };
      }
      default:
        return role satisfies never;
    }
  }

  /** The lists of a map, as those see them who know the nodes of its body. */
  lists(lists: Gives): Extract<PlanRole, { kind: 'gather' }>['values'] {
    return [...lists].map(([name, providers]) => ({
      name,
      from: providers.map((provider) => this.#node(provider)),
    }));
  }

  #cases(chooser: TaskVertex): Extract<PlanRole, { kind: 'choice' }>['cases'] {
    const cases = this.#order.cases.get(chooser) ?? [];
    return cases.map(({ name, vertices }) => ({
      name,
      nodes: vertices.map((vertex) => this.#placeOf(vertex)),
    }));
  }

  #vote({ sources, decide, depth }: VertexVote): PlanVote {
    const known = new Map(sources.map((vertex) => [nameOf(vertex), vertex]));
    return {
      sources: sources.map((vertex) => this.#placeOf(vertex)),
      decide: (results) => decide(translate(results, known)),
      depth,
    };
  }

  #placeOf(vertex: Vertex): number {
    const place = this.#places.get(vertex);
    assert(place !== undefined, `${nameOf(vertex)} is in the order`);
    return place;
  }

  #scopeOf(vertex: Vertex): number {
    const scope = this.#order.scopeOf.get(vertex);
    assert(scope !== undefined, `${nameOf(vertex)} lies in a scope`);
    return scope;
  }
}

type Results = Parameters<PlanVote['decide']>[0];

/**
 * What tasks provided, as a decider knows it: without the places of items in the tasks' names, the lists
 * of a map under the map's name, and values by what the flow calls them.
 */
function translate(results: Results, sources: ReadonlyMap<string, Vertex>): Results {
  const known: Record<string, Readonly<Record<string, unknown>>> = {};
  for (const [vertexName, vertex] of sources) {
    const values = Object.entries(results).find(
      ([name]) => name === vertexName || name.startsWith(`${vertexName}[`),
    )?.[1];
    if (!values) continue;
    if (vertex.kind !== 'task') {
      known[vertex.kind === 'gather' ? nameOf(vertex.fork) : vertex.name] = values;
      continue;
    }
    const gives = Object.entries(vertex.spec.gives);
    known[vertex.spec.name] = Object.fromEntries(
      gives
        .filter(([, inner]) => Object.hasOwn(values, inner))
        .map(([outer, inner]) => [outer, values[inner]]),
    );
  }
  return known;
}
