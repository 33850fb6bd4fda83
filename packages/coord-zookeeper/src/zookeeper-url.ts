import type { RefuseUrl } from '@holdfast/coord';
import { refusing, splitStoreUrl } from '@holdfast/coord';
import { isPrefix, PREFIX_RULE } from './key-layout.ts';
import { TICK_TIME_BOUNDS, type ZooKeeperCoordOptions } from './zookeeper-options.ts';

/** The part of the options that a URL can tell. */
export type ZooKeeperUrlOptions = Pick<
  ZooKeeperCoordOptions,
  'servers' | 'prefix' | 'auth' | 'tickTimeMs'
>;

const FORM = {
  scheme: 'zk',
  store: 'a ZooKeeper',
  member: 'server',
  isPrefix,
  prefixRule: PREFIX_RULE,
  parameters: ['tick'],
} as const;

/**
 * Reads `zk://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][/PREFIX][?tick=MILLISECONDS]`.
 *
 * User and password may be percent-encoded, and have to be where they hold one of the characters that
 * structure the URL. There is no TLS, so `zks:` is refused. Throws StoreUrlError, which never shows
 * the password.
 */
export function parseZooKeeperUrl(url: string): ZooKeeperUrlOptions {
  const refuse = refusing(url);
  if (/^zks:/i.test(url)) {
    refuse('connections to ZooKeeper have no TLS of their own; use zk:// to a local stunnel');
  }
  const { members, prefix, auth, parameters } = splitStoreUrl(url, FORM);
  if (auth?.user.includes(':')) refuse('the name of a user has no colon in it');
  const tick = parameters.get('tick');
  const tickTimeMs = tick === undefined ? undefined : parseTick(tick, refuse);
  return { servers: members, prefix, auth, tickTimeMs };
}

function parseTick(text: string, refuse: RefuseUrl): number {
  const [least, most] = TICK_TIME_BOUNDS;
  const tick = Number(/^\d+$/.exec(text)?.[0] ?? Number.NaN);
  if (tick >= least && tick <= most) return tick;
  return refuse(
    `tick is the servers' tickTime, a whole number of milliseconds from ${least} to ${most}`,
  );
}
