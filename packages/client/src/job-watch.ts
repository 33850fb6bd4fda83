/**
 * Watching a job across server restarts.
 *
 * W1. The job comes as it is, then after changes, and the watch ends after its final state. Changes
 *     may be coalesced; the final one is never left out.
 * W2. A stream that breaks is opened again, with growing pauses, until none could be opened for
 *     `retry.watchPatienceMs`. What the consumer has seen already isn't repeated.
 * W3. The deadline and the signal end the watch, also during a pause.
 */
import { create, equals } from '@bufbuild/protobuf';
import { backoffMs, HoldfastError, isFinal, type JobId, type Timer } from '@holdfast/core';
import {
  grpcServiceDefinition,
  type Job,
  JobSchema,
  JobService,
  type JobViewFields,
  jobFromProto,
  WatchJobRequestSchema,
  type WatchJobResponse,
} from '@holdfast/wire';
import type { Channel } from './channel.ts';
import { type CallOptions, checkDeadline } from './client-settings.ts';
import { isPassing, readGrpcError } from './grpc-call-error.ts';
import { pause } from './pause.ts';

const { watchJob: METHOD } = grpcServiceDefinition(JobService);

/** Yields the job until it is final; `options.deadlineMs` is for the whole watch, default unlimited. */
export async function* watchJob(
  channel: Channel,
  id: JobId,
  options: CallOptions,
): AsyncGenerator<JobViewFields> {
  const ending = new WatchEnding(channel, id, options);
  try {
    yield* new JobWatch(channel, id, ending).run();
  } finally {
    ending.close();
  }
}

/** What ends a watch before its job does (W3). */
class WatchEnding {
  readonly signal: AbortSignal;
  readonly #channel: Channel;
  readonly #callerSignal: AbortSignal;
  readonly #deadline = new AbortController();
  readonly #timer: Timer | undefined;
  readonly #what: string;

  constructor(channel: Channel, id: JobId, options: CallOptions) {
    this.#channel = channel;
    this.#callerSignal = channel.signalOf(options.signal);
    this.signal = AbortSignal.any([this.#callerSignal, this.#deadline.signal]);
    const { deadlineMs } = options;
    this.#what = `job ${id} was not final within ${deadlineMs} ms; it goes on`;
    if (deadlineMs === undefined) return;
    checkDeadline(deadlineMs, 'deadlineMs');
    this.#timer = channel.clock.startTimer(deadlineMs, () => this.#deadline.abort());
  }

  throwIfEnded(): void {
    this.#channel.throwIfEnded(this.#callerSignal);
    if (this.#deadline.signal.aborted) throw new HoldfastError('DEADLINE_EXCEEDED', this.#what);
  }

  close(): void {
    this.#timer?.cancel();
  }
}

class JobWatch {
  readonly #channel: Channel;
  readonly #id: JobId;
  readonly #ending: WatchEnding;
  #last: Job | undefined;
  #failures = 0;
  /** When the watch broke, unless a job came after that. */
  #brokenAtMs: number | undefined;

  constructor(channel: Channel, id: JobId, ending: WatchEnding) {
    this.#channel = channel;
    this.#id = id;
    this.#ending = ending;
  }

  async *run(): AsyncGenerator<JobViewFields> {
    for (;;) {
      this.#ending.throwIfEnded();
      try {
        for await (const job of this.#openStream()) {
          const view = jobFromProto(job);
          yield view;
          if (isFinal(view.status.phase.kind)) return;
        }
      } catch (error) {
        this.#ending.throwIfEnded();
        this.#throwUnlessPassing(error);
      }
      await this.#pause();
    }
  }

  /** The jobs of one stream, without those that the consumer has seen (W2). */
  async *#openStream(): AsyncGenerator<Job> {
    const request = create(WatchJobRequestSchema, { id: this.#id });
    const stream = this.#channel.stream(METHOD, request);
    const cancel = (): void => stream.cancel();
    this.#ending.signal.addEventListener('abort', cancel, { once: true });
    try {
      // The stream is in object mode and holds what METHOD's deserialiser returned.
      for await (const { job } of stream as AsyncIterable<WatchJobResponse>) {
        this.#failures = 0;
        this.#brokenAtMs = undefined;
        if (!job || (this.#last && equals(JobSchema, this.#last, job))) continue;
        this.#last = job;
        yield job;
      }
    } finally {
      this.#ending.signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  #throwUnlessPassing(thrown: unknown): void {
    if (thrown instanceof HoldfastError) throw thrown;
    // A stream of grpc-js fails with its ServiceError and with nothing else.
    const reading = readGrpcError(thrown as Parameters<typeof readGrpcError>[0]);
    const { error } = reading;
    const nowMs = this.#channel.clock.monotonicMs();
    this.#brokenAtMs ??= nowMs;
    const brokenMs = nowMs - this.#brokenAtMs;
    // Watching changes nothing, so that a lost answer does no harm either.
    const mayPass = isPassing(reading) || error.code === 'OUTCOME_UNKNOWN';
    if (!mayPass || brokenMs >= this.#channel.retry.watchPatienceMs) throw error;
  }

  async #pause(): Promise<void> {
    this.#failures += 1;
    const { retry, random, clock } = this.#channel;
    const pauseMs = backoffMs(retry.backoff, this.#failures, random);
    await pause(clock, pauseMs, { signal: this.#ending.signal });
  }
}
