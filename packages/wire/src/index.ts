export { atomFromProto, atomToProto, decodeAtom, encodeAtom } from './atom.ts';
export type { ErrorStatus, StatusReading } from './error-status.ts';
export {
  ERROR_DETAILS_TRAILER,
  errorFromStatus,
  errorToStatus,
  GRPC_STATUS,
} from './error-status.ts';
export type {
  FlowEdgeFields,
  FlowFields,
  FlowGraphFields,
  FlowNodeFields,
  FlowViewFields,
} from './flow.ts';
export {
  decodeFlow,
  encodeFlow,
  flowFromProto,
  flowToProto,
  flowViewFromProto,
  flowViewToProto,
} from './flow.ts';
export type {
  FlowListing,
  GetFlowRequest,
  GetFlowResponse,
  ListFlowsRequest,
  ListFlowsResponse,
} from './gen/holdfast/v1/flow_service_pb.ts';
export {
  FlowService,
  file_holdfast_v1_flow_service,
  GetFlowRequestSchema,
  GetFlowResponseSchema,
  ListFlowsRequestSchema,
  ListFlowsResponseSchema,
} from './gen/holdfast/v1/flow_service_pb.ts';
export type {
  CancelJobRequest,
  CancelJobResponse,
  ChangeJobRequest,
  ChangeJobResponse,
  ForkJobRequest,
  ForkJobResponse,
  GetJobRequest,
  GetJobResponse,
  Job,
  JobFilter,
  JobSummary,
  ListJobsRequest,
  ListJobsResponse,
  NewJob,
  PostJobRequest,
  PostJobResponse,
  PostJobsRequest,
  PostJobsResponse,
  PostResult,
  ResumeJobRequest,
  ResumeJobResponse,
  ReviveJobRequest,
  ReviveJobResponse,
  SignalJobRequest,
  SignalJobResponse,
  SuspendJobRequest,
  SuspendJobResponse,
  WatchJobRequest,
  WatchJobResponse,
} from './gen/holdfast/v1/job_service_pb.ts';
export {
  CancelJobRequestSchema,
  CancelJobResponseSchema,
  ChangeJobRequestSchema,
  ChangeJobResponseSchema,
  ForkJobRequestSchema,
  ForkJobResponseSchema,
  file_holdfast_v1_job_service,
  GetJobRequestSchema,
  GetJobResponseSchema,
  JobSchema,
  JobService,
  ListJobsRequestSchema,
  ListJobsResponseSchema,
  NewJobSchema,
  PostJobRequestSchema,
  PostJobResponseSchema,
  PostJobsRequestSchema,
  PostJobsResponseSchema,
  PostResultSchema,
  ResumeJobRequestSchema,
  ResumeJobResponseSchema,
  ReviveJobRequestSchema,
  ReviveJobResponseSchema,
  SignalJobRequestSchema,
  SignalJobResponseSchema,
  SuspendJobRequestSchema,
  SuspendJobResponseSchema,
  WatchJobRequestSchema,
  WatchJobResponseSchema,
} from './gen/holdfast/v1/job_service_pb.ts';
export type {
  DrainWorkerRequest,
  DrainWorkerResponse,
  ListWorkersRequest,
  ListWorkersResponse,
  WorkerListing,
} from './gen/holdfast/v1/worker_service_pb.ts';
export {
  DrainWorkerRequestSchema,
  DrainWorkerResponseSchema,
  file_holdfast_v1_worker_service,
  ListWorkersRequestSchema,
  ListWorkersResponseSchema,
  WorkerService,
} from './gen/holdfast/v1/worker_service_pb.ts';
export type { GrpcMethodDefinition, GrpcServiceDefinition } from './grpc-service-definition.ts';
export { grpcServiceDefinition } from './grpc-service-definition.ts';
export type { JobSummaryFields, JobViewFields } from './job.ts';
export { jobFromProto, jobSummaryFromProto, jobSummaryToProto, jobToProto } from './job.ts';
export {
  decodeJobChange,
  encodeJobChange,
  jobChangeFromProto,
  jobChangeToProto,
  taskChangeToProto,
} from './job-change.ts';
export type { JobControlFields, JobWish } from './job-control.ts';
export {
  decodeJobControl,
  encodeJobControl,
  jobControlFromProto,
  jobControlToProto,
} from './job-control.ts';
export type { JobOutcomeFields } from './job-outcome.ts';
export { decodeJobOutcome, encodeJobOutcome } from './job-outcome.ts';
export {
  decodeJobSignal,
  encodeJobSignal,
  jobSignalFromProto,
  jobSignalToProto,
} from './job-signal.ts';
export {
  deadlinesToProto,
  decodeJobSpec,
  encodeJobSpec,
  jobSpecFromProto,
  jobSpecToProto,
  traceContextFromProto,
  traceContextToProto,
} from './job-spec.ts';
export {
  decodeJobStatus,
  encodeJobStatus,
  jobStateNames,
  jobStatusFromProto,
  jobStatusToProto,
} from './job-status.ts';
export { payloadFromProto, payloadToProto } from './payload.ts';
export type { ReadyEntryFields } from './ready-entry.ts';
export { decodeReadyEntry, encodeReadyEntry } from './ready-entry.ts';
export {
  optionalTimestampFromProto,
  optionalTimestampToProto,
  timestampFromProto,
  timestampToProto,
} from './timestamp.ts';
export type { WorkerFields, WorkerViewFields } from './worker.ts';
export {
  decodeWorker,
  encodeWorker,
  workerFromProto,
  workerToProto,
  workerViewFromProto,
  workerViewToProto,
} from './worker.ts';
