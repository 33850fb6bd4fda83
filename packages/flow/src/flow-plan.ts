import type { RetryPolicy } from '@holdfast/core';
import type { InputSchema } from './flow-wiring-type.ts';
import type { TaskSpec } from './task.ts';

/** A compiled flow as the engine uses it: nodes refer to each other by their place in `nodes`. */
export interface FlowPlan {
  /** Tasks in topological order, then joins. */
  readonly nodes: readonly PlanNode[];
  readonly input: InputSchema | undefined;
  /** The policy of tasks that have none of their own. */
  readonly retry: RetryPolicy;
  /** The values of the output, and which task provides each. */
  readonly output: readonly { readonly value: string; readonly node: number }[];
}

/** A task, or a join: a point that does nothing but wait for all of its predecessors. */
export interface PlanNode {
  readonly name: string;
  /** `undefined` for a join. */
  readonly task: TaskSpec | undefined;
  /** Where each required value comes from: a task by its place in `nodes`, or the flow's input. */
  readonly sources: readonly { readonly value: string; readonly node: number | 'input' }[];
  readonly predecessors: readonly number[];
  readonly successors: readonly number[];
}
