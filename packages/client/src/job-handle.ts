import { create } from '@bufbuild/protobuf';
import {
  decodeJson,
  FailedPreconditionError,
  HoldfastError,
  isFinal,
  type JobId,
  type JobStatus,
} from '@holdfast/core';
import {
  CancelJobRequestSchema,
  GetJobRequestSchema,
  grpcServiceDefinition,
  JobService,
  type JobViewFields,
  jobFromProto,
  jobStatusFromProto,
  ResumeJobRequestSchema,
  SuspendJobRequestSchema,
} from '@holdfast/wire';
import type { Channel } from './channel.ts';
import type {
  CallOptions,
  CancelOptions,
  ChangeOptions,
  ForkOptions,
  SignalOptions,
  SuspendOptions,
} from './client-settings.ts';
import { type ChangedJob, changeJob, forkJob } from './job-change.ts';
import type { JobEdit } from './job-edit.ts';
import { JobCancelledError, JobFailedError } from './job-errors.ts';
import { type SentSignal, signalJob } from './job-signal.ts';
import { watchJob } from './job-watch.ts';
import { present } from './present.ts';

const METHODS = grpcServiceDefinition(JobService);

/** A job that was posted, and what became of it. */
export class JobHandle<Output = unknown> {
  readonly id: JobId;
  /** False when the post found the job of an earlier post with the same idempotency key. */
  readonly created: boolean;
  readonly #channel: Channel;

  constructor(channel: Channel, job: { readonly id: JobId; readonly created: boolean }) {
    this.#channel = channel;
    this.id = job.id;
    this.created = job.created;
  }

  /**
   * Waits for the job and resolves to the flow's output. Throws JobFailedError with the flow's
   * failure, JobCancelledError, or DEADLINE_EXCEEDED when `deadlineMs` passes first; default:
   * unlimited. The job goes on when the wait ends early.
   */
  async result(options: CallOptions = {}): Promise<Output> {
    for await (const view of this.watch(options)) {
      if (isFinal(view.status.phase.kind)) return outputOf<Output>(view);
    }
    throw new HoldfastError('INTERNAL', `the watch of job ${this.id} ended before the job did`);
  }

  /** The job's state now. Throws NotFoundError once its retention is over. */
  async status(options: CallOptions = {}): Promise<JobStatus> {
    return (await this.get(options)).status;
  }

  /** All that is known of the job now. Throws NotFoundError once its retention is over. */
  async get(options: CallOptions = {}): Promise<JobViewFields> {
    const request = create(GetJobRequestSchema, { id: this.id });
    const { job } = await this.#channel.unary(METHODS.getJob, request, {
      ...options,
      isIdempotent: true,
    });
    return jobFromProto(present(job, 'job'));
  }

  /**
   * Yields the job as it is, then after changes, and ends after its final state; survives restarts
   * of the server. `deadlineMs` is for the whole watch; default: unlimited.
   */
  watch(options: CallOptions = {}): AsyncIterable<JobViewFields> {
    return watchJob(this.#channel, this.id, options);
  }

  /**
   * Cancels the job: at once when it waits; when it runs, its tasks are told to stop and it ends
   * cancelled; with `revert`, once what its tasks have done was reverted. A cancel without `revert`
   * stops one with it. Resolves to the status after the request. Throws FailedPreconditionError when
   * the job has ended otherwise, or was cancelled without `revert` and is to be reverted.
   */
  async cancel(options: CancelOptions = {}): Promise<JobStatus> {
    const { reason = '', revert = false } = options;
    const request = create(CancelJobRequestSchema, { id: this.id, reason, revert });
    const { status } = await this.#channel.unary(METHODS.cancelJob, request, {
      ...options,
      isIdempotent: true,
    });
    return jobStatusFromProto(present(status, 'status'));
  }

  /**
   * Sends the job a signal: what a flow that waits for one of this name goes on with. It is kept with
   * the job, also when nothing waits for it yet. `payload` is written as JSON; default: null.
   *
   * Throws InvalidArgumentError, PayloadTooLargeError, NotFoundError; FailedPreconditionError when the
   * job is final; AlreadyExistsError when the idempotency key belongs to another signal of the job;
   * RESOURCE_EXHAUSTED when the job has received 1,000 signals, or 8 MiB of payloads.
   */
  async signal(name: string, payload?: unknown, options: SignalOptions = {}): Promise<SentSignal> {
    return await signalJob(this.#channel, { id: this.id, name, payload, options });
  }

  /**
   * Suspends the job: at once when it doesn't run; when it runs, it starts no further task and is
   * suspended once those that run have ended, unless that was all. Nothing runs of it until it is
   * resumed. Resolves to the status after the request. Throws NotFoundError, and
   * FailedPreconditionError when the job is final or is being cancelled.
   */
  async suspend(options: SuspendOptions = {}): Promise<JobStatus> {
    const request = create(SuspendJobRequestSchema, { id: this.id, reason: options.reason ?? '' });
    const { status } = await this.#channel.unary(METHODS.suspendJob, request, {
      ...options,
      isIdempotent: true,
    });
    return jobStatusFromProto(present(status, 'status'));
  }

  /**
   * Lets the job go on that was suspended; one that was scheduled for a time still to come waits for
   * that. Changes nothing for any other job. Resolves to the status after the request. Throws
   * NotFoundError, and FailedPreconditionError when the job is final.
   */
  async resume(options: CallOptions = {}): Promise<JobStatus> {
    const request = create(ResumeJobRequestSchema, { id: this.id });
    const { status } = await this.#channel.unary(METHODS.resumeJob, request, {
      ...options,
      isIdempotent: true,
    });
    return jobStatusFromProto(present(status, 'status'));
  }

  /**
   * Changes what the job goes on with, all of it or nothing, and keeps that in its history: for jobs that
   * are suspended, failed, cancelled or dead. With `resume` it becomes ready too; with `dryRun` nothing
   * is changed, and what would be is told. Never repeated when its answer was lost: it fails with
   * OUTCOME_UNKNOWN then, so read the job before changing it again.
   *
   * Throws InvalidArgumentError naming every field that is wrong, PayloadTooLargeError, NotFoundError;
   * FailedPreconditionError when the job, or a task, is in no state for it; RESOURCE_EXHAUSTED when it
   * was changed 100 times, or by 8 MiB.
   */
  async change(changes: readonly JobEdit[], options: ChangeOptions): Promise<ChangedJob> {
    return await changeJob(this.#channel, { id: this.id, changes, options });
  }

  /**
   * Posts a new job that begins with the results of this one, which is stopped or finished: of what
   * succeeded, and comes before `fromTask` where that is given. It never reverts what it takes over.
   * Throws what {@link change} throws, and AlreadyExistsError when the idempotency key belongs to
   * another job.
   */
  async fork(options: ForkOptions): Promise<JobHandle<Output>> {
    return new JobHandle(this.#channel, await forkJob(this.#channel, { id: this.id, options }));
  }
}

function outputOf<Output>(view: JobViewFields): Output {
  const { phase, id } = view.status;
  switch (phase.kind) {
    case 'succeeded':
      return decodeOutput(view) as Output; // The flow's type says what its workers return.
    case 'failed':
    case 'dead':
      throw new JobFailedError(view, phase.kind, phase.failure);
    case 'cancelled':
      throw new JobCancelledError(view);
    case 'scheduled':
    case 'ready':
    case 'running':
    case 'waiting':
    case 'suspended':
      throw new HoldfastError('INTERNAL', `job ${id} has no outcome while it is ${phase.kind}`);
    default:
      return phase satisfies never;
  }
}

function decodeOutput(view: JobViewFields): unknown {
  if (view.output === undefined) return undefined;
  try {
    return decodeJson(view.output);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FailedPreconditionError(
      `the output of job ${view.status.id} cannot be decoded: ${reason}; take its bytes from get()`,
      { ids: { jobId: view.status.id }, cause },
    );
  }
}
