import { checkHostPorts, checkWhole } from '@holdfast/coord';
import type { Clock, Logger, Random } from '@holdfast/core';
import { InvalidArgumentError } from '@holdfast/core';

export interface ZooKeeperCoordOptions {
  /** HOST:PORT of each member of the ensemble, at least one; IPv6 addresses in brackets. */
  readonly servers: readonly string[];
  /**
   * The node that everything lies below, made when it is missing; default `/holdfast`. Two boards on
   * one ensemble need two prefixes.
   */
  readonly prefix?: string | undefined;
  /** Digest authentication. All nodes are made so that only this user may use them. */
  readonly auth?: { readonly user: string; readonly password: string } | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Default: none. */
  readonly logger?: Logger | undefined;
  /** How long one attempt to connect may take, in milliseconds, 100 to 60,000; default 3,000. */
  readonly dialTimeoutMs?: number | undefined;
  /**
   * The ensemble's `tickTime` in milliseconds, or more, 10 to 60,000; default 2,000, as ZooKeeper's
   * own. Sessions are trusted on the strength of it; see README.md.
   */
  readonly tickTimeMs?: number | undefined;
  /** How often every watch is woken without a reason, in milliseconds, give or take a fifth; default 5,000. */
  readonly resyncMs?: number | undefined;
}

export const DEFAULT_DIAL_TIMEOUT_MS = 3000;
export const DEFAULT_TICK_TIME_MS = 2000;
export const TICK_TIME_BOUNDS: readonly [number, number] = [10, 60_000];

/** Throws {@link InvalidArgumentError} for the first option that is out of bounds. */
export function checkZooKeeperOptions(options: ZooKeeperCoordOptions): void {
  checkHostPorts('servers', options.servers);
  const user = options.auth?.user;
  if (user !== undefined && (user === '' || user.includes(':'))) {
    throw new InvalidArgumentError('auth.user', {
      value: user,
      allowed: 'the name of a user, without a colon',
    });
  }
  checkWhole('dialTimeoutMs', options.dialTimeoutMs, [100, 60_000]);
  checkWhole('tickTimeMs', options.tickTimeMs, TICK_TIME_BOUNDS);
  checkWhole('resyncMs', options.resyncMs, [10, 600_000]);
}
