export { AssertionError, assert } from './assert.ts';
export type {
  AtomRecord,
  BlockDepth,
  Intention,
  RecordedError,
  RetryDecision,
  RetryRound,
  TaskState,
  TaskTransitions,
} from './atom.ts';
export { canTransitionTask, pendingAtom, RETRY_TRANSITIONS, TASK_TRANSITIONS } from './atom.ts';
export type { BackoffPolicy } from './backoff.ts';
export { backoffMs, DEFAULT_BACKOFF } from './backoff.ts';
export type { Clock, Timer } from './clock.ts';
export { MAX_TIMER_MS, sleep } from './clock.ts';
export type {
  ErrorCode,
  ErrorIds,
  ErrorTableRow,
  FieldViolation,
  HoldfastErrorOptions,
  RetryAdvice,
  WiringProblem,
} from './errors.ts';
export {
  AlreadyExistsError,
  ClaimLostError,
  ERROR_TABLE,
  FailedPreconditionError,
  fromUnknown,
  HoldfastError,
  InvalidArgumentError,
  NotFoundError,
  OutcomeUnknownError,
  PayloadTooLargeError,
  RetryLaterError,
  SessionLostError,
  StoreUrlError,
  TerminalError,
  UnavailableError,
  WiringError,
} from './errors.ts';
export type { Failure, FailureCause } from './failure.ts';
export { toFailure } from './failure.ts';
export type { FlowInput, FlowOutput, FlowType } from './flow-type.ts';
export type { Branded, JobId, WorkerId } from './ids.ts';
export {
  createJobId,
  createUniqueId,
  createWorkerId,
  jobIdFloor,
  jobIdTimeUnixMs,
  parseJobId,
  parseWorkerId,
} from './ids.ts';
export type {
  AttemptEnd,
  AttemptRecord,
  FinalJobState,
  JobDeadlines,
  JobEvent,
  JobPhase,
  JobSpec,
  JobState,
  JobStatus,
  ReadyPosition,
  RemoteTask,
  TraceContext,
} from './job.ts';
export { canTransitionJob, isFinal, JOB_TRANSITIONS } from './job.ts';
export type { ChangedTask, ForkOrigin, JobChange, TaskChange } from './job-change.ts';
export type { JobSignal } from './job-signal.ts';
export { initialStatus, transitionJob } from './job-transition.ts';
export { LIMITS } from './limits.ts';
export type { LogFields, Logger } from './logger.ts';
export { silentLogger } from './logger.ts';
export { isName, NAME_RULE, parseName } from './names.ts';
export type { Payload } from './payload.ts';
export { checkJsonDepth, decodeJson, encodeJson, JSON_CONTENT_TYPE } from './payload.ts';
export type { Random } from './random.ts';
export { createSeededRandom, jitter } from './random.ts';
export type { RetryPolicy } from './retry-policy.ts';
export { DEFAULT_RETRY } from './retry-policy.ts';
export type { Service } from './service.ts';
export { systemClock, systemRandom } from './system-clock.ts';
export { VirtualClock } from './virtual-clock.ts';
export type { WorkerLabels } from './worker-labels.ts';
export { hasLabels, labelsText, parseWorkerLabels } from './worker-labels.ts';
