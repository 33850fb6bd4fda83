// The tasks of a job, from the graph that its flow registered and the items of its maps: what comes
// after what, and which retry controllers are around. Names are those of the tasks' records.
import { type AtomRecord, decodeJson } from '@holdfast/core';
import type { FlowNodeRecord, FlowRecord } from './flow-record.ts';

type Body = Pick<FlowRecord, 'nodes' | 'edges'>;

/** One task of the job. */
export interface JobTask {
  readonly name: string;
  readonly node: FlowNodeRecord;
  /** The innermost retry controller around it; absent for none. */
  readonly controller: string | undefined;
}

/** Who takes values of a task. */
export interface ValueUse {
  readonly consumer: string;
  /** What the flow calls them. */
  readonly values: readonly string[];
}

/** See the head of this file. */
export class JobGraph {
  readonly tasks: Map<string, JobTask> = new Map();
  readonly #next = new Map<string, string[]>();
  readonly #previous = new Map<string, string[]>();
  readonly #uses = new Map<string, ValueUse[]>();
  readonly #atoms: ReadonlyMap<string, AtomRecord>;

  constructor(flow: Body, atoms: ReadonlyMap<string, AtomRecord>) {
    this.#atoms = atoms;
    this.#addBody(flow, { suffix: '', controller: undefined });
  }

  /** Everything after these tasks, themselves included. */
  after(names: Iterable<string>): ReadonlySet<string> {
    return reach(names, this.#next);
  }

  /** Everything before a task, itself left out. */
  before(name: string): ReadonlySet<string> {
    return reach(this.#previous.get(name) ?? [], this.#previous);
  }

  /** Who takes which values of a task. */
  usesOf(name: string): readonly ValueUse[] {
    return this.#uses.get(name) ?? [];
  }

  /** The retry controllers around a task, innermost first. */
  controllersOf(name: string): readonly string[] {
    const found: string[] = [];
    let next = this.tasks.get(name)?.controller;
    while (next !== undefined) {
      found.push(next);
      next = this.tasks.get(next)?.controller;
    }
    return found;
  }

  /** The body of the flow, or of one item of a map, whose tasks have this suffix. */
  #addBody(
    { nodes, edges }: Body,
    place: { readonly suffix: string; readonly controller: string | undefined },
  ): void {
    const { suffix, controller: around } = place;
    const maps = new Set<string>();
    for (const node of nodes) {
      const name = node.name + suffix;
      const controller = node.controller === undefined ? around : node.controller + suffix;
      this.tasks.set(name, { name, node, controller });
      if (node.body) maps.add(node.name);
    }
    for (const { from, to, values } of edges) {
      this.#link(maps.has(from) ? endOf(from + suffix) : from + suffix, to + suffix);
      if (values.length === 0) continue;
      push(this.#uses, from + suffix, { consumer: to + suffix, values });
    }
    for (const node of nodes) if (node.body) this.#addItems(node, node.body, place);
  }

  #addItems(
    node: FlowNodeRecord,
    body: Body,
    { suffix }: { readonly suffix: string; readonly controller: string | undefined },
  ): void {
    const map = node.name + suffix;
    this.#link(map, endOf(map));
    for (let place = 0; place < itemsOf(this.#atoms.get(map)); place += 1) {
      const own = `${suffix}[${place}]`;
      this.#addBody(body, { suffix: own, controller: this.tasks.get(map)?.controller });
      for (const each of body.nodes) {
        const first = each.name + own;
        const last = each.body ? endOf(first) : first;
        if (!this.#previous.has(first)) this.#link(map, first);
        if (!this.#next.has(last)) this.#link(last, endOf(map));
      }
    }
  }

  #link(from: string, to: string): void {
    push(this.#next, from, to);
    push(this.#previous, to, from);
  }
}

/** Where the items of a map meet. Brackets are in no name that a user gives. */
function endOf(map: string): string {
  return `${map}[end]`;
}

/** How many items a map has, as far as that is known. */
function itemsOf(atom: AtomRecord | undefined): number {
  if (!atom?.result) return 0;
  const { count } = decodeJson(atom.result) as { readonly count?: unknown }; // written by the engine
  return typeof count === 'number' ? count : 0;
}

function push<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function reach(
  names: Iterable<string>,
  neighbours: ReadonlyMap<string, readonly string[]>,
): ReadonlySet<string> {
  const found = new Set(names);
  // The set grows while it is walked.
  for (const name of found) for (const other of neighbours.get(name) ?? []) found.add(other);
  return found;
}
