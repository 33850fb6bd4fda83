import type { WiringProblem } from '@holdfast/core';
import { addEdge, type Branch, type TaskVertex, type Tree } from './wiring-tree.ts';

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

/** Where a task finds its values. */
interface Scope {
  find(value: string, consumer: TaskVertex): TaskVertex | undefined;
}

/** Binds every requirement in the tree; returns, for each graph, why its children wait for each other. */
export function resolveScopes(
  tree: Tree,
  inputNames: InputNames,
  problems: WiringProblem[],
): ReadonlyMap<Branch, readonly ChildWait[]> {
  const resolver = new Resolver(inputNames, problems);
  resolver.resolve(tree, { find: () => undefined });
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
      case 'task':
        return this.#bind(tree.vertex, scope);
      case 'linear':
        return this.#resolveLinear(tree, scope);
      case 'unordered':
        for (const child of tree.children) this.resolve(child, scope);
        return;
      case 'graph':
        return this.#resolveGraph(tree, scope);
      default:
        tree satisfies never;
    }
  }

  #resolveLinear(tree: Branch, outer: Scope): void {
    const earlier = new Map<string, TaskVertex>();
    const scope: Scope = {
      find: (value, consumer) => earlier.get(value) ?? outer.find(value, consumer),
    };
    for (const child of tree.children) {
      this.resolve(child, scope);
      for (const [value, vertex] of child.gives) earlier.set(value, vertex);
    }
  }

  #resolveGraph(tree: Branch, outer: Scope): void {
    const providers = new Map<string, { child: number; vertex: TaskVertex }>();
    for (const [child, { gives }] of tree.children.entries()) {
      for (const [value, vertex] of gives) providers.set(value, { child, vertex });
    }
    const waits: ChildWait[] = tree.links.map((link) => ({
      ...link,
      reason: `${describe(tree.children[link.to])} is linked to run after ${describe(tree.children[link.from])}`,
    }));
    for (const [to, child] of tree.children.entries()) {
      this.resolve(child, {
        find: (value, consumer) => {
          const found = providers.get(value);
          // An item never provides for itself; what it takes under that name comes from outside.
          if (!found || found.child === to) return outer.find(value, consumer);
          const reason = `task '${consumer.spec.name}' requires '${value}' from task '${found.vertex.spec.name}'`;
          waits.push({ from: found.child, to, reason });
          return found.vertex;
        },
      });
    }
    this.waits.set(tree, waits);
  }

  #bind(vertex: TaskVertex, scope: Scope): void {
    for (const value of Object.keys(vertex.spec.requires)) {
      const provider = scope.find(value, vertex);
      if (provider) {
        vertex.sources.set(value, provider);
        addEdge(provider, vertex, value);
        continue;
      }
      vertex.sources.set(value, 'input');
      if (this.#inputNames === 'unknown' || this.#inputNames.has(value)) continue;
      this.#problems.push({
        kind: 'missing',
        message: `task '${vertex.spec.name}' requires '${value}', which nothing before it provides`,
      });
    }
  }
}

function describe(tree: Tree | undefined): string {
  if (!tree) return 'nothing';
  return tree.kind === 'task' ? `task '${tree.vertex.spec.name}'` : `${tree.kind} '${tree.name}'`;
}
