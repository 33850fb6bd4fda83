// A TCP proxy that makes a link between two processes bad, and good again.
//
// It owns one listening port and passes what it is sent on to one address. It knows nothing of what it
// carries, except where `sourceOf` tells it who is calling from the first bytes of a connection: then a
// fault can concern one caller alone. A caller that can't be told is refused while any fault is on.
//
// Invariants:
//   P1. Bytes of a connection arrive in order and without gaps, or the connection ends. A connection
//       of which a fault has swallowed bytes is cut when that fault is lifted.
//   P2. While a link is held, a connection keeps at most HELD_BYTES_MAX in memory; beyond that the
//       sender is left waiting, as by a full network.
//   P3. Several faults at once act like the worst of them.
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What is wrong with a link. */
export type LinkFault =
  /** Connections are reset, and new ones too: a firewall that rejects. */
  | { readonly kind: 'cut' }
  /** Connections stay open and nothing passes; what was sent arrives once it is over. */
  | { readonly kind: 'half-open' }
  /** Requests arrive, answers are lost. */
  | { readonly kind: 'drop answers' }
  /** Everything arrives so much later, in milliseconds. */
  | { readonly kind: 'delay'; readonly ms: number };

export interface FaultProxyOptions {
  /** HOST:PORT of the other side. It needn't listen yet. */
  readonly target: string;
  /** The name of the caller, from the first bytes that it sends. */
  readonly sourceOf?: ((head: Buffer) => string | undefined) | undefined;
  /**
   * For so long the other side is asked again when nobody listens there, in milliseconds; default: not at
   * all. A proxy can't refuse a connection that it has accepted, so to a caller who would have tried
   * again after a refusal it would otherwise look like a server that hangs up.
   */
  readonly patienceMs?: number | undefined;
}

const REDIAL_MS = 20;

const HELD_BYTES_MAX = 1_048_576;

const SEVERITY: readonly LinkFault['kind'][] = ['delay', 'drop answers', 'half-open', 'cut'];

interface ActiveFault {
  readonly fault: LinkFault;
  /** Absent: every caller. */
  readonly source: string | undefined;
}

/** See the head of this file. */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: FaultProxyOptions;
  readonly #links = new Set<Link>();
  readonly #faults = new Set<ActiveFault>();
  /** Callers that have no link yet: they haven't told who they are, or the other side is being reached. */
  readonly #waiting = new Set<Socket>();

  private constructor(options: FaultProxyOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  static async open(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** HOST:PORT to connect to. */
  get address(): string {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the proxy does not listen');
    return `127.0.0.1:${bound.port}`;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#links.size;
  }

  /** Puts a fault on the link, for one caller or for all; the returned function lifts it. */
  inject(fault: LinkFault, source?: string): () => void {
    const active: ActiveFault = { fault, source };
    this.#faults.add(active);
    this.#update();
    return () => {
      if (this.#faults.delete(active)) this.#update();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links) link.end();
    for (const client of this.#waiting) client.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #update(): void {
    for (const link of this.#links) link.setFault(this.#faultFor(link.source));
  }

  /** P3. */
  #faultFor(source: string | undefined): LinkFault | undefined {
    const isUnknown = this.#options.sourceOf !== undefined && source === undefined;
    if (isUnknown && this.#faults.size > 0) return { kind: 'cut' };
    const all = [...this.#faults].filter(
      (one) => one.source === undefined || one.source === source,
    );
    return all
      .map(({ fault }) => fault)
      .toSorted(bySeverity)
      .at(-1);
  }

  #accept(client: Socket): void {
    const { sourceOf } = this.#options;
    client.on('error', () => client.destroy());
    this.#waiting.add(client);
    client.once('close', () => this.#waiting.delete(client));
    if (!sourceOf) return this.#reach(client, {});
    const leave = (): void => void client.destroy();
    client.once('end', leave);
    client.once('data', (head: Buffer) => {
      client.off('end', leave);
      client.pause();
      this.#reach(client, { source: sourceOf(head), head });
    });
  }

  /** Connects to the other side, and lets the two talk. */
  #reach(client: Socket, caller: Caller): void {
    const { target, patienceMs = 0 } = this.#options;
    if (this.#faultFor(caller.source)?.kind === 'cut') return void client.resetAndDestroy();
    if (patienceMs === 0) return this.#join(client, dial(target), caller);
    const untilMs = performance.now() + patienceMs;
    const attempt = (): void => {
      const upstream = dial(target);
      const refused = (): void => {
        if (client.destroyed || performance.now() > untilMs) client.destroy();
        else setTimeout(attempt, REDIAL_MS);
      };
      upstream.once('error', refused);
      upstream.once('connect', () => {
        upstream.off('error', refused);
        this.#join(client, upstream, caller);
      });
    };
    attempt();
  }

  #join(client: Socket, upstream: Socket, caller: Caller): void {
    this.#waiting.delete(client);
    const fault = this.#faultFor(caller.source);
    const link = new Link(client, upstream, {
      ...caller,
      closed: () => this.#links.delete(link),
    });
    this.#links.add(link);
    if (client.destroyed) link.end();
    else link.setFault(fault);
  }
}

/** What is known of whoever has connected. */
interface Caller {
  readonly source?: string | undefined;
  /** The bytes from which that is known. */
  readonly head?: Buffer | undefined;
}

function dial(target: string): Socket {
  const cut = target.lastIndexOf(':');
  const [host, port] = [target.slice(0, cut), Number(target.slice(cut + 1))];
  return connect({ host, port, allowHalfOpen: true });
}

function bySeverity(a: LinkFault, b: LinkFault): number {
  return SEVERITY.indexOf(a.kind) - SEVERITY.indexOf(b.kind);
}

/** One connection through the proxy. */
class Link {
  readonly source: string | undefined;
  readonly #sockets: readonly [Socket, Socket];
  readonly #requests: Lane;
  readonly #answers: Lane;
  readonly #closed: () => void;
  #fault: LinkFault | undefined;

  constructor(client: Socket, upstream: Socket, options: Caller & { readonly closed: () => void }) {
    this.source = options.source;
    this.#closed = options.closed;
    this.#sockets = [client, upstream];
    for (const socket of this.#sockets) {
      socket.setNoDelay(true);
      socket.on('error', () => this.end());
      socket.on('close', () => this.end());
    }
    this.#requests = new Lane(client, upstream);
    this.#answers = new Lane(upstream, client);
    if (options.head) this.#requests.take(options.head);
  }

  setFault(fault: LinkFault | undefined): void {
    const before = this.#fault;
    this.#fault = fault;
    if (fault?.kind === 'cut') return this.end();
    if (before?.kind === 'drop answers' && fault?.kind !== 'drop answers') {
      if (this.#answers.hasSwallowed) return this.end(); // P1
    }
    this.#requests.setMode(requestMode(fault));
    this.#answers.setMode(answerMode(fault));
  }

  end(): void {
    this.#requests.close();
    this.#answers.close();
    for (const socket of this.#sockets) if (!socket.destroyed) socket.resetAndDestroy();
    this.#closed();
  }
}

type LaneMode =
  | { readonly kind: 'pass'; readonly delayMs: number }
  | { readonly kind: 'hold' }
  | { readonly kind: 'swallow' };

function requestMode(fault: LinkFault | undefined): LaneMode {
  if (fault?.kind === 'half-open') return { kind: 'hold' };
  return { kind: 'pass', delayMs: fault?.kind === 'delay' ? fault.ms : 0 };
}

function answerMode(fault: LinkFault | undefined): LaneMode {
  return fault?.kind === 'drop answers' ? { kind: 'swallow' } : requestMode(fault);
}

/** One direction of a connection. */
class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #queue: { readonly chunk: Buffer | 'end'; readonly dueMs: number }[] = [];
  #mode: LaneMode = { kind: 'pass', delayMs: 0 };
  #queuedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isWaitingForDrain = false;
  #isClosed = false;
  #hasSwallowed = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => this.take(chunk));
    from.on('end', () => this.#add('end'));
    to.on('drain', () => {
      this.#isWaitingForDrain = false;
      this.#pump();
    });
  }

  get hasSwallowed(): boolean {
    return this.#hasSwallowed;
  }

  take(chunk: Buffer): void {
    if (this.#mode.kind === 'swallow') this.#hasSwallowed = true;
    else this.#add(chunk);
  }

  setMode(mode: LaneMode): void {
    this.#mode = mode;
    this.#pump();
  }

  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
    clearTimeout(this.#timer);
  }

  #add(chunk: Buffer | 'end'): void {
    if (this.#isClosed) return;
    const delayMs = this.#mode.kind === 'pass' ? this.#mode.delayMs : 0;
    this.#queue.push({ chunk, dueMs: performance.now() + delayMs });
    this.#queuedBytes += chunk === 'end' ? 0 : chunk.length;
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    while (!this.#isClosed && this.#mode.kind === 'pass' && !this.#isWaitingForDrain) {
      const [next] = this.#queue;
      if (!next) break;
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), waitMs);
        break;
      }
      this.#queue.shift();
      this.#send(next.chunk);
    }
    // P2.
    if (this.#queuedBytes >= HELD_BYTES_MAX) this.#from.pause();
    else if (this.#from.isPaused()) this.#from.resume();
  }

  #send(chunk: Buffer | 'end'): void {
    if (chunk === 'end') {
      this.#to.end();
      return;
    }
    this.#queuedBytes -= chunk.length;
    this.#isWaitingForDrain = !this.#to.write(chunk);
  }
}
