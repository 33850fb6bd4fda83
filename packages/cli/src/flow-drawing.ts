import type { AtomRecord } from '@holdfast/core';
import { type DrawnState, DrawnStates } from './drawn-state.ts';
import { plainText } from './table.ts';

/** A flow as it is drawn, whatever the format. */
export interface FlowDrawing {
  readonly flow: string;
  /** What stands above the drawing. */
  readonly title: string;
  /** Tasks in the flow's order, then joins. */
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly DrawnEdge[];
  /** Where each task stands among the patterns; what is in the outermost one stands at the top. */
  readonly group: DrawnGroup;
}

export interface DrawnNode {
  /** Letters and digits only: good in every format. */
  readonly id: string;
  readonly name: string;
  /** A join is a point that only waits, so it is drawn as one. */
  readonly kind: 'task' | 'join';
  /** What it is besides a task, in a word; empty for a plain one. */
  readonly role: string;
  /** How the task stands in the job that is drawn; undefined where the flow alone is. */
  readonly state: DrawnState | undefined;
  /** True for what a map does for each item. */
  readonly isOfItem: boolean;
}

export interface DrawnEdge {
  readonly from: DrawnNode;
  readonly to: DrawnNode;
  /** The values that are handed over, and the case or decider that the link stands for; may be empty. */
  readonly label: string;
}

/** A pattern, with what stands directly in it. */
export interface DrawnGroup {
  readonly id: string;
  readonly name: string;
  readonly nodes: readonly DrawnNode[];
  readonly groups: readonly DrawnGroup[];
}

/** What a compiled flow and a registered one have in common. */
export interface DrawableFlow extends DrawableGraph {
  readonly name: string;
}

/** The graph of a flow, or of what a map does for each item. */
export interface DrawableGraph {
  readonly nodes: readonly DrawableNode[];
  readonly edges: readonly {
    readonly from: string;
    readonly to: string;
    readonly values: readonly string[];
    readonly label?: string;
  }[];
}

interface DrawableNode {
  readonly name: string;
  readonly path: readonly string[];
  readonly kind?: string;
  readonly signal?: string;
  readonly body?: DrawableGraph;
}

/** A job whose states are drawn in. */
export interface DrawnJob {
  readonly title: string;
  readonly atoms: readonly AtomRecord[];
  /** Default: false. */
  readonly isOver?: boolean | undefined;
}

/** The drawing of a flow, or of a job of it. */
export function createDrawing(flow: DrawableFlow, job?: DrawnJob): FlowDrawing {
  const pen = new Pen(job);
  const { group } = pen.drawGraph(flow, { name: flow.name, depth: 1 });
  return {
    flow: oneLine(flow.name),
    title: oneLine(job?.title ?? `flow ${flow.name}`),
    nodes: [...pen.nodes, ...pen.joins],
    edges: pen.edges,
    group,
  };
}

interface OpenGroup extends DrawnGroup {
  readonly nodes: DrawnNode[];
  readonly groups: OpenGroup[];
}

/** Where a graph is drawn. */
interface Place {
  readonly name: string;
  /** Patterns around it, which it stands for. */
  readonly depth: number;
  /** Of the body of a map: the map. */
  readonly map?: DrawnNode;
}

interface DrawnGraph {
  readonly group: OpenGroup;
  /** What nothing else in it waits for. */
  readonly ends: readonly DrawnNode[];
}

/** Collects what is drawn. */
class Pen {
  readonly nodes: DrawnNode[] = [];
  readonly joins: DrawnNode[] = [];
  readonly edges: DrawnEdge[] = [];
  readonly #states: DrawnStates | undefined;
  #groups = 0;

  constructor(job: DrawnJob | undefined) {
    this.#states = job && new DrawnStates(job.atoms, job.isOver ?? false);
  }

  /** Draws a graph into a group of its own; what waits for nothing in it waits for its map. */
  drawGraph(graph: DrawableGraph, place: Place): DrawnGraph {
    const { name, depth, map } = place;
    const root = this.#openGroup(name);
    const drawn = new Map<string, DrawnNode>();
    /** What those wait for that wait for a map: a point at which all of its items are done. */
    const gathers = new Map<string, DrawnNode>();
    const hasNext = new Set(graph.edges.map(({ from }) => from));
    for (const node of graph.nodes) {
      const group = this.#groupAt(root, node.path.slice(depth));
      const own = this.#addTask(node, map);
      drawn.set(node.name, own);
      group.nodes.push(own);
      if (!node.body) continue;
      const body = { name: 'each item', depth: node.path.length + 1, map: own };
      const { group: inner, ends } = this.drawGraph(node.body, body);
      group.groups.push(inner);
      // Nothing follows the last map of a flow, so it needs no such point.
      if (!hasNext.has(node.name) && !map) continue;
      const gather = this.#addJoin(`[all items of ${node.name}]`, group);
      gathers.set(node.name, gather);
      for (const end of ends) this.#addEdge([end, gather], '');
    }
    const target = (end: string): DrawnNode => {
      const join = drawn.get(end) ?? this.#addJoin(end, root);
      drawn.set(end, join);
      return join;
    };
    const source = (end: string): DrawnNode => gathers.get(end) ?? target(end);
    for (const { from, to, values, label = '' } of graph.edges) {
      const text = [label, values.join(', ')].filter((part) => part !== '').join(': ');
      this.#addEdge([source(from), target(to)], text);
    }
    const waits = new Set(graph.edges.map(({ to }) => to));
    for (const node of graph.nodes.filter((each) => map && !waits.has(each.name))) {
      this.#addEdge([map, drawn.get(node.name)], '');
    }
    const last = graph.nodes.filter((node) => !hasNext.has(node.name));
    return { group: root, ends: last.map((node) => source(node.name)) };
  }

  #addTask(node: DrawableNode, map: DrawnNode | undefined): DrawnNode {
    const { name, kind = '' } = node;
    const added: DrawnNode = {
      id: `t${this.nodes.length}`,
      name: oneLine(name),
      kind: 'task',
      role: oneLine(kind),
      // A task of a map's body is run for each item, so it has as many states.
      state: map ? this.#states?.ofItems(node, map.name) : this.#states?.of(node),
      isOfItem: map !== undefined,
    };
    this.nodes.push(added);
    return added;
  }

  /** Edges lead through joins, which are no tasks. */
  #addJoin(name: string, group: OpenGroup): DrawnNode {
    const join: DrawnNode = {
      id: `j${this.joins.length}`,
      name: oneLine(name),
      kind: 'join',
      role: '',
      state: undefined,
      isOfItem: false,
    };
    this.joins.push(join);
    group.nodes.push(join);
    return join;
  }

  #addEdge([from, to]: readonly (DrawnNode | undefined)[], label: string): void {
    if (from && to) this.edges.push({ from, to, label: oneLine(label) });
  }

  #openGroup(name: string): OpenGroup {
    this.#groups += 1;
    return { id: `g${this.#groups}`, name: oneLine(name), nodes: [], groups: [] };
  }

  #groupAt(root: OpenGroup, path: readonly string[]): OpenGroup {
    let group = root;
    for (const pattern of path) {
      const known = group.groups.find(({ name }) => name === oneLine(pattern));
      const inner = known ?? this.#openGroup(pattern);
      if (!known) group.groups.push(inner);
      group = inner;
    }
    return group;
  }
}

/** A name as a registered flow has it may hold anything. */
function oneLine(text: string): string {
  return plainText(text).replaceAll(/\s+/g, ' ');
}

/** What stands in a node: its name, then what it is besides a task, then its state. */
export function nodeTexts({ name, role, state }: DrawnNode): readonly string[] {
  return [
    role === '' ? name : `${name} (${role})`,
    ...(state === undefined ? [] : [oneLine(state.text)]),
  ];
}
