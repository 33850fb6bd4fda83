export type { CompiledGraph, GraphEdge, GraphNode, ValueSource } from './compiled-graph.ts';
export type { AnyFlow, Flow, FlowDefinition } from './flow.ts';
export { flow, isFlow } from './flow.ts';
export type { GraphDefinition, Pattern } from './pattern.ts';
export { graph, linear, unordered } from './pattern.ts';
export type { RetryOptions } from './retry-options.ts';
export { runFlow } from './run-flow.ts';
export type {
  RunIdentity,
  RunObserver,
  RunOptions,
  RunResult,
  TaskCallInfo,
} from './run-options.ts';
export {
  CHECKPOINT_BYTES_MAX,
  CHECKPOINT_RECORDS_MAX,
  DEFAULT_RELEASE_AFTER_MS,
  DEFAULT_TASK_CONCURRENCY,
  PROGRESS_INTERVAL_MS,
  STOP_GRACE_MS,
} from './run-options.ts';
export type { Schemas } from './schema.ts';
export type { Stored } from './stored.ts';
export type { Task, TaskDefinition } from './task.ts';
export { task } from './task.ts';
export type { CallContext, RevertContext, TaskContext } from './task-context.ts';
