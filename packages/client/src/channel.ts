/**
 * Calls to a server: one connection, deadlines, retries.
 *
 * H1. A call is repeated when the server or the network says that nothing was changed, or when
 *     repeating it does no harm; never otherwise.
 * H2. A call ends by its deadline, whatever it is doing: a try, or a pause between two.
 * H3. After `close` nothing of the channel runs any more: open calls end with CANCELLED.
 */
import {
  type ClientReadableStream,
  type CallOptions as GrpcCallOptions,
  Client as GrpcClient,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import {
  backoffMs,
  type Clock,
  HoldfastError,
  OutcomeUnknownError,
  type Random,
} from '@holdfast/core';
import type { GrpcMethodDefinition, StatusReading } from '@holdfast/wire';
import { channelCredentials } from './channel-credentials.ts';
import type { CallOptions, ClientTls, RetrySettings } from './client-settings.ts';
import { checkDeadline } from './client-settings.ts';
import { isPassing, readGrpcError } from './grpc-call-error.ts';
import { pause } from './pause.ts';

/** Bytes of one response that the client takes: as many as a server sends. */
const RESPONSE_BYTES_MAX = 67_108_864;
// A broken connection is noticed within the sum of these two.
const KEEPALIVE_MS = 10_000;
const KEEPALIVE_TIMEOUT_MS = 5000;
// How soon a lost connection is tried again, and how rarely at worst.
const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 2000;

export interface ChannelOptions {
  /** Host and port. */
  readonly address: string;
  readonly token: string | undefined;
  readonly tls: ClientTls | undefined;
  readonly deadlineMs: number;
  readonly retry: RetrySettings;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a single call is about. */
export interface UnaryOptions extends CallOptions {
  /** Repeating the call does no harm, even when it has taken effect before. */
  readonly isIdempotent: boolean;
}

type Try<Response> =
  | { readonly kind: 'answered'; readonly response: Response }
  | { readonly kind: 'failed'; readonly reading: StatusReading };

/** See the head of this file. */
export class Channel {
  readonly clock: Clock;
  readonly random: Random;
  readonly retry: RetrySettings;
  readonly #options: ChannelOptions;
  readonly #grpc: GrpcClient;
  readonly #closed = new AbortController();

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.random = options.random;
    this.retry = options.retry;
    this.#grpc = new GrpcClient(options.address, channelCredentials(options.address, options.tls), {
      'grpc.max_receive_message_length': RESPONSE_BYTES_MAX,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.initial_reconnect_backoff_ms': RECONNECT_MS_MIN,
      'grpc.max_reconnect_backoff_ms': RECONNECT_MS_MAX,
      'grpc.enable_channelz': 0,
    });
  }

  /** Sends a request and resolves to its answer; rejects with a HoldfastError. */
  async unary<Request, Response>(
    method: GrpcMethodDefinition<Request, Response>,
    request: Request,
    options: UnaryOptions,
  ): Promise<Response> {
    const deadlineMs = options.deadlineMs ?? this.#options.deadlineMs;
    checkDeadline(deadlineMs, 'deadlineMs');
    const endMs = this.clock.monotonicMs() + deadlineMs;
    const signal = this.signalOf(options.signal);
    for (let tries = 1; ; tries += 1) {
      this.throwIfEnded(signal);
      const remainingMs = endMs - this.clock.monotonicMs();
      const outcome = await this.#try(method, request, { remainingMs, signal });
      if (outcome.kind === 'answered') return outcome.response;
      this.throwIfEnded(signal);
      const { error, retryAfterMs = 0 } = outcome.reading;
      const pauseMs = Math.max(retryAfterMs, backoffMs(this.retry.backoff, tries, this.random));
      const hasTime = this.clock.monotonicMs() + pauseMs < endMs; // H2
      if (
        !mayRepeat(outcome.reading, options.isIdempotent) ||
        tries >= this.retry.attempts ||
        !hasTime
      ) {
        throw describeFailure(error, method.path, deadlineMs);
      }
      await pause(this.clock, pauseMs, { signal });
    }
  }

  /** Opens a stream of responses. The caller iterates it, and cancels it when done with it early. */
  stream<Request, Response>(
    method: GrpcMethodDefinition<Request, Response>,
    request: Request,
  ): ClientReadableStream<Response> {
    const stream = this.#grpc.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata(),
    );
    // Whoever iterates the stream gets its error from there. A stream that is cancelled after that
    // reports an error once more, which would end the process if nobody listened.
    stream.on('error', () => undefined);
    return stream;
  }

  /** Aborts with the caller's signal, or when the channel is closed (H3). */
  signalOf(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closed.signal]) : this.#closed.signal;
  }

  /** Throws CANCELLED when the channel is closed or the caller gave up. */
  throwIfEnded(signal: AbortSignal): void {
    if (this.#closed.signal.aborted) throw new HoldfastError('CANCELLED', 'the client is closed');
    if (signal.aborted) {
      throw new HoldfastError('CANCELLED', 'the caller gave up waiting for the server', {
        cause: signal.reason,
      });
    }
  }

  close(): void {
    this.#closed.abort();
    this.#grpc.close();
  }

  #try<Request, Response>(
    method: GrpcMethodDefinition<Request, Response>,
    request: Request,
    limits: { readonly remainingMs: number; readonly signal: AbortSignal },
  ): Promise<Try<Response>> {
    const deadline = Math.ceil(this.clock.nowUnixMs() + Math.max(0, limits.remainingMs));
    const options: GrpcCallOptions = { deadline };
    const { promise, resolve } = Promise.withResolvers<Try<Response>>();
    const answer = (error: ServiceError | null, response?: Response): void => {
      limits.signal.removeEventListener('abort', cancel);
      if (error) resolve({ kind: 'failed', reading: readGrpcError(error) });
      // grpc-js gives either an error or a response.
      else resolve({ kind: 'answered', response: response as Response });
    };
    const call = this.#grpc.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata(),
      options,
      answer,
    );
    const cancel = (): void => call.cancel();
    limits.signal.addEventListener('abort', cancel, { once: true });
    return promise;
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    const { token } = this.#options;
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    return metadata;
  }
}

/** H1. */
function mayRepeat(reading: StatusReading, isIdempotent: boolean): boolean {
  return isPassing(reading) || (isIdempotent && reading.error.code === 'OUTCOME_UNKNOWN');
}

function describeFailure(error: HoldfastError, path: string, deadlineMs: number): HoldfastError {
  const method = path.slice(path.lastIndexOf('/') + 1);
  if (error.code === 'DEADLINE_EXCEEDED') {
    return new HoldfastError(
      'DEADLINE_EXCEEDED',
      `${method} was not answered within ${deadlineMs} ms; it may or may not have happened`,
      { cause: error },
    );
  }
  if (error.code === 'OUTCOME_UNKNOWN') {
    return new OutcomeUnknownError(`${method} may or may not have happened: ${error.message}`, {
      ids: error.ids,
      cause: error,
    });
  }
  return error;
}
