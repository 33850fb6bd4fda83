import { NotFoundError } from '@holdfast/core';

/** What is asked of a flow. */
export interface FlowNeeds {
  readonly name: string;
  readonly nodes: readonly { readonly name: string; readonly controller?: string }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

/**
 * The tasks that this one waits for, directly or not, and itself. What a retry controller controls is
 * one piece: it is reverted and started anew as a whole. Throws a NotFoundError for a task that the
 * flow doesn't have.
 */
export function neededTasks(flow: FlowNeeds, task: string): ReadonlySet<string> {
  const { name: flowName, nodes, edges } = flow;
  if (!nodes.some(({ name }) => name === task)) {
    const names = nodes.map(({ name }) => name).join(', ');
    const known = names === '' ? 'its tasks show only as it runs' : `it has ${names}`;
    throw new NotFoundError(`flow ${flowName} has no task ${task}; ${known}`, {
      ids: { flow: flowName, task },
    });
  }
  const waitsFor = Map.groupBy(edges, ({ to }) => to);
  const controlled = Map.groupBy(nodes, ({ controller }) => controller);
  const needed = new Set([task]);
  for (const name of needed) {
    for (const { from } of waitsFor.get(name) ?? []) needed.add(from);
    for (const node of controlled.get(name) ?? []) needed.add(node.name);
  }
  return needed;
}
