export type { ChildEnd, WorkerCommand } from './child-process.ts';
export { toFlowRecord } from './flow-record.ts';
export {
  DEFAULT_CONCURRENCY,
  DEFAULT_DRAIN_TIMEOUT_MS,
  DEFAULT_LEASE_TTL_MS,
  MAX_CONCURRENCY,
  MAX_DRAIN_TIMEOUT_MS,
  MAX_LEASE_TTL_MS,
  MIN_LEASE_TTL_MS,
} from './limits.ts';
export { runUntilStopped, type StoppableService } from './run-until-stopped.ts';
export { SIGNAL_ECHO_MS, SignalEcho } from './signal-echo.ts';
export {
  HEALTHY_AFTER_MS,
  RESTART_BACKOFF,
  Supervisor,
  type SupervisorEnd,
  type SupervisorOptions,
} from './supervisor.ts';
export {
  connectToSupervisor,
  type SupervisorLink,
  WORKER_ID_VARIABLE,
} from './supervisor-link.ts';
export { ThreadDiedError } from './thread-call.ts';
export {
  THREAD_ABORT_GRACE_MS,
  type ThreadContext,
  type ThreadFunction,
} from './thread-context.ts';
export {
  DEFAULT_THREADS_WAITING,
  MAX_THREAD_MEMORY_MB,
  MAX_THREADS,
  MAX_THREADS_WAITING,
  MIN_THREAD_MEMORY_MB,
  ThreadPool,
  type ThreadPoolOptions,
  type ThreadRunOptions,
} from './thread-pool.ts';
export { VERSION } from './version.ts';
export { type StopOptions, Worker } from './worker.ts';
export type { WorkerOptions } from './worker-parts.ts';
