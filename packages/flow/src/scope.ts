import type { WiringProblem } from '@holdfast/core';
import { own } from './run-values.ts';
import { acceptsUndefined } from './schema.ts';
import type { TaskSpec } from './task.ts';
import {
  addEdge,
  type Branch,
  describeTree,
  type Gives,
  type MapTree,
  type NodeProvider,
  type Provider,
  providerName,
  type TaskVertex,
  type Tree,
} from './wiring-tree.ts';

/**
 * Finds, for every required value, the task that provides it: the nearest earlier one in a linear
 * pattern, a sibling in a graph, else whatever the pattern around has, and at last the flow's input.
 */

/** Which names the flow's input has: a set when that is known, else anything goes. */
export type InputNames = ReadonlySet<string> | 'unknown';

/** Why one child of a graph waits for another. */
export interface ChildWait {
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** What is looked up, and for whom. */
interface Wanted {
  /** What the flow calls the value. */
  readonly value: string;
  /** What the sentences say of it. */
  readonly requirement: string;
  /** The atom that has to wait for the provider: the consumer, or the fork of the map around it. */
  readonly waiter: TaskVertex;
}

/** Where a task finds its values; undefined when nothing around it provides one. */
type Scope = (wanted: Wanted) => readonly Provider[] | undefined;

/** Binds every requirement in the tree; returns, for each graph, why its children wait for each other. */
export function resolveScopes(
  tree: Tree,
  inputNames: InputNames,
  problems: WiringProblem[],
): ReadonlyMap<Branch, readonly ChildWait[]> {
  const resolver = new Resolver(inputNames, problems);
  resolver.resolve(tree, () => undefined);
  return resolver.waits;
}

class Resolver {
  readonly waits = new Map<Branch, readonly ChildWait[]>();
  readonly #inputNames: InputNames;
  readonly #problems: WiringProblem[];

  constructor(inputNames: InputNames, problems: WiringProblem[]) {
    this.#inputNames = inputNames;
    this.#problems = problems;
  }

  resolve(tree: Tree, scope: Scope): void {
    switch (tree.kind) {
      case 'leaf':
        return this.#bind(tree.vertex, scope);
      case 'linear':
        return this.#resolveRow(tree.children, scope);
      case 'unordered':
        for (const child of tree.children) this.resolve(child, scope);
        return;
      case 'graph':
        return this.#resolveGraph(tree, scope);
      case 'retry':
        return this.#resolveRow([tree.controller, tree.item], scope);
      case 'choice':
        this.#bind(tree.chooser.vertex, scope);
        for (const { item } of tree.cases) this.resolve(item, scope);
        return;
      case 'map':
        return this.#resolveMap(tree, scope);
      default:
        tree satisfies never;
    }
  }

  #resolveRow(children: readonly Tree[], outer: Scope): void {
    const earlier = new Map<string, readonly NodeProvider[]>();
    const scope: Scope = (wanted) => {
      const found = earlier.get(wanted.value);
      return found ? take(found, wanted) : outer(wanted);
    };
    for (const child of children) {
      this.resolve(child, scope);
      for (const [value, providers] of child.gives) earlier.set(value, providers);
    }
  }

  #resolveGraph(tree: Branch, outer: Scope): void {
    const providers = new Map<string, { child: number; found: readonly NodeProvider[] }>();
    for (const [child, { gives }] of tree.children.entries()) {
      for (const [value, found] of gives) providers.set(value, { child, found });
    }
    const waits: ChildWait[] = tree.links.map(({ from, to }) => ({
      from,
      to,
      reason: `${describeTree(tree.children[to])} is linked to run after ${describeTree(tree.children[from])}`,
    }));
    for (const [to, child] of tree.children.entries()) {
      this.resolve(child, (wanted) => {
        const provider = providers.get(wanted.value);
        // An item never provides for itself; what it takes under that name comes from outside.
        if (!provider || provider.child === to) return outer(wanted);
        const [first] = provider.found;
        const from = first ? ` from task '${providerName(first)}'` : '';
        waits.push({ from: provider.child, to, reason: `${wanted.requirement}${from}` });
        return take(provider.found, wanted);
      });
    }
    this.waits.set(tree, waits);
  }

  /** In the body, the item and its place come before what is outside; and for that the fork asks, once. */
  #resolveMap(tree: MapTree, outer: Scope): void {
    const { vertex } = tree.fork;
    this.#bind(vertex, outer);
    this.resolve(tree.body, (wanted) => {
      if (wanted.value === tree.as) return [{ kind: 'item' }];
      if (wanted.value === tree.index) return [{ kind: 'index' }];
      const found = vertex.sources.get(wanted.value) ?? outer({ ...wanted, waiter: vertex });
      // The input can be read from anywhere.
      if (!found || found.every(({ kind }) => kind === 'input')) return found;
      vertex.sources.set(wanted.value, found);
      return [{ kind: 'fork', value: wanted.value }];
    });
  }

  #bind(vertex: TaskVertex, scope: Scope): void {
    const { spec } = vertex;
    for (const [arg, value] of Object.entries(spec.needs)) {
      const its = arg === value ? '' : ` (its '${arg}')`;
      const requirement = `task '${spec.name}' requires '${value}'${its}`;
      const providers = scope({ value, requirement, waiter: vertex });
      if (providers) {
        vertex.sources.set(arg, providers);
        continue;
      }
      const isInInput = this.#inputNames === 'unknown' || this.#inputNames.has(value);
      const isMissing = !isInInput && !isOptional(spec, arg);
      vertex.sources.set(arg, isInInput || isMissing ? [{ kind: 'input', value }] : []);
      if (!isMissing) continue;
      this.#problems.push({
        kind: 'missing',
        message: `${requirement}, which nothing before it provides`,
      });
    }
  }
}

function take(providers: readonly NodeProvider[], { waiter, value }: Wanted): readonly Provider[] {
  for (const { vertex } of providers) addEdge(vertex, waiter, { value });
  return providers;
}

/** True when the task can do without the value. A schema that answers too late is believed to. */
export function isOptional(spec: TaskSpec, arg: string): boolean {
  return [spec.requires, spec.revertRequires].every((schemas) => {
    const schema = own(schemas, arg);
    return schema === undefined || acceptsUndefined(schema) !== false;
  });
}

/** Of several providers of a name, the last one. */
export function lastGives(children: readonly { readonly gives: Gives }[]): Gives {
  const gives = new Map<string, readonly NodeProvider[]>();
  for (const { gives: own } of children) {
    for (const [value, providers] of own) gives.set(value, providers);
  }
  return gives;
}
