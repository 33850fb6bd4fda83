/** A flow's tasks and their order, as data: what is registered, drawn and executed. Frozen. */
export interface CompiledGraph {
  /** The tasks, each after all that it waits for. */
  readonly nodes: readonly GraphNode[];
  /**
   * Who waits for whom, and for which values; in the order of `to`. Both ends are tasks, except at
   * a join.
   */
  readonly edges: readonly GraphEdge[];
  /**
   * Points between two large groups, where all of the first has to be done before any of the second
   * starts. They stand for the product of edges that would say the same; small groups have none.
   */
  readonly joins: readonly string[];
}

export interface GraphNode {
  readonly name: string;
  readonly description: string;
  readonly requires: readonly string[];
  readonly provides: readonly string[];
  /** Where each required value comes from, in the order of `requires`. */
  readonly sources: readonly ValueSource[];
  /** Names of the patterns around the task, outermost first. */
  readonly path: readonly string[];
  readonly hasRevert: boolean;
}

/** Where a value comes from. */
export type ValueSource =
  | { readonly kind: 'input'; readonly value: string }
  | { readonly kind: 'task'; readonly value: string; readonly task: string };

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** Values that `to` takes from `from`; empty when it only waits. */
  readonly values: readonly string[];
}
