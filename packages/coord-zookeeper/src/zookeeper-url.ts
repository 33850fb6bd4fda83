import { StoreUrlError } from '@holdfast/core';
import { isPrefix, PREFIX_RULE } from './key-layout.ts';
import {
  isServer,
  SERVER_RULE,
  TICK_TIME_BOUNDS,
  type ZooKeeperCoordOptions,
} from './zookeeper-options.ts';

/** The part of the options that a URL can tell. */
export type ZooKeeperUrlOptions = Pick<
  ZooKeeperCoordOptions,
  'servers' | 'prefix' | 'auth' | 'tickTimeMs'
>;

const URL_PATTERN = /^zk:\/\/(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/;

/**
 * Reads `zk://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][/PREFIX][?tick=MILLISECONDS]`.
 *
 * User and password may be percent-encoded, and have to be where they hold one of the characters that
 * structure the URL. There is no TLS, so `zks:` is refused. Throws StoreUrlError, which never shows
 * the password.
 */
export function parseZooKeeperUrl(url: string): ZooKeeperUrlOptions {
  const fail = (problem: string): never => {
    throw new StoreUrlError(withoutPassword(url), problem);
  };
  if (/^zks:/i.test(url)) {
    return fail('connections to ZooKeeper have no TLS of their own; use zk:// to a local stunnel');
  }
  const match = URL_PATTERN.exec(url);
  if (!match) return fail('it does not have the form of a ZooKeeper URL');
  const [, userInfo, hosts = '', path = '', query = ''] = match;
  const servers = hosts.split(',');
  for (const server of servers) {
    if (!isServer(server)) fail(`the server ${JSON.stringify(server)} is not ${SERVER_RULE}`);
  }
  const options: { -readonly [Name in keyof ZooKeeperUrlOptions]: ZooKeeperUrlOptions[Name] } = {
    servers,
  };
  if (path !== '' && path !== '/') {
    if (!isPrefix(path)) fail(`the prefix ${JSON.stringify(path)} is not ${PREFIX_RULE}`);
    options.prefix = path;
  }
  if (userInfo !== undefined) options.auth = parseUserInfo(userInfo, fail);
  if (query !== '') options.tickTimeMs = parseTick(query, fail);
  return options;
}

type Fail = (problem: string) => never;

function parseUserInfo(text: string, fail: Fail): { user: string; password: string } {
  const cut = text.indexOf(':');
  if (cut < 1) fail('before the @ stands USER:PASSWORD');
  const user = decodePercent(text.slice(0, cut), fail);
  if (user.includes(':')) fail('the name of a user has no colon in it');
  return { user, password: decodePercent(text.slice(cut + 1), fail) };
}

function parseTick(query: string, fail: Fail): number {
  const [least, most] = TICK_TIME_BOUNDS;
  const tick = Number(/^tick=(\d+)$/.exec(query)?.[1] ?? Number.NaN);
  if (tick >= least && tick <= most) return tick;
  return fail(
    `the only parameter is tick, the servers' tickTime, in milliseconds from ${least} to ${most}`,
  );
}

function decodePercent(text: string, fail: Fail): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The only way to fail is a malformed escape.
    return fail('user or password has a malformed percent escape');
  }
}

/** The URL as error messages may show it. */
function withoutPassword(url: string): string {
  return url.replace(/^([a-z]+:\/\/[^:/?#]*):.*@/i, '$1:***@');
}
