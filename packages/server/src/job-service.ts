import { create, type MessageShape } from '@bufbuild/protobuf';
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Board, NewJob, PostResult } from '@holdfast/board';
import {
  HoldfastError,
  InvalidArgumentError,
  type JobId,
  LIMITS,
  NotFoundError,
  parseJobId,
} from '@holdfast/core';
import {
  type CancelJobRequest,
  CancelJobResponseSchema,
  type GetJobRequest,
  GetJobResponseSchema,
  jobStatusToProto,
  jobSummaryToProto,
  jobToProto,
  type ListJobsRequest,
  ListJobsResponseSchema,
  type PostJobRequest,
  PostJobResponseSchema,
  type PostJobsRequest,
  PostJobsResponseSchema,
  PostResultSchema,
  type ResumeJobRequest,
  ResumeJobResponseSchema,
  type ReviveJobRequest,
  ReviveJobResponseSchema,
  type SignalJobRequest,
  SignalJobResponseSchema,
  type SuspendJobRequest,
  SuspendJobResponseSchema,
  type WatchJobRequest,
  type WatchJobResponse,
  WatchJobResponseSchema,
} from '@holdfast/wire';
import { createChangeMethods } from './change-methods.ts';
import { FieldViolations } from './field-violations.ts';
import { parseJobQuery } from './listing-validation.ts';
import { type AdmissionParts, admitJobs, type PostedJob } from './post-admission.ts';
import type { PostGate, PostLoad } from './post-gate.ts';
import { startPostSpan, traceContextOfCall } from './post-span.ts';
import { type CallContext, type CallParts, streamCall, unaryCall } from './rpc-call.ts';
import { parseSignal } from './signal-validation.ts';

/** What the service stands on. */
export interface JobServiceParts extends CallParts, AdmissionParts {
  readonly board: Board;
  readonly gate: PostGate;
}

/** JobService, by the local names of its methods. */
export function createJobService(parts: JobServiceParts): UntypedServiceImplementation {
  const { board } = parts;
  return {
    postJob: unaryCall(parts, (request: PostJobRequest, call) => postJob(parts, request, call)),
    postJobs: unaryCall(parts, (request: PostJobsRequest, call) => postJobs(parts, request, call)),
    getJob: unaryCall(parts, async (request: GetJobRequest) => {
      const id = parseJobId(request.id);
      const view = await board.getJob(id);
      if (!view) throw jobNotFound(id);
      return create(GetJobResponseSchema, { job: jobToProto(view) });
    }),
    listJobs: unaryCall(parts, async (request: ListJobsRequest) => {
      const page = await board.listJobs(parseJobQuery(request));
      return create(ListJobsResponseSchema, {
        jobs: page.jobs.map(jobSummaryToProto),
        nextPageToken: page.nextPageToken ?? '',
      });
    }),
    watchJob: streamCall(parts, (request: WatchJobRequest, call) => watch(board, request, call)),
    cancelJob: unaryCall(parts, async (request: CancelJobRequest) => {
      const { id, reason } = parseReasoned(request);
      const status = await board.cancel(id, { reason, revert: request.revert });
      return create(CancelJobResponseSchema, { status: jobStatusToProto(status) });
    }),
    reviveJob: unaryCall(parts, async (request: ReviveJobRequest) => {
      const status = await board.revive(parseJobId(request.id));
      return create(ReviveJobResponseSchema, { status: jobStatusToProto(status) });
    }),
    ...createControlMethods(parts),
    ...createChangeMethods(parts),
  };
}

/** What reaches a job while it runs or waits. */
function createControlMethods(parts: JobServiceParts): UntypedServiceImplementation {
  const { board } = parts;
  return {
    signalJob: unaryCall(parts, (request: SignalJobRequest, call) => signal(parts, request, call)),
    suspendJob: unaryCall(parts, async (request: SuspendJobRequest) => {
      const { id, reason } = parseReasoned(request);
      const status = await board.suspend(id, { reason });
      return create(SuspendJobResponseSchema, { status: jobStatusToProto(status) });
    }),
    resumeJob: unaryCall(parts, async (request: ResumeJobRequest) => {
      const status = await board.resume(parseJobId(request.id));
      return create(ResumeJobResponseSchema, { status: jobStatusToProto(status) });
    }),
  };
}

async function signal(
  parts: JobServiceParts,
  request: SignalJobRequest,
  call: CallContext,
): Promise<MessageShape<typeof SignalJobResponseSchema>> {
  const { id, signal: sent } = parseSignal(request, parts.schemas);
  const load: PostLoad = { jobs: 1, bytes: sent.payload.data.length };
  const { seq, created, status } = await parts.gate.pass(load, async () => {
    call.throwIfEnded();
    return await parts.board.signal(id, sent);
  });
  return create(SignalJobResponseSchema, { seq, created, status: jobStatusToProto(status) });
}

function parseReasoned(request: { readonly id: string; readonly reason: string }): {
  readonly id: JobId;
  readonly reason: string;
} {
  const violations = new FieldViolations();
  violations.length('reason', request.reason, LIMITS.requestReasonLength);
  violations.attempt(() => parseJobId(request.id));
  violations.throwIfAny();
  return { id: parseJobId(request.id), reason: request.reason };
}

async function postJob(
  parts: JobServiceParts,
  request: PostJobRequest,
  call: CallContext,
): Promise<MessageShape<typeof PostJobResponseSchema>> {
  const [result] = await post(parts, [{ message: request.job, path: 'job' }], call);
  if (result?.kind !== 'posted') {
    throw result?.error ?? new HoldfastError('INTERNAL', 'the board gave no verdict on a post');
  }
  return create(PostJobResponseSchema, { id: result.id, created: result.created });
}

async function postJobs(
  parts: JobServiceParts,
  request: PostJobsRequest,
  call: CallContext,
): Promise<MessageShape<typeof PostJobsResponseSchema>> {
  const count = request.jobs.length;
  if (count > LIMITS.jobsPerPost) {
    throw new InvalidArgumentError('jobs', {
      value: `${count} jobs`,
      allowed: `at most ${LIMITS.jobsPerPost} in one request`,
    });
  }
  const posted = request.jobs.map((message, index) => ({ message, path: `jobs[${index}]` }));
  const results = await post(parts, posted, call);
  return create(PostJobsResponseSchema, { results: results.map(postResultToProto) });
}

/** Posts what there is room for at once. */
async function post(
  parts: JobServiceParts,
  posted: readonly PostedJob[],
  call: CallContext,
): Promise<readonly PostResult[]> {
  return await parts.gate.pass(loadOf(posted), () => admitAndPost(parts, posted, call));
}

function loadOf(posted: readonly PostedJob[]): PostLoad {
  const bytes = posted.reduce((sum, { message }) => sum + (message?.input?.data.length ?? 0), 0);
  return { jobs: posted.length, bytes };
}

/** Lets the jobs in, all or none, and posts them, each with a verdict and a span of its own. */
async function admitAndPost(
  parts: JobServiceParts,
  posted: readonly PostedJob[],
  call: CallContext,
): Promise<readonly PostResult[]> {
  const jobs = await admitJobs(posted, parts);
  const callTrace = traceContextOfCall(call.metadata);
  call.throwIfEnded();
  const spans = jobs.map(({ flow, queue, trace }) =>
    startPostSpan({ flow, queue, parent: trace ?? callTrace }),
  );
  const traced: NewJob[] = jobs.map((job, index) => ({ ...job, trace: spans[index]?.context }));
  const results = await parts.board.post(traced);
  for (const [index, result] of results.entries()) {
    if (result.kind === 'posted') spans[index]?.posted(result.id);
    else spans[index]?.refused(result.error);
  }
  return results;
}

function postResultToProto(result: PostResult): MessageShape<typeof PostResultSchema> {
  return result.kind === 'posted'
    ? create(PostResultSchema, { id: result.id, created: result.created })
    : create(PostResultSchema, {
        errorCode: result.error.code,
        errorMessage: result.error.message,
      });
}

async function* watch(
  board: Board,
  request: WatchJobRequest,
  call: CallContext,
): AsyncGenerator<WatchJobResponse> {
  const id = parseJobId(request.id);
  for await (const view of board.watchJob(id, { signal: call.signal })) {
    yield create(WatchJobResponseSchema, { job: jobToProto(view) });
  }
}

function jobNotFound(id: JobId): NotFoundError {
  return new NotFoundError(
    `there is no job ${id}; it may have been removed at the end of its retention`,
    { ids: { jobId: id } },
  );
}
