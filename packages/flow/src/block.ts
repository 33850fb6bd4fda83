import type { BlockDepth } from '@holdfast/core';
import type { RunGraph } from './run-graph.ts';

/** The widest first, as OpenStack TaskFlow has them. */
const DEPTHS: readonly BlockDepth[] = ['all', 'flow', 'neighbours', 'atom'];

/** Of several deciders that say no, the one that reaches furthest counts. */
export function widestDepth(one: BlockDepth | undefined, other: BlockDepth): BlockDepth {
  return one !== undefined && DEPTHS.indexOf(one) < DEPTHS.indexOf(other) ? one : other;
}

/**
 * What is kept from running besides an atom that deciders said no to: 'all' that follows it; what
 * follows it within the same pattern ('flow'); what follows it directly ('neighbours'); nothing
 * ('atom'). A retry controller takes the whole of its scope along in any case, and a choice all of its
 * cases: nothing would start them.
 */
export function spreadBlock(
  graph: RunGraph,
  index: number,
  depth: BlockDepth,
): ReadonlySet<number> {
  const found = new Set<number>();
  const { pattern } = graph.node(index);
  const takeAlong = (place: number): void => {
    const node = graph.node(place);
    const { role, home } = node;
    if (role.kind === 'retry') {
      for (const member of graph.members(graph.scopeFrom(home, role.controls))) found.add(member);
    } else if (role.kind === 'choice') {
      for (const { nodes } of role.cases)
        for (const local of nodes) found.add(graph.placeFrom(node, local));
    }
  };
  takeAlong(index);
  if (depth === 'atom') return found;
  const stack = [index];
  const visited = new Set(stack);
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    for (const successor of graph.node(next).successors) {
      const node = graph.node(successor);
      if (visited.has(successor) || !node.isActive) continue;
      if (depth === 'flow' && node.pattern !== pattern) continue;
      visited.add(successor);
      found.add(successor);
      takeAlong(successor);
      // Points of the order are no neighbours, but stand between them.
      if (depth !== 'neighbours' || !node.task) stack.push(successor);
    }
  }
  return found;
}
