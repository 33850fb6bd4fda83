import type { RefuseUrl } from '@holdfast/coord';
import { refusing, splitStoreUrl } from '@holdfast/coord';
import type { EtcdCoordOptions } from './etcd-options.ts';
import { isPrefix, PREFIX_RULE } from './key-space.ts';

/** The part of the options that a URL can tell. */
export type EtcdUrlOptions = Pick<
  EtcdCoordOptions,
  'endpoints' | 'prefix' | 'auth' | 'tls' | 'compaction'
>;

const FORM = {
  scheme: 'etcd',
  store: 'an etcd',
  member: 'endpoint',
  isPrefix,
  prefixRule: PREFIX_RULE,
  parameters: ['ca', 'cert', 'key', 'tls', 'compaction'],
} as const;

/**
 * Reads `etcd://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][/PREFIX][?ca=FILE&cert=FILE&key=FILE&tls=on&compaction=off]`.
 *
 * User, password and file names may be percent-encoded, and have to be where they hold one of the
 * characters that structure the URL. Naming a file turns TLS on; `tls=on` does so with the authorities
 * that Node comes with. Throws StoreUrlError, which never shows the password.
 */
export function parseEtcdUrl(url: string): EtcdUrlOptions {
  const refuse = refusing(url);
  const { members, prefix, auth, parameters } = splitStoreUrl(url, FORM);
  const tls = parseTls(parameters, refuse);
  const compaction = parameters.get('compaction');
  if (compaction !== undefined && compaction !== 'off') refuse('compaction can only be "off"');
  return {
    endpoints: members,
    prefix,
    auth,
    tls,
    compaction: compaction === undefined ? undefined : 'off',
  };
}

function parseTls(
  parameters: ReadonlyMap<string, string>,
  refuse: RefuseUrl,
): EtcdUrlOptions['tls'] {
  const [ca, cert, key] = [parameters.get('ca'), parameters.get('cert'), parameters.get('key')];
  const tls = parameters.get('tls');
  if (tls !== undefined && tls !== 'on') refuse('tls can only be "on"');
  if ((cert === undefined) !== (key === undefined)) refuse('cert and key go together');
  const isOn = tls === 'on' || ca !== undefined || cert !== undefined;
  return isOn ? { ca, cert, key } : undefined;
}
