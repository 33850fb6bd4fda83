// Sessions as etcd leases. How long a lease can be trusted is SessionLease's business; here is only
// how it is granted, renewed and revoked.
//
// An answered keep-alive is no proof of anything but time: etcd 3.4 answers those of a revoked lease
// as if it were alive. So no write is safe because of it; a holder guards on its session's key.

import type { Session } from '@holdfast/coord';
import { checkSessionTtl, requireSession, SessionLease } from '@holdfast/coord';
import type { Clock, Logger } from '@holdfast/core';
import { assert } from '@holdfast/core';
import { CallFailure, REFUSAL, readError } from './call-failure.ts';
import { CALL_DEADLINE_MS, type EtcdTransport } from './etcd-transport.ts';

/** A keep-alive that isn't answered in this part of the TTL is given up, so that another member is asked in time. */
const KEEP_ALIVE_DEADLINE_PART = 3;

interface Held {
  readonly leaseId: bigint;
  readonly lease: SessionLease;
}

/** Opens sessions and knows the lease of each; see the head of this file. */
export class EtcdSessions {
  readonly #transport: EtcdTransport;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #known = new WeakMap<Session, Held>();
  readonly #open = new Set<SessionLease>();

  constructor(
    transport: EtcdTransport,
    options: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#transport = transport;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Grants a lease; etcd counts in seconds and has a least TTL, so it may be longer than asked for. */
  async open(ttlMs: number): Promise<Session> {
    checkSessionTtl(ttlMs);
    const grantSentAtMs = this.#clock.monotonicMs();
    const granted = await this.#grant(ttlMs);
    const leaseId = BigInt(granted.ID);
    const grantedMs = Number(granted.TTL) * 1000;
    assert(leaseId > 0n && grantedMs > 0, 'etcd grants leases with an id and a TTL');
    const lease = new SessionLease({
      id: leaseId.toString(16), // As etcdctl shows it.
      ttlMs: grantedMs,
      grantSentAtMs,
      clock: this.#clock,
      logger: this.#logger,
      store: {
        keepAlive: ({ signal }) => this.#keepAlive(leaseId, { ttlMs: grantedMs, signal }),
        revoke: () => {
          this.#open.delete(lease);
          return this.#revoke(leaseId);
        },
      },
    });
    this.#open.add(lease);
    lease.lost.addEventListener('abort', () => this.#open.delete(lease), { once: true });
    this.#known.set(lease, { leaseId, lease });
    return lease;
  }

  /**
   * The lease of a session that a commit puts keys with. Throws SessionLostError when it is over, and
   * InvalidArgumentError when it was not opened here.
   */
  leaseOf(session: Session): bigint {
    return requireSession(session, this.#known.get(session)).leaseId;
  }

  /** etcd said, in answer to a commit, that the lease of this session is gone. */
  markGone(session: Session): void {
    this.#known.get(session)?.lease.markGone();
  }

  /** Stops all keep-alives; the leases lapse at etcd. */
  stop(): void {
    for (const lease of this.#open) lease.abandon();
    this.#open.clear();
  }

  async #grant(ttlMs: number): Promise<{ readonly ID: string; readonly TTL: string }> {
    try {
      return await this.#transport.unary('leaseGrant', { TTL: Math.ceil(ttlMs / 1000) });
    } catch (error) {
      // A lease that was granted unheard lapses by itself.
      throw readError(error);
    }
  }

  async #keepAlive(
    leaseId: bigint,
    options: { readonly ttlMs: number; readonly signal: AbortSignal },
  ): Promise<'alive' | 'gone'> {
    const deadlineMs = Math.min(CALL_DEADLINE_MS, options.ttlMs / KEEP_ALIVE_DEADLINE_PART);
    try {
      const { TTL } = await this.#transport.keepAlive(leaseId, {
        deadlineMs,
        signal: options.signal,
      });
      return Number(TTL) > 0 ? 'alive' : 'gone';
    } catch (error) {
      throw readError(error);
    }
  }

  async #revoke(leaseId: bigint): Promise<void> {
    try {
      await this.#transport.unary('leaseRevoke', { ID: leaseId.toString() });
    } catch (error) {
      if (error instanceof CallFailure && error.details === REFUSAL.leaseNotFound) return;
      throw readError(error);
    }
  }
}
