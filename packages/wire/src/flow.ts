import { create } from '@bufbuild/protobuf';
import { type FlowListing, FlowListingSchema } from './gen/holdfast/v1/flow_service_pb.ts';
import {
  FlowEdgeSchema,
  FlowGraphSchema,
  type Flow as FlowMessage,
  FlowNodeSchema,
  FlowSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { required, requiredText } from './malformed-message.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import { timestampFromProto, timestampToProto } from './timestamp.ts';

/** A flow as the workers that serve it registered it. */
export interface FlowFields {
  readonly name: string;
  readonly description: string;
  /** JSON Schema (draft 2020-12) of the input, as JSON text; empty when there is none. */
  readonly inputSchemaJson: string;
  readonly nodes: readonly FlowNodeFields[];
  readonly edges: readonly FlowEdgeFields[];
  /** Digest over the above: tells one shape from another. */
  readonly digest: string;
  readonly registeredAtUnixMs: number;
  readonly registeredBy: string;
}

/** One task of a flow. */
export interface FlowNodeFields {
  readonly name: string;
  readonly requires: readonly string[];
  readonly provides: readonly string[];
  /** Names of the patterns around the task, outermost first. */
  readonly path: readonly string[];
  readonly hasRevert: boolean;
}

/** A dependency: `to` runs after `from`. */
export interface FlowEdgeFields {
  readonly from: string;
  readonly to: string;
  /** The names that flow along it; empty for a pure order. */
  readonly values: readonly string[];
}

/** A registered flow and how many live workers serve it. */
export interface FlowViewFields {
  readonly flow: FlowFields;
  readonly workers: number;
}

export function flowToProto(flow: FlowFields): FlowMessage {
  return create(FlowSchema, {
    name: flow.name,
    description: flow.description,
    inputSchemaJson: flow.inputSchemaJson,
    graph: create(FlowGraphSchema, {
      nodes: flow.nodes.map((node) =>
        create(FlowNodeSchema, {
          name: node.name,
          requires: [...node.requires],
          provides: [...node.provides],
          path: [...node.path],
          hasRevert: node.hasRevert,
        }),
      ),
      edges: flow.edges.map((edge) =>
        create(FlowEdgeSchema, { from: edge.from, to: edge.to, values: [...edge.values] }),
      ),
    }),
    digest: flow.digest,
    registeredAt: timestampToProto(flow.registeredAtUnixMs),
    registeredBy: flow.registeredBy,
  });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a registered flow. */
export function flowFromProto(message: FlowMessage): FlowFields {
  const graph = required(message.graph, 'Flow.graph');
  return {
    name: requiredText(message.name, 'Flow.name'),
    description: message.description,
    inputSchemaJson: message.inputSchemaJson,
    nodes: graph.nodes.map(({ name, requires, provides, path, hasRevert }) => ({
      name: requiredText(name, 'FlowNode.name'),
      requires,
      provides,
      path,
      hasRevert,
    })),
    edges: graph.edges.map(({ from, to, values }) => ({ from, to, values })),
    digest: message.digest,
    registeredAtUnixMs: timestampFromProto(message.registeredAt, 'Flow.registered_at'),
    registeredBy: message.registeredBy,
  };
}

export function flowViewToProto(view: FlowViewFields): FlowListing {
  return create(FlowListingSchema, { flow: flowToProto(view.flow), workers: view.workers });
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a flow's listing. */
export function flowViewFromProto(message: FlowListing): FlowViewFields {
  return {
    flow: flowFromProto(required(message.flow, 'FlowListing.flow')),
    workers: message.workers,
  };
}

const codec: RecordCodec<FlowFields> = recordCodec({
  schema: FlowSchema,
  toProto: flowToProto,
  fromProto: flowFromProto,
});

/** A registered flow as it is stored. */
export function encodeFlow(flow: FlowFields): Uint8Array {
  return codec.encode(flow);
}

/** Throws HoldfastError INTERNAL naming the record, and `place` if given, for damaged bytes. */
export function decodeFlow(bytes: Uint8Array, place?: string): FlowFields {
  return codec.decode(bytes, place);
}
