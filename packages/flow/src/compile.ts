import { WiringError, type WiringProblem } from '@holdfast/core';
import type { CompiledGraph, GraphEdge, GraphNode, ValueSource } from './compiled-graph.ts';
import type { FlowPlan, PlanNode } from './flow-plan.ts';
import type { InputSchema } from './flow-wiring-type.ts';
import { type Order, orderTasks } from './order.ts';
import { jsonSchemaOf } from './schema.ts';
import { type InputNames, resolveScopes } from './scope.ts';
import { buildTree, type TaskVertex, type Tree, type Vertex } from './wiring-tree.ts';
import type { Item } from './wiring-type.ts';

/**
 * Turns the items of a flow into a frozen graph, once, in time proportional to tasks and edges.
 *
 * C1. Whatever wiring-type.ts refuses for reasons of names, this refuses too, in the same words.
 *     Types of values are the compiler's business alone.
 * C2. All problems are found and reported together, as far as one doesn't hide another.
 * C3. The graph is acyclic: patterns can't express a cycle but for graphs, and those are sorted.
 */

/** Problems reported one by one; of more only the number is. */
const PROBLEMS_MAX = 50;

/** What is compiled. */
export interface Source {
  readonly flow: string;
  readonly body: Item;
  readonly input: InputSchema | undefined;
  readonly output: readonly string[] | undefined;
}

export interface Compiled {
  readonly graph: CompiledGraph;
  readonly plan: Pick<FlowPlan, 'nodes' | 'output'>;
}

/** Compiles a flow, or throws {@link WiringError}. */
export function compile(source: Source): Compiled {
  const problems: WiringProblem[] = [];
  const tree = buildTree(source.body, problems);
  if (!tree) throw new WiringError(source.flow, problems);
  const waits = resolveScopes(tree, inputNamesOf(source.input), problems);
  const order = orderTasks(tree, waits, problems);
  const outputs = selectOutputs(tree, source.output, problems);
  if (problems.length > 0) throw new WiringError(source.flow, shorten(problems));
  return { graph: createGraph(order), plan: createPlan(order, outputs) };
}

/** The names that tasks may take from the input, when the schema tells. */
function inputNamesOf(input: InputSchema | undefined): InputNames {
  if (!input) return new Set();
  const schema = jsonSchemaOf(input, 'output');
  // Without `additionalProperties: false`, or with alternatives, there may be more than is listed.
  if (schema?.['type'] !== 'object' || schema['additionalProperties'] !== false) return 'unknown';
  return new Set(Object.keys(schema['properties'] ?? {}));
}

function selectOutputs(
  tree: Tree,
  names: readonly string[] | undefined,
  problems: WiringProblem[],
): ReadonlyMap<string, TaskVertex> {
  if (!names) return tree.gives;
  const selected = new Map<string, TaskVertex>();
  for (const name of names) {
    const vertex = tree.gives.get(name);
    if (vertex) selected.set(name, vertex);
    else problems.push({ kind: 'unknown', message: `no task of the flow provides '${name}'` });
  }
  return selected;
}

function shorten(problems: readonly WiringProblem[]): readonly WiringProblem[] {
  if (problems.length <= PROBLEMS_MAX) return problems;
  const more = problems.length - PROBLEMS_MAX;
  return [
    ...problems.slice(0, PROBLEMS_MAX),
    { kind: 'limit', message: `and ${more} more problems like these` },
  ];
}

function createGraph(order: Order): CompiledGraph {
  const edges: GraphEdge[] = [];
  for (const to of [...order.tasks, ...order.joins]) {
    for (const [from, values] of to.incoming) {
      edges.push(
        Object.freeze({ from: nameOf(from), to: nameOf(to), values: Object.freeze([...values]) }),
      );
    }
  }
  return Object.freeze({
    nodes: Object.freeze(order.tasks.map(createNode)),
    edges: Object.freeze(edges),
    joins: Object.freeze(order.joins.map(nameOf)),
  });
}

function createNode(vertex: TaskVertex): GraphNode {
  const { spec, path } = vertex;
  const sources = [...vertex.sources].map(
    ([value, from]): ValueSource =>
      from === 'input' ? { kind: 'input', value } : { kind: 'task', value, task: from.spec.name },
  );
  return Object.freeze({
    name: spec.name,
    description: spec.description,
    requires: Object.freeze(Object.keys(spec.requires)),
    provides: Object.freeze(Object.keys(spec.provides)),
    sources: Object.freeze(sources.map((from) => Object.freeze(from))),
    path: Object.freeze([...path]),
    hasRevert: spec.revert !== undefined,
  });
}

function createPlan(order: Order, outputs: ReadonlyMap<string, TaskVertex>): Compiled['plan'] {
  const vertices: readonly Vertex[] = [...order.tasks, ...order.joins];
  const places = new Map(vertices.map((vertex, place) => [vertex, place] as const));
  const placeOf = (vertex: Vertex): number => {
    const place = places.get(vertex);
    if (place === undefined) throw new TypeError(`${nameOf(vertex)} is not in the order`);
    return place;
  };
  const successors: number[][] = vertices.map(() => []);
  const nodes = vertices.map((vertex, place): PlanNode => {
    const predecessors = [...vertex.incoming.keys()].map(placeOf);
    for (const predecessor of predecessors) successors[predecessor]?.push(place);
    const sources = vertex.kind === 'task' ? [...vertex.sources] : [];
    return {
      name: nameOf(vertex),
      task: vertex.kind === 'task' ? vertex.spec : undefined,
      sources: sources.map(([value, from]) => ({
        value,
        node: from === 'input' ? from : placeOf(from),
      })),
      predecessors,
      successors: successors[place] ?? [],
    };
  });
  const output = [...outputs].map(([value, vertex]) => ({ value, node: placeOf(vertex) }));
  return { nodes, output };
}

function nameOf(vertex: Vertex): string {
  return vertex.kind === 'task' ? vertex.spec.name : vertex.name;
}
