/**
 * The typed client of a Holdfast server.
 *
 * Every call has a deadline and ends with an answer or a HoldfastError. What failed in passing is
 * repeated with growing, jittered pauses, as far as repeating it does no harm.
 */
import { create } from '@bufbuild/protobuf';
import {
  type Clock,
  type FlowInput,
  type FlowOutput,
  type FlowType,
  type HoldfastError,
  InvalidArgumentError,
  type JobStatus,
  parseJobId,
  type Random,
  systemClock,
  systemRandom,
} from '@holdfast/core';
import {
  DrainWorkerRequestSchema,
  FlowService,
  type FlowViewFields,
  flowViewFromProto,
  GetFlowRequestSchema,
  grpcServiceDefinition,
  JobService,
  type JobSummaryFields,
  jobStatusFromProto,
  ReviveJobRequestSchema,
  WorkerService,
  type WorkerViewFields,
} from '@holdfast/wire';
import { Channel } from './channel.ts';
import {
  type CallOptions,
  type ClientTls,
  checkDeadline,
  DEFAULT_CALL_RETRY,
  DEFAULT_DEADLINE_MS,
  type PostOptions,
  type RetrySettings,
} from './client-settings.ts';
import { JobHandle } from './job-handle.ts';
import { postJob, postJobs } from './job-posting.ts';
import {
  type JobListQuery,
  type ListOptions,
  listFlows,
  listJobs,
  listWorkers,
} from './listings.ts';
import { present } from './present.ts';

const JOBS = grpcServiceDefinition(JobService);
const FLOWS = grpcServiceDefinition(FlowService);
const WORKERS = grpcServiceDefinition(WorkerService);

export interface CreateClientOptions {
  /** Host and port of the server, such as `127.0.0.1:4600`. */
  readonly address: string;
  /** The server's token, where it asks for one. */
  readonly token?: string | undefined;
  /** Speak TLS; `{}` trusts the authorities that the machine trusts. Default: plain text. */
  readonly tls?: ClientTls | undefined;
  /** Deadline of a call, all its tries included, in milliseconds. Default: 15,000. */
  readonly deadlineMs?: number | undefined;
  /** Default: {@link DEFAULT_CALL_RETRY}. */
  readonly retry?: Partial<RetrySettings> | undefined;
  /** Default: the machine's clock. Its wall time has to be the machine's, as gRPC deadlines are. */
  readonly clock?: Clock | undefined;
  /** What pauses between tries and ids are drawn from. Default: the system's. */
  readonly random?: Random | undefined;
}

/** One job of {@link Client.postMany}. */
export interface NewJobOf<Flow extends FlowType> extends Omit<PostOptions, keyof CallOptions> {
  readonly flow: Flow | string;
  readonly input: FlowInput<Flow>;
}

/** What became of one job of {@link Client.postMany}. */
export type PostOutcome<Output> =
  | { readonly kind: 'posted'; readonly job: JobHandle<Output> }
  | { readonly kind: 'refused'; readonly error: HoldfastError };

/** A client; it connects with its first call. Throws InvalidArgumentError for wrong settings. */
export function createClient(options: CreateClientOptions): Client {
  return new Client(options);
}

/** See the head of this file; made by {@link createClient}. */
export class Client implements AsyncDisposable {
  readonly #channel: Channel;

  constructor(options: CreateClientOptions) {
    const { address, deadlineMs = DEFAULT_DEADLINE_MS } = options;
    if (!/.:\d+$/.test(address)) {
      throw new InvalidArgumentError('address', { value: address, allowed: 'HOST:PORT' });
    }
    checkDeadline(deadlineMs, 'deadlineMs');
    this.#channel = new Channel({
      address,
      token: options.token,
      tls: options.tls,
      deadlineMs,
      retry: { ...DEFAULT_CALL_RETRY, ...options.retry },
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
    });
  }

  /**
   * Posts a job to a flow, by the flow itself or by its name; with `post<typeof flow>(name, …)` a
   * type-only import of the flow is enough. Acknowledged means durable.
   *
   * Throws InvalidArgumentError naming every field that is wrong, PayloadTooLargeError,
   * NotFoundError for an unknown flow, AlreadyExistsError when the idempotency key belongs to
   * another job.
   */
  async post<Flow extends FlowType>(
    flow: Flow | string,
    input: FlowInput<Flow>,
    options: PostOptions = {},
  ): Promise<JobHandle<FlowOutput<Flow>>> {
    const job = await postJob(this.#channel, { flow: nameOf(flow), input, options });
    return new JobHandle(this.#channel, job);
  }

  /**
   * Posts jobs in bulk, each with a verdict of its own, in the order given; in requests of at most
   * 1,000 jobs and 8 MiB of input, one after the other. A request is refused as a whole when one of its jobs is malformed: then nothing of it was posted, and the error names
   * every violation.
   */
  async postMany<Flow extends FlowType>(
    jobs: readonly NewJobOf<Flow>[],
    options: CallOptions = {},
  ): Promise<readonly PostOutcome<FlowOutput<Flow>>[]> {
    const verdicts = await postJobs(
      this.#channel,
      jobs.map(({ flow, input, ...rest }) => ({ flow: nameOf(flow), input, options: rest })),
      options,
    );
    return verdicts.map((verdict) =>
      verdict.kind === 'posted'
        ? { kind: 'posted', job: new JobHandle(this.#channel, verdict) }
        : verdict,
    );
  }

  /** A handle on a job that was posted before. Throws InvalidArgumentError for a malformed id. */
  job<Flow extends FlowType>(id: string): JobHandle<FlowOutput<Flow>> {
    return new JobHandle(this.#channel, { id: parseJobId(id), created: false });
  }

  /** Jobs, newest first. */
  jobs(query: JobListQuery = {}): AsyncIterable<JobSummaryFields> {
    return listJobs(this.#channel, query);
  }

  /** Registered flows, by name. */
  flows(options: ListOptions = {}): AsyncIterable<FlowViewFields> {
    return listFlows(this.#channel, options);
  }

  /** A registered flow. Throws NotFoundError naming those that are registered. */
  async flow(name: string, options: CallOptions = {}): Promise<FlowViewFields> {
    const request = create(GetFlowRequestSchema, { name });
    const { flow } = await this.#channel.unary(FLOWS.getFlow, request, {
      ...options,
      isIdempotent: true,
    });
    return flowViewFromProto(present(flow, 'flow'));
  }

  /** Workers, by id; those that are gone and whose jobs wait to be taken over are among them. */
  workers(options: ListOptions = {}): AsyncIterable<WorkerViewFields> {
    return listWorkers(this.#channel, options);
  }

  /**
   * Asks a worker to take no new jobs, and to leave when those it has are done or, after its drain
   * timeout, handed back. Throws NotFoundError when no such worker lives.
   */
  async drain(workerId: string, options: CallOptions = {}): Promise<void> {
    const request = create(DrainWorkerRequestSchema, { id: workerId });
    await this.#channel.unary(WORKERS.drainWorker, request, { ...options, isIdempotent: true });
  }

  /**
   * Makes a dead, failed or cancelled job ready again. Never repeated when its answer was lost: it
   * fails with OUTCOME_UNKNOWN then, so read the job before reviving it again. Throws NotFoundError,
   * and FailedPreconditionError for a job that is in another state.
   */
  async revive(jobId: string, options: CallOptions = {}): Promise<JobStatus> {
    const request = create(ReviveJobRequestSchema, { id: jobId });
    const { status } = await this.#channel.unary(JOBS.reviveJob, request, {
      ...options,
      isIdempotent: false,
    });
    return jobStatusFromProto(present(status, 'status'));
  }

  /** Ends every open call with CANCELLED and closes the connection. */
  close(): void {
    this.#channel.close();
  }

  // Closing is immediate; the type is the one that every long-lived thing of Holdfast has.
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

function nameOf(flow: FlowType | string): string {
  return typeof flow === 'string' ? flow : flow.name;
}
