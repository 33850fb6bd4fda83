import type { FlowRecord } from '@holdfast/board';
import type { AnyFlow, CompiledGraph } from '@holdfast/flow';

/**
 * A flow as the board registers it. Where two large groups of tasks follow each other, edges lead
 * through a join, whose name is in brackets and no task's.
 */
export function toFlowRecord(
  flow: AnyFlow,
  registration: { readonly by: string; readonly atUnixMs: number },
): FlowRecord {
  const { name, description, inputSchemaJson, graph, digest, version } = flow;
  return {
    name,
    description,
    inputSchemaJson,
    ...toGraphRecord(graph),
    digest,
    version,
    registeredAtUnixMs: registration.atUnixMs,
    registeredBy: registration.by,
  };
}

function toGraphRecord({ nodes, edges }: CompiledGraph): Pick<FlowRecord, 'nodes' | 'edges'> {
  return {
    nodes: nodes.map((node) => ({
      name: node.name,
      requires: node.requires,
      provides: node.provides,
      path: node.path,
      hasRevert: node.hasRevert,
      ...(node.kind ? { kind: node.kind } : {}),
      ...(node.controller === undefined ? {} : { controller: node.controller }),
      ...(node.body ? { body: toGraphRecord(node.body) } : {}),
      ...(node.signal === undefined ? {} : { signal: node.signal }),
      ...(node.runsOn ? { runsOn: node.runsOn } : {}),
      ...(node.optionalRequires ? { optionalRequires: node.optionalRequires } : {}),
      ...(node.storedAs ? { storedAs: node.storedAs } : {}),
    })),
    edges,
  };
}
