// The nodes of a run: those of the flow's plan, and those that its maps add for each item of their
// lists. Holds structure only; what became of a node stands in the atom book.
//
// Invariants:
//   G1. Places are never reused: a node keeps its place and its name for the whole run. The items of
//       a map that runs once more take the nodes that they had before; items that there are no more
//       are left inactive, and count for nothing.
//   G2. A scope lies in `scopes` after the scope around it.
import { assert, InvalidArgumentError, LIMITS } from '@holdfast/core';
import type { FlowPlan, PlanBody, PlanNode, PlanRole, PlanSource, PlanVote } from './flow-plan.ts';
import type { TaskSpec } from './task.ts';

/** A node of a run. Its neighbours are places in the run's graph. */
export interface RunNode {
  readonly name: string;
  readonly task: TaskSpec | undefined;
  readonly role: PlanRole;
  readonly sources: readonly PlanSource[];
  readonly predecessors: number[];
  readonly successors: number[];
  readonly scope: number;
  /** Two nodes with the same text stand in the same pattern. */
  readonly pattern: string;
  readonly votes: readonly PlanVote[];
  /** Where the nodes lie that its sources and its role speak of. */
  readonly home: Home;
  isActive: boolean;
}

/** The body that a node comes from: the flow's own, or one item of a map. */
export interface Home {
  /** The place of the body's first node. */
  readonly offset: number;
  /** The place of the body's first scope. */
  readonly scopeOffset: number;
  /** Of which map and item; undefined for the flow's own. */
  readonly item: { readonly fork: number; readonly index: number } | undefined;
}

export interface RunScope {
  readonly parent: number | undefined;
  readonly controller: number | undefined;
  /** The nodes that lie in it and in no scope within. */
  readonly nodes: number[];
  readonly inner: number[];
}

/** One item of a map: what opens it, and what closes it. */
export interface ForkItem {
  readonly gate: number;
  readonly end: number;
  readonly nodes: readonly number[];
}

/** The items of a map; those beyond `active` are left from a longer list. */
export interface ForkItems {
  readonly items: ForkItem[];
  active: number;
}

const OWN_HOME: Home = { offset: 0, scopeOffset: 0, item: undefined };

/** See the head of this file. */
export class RunGraph {
  readonly nodes: RunNode[] = [];
  readonly scopes: RunScope[] = [];
  readonly forks: Map<number, ForkItems> = new Map();
  readonly #places = new Map<string, number>();
  #atomCount = 0;

  constructor(plan: FlowPlan) {
    this.#addBody(plan, { home: OWN_HOME, suffix: '', around: undefined });
  }

  node(index: number): RunNode {
    const node = this.nodes[index];
    assert(node, `the run has a node ${index}`);
    return node;
  }

  scope(index: number): RunScope {
    const scope = this.scopes[index];
    assert(scope, `the run has a scope ${index}`);
    return scope;
  }

  /** How many atoms count. */
  get atomCount(): number {
    return this.#atomCount;
  }

  /** The place of the node with this name; undefined when the flow has none. */
  placeOf(name: string): number | undefined {
    return this.#places.get(name);
  }

  /** The place of the node that a provider, vote or role of `node` speaks of. */
  placeFrom(node: RunNode, local: number): number {
    return node.home.offset + local;
  }

  /** The place of the scope that the role of a node of this body speaks of; never its first. */
  scopeFrom(home: Home, local: number): number {
    return home.scopeOffset + local;
  }

  /** Active nodes of a scope, those of scopes within it too. */
  *members(scope: number): Generator<number> {
    const { nodes, inner } = this.scope(scope);
    for (const index of nodes) if (this.nodes[index]?.isActive) yield index;
    for (const child of inner) yield* this.members(child);
  }

  /** The scopes within a scope, at whatever depth. */
  *within(scope: number): Generator<number> {
    for (const child of this.scope(scope).inner) {
      yield child;
      yield* this.within(child);
    }
  }

  /** Throws {@link InvalidArgumentError} when the flow has no room for so many items of a map. */
  checkRoom(fork: number, count: number): void {
    const { role, name } = this.node(fork);
    assert(role.kind === 'fork', `${name} is a map`);
    const perItem = Math.max(1, role.body.nodes.length);
    const most = Math.floor((LIMITS.tasksPerFlow - this.#atomCount) / perItem);
    if (count <= most) return;
    throw new InvalidArgumentError(role.list, {
      value: `a list of ${count} items`,
      allowed: `up to ${Math.max(0, most)} items: a flow has at most ${LIMITS.tasksPerFlow} tasks, those of each item included`,
    });
  }

  /**
   * Gives a map `count` items. Returns the places of all nodes that are active now and were not
   * before; what isn't needed any more becomes inactive.
   */
  expand(fork: number, count: number): readonly number[] {
    const node = this.node(fork);
    assert(node.role.kind === 'fork', `${node.name} is a map`);
    const known = this.forks.get(fork) ?? { items: [], active: 0 };
    this.forks.set(fork, known);
    const fresh: number[] = [];
    while (known.items.length < count) known.items.push(this.#addItem(fork, known.items.length));
    for (const [index, item] of known.items.entries()) {
      const isActive = index < count;
      for (const place of [item.gate, ...item.nodes, item.end]) {
        const each = this.node(place);
        if (isActive && !each.isActive) fresh.push(place);
        this.#setActive(each, isActive);
      }
    }
    known.active = count;
    return fresh;
  }

  /**
   * Makes the items of a map inactive, and of the maps within them: its list is not known any more.
   * Returns the places of all nodes that were active and are not any more; none when it is no map.
   */
  collapse(fork: number): readonly number[] {
    const known = this.forks.get(fork);
    if (!known) return [];
    const gone: number[] = [];
    for (const item of known.items.slice(0, known.active)) {
      for (const place of [item.gate, ...item.nodes, item.end]) {
        gone.push(place);
        this.#setActive(this.node(place), false);
        for (const inner of this.collapse(place)) gone.push(inner);
      }
    }
    known.active = 0;
    return gone;
  }

  #setActive(node: RunNode, isActive: boolean): void {
    if (node.isActive !== isActive && isAtom(node)) this.#atomCount += isActive ? 1 : -1;
    node.isActive = isActive;
  }

  #addItem(fork: number, index: number): ForkItem {
    const node = this.node(fork);
    assert(node.role.kind === 'fork', `${node.name} is a map`);
    const home: Home = {
      offset: this.nodes.length + 2,
      scopeOffset: this.scopes.length - 1,
      item: { fork, index },
    };
    const suffix = `[${index}]`;
    // Brackets can't be part of a name that a user gives, so nothing of these is taken for another.
    const gate = this.#addPoint(`${node.name}${suffix}[start]`, fork);
    const end = this.#addPoint(`${node.name}${suffix}[end]`, fork);
    const own = suffixOf(node.name) + suffix;
    this.#addBody(node.role.body, { home, suffix: own, around: node.scope });
    const nodes = Array.from(node.role.body.nodes, (_, place) => home.offset + place);
    this.#link(fork, gate);
    for (const place of nodes) {
      const each = this.node(place);
      if (each.predecessors.length === 0) this.#link(gate, place);
      if (each.successors.length === 0) this.#link(place, end);
    }
    if (nodes.length === 0) this.#link(gate, end);
    this.#link(end, this.placeFrom(node, node.role.gather));
    return { gate, end, nodes };
  }

  #addPoint(name: string, fork: number): number {
    const { scope, home } = this.node(fork);
    const index = this.nodes.length;
    this.nodes.push({
      name,
      task: undefined,
      role: { kind: 'join' },
      sources: [],
      predecessors: [],
      successors: [],
      scope,
      pattern: name,
      votes: [],
      home,
      isActive: false,
    });
    this.scope(scope).nodes.push(index);
    return index;
  }

  #link(from: number, to: number): void {
    this.node(from).successors.push(to);
    this.node(to).predecessors.push(from);
  }

  #addBody(
    body: PlanBody,
    place: { readonly home: Home; readonly suffix: string; readonly around: number | undefined },
  ): void {
    const { home, suffix, around } = place;
    const isItem = home.item !== undefined;
    // The first scope of an item's body is the scope that the map itself lies in.
    for (const scope of isItem ? body.scopes.slice(1) : body.scopes) {
      const parent = scope.parent === undefined ? undefined : scopeIn(scope.parent, home, around);
      const controller =
        scope.controller === undefined ? undefined : home.offset + scope.controller;
      if (parent !== undefined) this.scope(parent).inner.push(this.scopes.length);
      this.scopes.push({ parent, controller, nodes: [], inner: [] });
    }
    for (const node of body.nodes) this.#addNode(node, { home, suffix, around });
  }

  #addNode(
    node: PlanNode,
    place: { readonly home: Home; readonly suffix: string; readonly around: number | undefined },
  ): void {
    const { home, suffix, around } = place;
    const index = this.nodes.length;
    const name = node.name + suffix;
    const scope = scopeIn(node.scope, home, around);
    this.nodes.push({
      name,
      task: node.task,
      role: node.role,
      sources: node.sources,
      predecessors: node.predecessors.map((other) => home.offset + other),
      successors: node.successors.map((other) => home.offset + other),
      scope,
      pattern: `${node.pattern}${suffix}`,
      votes: node.votes,
      home,
      isActive: home.item === undefined,
    });
    this.scope(scope).nodes.push(index);
    if (!node.task) return;
    this.#places.set(name, index);
    if (home.item === undefined) this.#atomCount += 1;
  }
}

function scopeIn(local: number, home: Home, around: number | undefined): number {
  if (home.item === undefined) return local;
  assert(around !== undefined, 'the body of an item has a scope around it');
  return local === 0 ? around : home.scopeOffset + local;
}

/** What stands after a node's own name: the places of the items around it. */
function suffixOf(name: string): string {
  const bracket = name.indexOf('[');
  return bracket < 0 ? '' : name.slice(bracket);
}

/** True for a node that has a record: anything but a join and a gather. */
export function isAtom(node: RunNode): boolean {
  return node.task !== undefined;
}
