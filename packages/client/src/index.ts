export type {
  FlowViewFields,
  JobSummaryFields,
  JobViewFields,
  WorkerViewFields,
} from '@holdfast/wire';
export type { CreateClientOptions, NewJobOf, PostOutcome } from './client.ts';
export { Client, createClient } from './client.ts';
export type {
  CallOptions,
  CancelOptions,
  ChangeOptions,
  ClientTls,
  ForkOptions,
  OperatorOptions,
  PostOptions,
  RetrySettings,
  SignalOptions,
  SuspendOptions,
} from './client-settings.ts';
export { DEFAULT_CALL_RETRY, DEFAULT_DEADLINE_MS } from './client-settings.ts';
export { fromGrpcError } from './grpc-call-error.ts';
export type { ChangedJob } from './job-change.ts';
export type { JobEdit } from './job-edit.ts';
export { JobCancelledError, JobFailedError } from './job-errors.ts';
export { JobHandle } from './job-handle.ts';
export type { SentSignal } from './job-signal.ts';
export type { JobListQuery, ListOptions } from './listings.ts';
