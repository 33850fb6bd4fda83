import type { FlowRecord } from '@holdfast/board';
import type { AnyFlow } from '@holdfast/flow';

/**
 * A flow as the board registers it. Where two large groups of tasks follow each other, edges lead
 * through a join, whose name is in brackets and no task's.
 */
export function toFlowRecord(
  flow: AnyFlow,
  registration: { readonly by: string; readonly atUnixMs: number },
): FlowRecord {
  const { name, description, inputSchemaJson, graph, digest } = flow;
  return {
    name,
    description,
    inputSchemaJson,
    nodes: graph.nodes.map((node) => ({
      name: node.name,
      requires: node.requires,
      provides: node.provides,
      path: node.path,
      hasRevert: node.hasRevert,
    })),
    edges: graph.edges,
    digest,
    registeredAtUnixMs: registration.atUnixMs,
    registeredBy: registration.by,
  };
}
