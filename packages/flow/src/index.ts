export type { RetryContext, RetryHistoryRound } from './atom-spec.ts';
export type { Choice, ChooseDefinition, Condition, WhenDefinition } from './choice.ts';
export { CASES_MAX, choose, when } from './choice.ts';
export type { CompiledGraph, GraphEdge, GraphNode, ValueSource } from './compiled-graph.ts';
export type { EventWait, WaitDefinition } from './event-wait.ts';
export { waitFor } from './event-wait.ts';
export type { AnyFlow, Flow, FlowDefinition } from './flow.ts';
export { FLOW_VERSION_MAX, flow, isFlow } from './flow.ts';
export type { Decider, Link, LinkResults } from './link.ts';
export { link } from './link.ts';
export type { FlowEvent, FlowListener } from './listener.ts';
export type { ListenedRun, ListenerHubParts, RunListening } from './listener-hub.ts';
export {
  joinObservers,
  LISTENER_QUEUE_MAX,
  LISTENER_STOP_MS,
  ListenerHub,
} from './listener-hub.ts';
export type { MapDefinition, MapItem } from './map.ts';
export { MAP_CONCURRENCY_MAX, map } from './map.ts';
export type { Migration, OldJob, OldTask } from './migration.ts';
export { MIGRATION_RESULTS_MAX } from './migration.ts';
export type { OptionalSchema } from './optional-schema.ts';
export { optional } from './optional-schema.ts';
export type {
  GraphDefinition,
  Pattern,
  PatternKind,
  PatternLink,
} from './pattern.ts';
export { graph, linear, unordered } from './pattern.ts';
export type { ReduceDefinition } from './reduce.ts';
export { reduce } from './reduce.ts';
export { isRemoteEnd, recordByEnd } from './remote-end.ts';
export { remoteLabelsOf } from './remote-plan.ts';
export type {
  Controlled,
  ControllerOptions,
  RetryController,
  RoundsOptions,
} from './retry-controller.ts';
export { withRetry } from './retry-controller.ts';
export type { RetryOptions } from './retry-options.ts';
export type {
  ForEachOptions,
  ParameterizedForEachOptions,
  RetryControllerDefinition,
  TimesOptions,
} from './retry-rounds.ts';
export {
  alwaysRevert,
  alwaysRevertAll,
  forEach,
  parameterizedForEach,
  retryController,
  times,
} from './retry-rounds.ts';
export { CONTINUE_RETRY_MS, runFlow, TASK_CONCURRENCY_MAX } from './run-flow.ts';
export type {
  RemoteCall,
  RemoteEnd,
  RemoteTasks,
  RunIdentity,
  RunObserver,
  RunOptions,
  RunResult,
  Signal,
  SignalSource,
  TaskCallInfo,
} from './run-options.ts';
export {
  CHECKPOINT_BYTES_MAX,
  CHECKPOINT_RECORDS_MAX,
  DEFAULT_RELEASE_AFTER_MS,
  DEFAULT_TASK_CONCURRENCY,
  PROGRESS_INTERVAL_MS,
  REMOTE_TASKS_AT_ONCE,
  STOP_GRACE_MS,
} from './run-options.ts';
export type { RemoteTaskOptions } from './run-remote-task.ts';
export { runRemoteTask } from './run-remote-task.ts';
export type { Schemas } from './schema.ts';
export type { Sleep, SleepDefinition } from './sleep.ts';
export { sleep } from './sleep.ts';
export type { TaskTiming } from './standard-listeners.ts';
export { loggingListener, timingListener } from './standard-listeners.ts';
export type { Stored } from './stored.ts';
export type { DefinedTask, RunsWhere, Task } from './task.ts';
export { named, TASK_PRIORITY_MAX, TASK_PRIORITY_MIN, task } from './task.ts';
export type { CallContext, RevertContext, TaskContext } from './task-context.ts';
export type { NamedBindings, TaskBindings, TaskDefinition } from './task-definition.ts';
export type { Names, None, PartsOf, Rebound, TaskParts } from './task-wiring-type.ts';
export { type } from './unchecked-schema.ts';
export type { Give, Item, Need, Wiring } from './wiring-type.ts';
export type { WorkflowDefinition } from './workflow.ts';
export { workflow } from './workflow.ts';
export type {
  CheckedStepOptions,
  CheckedWaitOptions,
  StepOptions,
  StepResult,
  WaitOptions,
  WorkflowContext,
} from './workflow-context.ts';
export { StepFailedError, WaitTimedOutError, WorkflowChangedError } from './workflow-failure.ts';
