import { withoutPassword } from '@holdfast/coord';
import { StoreUrlError } from '@holdfast/core';

/** A store, as its URL names it. */
export type StoreLocation =
  | { readonly kind: 'memory' }
  | { readonly kind: 'sqlite'; readonly path: string }
  | {
      readonly kind: 'etcd';
      /** HOST:PORT of each member. */
      readonly endpoints: readonly string[];
      /** What keys start with; absent for the driver's default. */
      readonly prefix?: string | undefined;
      readonly auth?: { readonly user: string; readonly password: string } | undefined;
      /** Paths of PEM files; present when TLS is wanted. */
      readonly tls?: EtcdTlsFiles | undefined;
    }
  /** The driver reads its URL itself. */
  | { readonly kind: 'zookeeper'; readonly url: string };

/** Paths of PEM files. */
export interface EtcdTlsFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** The store that the commands use when they aren't told another one. */
export const DEFAULT_STORE = 'sqlite:.holdfast/holdfast.db';

/**
 * Reads a store URL: `memory:`, `sqlite:PATH`,
 * `etcd://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][/PREFIX][?tls[&ca=FILE][&cert=FILE&key=FILE]]`, or
 * `zk://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][/PREFIX][?tick=MILLISECONDS]`, of which the driver reads
 * the rest. Throws a StoreUrlError, in which a password is not shown.
 */
export function parseStoreUrl(url: string): StoreLocation {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1];
  const rest = url.slice((scheme?.length ?? 0) + 1);
  switch (scheme?.toLowerCase()) {
    case 'memory':
      if (rest !== '') throw refused(url, 'nothing may follow memory:');
      return { kind: 'memory' };
    case 'sqlite':
      return { kind: 'sqlite', path: parsePath(url, rest) };
    case 'etcd':
      return parseEtcd(url, rest);
    case 'zk':
    case 'zks':
      return { kind: 'zookeeper', url };
    case undefined:
      throw refused(url, 'it does not say which kind of store it means');
    default:
      throw refused(url, `${scheme}: is no kind of store that Holdfast knows`);
  }
}

function parsePath(url: string, rest: string): string {
  // sqlite:///srv/board.db is how other tools write sqlite:/srv/board.db.
  const path = rest.startsWith('///') ? rest.slice(2) : rest;
  if (path === '') throw refused(url, 'the path of the file is missing');
  if (path.startsWith('//')) throw refused(url, 'a path does not begin with two slashes');
  if (path.includes('\0')) throw refused(url, 'a path has no NUL character in it');
  return path;
}

function parseEtcd(url: string, rest: string): StoreLocation {
  const match = /^\/\/(?:([^@/?]*)@)?([^@/?]*)(\/[^?]*)?(?:\?(.*))?$/s.exec(rest);
  if (!match) throw refused(url, 'it is not written like a URL of etcd');
  const [, credentials, hosts = '', path = '', query] = match;
  const endpoints = hosts.split(',');
  if (hosts === '') throw refused(url, 'it names no host');
  for (const endpoint of endpoints) {
    const port = Number(/^(?:\[[0-9a-f:.]+\]|[\w.-]+):(\d{1,5})$/i.exec(endpoint)?.[1]);
    if (!(port >= 1 && port <= 65_535)) {
      throw refused(
        url,
        `${JSON.stringify(endpoint)} is not HOST:PORT with a port from 1 to 65535`,
      );
    }
  }
  const prefix = path.replace(/\/+$/, '');
  return {
    kind: 'etcd',
    endpoints,
    prefix: prefix === '' ? undefined : decode(url, prefix),
    auth: credentials === undefined ? undefined : parseCredentials(url, credentials),
    tls: query === undefined ? undefined : parseTls(url, query),
  };
}

function parseCredentials(url: string, text: string): { user: string; password: string } {
  const cut = text.indexOf(':');
  if (cut <= 0) throw refused(url, 'what stands before the @ is not USER:PASSWORD');
  return { user: decode(url, text.slice(0, cut)), password: decode(url, text.slice(cut + 1)) };
}

function parseTls(url: string, query: string): EtcdTlsFiles {
  const files: { ca?: string; cert?: string; key?: string } = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const isFlag = name === 'tls' && value === '';
    if (isFlag) continue;
    if (name !== 'ca' && name !== 'cert' && name !== 'key') {
      throw refused(url, `${JSON.stringify(name)} is not one of tls, ca, cert and key`);
    }
    if (value === '') throw refused(url, `${name} names no file`);
    files[name] = value;
  }
  return files;
}

function decode(url: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not a percent-encoding of UTF-8 text.
    throw refused(url, 'a % in it does not begin the code of a character');
  }
}

function refused(url: string, problem: string): StoreUrlError {
  return new StoreUrlError(withoutPassword(url), problem);
}
