/**
 * Posting, so that a repeated post is the same post.
 *
 * Every job goes out with an idempotency key, its caller's or a fresh one, and keeps it through all
 * tries: a try whose answer was lost is repeated without harm.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  AlreadyExistsError,
  backoffMs,
  createUniqueId,
  ERROR_TABLE,
  type ErrorCode,
  fromUnknown,
  HoldfastError,
  type JobId,
  LIMITS,
  OutcomeUnknownError,
  parseJobId,
  UnavailableError,
} from '@holdfast/core';
import {
  grpcServiceDefinition,
  JobService,
  type NewJob,
  NewJobSchema,
  PostJobRequestSchema,
  PostJobsRequestSchema,
  type PostResult,
} from '@holdfast/wire';
import type { Channel } from './channel.ts';
import type { CallOptions, PostOptions } from './client-settings.ts';
import { newJobMessage } from './new-job-message.ts';
import { pause } from './pause.ts';

const METHODS = grpcServiceDefinition(JobService);

/** Bytes of the jobs in one request; what is more goes into further requests. */
const POST_BYTES_MAX = 8_388_608;

/** A job by the name of its flow. */
export interface JobToPost {
  readonly flow: string;
  readonly input: unknown;
  readonly options: PostOptions;
}

/** What became of one job of a bulk post. */
export type PostVerdict =
  | { readonly kind: 'posted'; readonly id: JobId; readonly created: boolean }
  | { readonly kind: 'refused'; readonly error: HoldfastError };

/** Posts one job. */
export async function postJob(
  channel: Channel,
  job: JobToPost,
): Promise<{ readonly id: JobId; readonly created: boolean }> {
  const idempotencyKey = job.options.idempotencyKey ?? createUniqueId(channel);
  const message = newJobMessage({ ...job, idempotencyKey, path: 'job' });
  const response = await channel.unary(
    METHODS.postJob,
    create(PostJobRequestSchema, { job: message }),
    { ...callOptions(job.options), isIdempotent: idempotencyKey !== '' },
  );
  return { id: parseJobId(response.id), created: response.created };
}

/**
 * Posts jobs in as few requests as fit, and gives a verdict for each in their order. Throws when the
 * server took none of them; once some were posted, a request that fails is the verdict of its jobs.
 */
export async function postJobs(
  channel: Channel,
  jobs: readonly JobToPost[],
  options: CallOptions,
): Promise<readonly PostVerdict[]> {
  const messages = jobs.map((job, index) =>
    newJobMessage({
      ...job,
      idempotencyKey: job.options.idempotencyKey ?? createUniqueId(channel),
      path: `jobs[${index}]`,
    }),
  );
  const verdicts: PostVerdict[] = [];
  for (const chunk of chunksOf(messages)) {
    try {
      verdicts.push(...(await postChunk(channel, chunk, options)));
    } catch (thrown) {
      const error = fromUnknown(thrown);
      if (!verdicts.some(({ kind }) => kind === 'posted')) throw error;
      verdicts.push(...chunk.map((): PostVerdict => ({ kind: 'refused', error })));
    }
  }
  return verdicts;
}

/** One request, and again for those of its jobs whose refusal passes by itself. */
async function postChunk(
  channel: Channel,
  chunk: readonly NewJob[],
  options: CallOptions,
): Promise<readonly PostVerdict[]> {
  const verdicts = new Map<NewJob, PostVerdict>();
  const signal = channel.signalOf(options.signal);
  let open = chunk;
  for (let tries = 1; open.length > 0 && tries <= channel.retry.attempts; tries += 1) {
    if (tries > 1) {
      const pauseMs = backoffMs(channel.retry.backoff, tries - 1, channel.random);
      await pause(channel.clock, pauseMs, { signal });
      channel.throwIfEnded(signal);
    }
    const { results } = await channel.unary(
      METHODS.postJobs,
      create(PostJobsRequestSchema, { jobs: [...open] }),
      { ...options, isIdempotent: open.every(hasKey) },
    );
    for (const [index, job] of open.entries()) verdicts.set(job, toVerdict(results[index]));
    open = open.filter((job) => mayPass(job, verdicts.get(job)));
  }
  return chunk.map((job) => verdicts.get(job) ?? toVerdict(undefined));
}

function mayPass(job: NewJob, verdict: PostVerdict | undefined): boolean {
  if (verdict?.kind !== 'refused') return false;
  const { error } = verdict;
  return error.retryable || (error.code === 'OUTCOME_UNKNOWN' && hasKey(job));
}

function hasKey(job: NewJob): boolean {
  return job.idempotencyKey !== '';
}

function toVerdict(result: PostResult | undefined): PostVerdict {
  if (result === undefined) {
    const error = new HoldfastError('INTERNAL', 'the server gave no verdict on a job of the post');
    return { kind: 'refused', error };
  }
  const { id, created, errorCode, errorMessage } = result;
  if (errorCode === '') return { kind: 'posted', id: parseJobId(id), created };
  return { kind: 'refused', error: verdictError(errorCode, errorMessage) };
}

function verdictError(code: string, message: string): HoldfastError {
  switch (code) {
    case 'ALREADY_EXISTS':
      return new AlreadyExistsError(message);
    case 'UNAVAILABLE':
      return new UnavailableError(message);
    case 'OUTCOME_UNKNOWN':
      return new OutcomeUnknownError(message);
    default: {
      // A code that this version doesn't know comes from a newer server.
      const known = Object.hasOwn(ERROR_TABLE, code) ? (code as ErrorCode) : 'INTERNAL';
      return new HoldfastError(known, message);
    }
  }
}

/** Consecutive jobs that fit into one request. A job that fits into none goes alone, to be refused. */
function* chunksOf(messages: readonly NewJob[]): Generator<readonly NewJob[]> {
  let chunk: NewJob[] = [];
  let sizeBytes = 0;
  for (const message of messages) {
    const messageBytes = toBinary(NewJobSchema, message).length;
    const isFull = chunk.length >= LIMITS.jobsPerPost || sizeBytes + messageBytes > POST_BYTES_MAX;
    if (isFull && chunk.length > 0) {
      yield chunk;
      chunk = [];
      sizeBytes = 0;
    }
    chunk.push(message);
    sizeBytes += messageBytes;
  }
  if (chunk.length > 0) yield chunk;
}

function callOptions({ deadlineMs, signal }: PostOptions): CallOptions {
  return { deadlineMs, signal };
}
