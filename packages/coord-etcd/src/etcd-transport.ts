// Calls of an etcd cluster: which member to ask, with which token, and when to ask again.
//
// It owns the connections and the token. It repeats a call only when the first one certainly was not
// done: there was no connection, a member refused because it has no leader, or the token had expired.
// What a failure means to a caller is call-failure.ts.
//
// Invariants:
//   I1. No request is sent again after a failure that leaves open whether it was done.
//   I2. A call ends within its deadline, plus one attempt to connect.
//   I3. All calls go to one member until it fails one; then to the next in line.
import { type ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import type { Clock, Logger, Random } from '@holdfast/core';
import { assert } from '@holdfast/core';
import { CallFailure, REFUSAL, wantsNewToken, wantsOtherEndpoint } from './call-failure.ts';
import { type EndpointCall, EtcdEndpoint, type TlsMaterial } from './etcd-endpoint.ts';
import type { EtcdMethods, RequestOf, ResponseOf } from './etcd-methods.ts';

/** How long any one call of etcd may take, in milliseconds. */
export const CALL_DEADLINE_MS = 5000;
/** How long one attempt to connect may take by default, in milliseconds. */
export const DEFAULT_DIAL_TIMEOUT_MS = 3000;
/** How often one call may ask for a new token before it fails. */
const MAX_TOKEN_RENEWALS = 1;

export interface TransportOptions {
  /** HOST:PORT of each member. */
  readonly endpoints: readonly string[];
  readonly auth?: { readonly user: string; readonly password: string } | undefined;
  readonly tls?: TlsMaterial | undefined;
  readonly dialTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface TransportCallOptions {
  /** Milliseconds; default {@link CALL_DEADLINE_MS}. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The methods that take one request and give one answer. */
export type UnaryMethod = Exclude<keyof EtcdMethods, 'watch' | 'leaseKeepAlive'>;

/** An open watch stream and how to read its errors. */
export interface WatchCall {
  readonly stream: ClientDuplexStream<RequestOf<'watch'>, ResponseOf<'watch'>>;
  failureOf(error: unknown): CallFailure;
}

/** Talks to an etcd cluster; see the head of this file. */
export class EtcdTransport {
  readonly #options: TransportOptions;
  readonly #endpoints: readonly EtcdEndpoint[];
  #current: number;
  #metadata: Promise<Metadata> | undefined;

  private constructor(options: TransportOptions, endpoints: readonly EtcdEndpoint[]) {
    this.#options = options;
    this.#endpoints = endpoints;
    // Each process starts somewhere else, so that not all of them load the same member.
    this.#current = Math.floor(options.random.next() * endpoints.length);
  }

  /** Makes the clients; nothing connects yet. */
  static async create(options: TransportOptions): Promise<EtcdTransport> {
    const { tls, clock } = options;
    const endpoints = await Promise.all(
      options.endpoints.map((address) => EtcdEndpoint.create({ address, tls, clock })),
    );
    return new EtcdTransport(options, endpoints);
  }

  /** One request, one answer. Rejects with a {@link CallFailure}. */
  unary<Name extends UnaryMethod>(
    name: Name,
    request: RequestOf<Name>,
    options: TransportCallOptions = {},
  ): Promise<ResponseOf<Name>> {
    return this.#withEndpoint(options, (endpoint, call) => {
      const method = endpoint.methods[name];
      // The compiler does not see that a method found by a name takes what that name's requests are.
      return endpoint.unary<unknown, unknown>(method as never, request, call) as Promise<
        ResponseOf<Name>
      >;
    });
  }

  /** Renews one lease: one request and one answer over a stream of their own. */
  keepAlive(leaseId: bigint, options: TransportCallOptions): Promise<ResponseOf<'leaseKeepAlive'>> {
    return this.#withEndpoint(options, (endpoint, call) =>
      endpoint.exchange(endpoint.methods.leaseKeepAlive, { ID: leaseId.toString() }, call),
    );
  }

  /** Opens a watch stream, which has no deadline. Rejects with a {@link CallFailure}. */
  watch(): Promise<WatchCall> {
    return this.#withEndpoint({}, (endpoint, call) => ({
      stream: endpoint.stream(endpoint.methods.watch, call.metadata),
      failureOf: (error) => endpoint.failureOf(error),
    }));
  }

  /** After a stream failed: where the next one goes, and with which token. */
  noteStreamFailure(failure: CallFailure | undefined): void {
    this.#forgetToken();
    const endpoint = this.#endpoints.find((one) => one.address === failure?.endpoint);
    if (endpoint) this.#leave(endpoint);
  }

  /** Fails what is running and closes all connections. */
  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close();
  }

  async #withEndpoint<Result>(
    options: TransportCallOptions,
    run: (endpoint: EtcdEndpoint, call: EndpointCall) => Promise<Result> | Result,
  ): Promise<Result> {
    const { clock } = this.#options;
    const endsAtMs = clock.monotonicMs() + (options.deadlineMs ?? CALL_DEADLINE_MS);
    let triesLeft = this.#endpoints.length;
    let renewalsLeft = MAX_TOKEN_RENEWALS;
    for (;;) {
      const endpoint = this.#endpoint();
      try {
        await endpoint.settle(this.#options.dialTimeoutMs);
        const metadata = await this.#authenticated(endpoint);
        const deadlineMs = Math.max(1, endsAtMs - clock.monotonicMs());
        return await run(endpoint, { metadata, deadlineMs, signal: options.signal });
      } catch (error) {
        if (!(error instanceof CallFailure)) throw error;
        if (wantsNewToken(error) && renewalsLeft > 0) {
          renewalsLeft -= 1;
          this.#forgetToken();
          continue;
        }
        if (!wantsOtherEndpoint(error) || options.signal?.aborted) throw error;
        this.#leave(endpoint);
        if (error.kind === 'unanswered') throw error; // I1
        triesLeft -= 1;
        if (triesLeft === 0) throw this.#failureOfAll(error);
        if (clock.monotonicMs() >= endsAtMs) throw error; // I2
      }
    }
  }

  #endpoint(): EtcdEndpoint {
    const endpoint = this.#endpoints[this.#current];
    assert(endpoint, 'there is at least one endpoint');
    return endpoint;
  }

  /** Goes on to the next endpoint, unless another call has done so already. */
  #leave(endpoint: EtcdEndpoint): void {
    if (this.#endpoint() !== endpoint) return;
    this.#current = (this.#current + 1) % this.#endpoints.length;
  }

  /** The last failure, with the names of all that were asked. */
  #failureOfAll({ kind, status, details }: CallFailure): CallFailure {
    return new CallFailure(kind, { status, details, endpoint: this.#options.endpoints.join(', ') });
  }

  #forgetToken(): void {
    this.#metadata = undefined;
  }

  #authenticated(endpoint: EtcdEndpoint): Promise<Metadata> | Metadata {
    if (this.#metadata) return this.#metadata;
    const metadata = this.#authenticate(endpoint);
    this.#metadata = metadata;
    // Whoever waits for it hears of its failure; the next call tries again.
    metadata.catch(() => this.#metadata === metadata && this.#forgetToken());
    return metadata;
  }

  async #authenticate(endpoint: EtcdEndpoint): Promise<Metadata> {
    // A member that is cut off from the others then says so at once, instead of hanging or, for a
    // watch, of staying silent for ever.
    const metadata = new Metadata();
    metadata.set('hasleader', 'true');
    const { auth, logger } = this.#options;
    if (!auth) return metadata;
    try {
      const { token } = await endpoint.unary(
        endpoint.methods.authenticate,
        { name: auth.user, password: auth.password },
        { metadata, deadlineMs: CALL_DEADLINE_MS },
      );
      metadata.set('token', token);
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      if (error.kind === 'unanswered') throw asUnreachable(error);
      if (error.details !== REFUSAL.authenticationOff) throw error;
      logger.warn({ endpoint: endpoint.address }, 'etcd has authentication off; going on without');
    }
    return metadata;
  }
}

/** The request that needed the token was never sent, whatever became of the one for the token. */
function asUnreachable({ status, details, endpoint }: CallFailure): CallFailure {
  return new CallFailure('unreachable', { status, details, endpoint });
}
