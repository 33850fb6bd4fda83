import { WiringError, type WiringProblem } from '@holdfast/core';
import { type CompiledGraph, createGraph } from './compiled-graph.ts';
import type { FlowPlan } from './flow-plan.ts';
import type { InputSchema } from './flow-wiring-type.ts';
import { orderTasks } from './order.ts';
import { PlanBuilder } from './plan-builder.ts';
import { jsonSchemaOf } from './schema.ts';
import { type InputNames, resolveScopes } from './scope.ts';
import type { RunsWhere } from './task.ts';
import { buildTree } from './tree-builder.ts';
import type { Gives, NodeProvider, Tree } from './wiring-tree.ts';
import type { Item } from './wiring-type.ts';

/**
 * Turns the items of a flow into a frozen graph, once, in time proportional to tasks and edges.
 *
 * C1. Whatever wiring-type.ts refuses for reasons of names, this refuses too, in the same words.
 *     Types of values are the compiler's business alone; so is telling a value that is optional from
 *     one of any type, which both accept that it is missing.
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
  /** Where tasks run that don't say it themselves. */
  readonly runs: RunsWhere;
}

export interface Compiled {
  readonly graph: CompiledGraph;
  readonly plan: Pick<FlowPlan, 'nodes' | 'scopes' | 'output'>;
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
  const builder = new PlanBuilder(order);
  return {
    graph: createGraph(order, source.runs),
    plan: { ...builder.build(), output: builder.sources(outputs) },
  };
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
): Gives {
  if (!names) return tree.gives;
  const selected = new Map<string, readonly NodeProvider[]>();
  for (const name of names) {
    const providers = tree.gives.get(name);
    if (providers) selected.set(name, providers);
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
