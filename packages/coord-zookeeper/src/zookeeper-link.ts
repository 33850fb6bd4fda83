// One session of ZooKeeper, over one connection at a time.
//
// node-zookeeper-client connects, logs in, pings, and connects again to this or another server for as
// long as the session lives. Requests and answers are written and read here: the client queues
// requests while there is no connection and sends them later, which is no good for commits; it stops
// reading at an answer to `sync`; and it copies what it has received once for each answer in it.
//
// Invariants:
//   L1. A request is written once, on a connection that stands, or not at all (`unreachable`). When
//       the connection ends before the answer, the request is `unanswered`.
//   L2. Requests are answered in the order in which they were written; anything else ends the
//       connection.
//   L3. A connection on which a request waits longer than CALL_DEADLINE_MS for its answer is ended, so
//       that another server is tried. The client itself never notices a peer that is silent.
//   L4. A link whose session is over, by whatever way, stays so. `ended` tells once.
//   L5. The last transaction seen goes with each new connection: a server that is behind it is passed
//       over, so what this link reads never goes back in time.
import type { Clock, Random, Timer } from '@holdfast/core';
import { jitter } from '@holdfast/core';
import { CallFailure } from './call-failure.ts';
import { FrameReader } from './frame-reader.ts';
import { FAULT } from './messages.ts';
import {
  type Client,
  type ConnectionManager,
  createZooKeeperClient,
  type Server,
} from './zookeeper-client.ts';

/** How long an answer may take, in milliseconds, before the connection is ended. */
export const CALL_DEADLINE_MS = 5000;
/** How long the end of a session may take in order. */
const CLOSE_DEADLINE_MS = 2000;
/** How long to wait once every server was tried in vain, in milliseconds, give or take a half. */
const ROUND_PAUSE_MS = 300;

/** The client's states (ConnectionManager.STATES). */
const STATE = {
  connecting: 1,
  connected: 2,
  readOnly: 3,
  closing: -1,
  closed: -2,
  expired: -3,
  refused: -4,
} as const;

/** Codes that stand in the place of a request's number in what is not an answer to one. */
const XID = { event: -1, ping: -2, authentication: -4 } as const;
const HEADER_BYTES = 16;
/** A number that no request of ours is given: the client's own, for closing the session. */
const FIRST_XID = 1;
const MAX_XID = 2 ** 31 - 1;

export interface LinkOptions {
  /** HOST:PORT of each server. */
  readonly servers: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly auth?: { readonly user: string; readonly password: string } | undefined;
  /** How long one attempt to connect and log in may take, in milliseconds. */
  readonly dialTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Called each time a connection stands and requests can be sent. */
  readonly onConnected?: (() => void) | undefined;
  /** Called with the message of each event of a watch. */
  readonly onEvent?: ((body: Buffer) => void) | undefined;
}

/** Why a link can't be used any more. */
export type LinkEnd = 'expired' | 'refused' | 'closed';

interface Pending {
  readonly xid: number;
  /** On the monotonic clock. */
  readonly sentAtMs: number;
  settle(outcome: Buffer | CallFailure): void;
}

interface Waiter {
  resolve(): void;
  reject(failure: CallFailure): void;
}

/** See the head of this file. */
export class ZooKeeperLink {
  readonly #options: LinkOptions;
  readonly #servers: string;
  readonly #client: Client;
  readonly #manager: ConnectionManager;
  readonly #ended = Promise.withResolvers<LinkEnd>();
  readonly #waiters = new Set<Waiter>();
  readonly #frames = new FrameReader();
  #pending: Pending[] = [];
  #pendingHead = 0;
  #unwritten: Buffer[] = [];
  #xid = FIRST_XID;
  #isConnected = false;
  #end: LinkEnd | undefined;
  #lastProblem = 'no connection yet';
  #failedTries = 0;
  #dialedAtMs = 0;
  #nextServer: number;
  #dialTimer: Timer | undefined;
  #pauseTimer: Timer | undefined;
  #deadlineTimer: Timer | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#servers = options.servers.join(',');
    this.#nextServer = Math.floor(options.random.next() * options.servers.length);
    this.#client = createZooKeeperClient(this.#servers, options.sessionTimeoutMs);
    this.#manager = this.#client.connectionManager;
    if (options.auth) {
      const { user, password } = options.auth;
      this.#client.addAuthInfo('digest', Buffer.from(`${user}:${password}`));
    }
    this.#takeOver();
    this.#client.connect();
  }

  /** The session's id as ZooKeeper's tools show it, without 0x; known once it was connected. */
  get sessionId(): string {
    return this.sessionNumber.toString(16);
  }

  get sessionNumber(): bigint {
    return this.#client.getSessionId().readBigInt64BE();
  }

  /** What the server granted, in milliseconds; known once it was connected. */
  get sessionTimeoutMs(): number {
    return this.#client.getSessionTimeout();
  }

  /** When the present connection was asked for, on the monotonic clock: the session was not granted before. */
  get dialedAtMs(): number {
    return this.#dialedAtMs;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Resolves once the link can't be used any more, with the reason (L4). */
  get ended(): Promise<LinkEnd> {
    return this.#ended.promise;
  }

  /** Resolves once a connection stands; fails after `limitMs`, or as soon as the session is over. */
  connected(limitMs: number): Promise<void> {
    if (this.#isConnected) return Promise.resolve();
    if (this.#end) return Promise.reject(this.#endFailure(this.#end));
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        timer.cancel();
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        resolve() {
          finish();
          resolve();
        },
        reject(failure) {
          finish();
          reject(failure);
        },
      };
      const timer = this.#options.clock.startTimer(limitMs, () =>
        waiter.reject(this.#failure('unreachable', this.#lastProblem)),
      );
      this.#waiters.add(waiter);
    });
  }

  /** Sends one request now and resolves with the body of its answer; rejects with a CallFailure. */
  request(type: number, body: Buffer): Promise<Buffer> {
    if (!this.#isConnected) {
      const failure = this.#end
        ? this.#endFailure(this.#end)
        : this.#failure('unreachable', this.#lastProblem);
      return Promise.reject(failure);
    }
    return new Promise((resolve, reject) => {
      const xid = this.#nextXid();
      this.#pending.push({
        xid,
        sentAtMs: this.#options.clock.monotonicMs(),
        settle: (outcome) => (Buffer.isBuffer(outcome) ? resolve(outcome) : reject(outcome)),
      });
      this.#write(xid, type, body);
      this.#armDeadline();
    });
  }

  /** Ends the present connection, if there is one; the client opens another one. */
  reconnect(why: string): void {
    this.#lastProblem = why;
    this.#manager.socket?.destroy();
  }

  /** Ends the session at ZooKeeper, with its nodes; rejects when that can't be told to it. */
  async close(): Promise<void> {
    if (this.#end) return;
    if (!this.#isConnected) {
      this.abandon();
      throw this.#failure('unreachable', this.#lastProblem);
    }
    this.#flush();
    this.#client.close();
    const { clock } = this.#options;
    const timer = clock.startTimer(CLOSE_DEADLINE_MS, () => this.#manager.socket?.destroy());
    await this.ended;
    timer.cancel();
  }

  /** Lets go of the connection and leaves the session to lapse. */
  abandon(): void {
    if (this.#end) return;
    this.#finish('closed', 'the client was stopped');
    // In this state, and no other, the client doesn't connect again.
    this.#manager.setState(STATE.closing);
    this.#dropSocket();
  }

  /** Puts this class's hands on the client's: how it reads, and which server it tries when. */
  #takeOver(): void {
    const manager = this.#manager;
    const handshake = manager.onSocketData.bind(manager);
    manager.onSocketData = (chunk) => {
      try {
        this.#frames.push(chunk, (frame) => this.#receive(frame, handshake));
      } catch (error) {
        this.reconnect(error instanceof Error ? error.message : String(error));
      }
    };
    manager.findNextServer = (connect) => this.#chooseServer(connect);
    // The client adds its own listener to each socket; ours tells why a connection failed.
    manager.on('state', (state: number) => this.#stateChanged(state));
  }

  #chooseServer(connect: (server: Server) => void): void {
    const { servers } = this.#manager;
    const { clock, random } = this.#options;
    const isRoundOver = this.#failedTries > 0 && this.#failedTries % servers.length === 0;
    const delayMs = isRoundOver ? jitter(random, ROUND_PAUSE_MS, 0.5) : 0;
    this.#failedTries += 1;
    this.#pauseTimer = clock.startTimer(delayMs, () => {
      const server = servers[this.#nextServer % servers.length];
      this.#nextServer += 1;
      if (this.#end || !server) return;
      this.#dialedAtMs = clock.monotonicMs();
      this.#armDialTimer();
      connect(server);
      this.#manager.socket?.once('error', (error) => {
        this.#lastProblem = error.message;
      });
    });
  }

  /** The client watches over the connecting, but not over a server that then stays silent. */
  #armDialTimer(): void {
    const { clock, dialTimeoutMs } = this.#options;
    this.#dialTimer?.cancel();
    this.#dialTimer = clock.startTimer(dialTimeoutMs, () => {
      this.#lastProblem = `no answer within ${dialTimeoutMs} ms`;
      this.#dropSocket();
    });
  }

  #dropSocket(): void {
    const { connectTimeoutHandler, socket } = this.#manager;
    // Left running, it would end the next connection.
    if (connectTimeoutHandler) clearTimeout(connectTimeoutHandler);
    socket?.destroy();
  }

  #receive(frame: Buffer, handshake: (frame: Buffer) => void): void {
    if (this.#manager.state === STATE.connecting) {
      handshake(frame);
      this.#handshaken();
      return;
    }
    const body = frame.subarray(4);
    const xid = body.readInt32BE(0);
    if (xid === XID.ping) return;
    const fault = body.readInt32BE(12);
    if (xid === XID.authentication) {
      if (fault !== 0) this.#refused();
      return;
    }
    const answer = body.subarray(HEADER_BYTES);
    if (xid === XID.event) this.#options.onEvent?.(answer);
    else if (xid >= FIRST_XID) this.#answered(xid, { zxid: body.subarray(4, 12), fault, answer });
  }

  #handshaken(): void {
    const { state } = this.#manager;
    this.#dialTimer?.cancel();
    if (state === STATE.expired) {
      this.#finish('expired', 'the session has expired');
      this.#dropSocket();
      return;
    }
    if (state !== STATE.connected || this.#end) return;
    this.#isConnected = true;
    this.#failedTries = 0;
    this.#options.onConnected?.();
    for (const waiter of [...this.#waiters]) waiter.resolve();
  }

  #refused(): void {
    this.#lastProblem = 'it refused user and password';
    this.#finish('refused', this.#lastProblem);
    this.#manager.setState(STATE.refused);
    this.#dropSocket();
  }

  #answered(
    xid: number,
    reply: { readonly zxid: Buffer; readonly fault: number; readonly answer: Buffer },
  ): void {
    const pending = this.#pending[this.#pendingHead];
    if (pending?.xid !== xid) throw new RangeError('ZooKeeper answered out of turn'); // L2
    this.#pendingHead += 1;
    if (this.#pendingHead === this.#pending.length) {
      this.#pending = [];
      this.#pendingHead = 0;
    }
    if (reply.zxid.readBigInt64BE() > 0n) this.#manager.zxid = Buffer.from(reply.zxid); // L5
    if (reply.fault === 0) pending.settle(reply.answer);
    else pending.settle(this.#faultFailure(reply.fault));
  }

  #faultFailure(fault: number): CallFailure {
    const isOver = fault === FAULT.sessionExpired || fault === FAULT.sessionMoved;
    const details = `code ${fault}`;
    return new CallFailure(isOver ? 'expired' : 'refused', {
      servers: this.#servers,
      details,
      fault,
    });
  }

  #stateChanged(state: number): void {
    if (state === STATE.connected || state === STATE.readOnly) return;
    const wasConnected = this.#isConnected;
    if (state !== STATE.closing) this.#isConnected = false;
    if (state === STATE.closed) this.#finish('closed', 'the session was closed');
    if (state === STATE.closing || !wasConnected) return;
    this.#frames.reset();
    this.#deadlineTimer?.cancel();
    this.#failPending('the connection was lost');
  }

  #finish(end: LinkEnd, details: string): void {
    if (this.#end) return;
    this.#end = end;
    this.#isConnected = false;
    for (const timer of [this.#dialTimer, this.#pauseTimer, this.#deadlineTimer]) timer?.cancel();
    this.#failPending(details);
    for (const waiter of [...this.#waiters]) waiter.reject(this.#endFailure(end));
    this.#ended.resolve(end);
  }

  #failPending(details: string): void {
    const lost = this.#pending.slice(this.#pendingHead);
    this.#pending = [];
    this.#pendingHead = 0;
    this.#unwritten = [];
    for (const pending of lost) pending.settle(this.#failure('unanswered', details)); // L1
  }

  /** Requests of one turn of the event loop go out in one piece. */
  #write(xid: number, type: number, body: Buffer): void {
    const head = Buffer.allocUnsafe(12);
    head.writeInt32BE(8 + body.length, 0);
    head.writeInt32BE(xid, 4);
    head.writeInt32BE(type, 8);
    this.#unwritten.push(head, body);
    if (this.#unwritten.length === 2) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const { socket } = this.#manager;
    const parts = this.#unwritten;
    this.#unwritten = [];
    if (parts.length > 0 && this.#isConnected) socket?.write(Buffer.concat(parts));
  }

  /** L3, with one timer for all requests: the oldest decides. */
  #armDeadline(): void {
    if (this.#pending.length - this.#pendingHead !== 1) return;
    this.#startDeadline(CALL_DEADLINE_MS);
  }

  #startDeadline(delayMs: number): void {
    const { clock } = this.#options;
    this.#deadlineTimer?.cancel();
    this.#deadlineTimer = clock.startTimer(delayMs, () => {
      const oldest = this.#pending[this.#pendingHead];
      if (!oldest) return;
      const leftMs = oldest.sentAtMs + CALL_DEADLINE_MS - clock.monotonicMs();
      if (leftMs > 0) this.#startDeadline(leftMs);
      else this.reconnect(`no answer within ${CALL_DEADLINE_MS} ms`);
    });
  }

  #nextXid(): number {
    const xid = this.#xid;
    this.#xid = xid === MAX_XID ? FIRST_XID : xid + 1;
    return xid;
  }

  #failure(kind: 'unreachable' | 'unanswered', details: string): CallFailure {
    return new CallFailure(kind, { servers: this.#servers, details });
  }

  #endFailure(end: LinkEnd): CallFailure {
    const { fault, kind, details } = END_FAILURES[end];
    return new CallFailure(kind, { servers: this.#servers, details, fault });
  }
}

const END_FAILURES = {
  expired: { kind: 'expired', fault: FAULT.sessionExpired, details: 'the session has expired' },
  refused: { kind: 'refused', fault: FAULT.authFailed, details: 'user and password were refused' },
  closed: { kind: 'unreachable', fault: 0, details: 'the session was closed here' },
} as const;
