// The URLs of stores across a network, whose pieces are the same for all of them.
import { StoreUrlError } from '@holdfast/core';
import { HOST_PORT_RULE, isHostPort } from './option-checks.ts';

/** How the URLs of one kind of store are written. */
export interface StoreUrlForm {
  /** What they begin with, in small letters. */
  readonly scheme: string;
  /** The kind of store with its article, for messages. */
  readonly store: string;
  /** What each HOST:PORT is to the store, for messages. */
  readonly member: string;
  isPrefix(text: string): boolean;
  /** What a prefix may be, for messages. */
  readonly prefixRule: string;
  /** The names of the parameters that may follow a question mark. */
  readonly parameters: readonly string[];
}

/** The pieces of a URL. */
export interface StoreUrl {
  /** HOST:PORT of each member, at least one. */
  readonly members: readonly string[];
  readonly prefix: string | undefined;
  readonly auth: { readonly user: string; readonly password: string } | undefined;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Throws a StoreUrlError, which never shows the password. */
export type RefuseUrl = (problem: string) => never;

/** A {@link RefuseUrl} for this URL. */
export function refusing(url: string): RefuseUrl {
  return (problem) => {
    throw new StoreUrlError(withoutPassword(url), problem);
  };
}

/**
 * Takes `SCHEME://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][/PREFIX][?NAME=VALUE[&NAME=VALUE…]]` apart.
 *
 * User, password and values may be percent-encoded, and have to be where they hold one of the
 * characters that structure the URL. Throws StoreUrlError, which never shows the password.
 */
export function splitStoreUrl(url: string, form: StoreUrlForm): StoreUrl {
  const refuse = refusing(url);
  const match = /^([a-z]+):\/\/(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(url);
  if (match?.[1] !== form.scheme) return refuse(`it does not have the form of ${form.store} URL`);
  const [, , userInfo, hosts = '', path = '', query = ''] = match;
  const members = hosts.split(',');
  for (const member of members) {
    if (isHostPort(member)) continue;
    refuse(`the ${form.member} ${JSON.stringify(member)} is not ${HOST_PORT_RULE}`);
  }
  const prefix = path === '' || path === '/' ? undefined : path;
  if (prefix !== undefined && !form.isPrefix(prefix)) {
    refuse(`the prefix ${JSON.stringify(prefix)} is not ${form.prefixRule}`);
  }
  return {
    members,
    prefix,
    auth: userInfo === undefined ? undefined : parseUserInfo(userInfo, refuse),
    parameters: parseParameters(query, form.parameters, refuse),
  };
}

function parseUserInfo(text: string, refuse: RefuseUrl): StoreUrl['auth'] {
  const cut = text.indexOf(':');
  if (cut < 1) refuse('before the @ stands USER:PASSWORD');
  const decode = (part: string): string => decodePercent(part, 'user or password', refuse);
  return { user: decode(text.slice(0, cut)), password: decode(text.slice(cut + 1)) };
}

function parseParameters(
  query: string,
  names: readonly string[],
  refuse: RefuseUrl,
): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const part of query.split('&').filter((text) => text !== '')) {
    const [name = '', ...rest] = part.split('=');
    if (!names.includes(name)) {
      refuse(`the parameter ${JSON.stringify(name)} is none of: ${names.join(', ')}`);
    }
    if (parameters.has(name)) refuse(`the parameter ${name} is given twice`);
    const value = decodePercent(rest.join('='), name, refuse);
    if (value === '') refuse(`the parameter ${name} has no value`);
    parameters.set(name, value);
  }
  return parameters;
}

function decodePercent(text: string, what: string, refuse: RefuseUrl): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The only way to fail is a malformed escape.
    return refuse(`${what} has a malformed percent escape`);
  }
}

/** The URL of a store as messages may show it. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z]+:\/\/[^:/?#]*):.*@/i, '$1:***@');
}
