/** A flow as the workers that serve it registered it: enough to validate a post and to draw it. */
export interface FlowRecord {
  readonly name: string;
  readonly description: string;
  /** JSON Schema (draft 2020-12) of the input, as JSON text; empty when there is none. */
  readonly inputSchemaJson: string;
  readonly nodes: readonly FlowNodeRecord[];
  readonly edges: readonly FlowEdgeRecord[];
  /** Digest over the above: tells one shape from another. */
  readonly digest: string;
  readonly registeredAtUnixMs: number;
  readonly registeredBy: string;
}

export interface FlowNodeRecord {
  readonly name: string;
  readonly requires: readonly string[];
  readonly provides: readonly string[];
  /** Names of the patterns around the task, outermost first. */
  readonly path: readonly string[];
  readonly hasRevert: boolean;
}

export interface FlowEdgeRecord {
  readonly from: string;
  readonly to: string;
  readonly values: readonly string[];
}

/** A registered flow and how many live workers serve it. */
export interface FlowView {
  readonly flow: FlowRecord;
  readonly workers: number;
}
