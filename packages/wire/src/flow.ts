import { create } from '@bufbuild/protobuf';
import { type FlowListing, FlowListingSchema } from './gen/holdfast/v1/flow_service_pb.ts';
import {
  FlowEdgeSchema,
  type FlowGraph,
  FlowGraphSchema,
  type Flow as FlowMessage,
  FlowNodeSchema,
  FlowSchema,
} from './gen/holdfast/v1/records_pb.ts';
import { required, requiredText } from './malformed-message.ts';
import { type RecordCodec, recordCodec } from './record-codec.ts';
import { timestampFromProto, timestampToProto } from './timestamp.ts';

/** Tasks and how they depend on each other. */
export interface FlowGraphFields {
  readonly nodes: readonly FlowNodeFields[];
  readonly edges: readonly FlowEdgeFields[];
}

/** A flow as the workers that serve it registered it. */
export interface FlowFields extends FlowGraphFields {
  readonly name: string;
  readonly description: string;
  /** JSON Schema (draft 2020-12) of the input, as JSON text; empty when there is none. */
  readonly inputSchemaJson: string;
  /** Digest over the above: tells one shape from another. */
  readonly digest: string;
  readonly registeredAtUnixMs: number;
  readonly registeredBy: string;
  /** Grows with what can't be continued by what was before. */
  readonly version: number;
}

/** One task of a flow. */
export interface FlowNodeFields {
  readonly name: string;
  readonly requires: readonly string[];
  readonly provides: readonly string[];
  /** Names of the patterns around the task, outermost first. */
  readonly path: readonly string[];
  readonly hasRevert: boolean;
  /** What it is besides a task: retry, choice, map, sleep or event. Absent for a task. */
  readonly kind?: string;
  /** The retry controller whose scope it lies in, the innermost one. Absent for none. */
  readonly controller?: string;
  /** Of a map: what is done for each item. */
  readonly body?: FlowGraphFields;
  /** The labels of the workers that may run the task, as a job of its own. Absent for one that runs where its flow does. */
  readonly runsOn?: Readonly<Record<string, string>>;
  /** Of a wait: the name of the signal that ends it. Absent for all others. */
  readonly signal?: string;
  /** Those of `requires` that the task can do without. Absent where there are none. */
  readonly optionalRequires?: readonly string[];
  /** What the task's own record calls a value that it provides. Absent where all names are the same. */
  readonly storedAs?: Readonly<Record<string, string>>;
}

/** A dependency: `to` runs after `from`. */
export interface FlowEdgeFields {
  readonly from: string;
  readonly to: string;
  /** The names that flow along it; empty for a pure order. */
  readonly values: readonly string[];
  /** The case of a choice that it leads to, or `if (<depth>)` for a link with a decider. Absent otherwise. */
  readonly label?: string;
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
    graph: graphToProto(flow),
    digest: flow.digest,
    registeredAt: timestampToProto(flow.registeredAtUnixMs),
    registeredBy: flow.registeredBy,
    version: flow.version,
  });
}

function graphToProto({ nodes, edges }: FlowGraphFields): FlowGraph {
  return create(FlowGraphSchema, {
    nodes: nodes.map((node) =>
      create(FlowNodeSchema, {
        name: node.name,
        requires: [...node.requires],
        provides: [...node.provides],
        path: [...node.path],
        hasRevert: node.hasRevert,
        kind: node.kind ?? '',
        controller: node.controller ?? '',
        ...(node.body ? { body: graphToProto(node.body) } : {}),
        remote: node.runsOn !== undefined,
        labels: { ...node.runsOn },
        signal: node.signal ?? '',
        optionalRequires: [...(node.optionalRequires ?? [])],
        storedAs: { ...node.storedAs },
      }),
    ),
    edges: edges.map(({ from, to, values, label = '' }) =>
      create(FlowEdgeSchema, { from, to, values: [...values], label }),
    ),
  });
}

function graphFromProto({ nodes, edges }: FlowGraph): FlowGraphFields {
  return {
    nodes: nodes.map((node) => ({
      name: requiredText(node.name, 'FlowNode.name'),
      requires: node.requires,
      provides: node.provides,
      path: node.path,
      hasRevert: node.hasRevert,
      ...(node.kind === '' ? {} : { kind: node.kind }),
      ...(node.controller === '' ? {} : { controller: node.controller }),
      ...(node.body ? { body: graphFromProto(node.body) } : {}),
      ...(node.remote ? { runsOn: node.labels } : {}),
      ...(node.signal === '' ? {} : { signal: node.signal }),
      ...(node.optionalRequires.length === 0 ? {} : { optionalRequires: node.optionalRequires }),
      ...(Object.keys(node.storedAs).length === 0 ? {} : { storedAs: node.storedAs }),
    })),
    edges: edges.map(({ from, to, values, label }) => ({
      from,
      to,
      values,
      ...(label === '' ? {} : { label }),
    })),
  };
}

/** Throws HoldfastError INTERNAL naming the field when the message can't be a registered flow. */
export function flowFromProto(message: FlowMessage): FlowFields {
  return {
    name: requiredText(message.name, 'Flow.name'),
    description: message.description,
    inputSchemaJson: message.inputSchemaJson,
    ...graphFromProto(required(message.graph, 'Flow.graph')),
    digest: message.digest,
    registeredAtUnixMs: timestampFromProto(message.registeredAt, 'Flow.registered_at'),
    registeredBy: message.registeredBy,
    version: message.version || 1,
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
