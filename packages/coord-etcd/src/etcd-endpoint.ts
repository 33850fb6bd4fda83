// One address of an etcd cluster: one connection, and calls over it that are sent at most once.
//
// The client comes from etcd3, with its TLS set-up and its definitions of etcd's API. Its `exec` is
// not used: it sends a call again after failures that leave open whether it was done, which a commit
// must never be, and it drops the status code that tells such failures apart.
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  connectivityState,
  type Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { Clock } from '@holdfast/core';
import { Etcd3, type IOptions, type Services } from 'etcd3';
import { CallFailure, kindOf } from './call-failure.ts';
import { type EtcdMethod, type EtcdMethods, methodsOf } from './etcd-methods.ts';

/** PEM data for TLS. */
export interface TlsMaterial {
  readonly ca: Buffer;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

export interface EndpointOptions {
  /** HOST:PORT. */
  readonly address: string;
  readonly tls?: TlsMaterial | undefined;
  readonly clock: Clock;
}

/** What one call may cost and carries. */
export interface EndpointCall {
  readonly metadata: Metadata;
  /** Milliseconds until the call fails. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

const CHANNEL_OPTIONS = {
  // A peer that went away without closing its connection is noticed by unanswered pings. etcd takes
  // offence at more than one in five seconds.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // After a lost connection the next try comes soon: an etcd that restarts is away for a second or two.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Answers are bounded by the limits of the seam, not by the 4 MiB that gRPC assumes.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // Calls are repeated by those who know whether they may be.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // Each Coord has its own connection, and closes it. A proxy for HTTP is none for etcd.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
};

/** Opens etcd3's pool, whose clients know their service's definitions; it is protected there. */
class EtcdClientFactory extends Etcd3 {
  client(service: keyof typeof Services): Promise<Client> {
    return this.pool.withConnection(service, ({ client }) => client);
  }
}

/** One connection to one address; see the head of this file. */
export class EtcdEndpoint {
  readonly address: string;
  readonly methods: EtcdMethods;
  readonly #factory: EtcdClientFactory;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #calls = new Set<{ cancel(): void }>();
  #isClosed = false;

  private constructor(
    options: EndpointOptions,
    made: { factory: EtcdClientFactory; client: Client; methods: EtcdMethods },
  ) {
    this.address = options.address;
    this.#clock = options.clock;
    this.#factory = made.factory;
    this.#client = made.client;
    this.methods = made.methods;
  }

  /** Makes the client; nothing connects yet. */
  static async create(options: EndpointOptions): Promise<EtcdEndpoint> {
    const factory = new EtcdClientFactory(etcd3Options(options));
    const kv = await factory.client('KV');
    const methods = methodsOf({
      kv,
      lease: await factory.client('Lease'),
      watch: await factory.client('Watch'),
      auth: await factory.client('Auth'),
    });
    return new EtcdEndpoint(options, { factory, client: kv, methods });
  }

  /**
   * Waits for the end of an attempt to connect, however it ends; a call that follows a failed one
   * fails at once and says why. Rejects with an unreachable CallFailure when none ended in time.
   */
  async settle(timeoutMs: number): Promise<void> {
    const channel = this.#client.getChannel();
    const deadline = new Date(this.#clock.nowUnixMs() + timeoutMs);
    let state = channel.getConnectivityState(false);
    while (state === connectivityState.IDLE || state === connectivityState.CONNECTING) {
      // Asking also starts the attempt.
      const before = channel.getConnectivityState(true);
      const hasChanged = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(before, deadline, (error) => resolve(!error));
      });
      if (!hasChanged) {
        throw this.#failure('unreachable', status.UNAVAILABLE, `no answer within ${timeoutMs} ms`);
      }
      state = channel.getConnectivityState(false);
    }
    if (state === connectivityState.SHUTDOWN) throw this.#closed();
  }

  /** Sends one request once. Rejects with a {@link CallFailure}. */
  unary<Request, Response>(
    method: EtcdMethod<Request, Response>,
    request: Request,
    call: EndpointCall,
  ): Promise<Response> {
    if (this.#isClosed) return Promise.reject(this.#closed());
    return new Promise((resolve, reject) => {
      const answered = (error: ServiceError | null, response?: Response): void => {
        done();
        if (error) reject(this.#failed(error));
        else if (response === undefined) reject(this.#failed(emptyAnswer));
        else resolve(response);
      };
      const { path, serialize, deserialize } = method;
      const running = this.#client.makeUnaryRequest(
        path,
        serialize,
        deserialize,
        request,
        call.metadata,
        this.#callOptions(call),
        answered,
      );
      const done = this.#track(running, call.signal);
    });
  }

  /** Sends one request over a two-way stream and takes its first answer. Rejects with a {@link CallFailure}. */
  exchange<Request, Response>(
    method: EtcdMethod<Request, Response>,
    request: Request,
    call: EndpointCall,
  ): Promise<Response> {
    if (this.#isClosed) return Promise.reject(this.#closed());
    return new Promise((resolve, reject) => {
      const stream = this.stream(method, call.metadata, this.#callOptions(call));
      const done = this.#track(stream, call.signal);
      const fail = (error: unknown): void => {
        done();
        reject(this.#failed(error));
      };
      stream.once('data', (response: Response) => {
        done();
        resolve(response);
        // Stays an error listener, because cancelling makes the stream report one.
        stream.cancel();
      });
      stream.on('error', fail);
      stream.once('end', () => fail(emptyAnswer));
      stream.write(request);
      stream.end();
    });
  }

  /** Opens a two-way stream; its errors come as events, see {@link failureOf}. */
  stream<Request, Response>(
    method: EtcdMethod<Request, Response>,
    metadata: Metadata,
    options: CallOptions = {},
  ): ClientDuplexStream<Request, Response> {
    if (this.#isClosed) throw this.#closed();
    const { path, serialize, deserialize } = method;
    return this.#client.makeBidiStreamRequest(path, serialize, deserialize, metadata, options);
  }

  /** What a stream's `error` event means. */
  failureOf(error: unknown): CallFailure {
    return this.#failed(error);
  }

  /** Fails every running call and closes the connection. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const call of this.#calls) call.cancel();
    // Closed here first: etcd3 would wait for up to a second for a connection that is being made.
    this.#client.close();
    this.#factory.close();
  }

  #callOptions(call: EndpointCall): CallOptions {
    return { deadline: new Date(this.#clock.nowUnixMs() + call.deadlineMs) };
  }

  /** Lets `close` and the caller's signal cancel a call; returns what ends that. */
  #track(running: { cancel(): void }, signal: AbortSignal | undefined): () => void {
    const cancel = (): void => running.cancel();
    this.#calls.add(running);
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted) cancel();
    return () => {
      this.#calls.delete(running);
      signal?.removeEventListener('abort', cancel);
    };
  }

  #failed(error: unknown): CallFailure {
    if (error instanceof CallFailure) return error;
    if (isServiceError(error)) return this.#failure(kindOf(error), error.code, error.details);
    const details = error instanceof Error ? error.message : String(error);
    return this.#failure('unanswered', status.UNKNOWN, details);
  }

  #closed(): CallFailure {
    return this.#failure('unreachable', status.UNAVAILABLE, 'the client was stopped');
  }

  #failure(kind: CallFailure['kind'], code: number, details: string): CallFailure {
    return new CallFailure(kind, { status: code, details, endpoint: this.address });
  }
}

const emptyAnswer = { code: status.INTERNAL, details: 'the answer was empty' };

function isServiceError(error: unknown): error is { code: number; details: string } {
  if (typeof error !== 'object' || error === null) return false;
  return (
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    typeof error.details === 'string'
  );
}

function etcd3Options({ address, tls }: EndpointOptions): IOptions {
  const options: IOptions = { hosts: address, grpcOptions: CHANNEL_OPTIONS };
  if (!tls) return options;
  const credentials: IOptions['credentials'] = { rootCertificate: tls.ca };
  if (tls.key) credentials.privateKey = tls.key;
  if (tls.cert) credentials.certChain = tls.cert;
  return { ...options, hosts: `https://${address}`, credentials };
}
