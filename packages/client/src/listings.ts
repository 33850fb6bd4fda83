import { create } from '@bufbuild/protobuf';
import type { JobState } from '@holdfast/core';
import {
  FlowService,
  type FlowViewFields,
  flowViewFromProto,
  grpcServiceDefinition,
  JobService,
  type JobSummaryFields,
  jobStateNames,
  jobSummaryFromProto,
  ListFlowsRequestSchema,
  ListJobsRequestSchema,
  ListWorkersRequestSchema,
  optionalTimestampToProto,
  WorkerService,
  type WorkerViewFields,
  workerViewFromProto,
} from '@holdfast/wire';
import type { Channel } from './channel.ts';
import type { CallOptions } from './client-settings.ts';

const { listJobs: LIST_JOBS } = grpcServiceDefinition(JobService);
const { listFlows: LIST_FLOWS } = grpcServiceDefinition(FlowService);
const { listWorkers: LIST_WORKERS } = grpcServiceDefinition(WorkerService);

/** What every listing takes. Deadline and signal are for each page. */
export interface ListOptions extends CallOptions {
  /** Items fetched at once, 1 to 1,000; default 50. */
  readonly pageSize?: number | undefined;
}

/** Which jobs to list; what is absent matches all, but for task jobs. */
export interface JobListQuery extends ListOptions {
  readonly states?: readonly JobState[] | undefined;
  readonly flow?: string | undefined;
  readonly queue?: string | undefined;
  readonly worker?: string | undefined;
  readonly postedAfterUnixMs?: number | undefined;
  readonly postedBeforeUnixMs?: number | undefined;
  /** Whether task jobs, which run single tasks of other jobs, are listed too. Default: false. */
  readonly taskJobs?: boolean | undefined;
}

/** Jobs, newest first, fetched page by page as they are asked for. */
export function listJobs(channel: Channel, query: JobListQuery): AsyncGenerator<JobSummaryFields> {
  const filter = {
    states: (query.states ?? []).map((state) => jobStateNames.toProto(state)),
    flow: query.flow ?? '',
    queue: query.queue ?? '',
    worker: query.worker ?? '',
    postedAfter: optionalTimestampToProto(query.postedAfterUnixMs),
    postedBefore: optionalTimestampToProto(query.postedBeforeUnixMs),
    taskJobs: query.taskJobs ?? false,
  };
  return pages(async (pageToken) => {
    const pageSize = query.pageSize ?? 0;
    const request = create(ListJobsRequestSchema, { filter, pageSize, pageToken });
    const { jobs, nextPageToken } = await channel.unary(LIST_JOBS, request, reading(query));
    return { items: jobs.map(jobSummaryFromProto), nextPageToken };
  });
}

/** Registered flows, by name. */
export function listFlows(channel: Channel, options: ListOptions): AsyncGenerator<FlowViewFields> {
  return pages(async (pageToken) => {
    const pageSize = options.pageSize ?? 0;
    const request = create(ListFlowsRequestSchema, { pageSize, pageToken });
    const { flows, nextPageToken } = await channel.unary(LIST_FLOWS, request, reading(options));
    return { items: flows.map(flowViewFromProto), nextPageToken };
  });
}

/** Workers, by id. */
export function listWorkers(
  channel: Channel,
  options: ListOptions,
): AsyncGenerator<WorkerViewFields> {
  return pages(async (pageToken) => {
    const pageSize = options.pageSize ?? 0;
    const request = create(ListWorkersRequestSchema, { pageSize, pageToken });
    const { workers, nextPageToken } = await channel.unary(LIST_WORKERS, request, reading(options));
    return { items: workers.map(workerViewFromProto), nextPageToken };
  });
}

interface FetchedPage<Item> {
  readonly items: readonly Item[];
  /** Empty when the listing is complete. */
  readonly nextPageToken: string;
}

async function* pages<Item>(
  fetchPage: (pageToken: string) => Promise<FetchedPage<Item>>,
): AsyncGenerator<Item> {
  let pageToken = '';
  do {
    const page = await fetchPage(pageToken);
    yield* page.items;
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
}

function reading({ deadlineMs, signal }: CallOptions): CallOptions & { isIdempotent: true } {
  return { deadlineMs, signal, isIdempotent: true };
}
