import type { AtomRecord, TaskState } from '@holdfast/core';
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
  readonly state: TaskState | undefined;
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
  readonly body?: DrawableGraph;
}

/** A job whose states are drawn in. */
export interface DrawnJob {
  readonly title: string;
  readonly atoms: readonly AtomRecord[];
}

/** The drawing of a flow, or of a job of it. */
export function createDrawing(flow: DrawableFlow, job?: DrawnJob): FlowDrawing {
  const pen = new Pen(job);
  const group = pen.drawGraph(flow, { name: flow.name, depth: 1, start: undefined });
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

/** Collects what is drawn. */
class Pen {
  readonly nodes: DrawnNode[] = [];
  readonly joins: DrawnNode[] = [];
  readonly edges: DrawnEdge[] = [];
  readonly #states: ReadonlyMap<string, TaskState> | undefined;
  #groups = 0;

  constructor(job: DrawnJob | undefined) {
    this.#states = job && new Map(job.atoms.map(({ name, state }) => [name, state]));
  }

  /**
   * Draws a graph into a group of its own, which stands for the patterns around it down to `depth`;
   * what waits for nothing in it waits for `start`.
   */
  drawGraph(
    graph: DrawableGraph,
    place: {
      readonly name: string;
      readonly depth: number;
      readonly start: DrawnNode | undefined;
    },
  ): OpenGroup {
    const { name, depth, start } = place;
    const root = this.#openGroup(name);
    const drawn = new Map<string, DrawnNode>();
    for (const node of graph.nodes) {
      const group = this.#groupAt(root, node.path.slice(depth));
      const own = this.#addTask(node, start === undefined);
      drawn.set(node.name, own);
      group.nodes.push(own);
      if (node.body) {
        const body = { name: 'each item', depth: node.path.length + 1, start: own };
        group.groups.push(this.drawGraph(node.body, body));
      }
    }
    for (const { from, to, values, label = '' } of graph.edges) {
      const text = [label, values.join(', ')].filter((part) => part !== '').join(': ');
      const ends = [from, to].map((end) => drawn.get(end) ?? this.#addJoin(end, { drawn, root }));
      this.#addEdge(ends, text);
    }
    const waits = new Set(graph.edges.map(({ to }) => to));
    for (const node of graph.nodes.filter((each) => start && !waits.has(each.name))) {
      this.#addEdge([start, drawn.get(node.name)], '');
    }
    return root;
  }

  #addTask({ name, kind = '' }: DrawableNode, isOfFlow: boolean): DrawnNode {
    // A task of a map's body is run for each item, so it has no state of its own.
    const state = isOfFlow ? this.#states && (this.#states.get(name) ?? 'pending') : undefined;
    const id = `t${this.nodes.length}`;
    const role = oneLine(kind);
    const node: DrawnNode = { id, name: oneLine(name), kind: 'task', role, state };
    this.nodes.push(node);
    return node;
  }

  /** Edges lead through joins, which are no tasks. */
  #addJoin(
    name: string,
    { drawn, root }: { readonly drawn: Map<string, DrawnNode>; readonly root: OpenGroup },
  ): DrawnNode {
    const id = `j${this.joins.length}`;
    const join: DrawnNode = { id, name: oneLine(name), kind: 'join', role: '', state: undefined };
    this.joins.push(join);
    drawn.set(name, join);
    root.nodes.push(join);
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
    ...(state === undefined ? [] : [stateText(state)]),
  ];
}

/** A task's state as people read it. */
function stateText(state: TaskState): string {
  return state === 'revertFailure' ? 'revert failure' : state;
}

/** The colours of a state: dark text on `fill` is readable, in print and for the colour-blind too. */
export const STATE_PAINT: Readonly<
  Record<TaskState, { readonly fill: string; readonly line: string }>
> = {
  pending: { fill: '#f4f4f4', line: '#8a8a8a' },
  ignore: { fill: '#ffffff', line: '#b5b5b5' },
  running: { fill: '#d3e9ff', line: '#1f6fb8' },
  success: { fill: '#d9f2dc', line: '#2c7a36' },
  failure: { fill: '#fbd7d5', line: '#b3261e' },
  reverting: { fill: '#fff0c9', line: '#96690b' },
  reverted: { fill: '#fff8e6', line: '#96690b' },
  revertFailure: { fill: '#f6b8b4', line: '#8c1d18' },
  retrying: { fill: '#ece0ff', line: '#6a3fb0' },
};
