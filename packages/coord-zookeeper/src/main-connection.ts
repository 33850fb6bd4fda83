// The connection that reads, watches and commits without a session go over.
//
// ZooKeeper knows no connection without a session, so it has one too, which nothing belongs to. When
// ZooKeeper ends that session, as it does after a long silence, another one is opened: to whoever
// calls, that is a moment in which the store is away.
//
// Invariants:
//   M1. From `start` to `stop` there is a link, or a timer that opens one.
//   M2. No failure of this link is told as the loss of a session: nobody's session was lost.
import type { Clock, Logger, Random, Timer } from '@holdfast/core';
import { jitter } from '@holdfast/core';
import { CallFailure } from './call-failure.ts';
import { type LinkOptions, ZooKeeperLink } from './zookeeper-link.ts';

/** How long ZooKeeper keeps the watches of a connection that is away, in milliseconds. */
const SESSION_TIMEOUT_MS = 10_000;
/** How long to wait before the next session when one has ended, in milliseconds, give or take half. */
const RENEW_PAUSE_MS = 200;

export interface MainConnectionOptions {
  readonly servers: readonly string[];
  readonly auth?: { readonly user: string; readonly password: string } | undefined;
  readonly dialTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What the owner of a connection wants to hear. */
export interface ConnectionListener {
  /** A connection stands, the first or another one; what was watched on the last is not. */
  connected(link: ZooKeeperLink): void;
  event(body: Buffer): void;
}

/** See the head of this file. */
export class MainConnection {
  readonly #options: MainConnectionOptions;
  #listener: ConnectionListener | undefined;
  #link: ZooKeeperLink;
  #renewTimer: Timer | undefined;
  #isStopped = false;

  constructor(options: MainConnectionOptions) {
    this.#options = options;
    this.#link = this.#open();
  }

  /** Who is told from now on. */
  listen(listener: ConnectionListener): void {
    this.#listener = listener;
    if (this.#link.isConnected) listener.connected(this.#link);
  }

  /**
   * The link, once it is connected: at once when it is. Fails with `unreachable` after the dial
   * timeout, and with `refused` when ZooKeeper refuses user and password.
   */
  async link(): Promise<ZooKeeperLink> {
    try {
      await this.#link.connected(this.#options.dialTimeoutMs);
    } catch (error) {
      throw this.#asOwn(error);
    }
    return this.#link;
  }

  /** Sends one request over the present link. */
  async request(type: number, body: Buffer): Promise<Buffer> {
    try {
      return await this.#link.request(type, body);
    } catch (error) {
      throw this.#asOwn(error);
    }
  }

  /** Ends the session, so that ZooKeeper need not keep it until it lapses. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#renewTimer?.cancel();
    try {
      await this.#link.close();
    } catch (error) {
      // ZooKeeper is away; the session lapses, and nothing belongs to it.
      this.#options.logger.debug(
        { error: String(error) },
        'the connection was not closed in order',
      );
    }
    this.#link.abandon();
  }

  #open(): ZooKeeperLink {
    const { servers, auth, dialTimeoutMs, clock, random } = this.#options;
    const options: LinkOptions = {
      servers,
      auth,
      dialTimeoutMs,
      clock,
      random,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      onConnected: () => this.#listener?.connected(this.#link),
      onEvent: (body) => this.#listener?.event(body),
    };
    const link = new ZooKeeperLink(options);
    void link.ended.then((end) => this.#renew(end));
    return link;
  }

  #renew(end: string): void {
    if (this.#isStopped) return;
    const { clock, random, logger } = this.#options;
    logger.warn({ end }, 'the connection to ZooKeeper has ended; opening another one');
    const delayMs = jitter(random, RENEW_PAUSE_MS, 0.5);
    this.#renewTimer = clock.startTimer(delayMs, () => {
      this.#link = this.#open();
    });
  }

  #asOwn(error: unknown): unknown {
    if (!(error instanceof CallFailure) || error.kind !== 'expired') return error;
    const { servers, message } = error;
    return new CallFailure('unreachable', { servers, details: message }); // M2
  }
}
