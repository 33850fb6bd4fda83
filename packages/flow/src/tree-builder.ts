import { LIMITS, type WiringProblem } from '@holdfast/core';
import type { Choice } from './choice.ts';
import { isItem } from './item.ts';
import type { MapItem } from './map.ts';
import type { Pattern } from './pattern.ts';
import { pruneGraph } from './prune-graph.ts';
import type { Controlled } from './retry-controller.ts';
import { lastGives } from './scope.ts';
import type { TaskSpec } from './task.ts';
import {
  type AtomRole,
  type Branch,
  type BranchLink,
  type ChoiceTree,
  type ControlledTree,
  type GatherVertex,
  type Gives,
  type Leaf,
  type MapTree,
  type NodeProvider,
  providerName,
  type TaskVertex,
  type Tree,
} from './wiring-tree.ts';
import type { Item } from './wiring-type.ts';

/**
 * Builds the tree of a flow's items, and finds on the way the names that are used twice, the values
 * that two siblings give, and sizes beyond the limits.
 */

/** Patterns within patterns, of any kind; deeper nesting is refused. */
export const NESTING_MAX = 100;

/** Maps within maps; deeper nesting is refused: what is registered could not be read any more. */
export const MAP_NESTING_MAX = 30;

/** Builds the tree, and appends what is wrong to `problems`. `undefined` when the flow is too large or too deep. */
export function buildTree(body: Item, problems: WiringProblem[]): Tree | undefined {
  const builder = new TreeBuilder(problems);
  const tree = builder.build(body, { path: [], depth: 0, maps: 0, pattern: 0 });
  return builder.hasExceeded ? undefined : tree;
}

/** Where an item stands. */
interface Place {
  /** Names of the patterns around it, outermost first. */
  readonly path: readonly string[];
  /** How many patterns are around it; some of them have no name of their own. */
  readonly depth: number;
  /** How many of these are maps. */
  readonly maps: number;
  /** The number of the innermost one. */
  readonly pattern: number;
}

class TreeBuilder {
  hasExceeded = false;
  #tasks = 0;
  #patterns = 0;
  readonly #names = new Set<string>();
  readonly #problems: WiringProblem[];

  constructor(problems: WiringProblem[]) {
    this.#problems = problems;
  }

  build(item: Item, place: Place): Tree {
    if (!isItem(item)) throw new TypeError(`${item.name} is not an item of a flow`);
    switch (item.kind) {
      case 'task':
        return this.#leaf(item.spec, { kind: 'task' }, place);
      case 'sleep':
        return this.#leaf(item.spec, { kind: 'sleep', sleep: item.sleep }, place);
      case 'event':
        return this.#leaf(item.spec, { kind: 'event', event: item.event }, place);
      case 'linear':
      case 'unordered':
      case 'graph':
        return this.#branch(item, place);
      case 'retry':
        return this.#controlled(item, place);
      case 'choice':
        return this.#choice(item, place);
      case 'map':
        return this.#map(item, place);
      default:
        return item satisfies never;
    }
  }

  #leaf(spec: TaskSpec, role: AtomRole, { path, pattern }: Place): Leaf {
    this.#tasks += 1;
    if (this.#tasks > LIMITS.tasksPerFlow) {
      this.#exceed(`the flow has more than ${LIMITS.tasksPerFlow} tasks`);
    }
    if (this.#names.has(spec.name)) {
      this.#problems.push({ kind: 'duplicate', message: describeDouble(spec.name) });
    }
    this.#names.add(spec.name);
    const vertex: TaskVertex = {
      kind: 'task',
      spec,
      role,
      path,
      pattern,
      sources: new Map(),
      incoming: new Map(),
      votes: [],
    };
    const gives = Object.entries(spec.gives).map(
      ([outer, value]) => [outer, [{ kind: 'node', vertex, value } as const]] as const,
    );
    return { kind: 'leaf', vertex, gives: new Map(gives) };
  }

  /** Goes into a pattern. A flow beyond the limits is refused anyway; there is no need to walk all of it. */
  #enter(name: string | undefined, { path, depth, maps }: Place): Place {
    if (depth >= NESTING_MAX) this.#exceed(`patterns are nested more than ${NESTING_MAX} deep`);
    this.#patterns += 1;
    return {
      path: name === undefined ? path : [...path, name],
      depth: depth + 1,
      maps,
      pattern: this.#patterns,
    };
  }

  #buildAll(items: readonly Item[], place: Place): readonly Tree[] {
    const trees: Tree[] = [];
    for (const item of items) if (!this.hasExceeded) trees.push(this.build(item, place));
    return trees;
  }

  #branch(item: Pattern, around: Place): Branch {
    const { kind, name } = item;
    const place = this.#enter(name, around);
    const children = this.#buildAll(item.items, place);
    const links = this.#links(item);
    const branch: Branch = {
      kind,
      name,
      pattern: place.pattern,
      children,
      links,
      gives: kind === 'linear' ? lastGives(children) : this.#siblingGives(children),
    };
    if (item.target === undefined || this.hasExceeded) return branch;
    const target = item.items.indexOf(item.target);
    if (target >= 0) return pruneGraph(branch, target);
    const message = `${describeItem(item.target)} is not in this graph; only what is can be its target`;
    this.#problems.push({ kind: 'unknown', message });
    return branch;
  }

  #siblingGives(children: readonly Tree[]): Gives {
    const gives = new Map<string, readonly NodeProvider[]>();
    for (const child of children) {
      for (const [value, providers] of child.gives) {
        const [other] = gives.get(value) ?? [];
        if (!other) gives.set(value, providers);
        const [provider] = providers;
        if (!other || !provider) continue;
        this.#problems.push({
          kind: 'ambiguous',
          message:
            `task '${providerName(provider)}' provides '${value}', and so does task ` +
            `'${providerName(other)}' beside it; give one of the values another name`,
        });
      }
    }
    return gives;
  }

  #links(pattern: Pattern): readonly BranchLink[] {
    const places = new Map(pattern.items.map((item, index) => [item, index] as const));
    const links: BranchLink[] = [];
    for (const [first, second, decider] of pattern.links) {
      const from = places.get(first);
      const to = places.get(second);
      if (from !== undefined && to !== undefined) links.push({ from, to, decider });
      for (const stranger of [first, second]) {
        if (places.has(stranger)) continue;
        this.#problems.push({
          kind: 'unknown',
          message: `${describeItem(stranger)} is not in this graph; only what is can be linked`,
        });
      }
    }
    return links;
  }

  #controlled(item: Controlled, around: Place): ControlledTree {
    // It goes by the name of its item, which names the group already.
    const place = this.#enter(undefined, around);
    const role: AtomRole = { kind: 'retry', retry: item.retry };
    const controller = this.#leaf(item.spec, role, place);
    const [inner = controller] = this.#buildAll([item.item], place);
    return {
      kind: 'retry',
      name: item.name,
      pattern: place.pattern,
      controller,
      item: inner,
      gives: lastGives([controller, inner]),
    };
  }

  #choice(item: Choice, around: Place): ChoiceTree {
    const { name, choice } = item;
    const place = this.#enter(name, around);
    const chooser = this.#leaf(item.spec, { kind: 'choice', choice }, place);
    const cases: { name: string; item: Tree }[] = [];
    const gives = new Map<string, readonly NodeProvider[]>();
    for (const each of item.cases) {
      if (this.hasExceeded) break;
      const tree = this.build(each.item, place);
      cases.push({ name: each.name, item: tree });
      for (const [value, providers] of tree.gives) {
        gives.set(value, [...(gives.get(value) ?? []), ...providers]);
      }
    }
    return { kind: 'choice', name, pattern: place.pattern, chooser, cases, gives };
  }

  #map(item: MapItem, around: Place): MapTree {
    const { name, as, index, concurrency } = item;
    const place = this.#enter(name, around);
    const fork = this.#leaf(item.spec, { kind: 'fork', list: item.over, concurrency }, place);
    const maps = place.maps + 1;
    if (maps > MAP_NESTING_MAX) {
      this.#exceed(`maps are nested more than ${MAP_NESTING_MAX} deep`);
    }
    const [body = fork] = this.#buildAll([item.body], { ...place, maps });
    const gather: GatherVertex = {
      kind: 'gather',
      // Brackets can't be part of a task's name, so that it is taken for no other.
      name: `${name}[end]`,
      pattern: place.pattern,
      incoming: new Map(),
      fork: fork.vertex,
      lists: this.#lists(item, body),
    };
    const gives = [...gather.lists.keys()].map(
      (value) => [value, [{ kind: 'node', vertex: gather, value } as const]] as const,
    );
    const { pattern } = place;
    return { kind: 'map', name, pattern, fork, gather, body, as, index, gives: new Map(gives) };
  }

  /** What the map gives, by the names of its lists. */
  #lists({ name, collect }: MapItem, body: Tree): Gives {
    if (!collect) return body.gives;
    const lists = new Map<string, readonly NodeProvider[]>();
    for (const [value, list] of Object.entries(collect)) {
      const providers = body.gives.get(value);
      if (providers) lists.set(list, providers);
      else {
        const message = `map '${name}' can't collect '${value}', which no task in it provides`;
        this.#problems.push({ kind: 'unknown', message });
      }
    }
    return lists;
  }

  #exceed(message: string): void {
    if (!this.hasExceeded) this.#problems.push({ kind: 'limit', message });
    this.hasExceeded = true;
  }
}

function describeDouble(name: string): string {
  const advice = name.endsWith('.retry') ? ': give one of the retry controllers a name' : '';
  return `two tasks are named '${name}'; the name of a task is unique in its flow${advice}`;
}

/** An item in words. */
function describeItem({ kind, name }: Item): string {
  const isPattern = kind === 'linear' || kind === 'unordered' || kind === 'graph';
  return `${isPattern ? kind : 'task'} '${name}'`;
}
