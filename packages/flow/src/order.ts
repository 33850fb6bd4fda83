import type { WiringProblem } from '@holdfast/core';
import type { ChildWait } from './scope.ts';
import {
  addEdge,
  type Branch,
  type BranchLink,
  type ChoiceTree,
  type ControlledTree,
  describeTree,
  type GatherVertex,
  type JoinVertex,
  type MapTree,
  type TaskVertex,
  type Tree,
  type Vertex,
} from './wiring-tree.ts';

/**
 * Puts the tasks in order: adds the edges that patterns and links imply, lists the tasks
 * topologically, hands deciders to the tasks that they decide about, and finds cycles in graphs.
 *
 * O1. The edges between two groups are their product. Where that is large, a join stands for it, so
 *     that the number of edges stays in proportion to the number of tasks.
 * O2. Each pattern is listed as a whole, so that its tasks stand side by side, those of a retry
 *     controller's scope right behind the controller.
 * O3. What comes after a pattern waits for the whole of it, and all of a pattern for what is before it.
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

/** The order of what is run as one: a flow, or the body of a map. */
export interface Order {
  readonly tasks: readonly TaskVertex[];
  readonly points: readonly (JoinVertex | GatherVertex)[];
  /** What retry controllers control, each after the one around it. The first is everything. */
  readonly scopes: readonly OrderScope[];
  /** The place of the scope that each vertex lies in. */
  readonly scopeOf: ReadonlyMap<Vertex, number>;
  /** The scope of each retry controller. */
  readonly controlled: ReadonlyMap<TaskVertex, number>;
  /** The cases of each choice, with all that is in them. */
  readonly cases: ReadonlyMap<TaskVertex, readonly OrderCase[]>;
  /** The bodies of maps, by their forks. */
  readonly bodies: ReadonlyMap<TaskVertex, OrderBody>;
}

export interface OrderScope {
  readonly parent: number | undefined;
  readonly controller: TaskVertex | undefined;
}

export interface OrderCase {
  readonly name: string;
  readonly vertices: readonly Vertex[];
}

export interface OrderBody {
  readonly order: Order;
  readonly gather: GatherVertex;
}

type Waits = ReadonlyMap<Branch, readonly ChildWait[]>;

/** Orders the tree, and appends the cycles it finds to `problems`. */
export function orderTasks(tree: Tree, waits: Waits, problems: WiringProblem[]): Order {
  const sorter = new Sorter(waits, problems);
  sorter.sort(tree);
  return sorter;
}

class Sorter implements Order {
  readonly tasks: TaskVertex[] = [];
  readonly points: (JoinVertex | GatherVertex)[] = [];
  readonly scopes: OrderScope[] = [{ parent: undefined, controller: undefined }];
  readonly scopeOf = new Map<Vertex, number>();
  readonly controlled = new Map<TaskVertex, number>();
  readonly cases = new Map<TaskVertex, OrderCase[]>();
  readonly bodies = new Map<TaskVertex, OrderBody>();
  readonly #waits: Waits;
  readonly #problems: WiringProblem[];
  /** The scope that is being sorted. */
  #scope = 0;
  #joins = 0;

  constructor(waits: Waits, problems: WiringProblem[]) {
    this.#waits = waits;
    this.#problems = problems;
  }

  /** Lists the tasks of the tree; `undefined` when it has none. */
  sort(tree: Tree): Block | undefined {
    switch (tree.kind) {
      case 'leaf':
        return this.#sortLeaf(tree.vertex);
      case 'linear':
        return this.#sortLinear(tree);
      case 'unordered':
        return merge(tree.children.map((child) => this.sort(child)));
      case 'graph':
        return this.#sortGraph(tree);
      case 'retry':
        return this.#sortControlled(tree);
      case 'choice':
        return this.#sortChoice(tree);
      case 'map':
        return this.#sortMap(tree);
      default:
        return tree satisfies never;
    }
  }

  #sortLeaf(vertex: TaskVertex): Block {
    this.tasks.push(vertex);
    this.scopeOf.set(vertex, this.#scope);
    const front: Front = { vertices: [vertex] };
    return { entries: front, exits: front };
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
          pattern: tree,
        });
      }
      whole = { entries: whole?.entries ?? block.entries, exits: block.exits };
    }
    return whole;
  }

  #sortControlled(tree: ControlledTree): Block {
    const { vertex } = tree.controller;
    const { entries, exits } = this.#sortLeaf(vertex);
    const around = this.#scope;
    this.#scope = this.scopes.length;
    this.scopes.push({ parent: around, controller: vertex });
    this.controlled.set(vertex, this.#scope);
    const item = this.sort(tree.item);
    this.#scope = around;
    if (!item) return { entries, exits };
    this.#connect(exits, item.entries, { limit: Infinity, pattern: tree });
    return { entries, exits: item.exits };
  }

  #sortChoice(tree: ChoiceTree): Block {
    const { vertex } = tree.chooser;
    const chooser = this.#sortLeaf(vertex);
    const cases: OrderCase[] = [];
    const blocks: Block[] = [];
    for (const { name, item } of tree.cases) {
      const [tasks, points] = [this.tasks.length, this.points.length];
      const block = this.sort(item);
      cases.push({ name, vertices: this.#listedSince(tasks, points) });
      if (!block) continue;
      blocks.push(block);
      const about = { limit: Infinity, pattern: tree, label: name };
      this.#connect(chooser.exits, block.entries, about);
    }
    this.cases.set(vertex, cases);
    // What is skipped counts as done, so that waiting for all cases is waiting for the one that is taken.
    return { entries: chooser.entries, exits: merge(blocks)?.exits ?? chooser.exits };
  }

  #sortMap(tree: MapTree): Block {
    const { gather } = tree;
    const { vertex } = tree.fork;
    const { entries } = this.#sortLeaf(vertex);
    this.points.push(gather);
    this.scopeOf.set(gather, this.#scope);
    addEdge(vertex, gather);
    this.bodies.set(vertex, {
      order: orderTasks(tree.body, this.#waits, this.#problems),
      gather,
    });
    return { entries, exits: { vertices: [gather] } };
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
    const parts: (Part | undefined)[] = [];
    const linked = new Set(waits.flatMap((wait) => [wait.from, wait.to]));
    for (const child of order.children) {
      const item = tree.children[child];
      const [tasks, points] = [this.tasks.length, this.points.length];
      // Nothing to run, but others are linked to it: it still stands between them.
      const block =
        (item && this.sort(item)) ?? (linked.has(child) ? this.#emptyBlock(tree) : undefined);
      if (block) parts[child] = { block, vertices: this.#listedSince(tasks, points) };
    }
    for (const { from, to } of waits) {
      const [before, after] = [parts[from]?.block, parts[to]?.block];
      if (!before || !after) continue;
      this.#connect(before.exits, after.entries, { limit: EDGES_WITHOUT_JOIN, pattern: tree });
    }
    for (const each of tree.links) this.#decide(tree, each, parts);
    const starts = new Set(order.children);
    const ends = new Set(order.children);
    for (const { from, to } of waits) {
      starts.delete(to);
      ends.delete(from);
    }
    const entries = merge([...starts].map((child) => parts[child]?.block))?.entries;
    const exits = merge([...ends].map((child) => parts[child]?.block))?.exits;
    return entries && exits && { entries, exits };
  }

  /** Hands the decider of a link to the tasks with which the item begins that the link leads to. */
  #decide(tree: Branch, link: BranchLink, parts: readonly (Part | undefined)[]): void {
    const { decider, from, to } = link;
    const [before, after] = [parts[from], parts[to]];
    if (!decider || !before || !after) return;
    const { exits } = before.block;
    const sources = lastAtoms(before);
    const first = firstTasks(after);
    for (const [place, { length }] of [
      [from, sources],
      [to, first],
    ] as const) {
      if (length > 0) continue;
      const message = `a link ${place === from ? 'from' : 'to'} ${describeTree(tree.children[place])} has a decider, but there is nothing in it to decide about`;
      this.#problems.push({ kind: 'unknown', message });
    }
    const label = `if (${decider.depth})`;
    for (const vertex of first) {
      vertex.votes.push({ ...decider, sources });
      for (const [source, edge] of vertex.incoming) {
        const isOfLink = sources.includes(source as TaskVertex);
        if (isOfLink || source === exits.join || source === after.block.entries.join)
          edge.label = label;
      }
    }
  }

  #connect(
    from: Front,
    to: Front,
    options: { readonly limit: number; readonly pattern: Named; readonly label?: string },
  ): void {
    let [before, after] = [from.vertices, to.vertices];
    if (before.length * after.length > options.limit) {
      if (before.length > 1) before = [this.#exitJoin(from, options.pattern)];
      if (after.length > 1) after = [this.#entryJoin(to, options.pattern)];
    }
    const { label } = options;
    for (const first of before) for (const second of after) addEdge(first, second, { label });
  }

  #exitJoin(front: Front, pattern: Named): JoinVertex {
    if (front.join) return front.join;
    front.join = this.#createJoin(pattern);
    for (const vertex of front.vertices) addEdge(vertex, front.join);
    return front.join;
  }

  #entryJoin(front: Front, pattern: Named): JoinVertex {
    if (front.join) return front.join;
    front.join = this.#createJoin(pattern);
    for (const vertex of front.vertices) addEdge(front.join, vertex);
    return front.join;
  }

  /** What has been listed since there were so many tasks and points. */
  #listedSince(tasks: number, points: number): readonly Vertex[] {
    return [...this.tasks.slice(tasks), ...this.points.slice(points)];
  }

  #emptyBlock(pattern: Named): Block {
    const front: Front = { vertices: [this.#createJoin(pattern)] };
    return { entries: front, exits: front };
  }

  #createJoin({ name, pattern }: Named): JoinVertex {
    this.#joins += 1;
    // Brackets can't be part of a task's name, so that no join is taken for a task.
    const join: JoinVertex = {
      kind: 'join',
      name: `${name}[${this.#joins}]`,
      pattern,
      incoming: new Map(),
    };
    this.points.push(join);
    this.scopeOf.set(join, this.#scope);
    return join;
  }
}

/** A child of a graph, with all that is in it. */
interface Part {
  readonly block: Block;
  readonly vertices: readonly Vertex[];
}

/** The tasks with which it begins; points before the first tasks are passed over. */
function firstTasks({ block, vertices }: Part): readonly TaskVertex[] {
  const first = new Set<Vertex>(block.entries.vertices);
  // A set that grows while it is read is read to its new end.
  for (const vertex of first) {
    if (vertex.kind === 'task') continue;
    for (const next of vertices) if (next.incoming.has(vertex)) first.add(next);
  }
  return [...first].filter((vertex) => vertex.kind === 'task');
}

/** What the item ends with; for a point of the order, what stands before that. */
function lastAtoms({ block }: Part): readonly Exclude<Vertex, JoinVertex>[] {
  const last = new Set<Vertex>(block.exits.vertices);
  // Read to its new end, as above.
  for (const vertex of last) {
    if (vertex.kind === 'join') for (const before of vertex.incoming.keys()) last.add(before);
  }
  return [...last].filter((vertex) => vertex.kind !== 'join');
}

/** The pattern that a join belongs to. */
interface Named {
  readonly name: string;
  readonly pattern: number;
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
