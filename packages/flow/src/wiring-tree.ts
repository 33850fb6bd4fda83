import { LIMITS, type WiringProblem } from '@holdfast/core';
import type { GraphEdge } from './compiled-graph.ts';
import { isPattern, isTask } from './pattern.ts';
import type { TaskSpec } from './task.ts';
import type { Item } from './wiring-type.ts';

/**
 * The items of a flow as the compiler works on them. Building the tree finds the names that are
 * used twice, the values that two siblings give, and sizes beyond the limits.
 */

/** Patterns within patterns; deeper nesting is refused. */
export const NESTING_MAX = 100;

/** A task on its way to become a node. */
export interface TaskVertex {
  readonly kind: 'task';
  readonly spec: TaskSpec;
  readonly path: readonly string[];
  /** Where each required value comes from; filled when scopes are resolved. */
  readonly sources: Map<string, TaskVertex | 'input'>;
  /** Who has to be done before, and the values taken from it. */
  readonly incoming: Map<Vertex, string[]>;
}

/** A point that waits for a whole group. */
export interface JoinVertex {
  readonly kind: 'join';
  readonly name: string;
  readonly incoming: Map<Vertex, string[]>;
}

export type Vertex = TaskVertex | JoinVertex;

/** A task of the tree. */
export interface Leaf {
  readonly kind: 'task';
  readonly vertex: TaskVertex;
  readonly gives: ReadonlyMap<string, TaskVertex>;
}

/** A pattern of the tree. */
export interface Branch {
  readonly kind: 'linear' | 'unordered' | 'graph';
  readonly name: string;
  readonly children: readonly Tree[];
  /** Links between children, by their places. */
  readonly links: readonly { readonly from: number; readonly to: number }[];
  /** What the pattern gives to what follows it. */
  readonly gives: ReadonlyMap<string, TaskVertex>;
}

export type Tree = Leaf | Branch;

/** Builds the tree, and appends what is wrong to `problems`. `undefined` when the flow is too large or too deep. */
export function buildTree(body: Item, problems: WiringProblem[]): Tree | undefined {
  const builder = new TreeBuilder(problems);
  const tree = builder.build(body, []);
  return builder.hasExceeded ? undefined : tree;
}

class TreeBuilder {
  hasExceeded = false;
  #tasks = 0;
  readonly #names = new Set<string>();
  readonly #problems: WiringProblem[];

  constructor(problems: WiringProblem[]) {
    this.#problems = problems;
  }

  build(item: Item, path: readonly string[]): Tree {
    if (isTask(item)) return this.#leaf(item.spec, path);
    if (isPattern(item)) return this.#branch(item, path);
    throw new TypeError(`${item.name} is neither a task nor a pattern`);
  }

  #leaf(spec: TaskSpec, path: readonly string[]): Leaf {
    this.#tasks += 1;
    if (this.#tasks > LIMITS.tasksPerFlow) {
      this.#exceed(`the flow has more than ${LIMITS.tasksPerFlow} tasks`);
    }
    if (this.#names.has(spec.name)) {
      this.#problems.push({
        kind: 'duplicate',
        message: `two tasks are named '${spec.name}'; the name of a task is unique in its flow`,
      });
    }
    this.#names.add(spec.name);
    const vertex: TaskVertex = {
      kind: 'task',
      spec,
      path,
      sources: new Map(),
      incoming: new Map(),
    };
    const gives = new Map(Object.keys(spec.provides).map((name) => [name, vertex] as const));
    return { kind: 'task', vertex, gives };
  }

  #branch(
    pattern: Item & { readonly kind: Branch['kind'] } & PatternParts,
    path: readonly string[],
  ): Branch {
    const { kind, name, items } = pattern;
    if (path.length >= NESTING_MAX) {
      this.#exceed(`patterns are nested more than ${NESTING_MAX} deep`);
    }
    const inner = [...path, name];
    const children: Tree[] = [];
    // A flow beyond the limits is refused anyway; there is no need to walk all of it.
    for (const item of items) if (!this.hasExceeded) children.push(this.build(item, inner));
    return {
      kind,
      name,
      children,
      links: this.#places(pattern),
      gives: kind === 'linear' ? lastGives(children) : this.#siblingGives(children),
    };
  }

  #siblingGives(children: readonly Tree[]): Map<string, TaskVertex> {
    const gives = new Map<string, TaskVertex>();
    for (const child of children) {
      for (const [value, vertex] of child.gives) {
        const other = gives.get(value);
        gives.set(value, other ?? vertex);
        if (!other) continue;
        this.#problems.push({
          kind: 'ambiguous',
          message:
            `task '${vertex.spec.name}' provides '${value}', and so does task ` +
            `'${other.spec.name}' beside it; give one of the values another name`,
        });
      }
    }
    return gives;
  }

  #places(pattern: PatternParts): Branch['links'] {
    const places = new Map(pattern.items.map((item, index) => [item, index] as const));
    const links: { from: number; to: number }[] = [];
    for (const [first, second] of pattern.links) {
      const from = places.get(first);
      const to = places.get(second);
      if (from !== undefined && to !== undefined) links.push({ from, to });
      for (const stranger of [first, second]) {
        if (places.has(stranger)) continue;
        this.#problems.push({
          kind: 'unknown',
          message: `${stranger.kind} '${stranger.name}' is not in this graph; only what is can be linked`,
        });
      }
    }
    return links;
  }

  #exceed(message: string): void {
    if (!this.hasExceeded) this.#problems.push({ kind: 'limit', message });
    this.hasExceeded = true;
  }
}

interface PatternParts {
  readonly items: readonly Item[];
  readonly links: readonly (readonly [Item, Item])[];
}

/** Of several providers of a name, the last one. */
function lastGives(children: readonly Tree[]): Map<string, TaskVertex> {
  const gives = new Map<string, TaskVertex>();
  for (const child of children) {
    for (const [value, vertex] of child.gives) gives.set(value, vertex);
  }
  return gives;
}

/** Adds an edge; `value` names what `to` takes from `from`, when it takes something. */
export function addEdge(from: Vertex, to: Vertex, value?: GraphEdge['values'][number]): void {
  const values = to.incoming.get(from) ?? [];
  to.incoming.set(from, values);
  if (value !== undefined && !values.includes(value)) values.push(value);
}
