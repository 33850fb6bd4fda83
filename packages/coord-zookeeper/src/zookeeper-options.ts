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

const SERVER_PATTERN = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;
/** What a server may be, in words for error messages. */
export const SERVER_RULE =
  'HOST:PORT, where HOST is a name, an IPv4 address or an IPv6 address in brackets, and PORT is 1 to 65535';
const MAX_PORT = 65_535;

/** True for a well-formed HOST:PORT. */
export function isServer(text: string): boolean {
  const port = Number(SERVER_PATTERN.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= MAX_PORT;
}

/** Throws {@link InvalidArgumentError} for the first option that is out of bounds. */
export function checkZooKeeperOptions(options: ZooKeeperCoordOptions): void {
  if (options.servers.length === 0) {
    throw new InvalidArgumentError('servers', { value: '', allowed: 'at least one HOST:PORT' });
  }
  for (const [index, server] of options.servers.entries()) {
    if (isServer(server)) continue;
    throw new InvalidArgumentError(`servers[${index}]`, { value: server, allowed: SERVER_RULE });
  }
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

function checkWhole(
  field: string,
  value: number | undefined,
  [least, most]: readonly [number, number],
): void {
  if (value === undefined) return;
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new InvalidArgumentError(field, {
    value,
    allowed: `a whole number from ${least} to ${most}`,
  });
}
