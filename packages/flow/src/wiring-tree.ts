import type { ChoiceSpec, EventSpec, RetrySpec, SleepSpec } from './atom-spec.ts';
import type { PlanVote } from './flow-plan.ts';
import type { PatternKind } from './pattern.ts';
import type { TaskSpec } from './task.ts';

/**
 * The items of a flow as the compiler works on them: a tree of patterns, whose leaves become the
 * vertices of the graph.
 */

/** An atom on its way to become a node. */
export interface TaskVertex {
  readonly kind: 'task';
  readonly spec: TaskSpec;
  readonly role: AtomRole;
  /** Names of the patterns around it, outermost first. */
  readonly path: readonly string[];
  readonly pattern: number;
  /** Where each required value comes from, by what the task calls it; filled when scopes are resolved. */
  readonly sources: Map<string, readonly Provider[]>;
  readonly incoming: Incoming;
  /** Filled when the tree is put in order. */
  readonly votes: VertexVote[];
}

/** What an atom is besides a task. */
export type AtomRole =
  | { readonly kind: 'task' }
  | { readonly kind: 'retry'; readonly retry: RetrySpec }
  | { readonly kind: 'choice'; readonly choice: ChoiceSpec }
  | { readonly kind: 'sleep'; readonly sleep: SleepSpec }
  | { readonly kind: 'event'; readonly event: EventSpec }
  | { readonly kind: 'fork'; readonly list: string; readonly concurrency: number };

/** A point that waits for a whole group. */
export interface JoinVertex {
  readonly kind: 'join';
  readonly name: string;
  readonly pattern: number;
  readonly incoming: Incoming;
}

/** The point where all items of a map are done. */
export interface GatherVertex {
  readonly kind: 'gather';
  readonly name: string;
  readonly pattern: number;
  readonly incoming: Incoming;
  readonly fork: TaskVertex;
  /** The lists that it gives, each with who in the body may provide its items. */
  readonly lists: ReadonlyMap<string, readonly NodeProvider[]>;
}

export type Vertex = TaskVertex | JoinVertex | GatherVertex;

/** Who has to be done before. */
export type Incoming = Map<Vertex, Edge>;

/** What an edge stands for, besides the order. */
export interface Edge {
  /** Values taken along it, by what the flow calls them. */
  readonly values: string[];
  /** The case that it leads to, or the depth of the decider on it. */
  label: string | undefined;
}

/** A decider on its way into the plan. */
export interface VertexVote extends Pick<PlanVote, 'decide' | 'depth'> {
  readonly sources: readonly Vertex[];
}

/** What provides a value within the same body, and what it calls the value. */
export interface NodeProvider {
  readonly kind: 'node';
  readonly vertex: TaskVertex | GatherVertex;
  readonly value: string;
}

/** Where a value may come from. In the body of a map: from the item, its place, or from outside by way of the fork. */
export type Provider =
  | NodeProvider
  | { readonly kind: 'input'; readonly value: string }
  | { readonly kind: 'item' }
  | { readonly kind: 'index' }
  | { readonly kind: 'fork'; readonly value: string };

/** What an item gives to what follows it. Several may provide a value: one for each case of a choice. */
export type Gives = ReadonlyMap<string, readonly NodeProvider[]>;

/** A task, or anything else that is one atom. */
export interface Leaf {
  readonly kind: 'leaf';
  readonly vertex: TaskVertex;
  readonly gives: Gives;
}

/** A pattern of the tree. */
export interface Branch {
  readonly kind: PatternKind;
  readonly name: string;
  readonly pattern: number;
  readonly children: readonly Tree[];
  /** Links between children, by their places. */
  readonly links: readonly BranchLink[];
  readonly gives: Gives;
}

export interface BranchLink {
  readonly from: number;
  readonly to: number;
  readonly decider: Pick<PlanVote, 'decide' | 'depth'> | undefined;
}

/** An item under a retry controller. */
export interface ControlledTree {
  readonly kind: 'retry';
  readonly name: string;
  readonly pattern: number;
  readonly controller: Leaf;
  readonly item: Tree;
  readonly gives: Gives;
}

/** Several items of which at most one is run. */
export interface ChoiceTree {
  readonly kind: 'choice';
  readonly name: string;
  readonly pattern: number;
  readonly chooser: Leaf;
  readonly cases: readonly { readonly name: string; readonly item: Tree }[];
  readonly gives: Gives;
}

/** An item that is run for each item of a list. */
export interface MapTree {
  readonly kind: 'map';
  readonly name: string;
  readonly pattern: number;
  readonly fork: Leaf;
  readonly gather: GatherVertex;
  readonly body: Tree;
  /** What the body calls an item of the list, and its place. */
  readonly as: string;
  readonly index: string | undefined;
  readonly gives: Gives;
}

export type Tree = Leaf | Branch | ControlledTree | ChoiceTree | MapTree;

/** A vertex by its name. */
export function nameOf(vertex: Vertex): string {
  return vertex.kind === 'task' ? vertex.spec.name : vertex.name;
}

/** The name of the item that provides a value, as people know it. */
export function providerName({ vertex }: NodeProvider): string {
  return vertex.kind === 'gather' ? vertex.fork.spec.name : vertex.spec.name;
}

/** An item in words. */
export function describeTree(tree: Tree | undefined): string {
  if (!tree) return 'nothing';
  return tree.kind === 'leaf' ? `task '${tree.vertex.spec.name}'` : `${tree.kind} '${tree.name}'`;
}

/** Adds an edge; `value` names what `to` takes from `from`, when it takes something. */
export function addEdge(
  from: Vertex,
  to: Vertex,
  about: { readonly value?: string | undefined; readonly label?: string | undefined } = {},
): void {
  const edge: Edge = to.incoming.get(from) ?? { values: [], label: undefined };
  to.incoming.set(from, edge);
  if (about.value !== undefined && !edge.values.includes(about.value))
    edge.values.push(about.value);
  if (about.label !== undefined) edge.label = about.label;
}
