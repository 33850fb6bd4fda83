import type { Branch, Tree } from './wiring-tree.ts';

/**
 * Leaves of a graph only what a target needs: the target itself, what provides a value to what is
 * left, and what is linked to run before it; all of that from one to the next.
 */
export function pruneGraph(graph: Branch, target: number): Branch {
  const kept = neededPlaces(graph, target);
  const places = new Map<number, number>();
  for (const place of graph.children.keys()) if (kept.has(place)) places.set(place, places.size);
  const children = graph.children.filter((_, place) => kept.has(place));
  const links = graph.links.flatMap((link) => {
    const from = places.get(link.from);
    const to = places.get(link.to);
    return from === undefined || to === undefined ? [] : [{ ...link, from, to }];
  });
  const gives = new Map(children.flatMap((child) => [...child.gives]));
  return { ...graph, children, links, gives };
}

function neededPlaces(graph: Branch, target: number): ReadonlySet<number> {
  const providers = new Map<string, number>();
  for (const [place, { gives }] of graph.children.entries()) {
    for (const value of gives.keys()) providers.set(value, place);
  }
  const before: number[][] = graph.children.map(() => []);
  for (const { from, to } of graph.links) before[to]?.push(from);
  const kept = new Set([target]);
  // A set that grows while it is read is read to its new end.
  for (const place of kept) {
    for (const other of before[place] ?? []) kept.add(other);
    const child = graph.children[place];
    if (!child) continue;
    for (const value of outerNeeds(child)) {
      const provider = providers.get(value);
      if (provider !== undefined) kept.add(provider);
    }
  }
  return kept;
}

/** The values that an item takes from outside, or would if somebody provided them. */
function outerNeeds(tree: Tree): ReadonlySet<string> {
  switch (tree.kind) {
    case 'leaf':
      return new Set(Object.values(tree.vertex.spec.needs));
    case 'linear':
      return needsInRow(tree.children);
    case 'unordered':
      return union(tree.children);
    case 'graph':
      return needsOfSiblings(tree);
    case 'retry':
      return needsInRow([tree.controller, tree.item]);
    case 'choice':
      return union([tree.chooser, ...tree.cases.map(({ item }) => item)]);
    case 'map': {
      const inner = new Set(outerNeeds(tree.body));
      inner.delete(tree.as);
      if (tree.index !== undefined) inner.delete(tree.index);
      return new Set([...outerNeeds(tree.fork), ...inner]);
    }
    default:
      return tree satisfies never;
  }
}

function needsInRow(children: readonly Tree[]): ReadonlySet<string> {
  const given = new Set<string>();
  const needs = new Set<string>();
  for (const child of children) {
    for (const value of outerNeeds(child)) if (!given.has(value)) needs.add(value);
    for (const value of child.gives.keys()) given.add(value);
  }
  return needs;
}

function needsOfSiblings({ children, gives }: Branch): ReadonlySet<string> {
  const needs = new Set<string>();
  for (const child of children) {
    // What an item gives itself it takes from outside, never from itself.
    for (const value of outerNeeds(child)) {
      if (!gives.has(value) || child.gives.has(value)) needs.add(value);
    }
  }
  return needs;
}

function union(trees: readonly Tree[]): ReadonlySet<string> {
  const needs = new Set<string>();
  for (const tree of trees) for (const value of outerNeeds(tree)) needs.add(value);
  return needs;
}
