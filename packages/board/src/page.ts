import type { Coord, Entry } from '@holdfast/coord';
import { InvalidArgumentError } from '@holdfast/core';

/** Which page of a listing is wanted. */
export interface PageQuery {
  /** 1 to `LIMITS.pageSizeMax`. */
  readonly pageSize: number;
  /** From the page before; absent for the first. */
  readonly pageToken?: string | undefined;
}

/** A page of a listing. It may be short, or empty, while there is a next token. */
export interface PageOf<Item> {
  readonly items: readonly Item[];
  /** Absent when the listing is complete. */
  readonly nextPageToken?: string | undefined;
}

/** A page of the entries under a prefix, in key order. The token names the last key, without the prefix. */
export async function readPage(
  coord: Coord,
  prefix: string,
  query: PageQuery,
): Promise<PageOf<Entry>> {
  const after =
    query.pageToken === undefined ? undefined : prefix + decodePageToken(query.pageToken);
  const page = await coord.list({ prefix, after, limit: query.pageSize });
  const last = page.entries.at(-1);
  return {
    items: page.entries,
    nextPageToken: page.more && last ? encodePageToken(last.key.slice(prefix.length)) : undefined,
  };
}

/** Tokens are opaque to clients: they may change between versions. */
export function encodePageToken(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}

/** Throws InvalidArgumentError for what no listing has given out. */
export function decodePageToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  if (
    text === '' ||
    encodePageToken(text) !== token ||
    text.includes('\0') ||
    text.includes('\uFFFD')
  ) {
    throw new InvalidArgumentError('page_token', {
      value: token,
      allowed: 'empty, or the next page token of the response before',
    });
  }
  return text;
}
