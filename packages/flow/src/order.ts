import type { WiringProblem } from '@holdfast/core';
import type { ChildWait } from './scope.ts';
import {
  addEdge,
  type Branch,
  type JoinVertex,
  type TaskVertex,
  type Tree,
  type Vertex,
} from './wiring-tree.ts';

/**
 * Puts the tasks in order: adds the edges that patterns and links imply, lists the tasks
 * topologically, and finds cycles in graphs.
 *
 * The edges between two groups are their product. Where that is large, a join stands for it, so
 * that the number of edges stays in proportion to the number of tasks.
 */

/** Up to so many edges between two groups are written out; beyond, a join stands for them. */
const EDGES_WITHOUT_JOIN = 64;

/** One side of a group: the tasks that everything before, or after, has to be linked with. */
interface Front {
  readonly vertices: readonly Vertex[];
  join?: JoinVertex;
}

interface Block {
  readonly entries: Front;
  readonly exits: Front;
}

/** The order of a flow's tasks. */
export interface Order {
  readonly tasks: readonly TaskVertex[];
  readonly joins: readonly JoinVertex[];
}

/** Orders the tree, and appends the cycles it finds to `problems`. */
export function orderTasks(
  tree: Tree,
  waits: ReadonlyMap<Branch, readonly ChildWait[]>,
  problems: WiringProblem[],
): Order {
  const sorter = new Sorter(waits, problems);
  sorter.sort(tree);
  return { tasks: sorter.tasks, joins: sorter.joins };
}

class Sorter {
  readonly tasks: TaskVertex[] = [];
  readonly joins: JoinVertex[] = [];
  readonly #waits: ReadonlyMap<Branch, readonly ChildWait[]>;
  readonly #problems: WiringProblem[];

  constructor(waits: ReadonlyMap<Branch, readonly ChildWait[]>, problems: WiringProblem[]) {
    this.#waits = waits;
    this.#problems = problems;
  }

  /** Lists the tasks of the tree; `undefined` when it has none. */
  sort(tree: Tree): Block | undefined {
    switch (tree.kind) {
      case 'task': {
        this.tasks.push(tree.vertex);
        const front: Front = { vertices: [tree.vertex] };
        return { entries: front, exits: front };
      }
      case 'linear':
        return this.#sortLinear(tree);
      case 'unordered':
        return merge(tree.children.map((child) => this.sort(child)));
      case 'graph':
        return this.#sortGraph(tree);
      default:
        return tree satisfies never;
    }
  }

  #sortLinear(tree: Branch): Block | undefined {
    let whole: Block | undefined;
    for (const child of tree.children) {
      const block = this.sort(child);
      if (!block) continue;
      if (whole) {
        // Within a linear pattern each group meets one other on either side, so that the edges from
        // one task to many, or back, are never more than the tasks.
        const isFan = whole.exits.vertices.length === 1 || block.entries.vertices.length === 1;
        this.#connect(whole.exits, block.entries, {
          limit: isFan ? Infinity : EDGES_WITHOUT_JOIN,
          name: tree.name,
        });
      }
      whole = { entries: whole?.entries ?? block.entries, exits: block.exits };
    }
    return whole;
  }

  #sortGraph(tree: Branch): Block | undefined {
    const waits = this.#waits.get(tree) ?? [];
    const order = sortChildren(tree.children.length, waits);
    if (order.cycle.length > 0) {
      const reasons = order.cycle.map((wait) => wait.reason).join('; ');
      this.#problems.push({
        kind: 'cyclic',
        message: `graph '${tree.name}' has a cycle: ${reasons}`,
      });
      return undefined;
    }
    const blocks: (Block | undefined)[] = [];
    const linked = new Set(waits.flatMap((wait) => [wait.from, wait.to]));
    for (const child of order.children) {
      const item = tree.children[child];
      const block = item && this.sort(item);
      // Nothing to run, but others are linked to it: it still stands between them.
      blocks[child] = block ?? (linked.has(child) ? this.#emptyBlock(tree.name) : undefined);
    }
    const starts = new Set(order.children);
    const ends = new Set(order.children);
    for (const { from, to } of waits) {
      starts.delete(to);
      ends.delete(from);
      const [before, after] = [blocks[from], blocks[to]];
      if (!before || !after) continue;
      this.#connect(before.exits, after.entries, { limit: EDGES_WITHOUT_JOIN, name: tree.name });
    }
    const entries = merge([...starts].map((child) => blocks[child]))?.entries;
    const exits = merge([...ends].map((child) => blocks[child]))?.exits;
    return entries && exits && { entries, exits };
  }

  #connect(
    from: Front,
    to: Front,
    options: { readonly limit: number; readonly name: string },
  ): void {
    let [before, after] = [from.vertices, to.vertices];
    if (before.length * after.length > options.limit) {
      if (before.length > 1) before = [this.#exitJoin(from, options.name)];
      if (after.length > 1) after = [this.#entryJoin(to, options.name)];
    }
    for (const first of before) for (const second of after) addEdge(first, second);
  }

  #exitJoin(front: Front, name: string): JoinVertex {
    if (front.join) return front.join;
    front.join = this.#createJoin(name);
    for (const vertex of front.vertices) addEdge(vertex, front.join);
    return front.join;
  }

  #entryJoin(front: Front, name: string): JoinVertex {
    if (front.join) return front.join;
    front.join = this.#createJoin(name);
    for (const vertex of front.vertices) addEdge(front.join, vertex);
    return front.join;
  }

  #emptyBlock(name: string): Block {
    const front: Front = { vertices: [this.#createJoin(name)] };
    return { entries: front, exits: front };
  }

  #createJoin(name: string): JoinVertex {
    // Brackets can't be part of a task's name, so that no join is taken for a task.
    const join: JoinVertex = {
      kind: 'join',
      name: `${name}[${this.joins.length + 1}]`,
      incoming: new Map(),
    };
    this.joins.push(join);
    return join;
  }
}

function merge(blocks: readonly (Block | undefined)[]): Block | undefined {
  const present = blocks.filter((block) => block !== undefined);
  const [first] = present;
  if (!first || present.length === 1) return first;
  return {
    entries: { vertices: present.flatMap((block) => block.entries.vertices) },
    exits: { vertices: present.flatMap((block) => block.exits.vertices) },
  };
}

/** The children of a graph, each after those it waits for, or a cycle among them. */
function sortChildren(
  count: number,
  waits: readonly ChildWait[],
): { children: readonly number[]; cycle: readonly ChildWait[] } {
  const incoming: ChildWait[][] = Array.from({ length: count }, () => []);
  const outgoing: ChildWait[][] = Array.from({ length: count }, () => []);
  for (const wait of waits) {
    incoming[wait.to]?.push(wait);
    outgoing[wait.from]?.push(wait);
  }
  const open = incoming.map((list) => list.length);
  const children: number[] = [];
  for (const [child, left] of open.entries()) if (left === 0) children.push(child);
  // `children` grows while it is read: it is both the queue and the result.
  for (const child of children) {
    for (const { to } of outgoing[child] ?? []) {
      const left = (open[to] ?? 0) - 1;
      open[to] = left;
      if (left === 0) children.push(to);
    }
  }
  if (children.length === count) return { children, cycle: [] };
  return { children: [], cycle: findCycle(incoming, open) };
}

/** Walks backwards from a child that can't start until it meets one again: those between are the cycle. */
function findCycle(
  incoming: readonly (readonly ChildWait[])[],
  open: readonly number[],
): readonly ChildWait[] {
  const visited = new Map<number, number>();
  const walked: ChildWait[] = [];
  let child = open.findIndex((left) => left > 0);
  while (!visited.has(child)) {
    visited.set(child, walked.length);
    const wait = incoming[child]?.find(({ from }) => (open[from] ?? 0) > 0);
    if (!wait) return walked;
    walked.push(wait);
    child = wait.from;
  }
  return walked.slice(visited.get(child) ?? 0);
}
