/**
 * The gRPC server: JobService, FlowService and WorkerService over a board, with health and
 * reflection beside them.
 *
 * Owns the listening socket, the calls and the streams. Doesn't own the board or its store: the
 * caller starts them before and stops them after. It keeps nothing of its own, so that any number
 * of servers may stand on one store.
 *
 * N1. It never listens where strangers can reach it unless a token or TLS keeps them out, or its
 *     caller has said that something else does.
 * N2. `stop` takes no new calls, ends every stream so that clients open it elsewhere, lets calls
 *     finish for `limits.stopGraceMs`, then cuts the connections. What calls still do by then, such
 *     as a write that waits for the store, gets the same time again.
 * N3. Start and stop take turns: calling either again, or both at once, does no harm.
 * N4. The health service says NOT_SERVING while the store takes no writes, and when it stops.
 */
import { Server as GrpcServer, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import type { Board } from '@holdfast/board';
import {
  type Clock,
  FailedPreconditionError,
  InvalidArgumentError,
  type Logger,
  type Service,
  silentLogger,
  sleep,
  systemClock,
} from '@holdfast/core';
import { FlowService, grpcServiceDefinition, JobService, WorkerService } from '@holdfast/wire';
import { HealthImplementation } from 'grpc-health-check';
import { FlowDirectory } from './flow-directory.ts';
import { createFlowService } from './flow-service.ts';
import { InputSchemas } from './input-schemas.ts';
import { createJobService } from './job-service.ts';
import { checkListenAddress, formatAddress, type ListenAddress } from './listen-policy.ts';
import { OpenStreams } from './open-streams.ts';
import { PostGate } from './post-gate.ts';
import { addReflection } from './reflection.ts';
import { RunningCalls } from './running-calls.ts';
import { SERVER_LIMITS, type ServerLimits } from './server-limits.ts';
import { StoreHealth } from './store-health.ts';
import { tokenCheck } from './token-check.ts';
import { createWorkerService } from './worker-service.ts';

/** A certificate and its key, in PEM. */
export interface ServerTls {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** Clients have to show a certificate that one of these authorities signed. */
  readonly clientCa?: string | Buffer | undefined;
}

export interface CreateServerOptions {
  readonly board: Board;
  readonly listen: ListenAddress;
  /** Calls have to carry it as `authorization: Bearer <token>`; health checks needn't. */
  readonly token?: string | undefined;
  readonly tls?: ServerTls | undefined;
  /** Listen beyond loopback without token and TLS, in a network that is closed by other means. */
  readonly insecure?: boolean | undefined;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  /** Default: {@link SERVER_LIMITS}. */
  readonly limits?: Partial<ServerLimits> | undefined;
}

/**
 * A server that is ready to be started. Throws InvalidArgumentError for an address that can't be, or
 * must not be, listened on (N1), and for an empty token.
 */
export function createServer(options: CreateServerOptions): Server {
  if (options.token === '') {
    throw new InvalidArgumentError('token', { value: '', allowed: 'a secret, or none at all' });
  }
  checkListenAddress(options.listen, {
    hasToken: options.token !== undefined,
    hasTls: options.tls !== undefined,
    isInsecure: options.insecure === true,
  });
  return new Server(options);
}

interface RunningServer {
  readonly grpc: GrpcServer;
  readonly health: HealthImplementation;
  readonly storeHealth: StoreHealth;
  readonly streams: OpenStreams;
  readonly calls: RunningCalls;
  readonly address: string;
}

const SERVICES = [JobService, FlowService, WorkerService] as const;

/** See the head of this file; made by {@link createServer}. */
export class Server implements Service {
  readonly #options: CreateServerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limits: ServerLimits;
  #running: RunningServer | undefined;
  #lastChange: Promise<void> = Promise.resolve();

  constructor(options: CreateServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#limits = { ...SERVER_LIMITS, ...options.limits };
  }

  /** Where the server listens, with the port it was given. Throws FailedPreconditionError unless it runs. */
  get address(): string {
    if (!this.#running)
      throw new FailedPreconditionError('the server does not run; start it first');
    return this.#running.address;
  }

  /** Throws FailedPreconditionError when the address is taken or can't be listened on. */
  start(): Promise<void> {
    return this.#change(async () => {
      if (this.#running) return;
      this.#running = await this.#open();
      this.#logger.info({ address: this.#running.address }, 'the server listens');
    });
  }

  /** N2. */
  stop(): Promise<void> {
    return this.#change(async () => {
      if (!this.#running) return;
      await this.#close(this.#running);
      this.#running = undefined;
      this.#logger.info({}, 'the server has stopped');
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** N3. */
  #change(step: () => Promise<void>): Promise<void> {
    const change = this.#lastChange.then(step);
    // Whoever asked for the change learns of its failure; the next change starts from there.
    this.#lastChange = change.catch(() => undefined);
    return change;
  }

  async #open(): Promise<RunningServer> {
    const streams = new OpenStreams();
    const calls = new RunningCalls();
    const grpc = new GrpcServer(this.#grpcOptions(streams));
    this.#addServices(grpc, calls);
    const health = new HealthImplementation(servingStatus('SERVING'));
    health.addToServer(grpc);
    addReflection(grpc);
    const { host } = this.#options.listen;
    const port = await bind(grpc, formatAddress(this.#options.listen), this.#credentials());
    const storeHealth = this.#watchStore(health);
    await storeHealth.start();
    return { grpc, health, storeHealth, streams, calls, address: formatAddress({ host, port }) };
  }

  #addServices(grpc: GrpcServer, running: RunningCalls): void {
    const { board } = this.#options;
    const [clock, logger] = [this.#clock, this.#logger];
    const flows = new FlowDirectory({ board, clock });
    const { postingJobs: jobs, postingBytes: bytes } = this.#limits;
    const gate = new PostGate({ jobs, bytes });
    const parts = { board, clock, logger, running, flows, gate, schemas: new InputSchemas() };
    grpc.addService(grpcServiceDefinition(JobService), createJobService(parts));
    grpc.addService(grpcServiceDefinition(FlowService), createFlowService(parts));
    grpc.addService(grpcServiceDefinition(WorkerService), createWorkerService(parts));
  }

  #grpcOptions(streams: OpenStreams): ServerOptions {
    const { token } = this.#options;
    const limits = this.#limits;
    return {
      interceptors: [...(token === undefined ? [] : [tokenCheck(token)]), streams.interceptor],
      'grpc.max_receive_message_length': limits.requestBytes,
      'grpc.max_send_message_length': limits.responseBytes,
      'grpc.max_concurrent_streams': limits.callsPerConnection,
      'grpc.keepalive_time_ms': limits.keepaliveMs,
      'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
      // With channelz switched off, grpc-js forgets its connections and can't cut them when forced.
      'grpc.enable_channelz': 1,
    };
  }

  #credentials(): ServerCredentials {
    const { tls } = this.#options;
    if (!tls) return ServerCredentials.createInsecure();
    const clientCa = tls.clientCa === undefined ? null : Buffer.from(tls.clientCa);
    const pair = { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) };
    return ServerCredentials.createSsl(clientCa, [pair], clientCa !== null);
  }

  /** N4. */
  #watchStore(health: HealthImplementation): StoreHealth {
    const { board } = this.#options;
    return new StoreHealth({
      probe: (options) => board.probe(options),
      intervalMs: this.#limits.storeProbeMs,
      changed: (isWell) => setStatus(health, isWell ? 'SERVING' : 'NOT_SERVING'),
      clock: this.#clock,
      logger: this.#logger,
    });
  }

  async #close({ grpc, health, storeHealth, streams, calls }: RunningServer): Promise<void> {
    const { stopGraceMs } = this.#limits;
    await storeHealth.stop();
    setStatus(health, 'NOT_SERVING');
    const closed = new AbortController();
    const shutdown = new Promise<void>((resolve) => {
      grpc.tryShutdown(() => {
        closed.abort();
        resolve();
      });
    });
    streams.endAll();
    await Promise.race([shutdown, sleep(this.#clock, stopGraceMs, { signal: closed.signal })]);
    grpc.forceShutdown();
    // The callers of these calls are gone; the calls themselves end with the store's own limits.
    await calls.settled(this.#clock, stopGraceMs);
    if (calls.count > 0) {
      this.#logger.warn({ calls: calls.count }, 'the server stopped while calls still ran');
    }
  }
}

function setStatus(health: HealthImplementation, status: 'SERVING' | 'NOT_SERVING'): void {
  for (const [service, one] of Object.entries(servingStatus(status))) {
    health.setStatus(service, one);
  }
}

function servingStatus(status: 'SERVING' | 'NOT_SERVING'): Record<string, typeof status> {
  const services = ['', ...SERVICES.map(({ typeName }) => typeName)];
  return Object.fromEntries(services.map((service) => [service, status]));
}

function bind(grpc: GrpcServer, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    grpc.bindAsync(address, credentials, (error, port) => {
      if (!error) return resolve(port);
      reject(
        new FailedPreconditionError(
          `cannot listen on ${address}: ${listenProblem(error)}; choose another address or port`,
          { cause: error },
        ),
      );
    });
  });
}

/** What the system said; grpc-js puts it in brackets behind words of its own. */
function listenProblem({ message }: Error): string {
  return /\[(?<said>[^\]]+)\]$/.exec(message)?.groups?.['said'] ?? message;
}
