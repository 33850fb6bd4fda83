// Sessions of the seam as sessions of ZooKeeper, each with a connection of its own: ZooKeeper ties a
// node to the session of the connection that creates it.
//
// How long a session can be trusted is SessionLease's business, not the client's: its pings say nothing
// of when they were sent, and it notices a lost session only once it hears of it.
//
// Which answer proves that ZooKeeper has prolonged a session? The leader decides about its end. A
// server that follows it hears us first, and tells the leader with its next answer to the leader's
// ping, which comes every half tick. If it dies before that, the leader never hears of us. So a
// keep-alive is two requests, more than half a tick apart, that both need the leader: when the second
// one is answered, what the first one told the server has reached the leader, on the same connection
// between the two and before it. It counts from when the first one was sent.
//
// Invariants:
//   S1. A session is prolonged, for its holder, from a time at which a request was sent that the leader
//       is known to have been told of.
//   S2. A session that is not trusted any more is ended: its connection would keep it alive for ever.
import type { Session } from '@holdfast/coord';
import { checkSessionTtl, requireSession, SessionLease, storeStopped } from '@holdfast/coord';
import type { Clock, Logger, Random } from '@holdfast/core';
import { assert, InvalidArgumentError, sleep } from '@holdfast/core';
import { CallFailure, readError } from './call-failure.ts';
import { encodeSync, OP } from './messages.ts';
import { CALL_DEADLINE_MS, ZooKeeperLink } from './zookeeper-link.ts';

/** Between the two requests of a keep-alive, in ticks: more than the half after which servers tell. */
const CONFIRM_AFTER_TICKS = 0.6;
/** ZooKeeper grants no session shorter than this, unless it was told otherwise. */
const MIN_TICKS_PER_SESSION = 2;
/** A request that isn't answered in this part of the TTL is given up, so that another server is tried in time. */
const KEEP_ALIVE_DEADLINE_PART = 3;

export interface ZooKeeperSessionsOptions {
  readonly servers: readonly string[];
  readonly auth?: { readonly user: string; readonly password: string } | undefined;
  readonly dialTimeoutMs: number;
  /** The servers' `tickTime`, or more. */
  readonly tickTimeMs: number;
  /** A node for `sync` to name. */
  readonly rootPath: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A session, as commits need it. */
export interface HeldSession {
  readonly session: Session;
  readonly link: ZooKeeperLink;
  /** ZooKeeper's own number of it: what it writes on the nodes. */
  readonly owner: bigint;
  /** ZooKeeper said, in answer to a commit, that it is gone. */
  markGone(): void;
}

/** Opens sessions and knows the connection of each; see the head of this file. */
export class ZooKeeperSessions {
  readonly #options: ZooKeeperSessionsOptions;
  readonly #sync: Buffer;
  readonly #known = new WeakMap<Session, HeldSession>();
  readonly #open = new Map<SessionLease, ZooKeeperLink>();
  readonly #closing = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: ZooKeeperSessionsOptions) {
    this.#options = options;
    this.#sync = encodeSync(options.rootPath);
  }

  /** Opens a session; ZooKeeper grants at least two ticks, so it may be longer than asked for. */
  async open(ttlMs: number): Promise<Session> {
    checkSessionTtl(ttlMs);
    const { clock, logger } = this.#options;
    const link = await this.#connect(ttlMs);
    const lease = new SessionLease({
      id: link.sessionId,
      ttlMs: link.sessionTimeoutMs,
      grantSentAtMs: link.dialedAtMs,
      clock,
      logger,
      store: {
        keepAlive: ({ signal }) => this.#keepAlive(link, signal),
        revoke: () => {
          this.#open.delete(lease);
          return this.#revoke(link);
        },
      },
    });
    this.#open.set(lease, link);
    lease.lost.addEventListener('abort', () => this.#end(lease, link), { once: true });
    void link.ended.then((end) => {
      if (end !== 'closed') lease.markGone();
    });
    const markGone = (): void => lease.markGone();
    this.#known.set(lease, { session: lease, link, owner: link.sessionNumber, markGone });
    return lease;
  }

  /**
   * What commits need of a session. Throws SessionLostError when it is over, and InvalidArgumentError
   * when it was not opened here.
   */
  held(session: Session): HeldSession {
    return requireSession(session, this.#known.get(session));
  }

  /**
   * Resolves when the leader knows the session now. Fails with a CallFailure: `expired` when it doesn't,
   * also where ZooKeeper had to be reached anew to say so.
   */
  async confirm(link: ZooKeeperLink): Promise<void> {
    try {
      await this.#reachLeader(link);
    } catch (error) {
      if (!(error instanceof CallFailure) || error.kind !== 'unanswered') throw error;
      await this.#reachLeader(link);
    }
  }

  /** Lets go of all connections; the sessions lapse at ZooKeeper. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const [lease, link] of this.#open) {
      link.abandon();
      lease.abandon();
    }
    this.#open.clear();
    await Promise.all(this.#closing);
  }

  async #connect(ttlMs: number): Promise<ZooKeeperLink> {
    const { servers, auth, dialTimeoutMs, clock, random } = this.#options;
    const link = new ZooKeeperLink({
      servers,
      auth,
      dialTimeoutMs,
      clock,
      random,
      sessionTimeoutMs: Math.ceil(ttlMs),
    });
    try {
      await link.connected(dialTimeoutMs);
      if (this.#isStopped) throw storeStopped();
      if (link.sessionTimeoutMs < ttlMs) throw tooLong(ttlMs, link.sessionTimeoutMs);
    } catch (error) {
      // A session that was granted unheard lapses by itself.
      link.abandon();
      throw readError(error);
    }
    assert(link.sessionTimeoutMs > 0, 'ZooKeeper grants sessions with a timeout');
    return link;
  }

  async #keepAlive(link: ZooKeeperLink, signal: AbortSignal): Promise<'alive' | 'gone'> {
    try {
      await this.#reachLeader(link);
      await sleep(this.#options.clock, this.#confirmAfterMs(link), { signal });
      await this.#reachLeader(link); // S1
      return 'alive';
    } catch (error) {
      if (error instanceof CallFailure && error.kind === 'expired') return 'gone';
      throw readError(error);
    }
  }

  async #reachLeader(link: ZooKeeperLink): Promise<void> {
    const limitMs = Math.min(CALL_DEADLINE_MS, link.sessionTimeoutMs / KEEP_ALIVE_DEADLINE_PART);
    await link.connected(limitMs);
    const timer = this.#options.clock.startTimer(limitMs, () =>
      link.reconnect(`no answer to a keep-alive within ${Math.round(limitMs)} ms`),
    );
    try {
      await link.request(OP.sync, this.#sync);
    } finally {
      timer.cancel();
    }
  }

  #confirmAfterMs(link: ZooKeeperLink): number {
    const tickMs = Math.min(
      this.#options.tickTimeMs,
      link.sessionTimeoutMs / MIN_TICKS_PER_SESSION,
    );
    return tickMs * CONFIRM_AFTER_TICKS;
  }

  /** S2 */
  #end(lease: SessionLease, link: ZooKeeperLink): void {
    if (!this.#open.delete(lease) || this.#isStopped) return;
    const closing = this.#revoke(link)
      .catch((error: unknown) => {
        this.#options.logger.info(
          { session: lease.id, error: String(error) },
          'a lost session could not be ended; it lapses',
        );
      })
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async #revoke(link: ZooKeeperLink): Promise<void> {
    try {
      await link.close();
    } catch (error) {
      throw readError(error);
    }
  }
}

function tooLong(ttlMs: number, grantedMs: number): InvalidArgumentError {
  return new InvalidArgumentError('ttlMs', {
    value: ttlMs,
    allowed: `at most ${grantedMs}, the maxSessionTimeout of this ZooKeeper`,
  });
}
