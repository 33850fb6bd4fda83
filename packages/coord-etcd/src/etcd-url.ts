import { StoreUrlError } from '@holdfast/core';
import { ENDPOINT_RULE, type EtcdCoordOptions, isEndpoint } from './etcd-options.ts';
import { isPrefix, PREFIX_RULE } from './key-space.ts';

/** The part of the options that a URL can tell. */
export type EtcdUrlOptions = Pick<
  EtcdCoordOptions,
  'endpoints' | 'prefix' | 'auth' | 'tls' | 'compaction'
>;

const URL_PATTERN = /^etcd:\/\/(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/;
const PARAMETERS = ['ca', 'cert', 'key', 'tls', 'compaction'] as const;

/**
 * Reads `etcd://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][/PREFIX][?ca=FILE&cert=FILE&key=FILE&tls=on&compaction=off]`.
 *
 * User, password and file names may be percent-encoded, and have to be where they hold one of the
 * characters that structure the URL. Naming a file turns TLS on; `tls=on` does so with the authorities
 * that Node comes with. Throws StoreUrlError, which never shows the password.
 */
export function parseEtcdUrl(url: string): EtcdUrlOptions {
  const fail = (problem: string): never => {
    throw new StoreUrlError(withoutPassword(url), problem);
  };
  const match = URL_PATTERN.exec(url);
  if (!match) return fail('it does not have the form of an etcd URL');
  const [, userInfo, hosts = '', path = '', query = ''] = match;
  const endpoints = hosts.split(',');
  for (const endpoint of endpoints) {
    if (!isEndpoint(endpoint))
      fail(`the endpoint ${JSON.stringify(endpoint)} is not ${ENDPOINT_RULE}`);
  }
  const options: { -readonly [Name in keyof EtcdUrlOptions]: EtcdUrlOptions[Name] } = { endpoints };
  if (path !== '' && path !== '/') {
    if (!isPrefix(path)) fail(`the prefix ${JSON.stringify(path)} is not ${PREFIX_RULE}`);
    options.prefix = path;
  }
  if (userInfo !== undefined) options.auth = parseUserInfo(userInfo, fail);
  const parameters = parseQuery(query, fail);
  const tls = parseTls(parameters, fail);
  if (tls) options.tls = tls;
  const compaction = parameters.get('compaction');
  if (compaction !== undefined && compaction !== 'off') fail('compaction can only be "off"');
  if (compaction === 'off') options.compaction = 'off';
  return options;
}

type Fail = (problem: string) => never;

function parseUserInfo(text: string, fail: Fail): { user: string; password: string } {
  const cut = text.indexOf(':');
  if (cut < 1) fail('before the @ stands USER:PASSWORD');
  const decode = (part: string): string => decodePercent(part, 'user or password', fail);
  return { user: decode(text.slice(0, cut)), password: decode(text.slice(cut + 1)) };
}

function parseQuery(query: string, fail: Fail): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const part of query.split('&').filter((text) => text !== '')) {
    const [name = '', ...rest] = part.split('=');
    const known = PARAMETERS.find((parameter) => parameter === name);
    if (!known)
      return fail(`the parameter ${JSON.stringify(name)} is none of ${PARAMETERS.join(', ')}`);
    if (parameters.has(known)) fail(`the parameter ${known} is given twice`);
    const value = decodePercent(rest.join('='), known, fail);
    if (value === '') fail(`the parameter ${known} has no value`);
    parameters.set(known, value);
  }
  return parameters;
}

function parseTls(parameters: ReadonlyMap<string, string>, fail: Fail): EtcdUrlOptions['tls'] {
  const [ca, cert, key] = [parameters.get('ca'), parameters.get('cert'), parameters.get('key')];
  const tls = parameters.get('tls');
  if (tls !== undefined && tls !== 'on') fail('tls can only be "on"');
  if ((cert === undefined) !== (key === undefined)) fail('cert and key go together');
  const isOn = tls === 'on' || ca !== undefined || cert !== undefined;
  return isOn ? { ca, cert, key } : undefined;
}

function decodePercent(text: string, what: string, fail: Fail): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The only way to fail is a malformed escape.
    return fail(`${what} has a malformed percent escape`);
  }
}

/** The URL as error messages may show it. */
function withoutPassword(url: string): string {
  return url.replace(/^([a-z]+:\/\/[^:/?#]*):.*@/, '$1:***@');
}
