// Where Holdfast's keys lie in etcd:
//
//   <prefix>/!k/<key>        every key of the coordination seam
//   <prefix>/!compaction     how far the history was compacted (compactor.ts)
//
// No part of a prefix may hold an exclamation mark, so that two Holdfasts never share a key, even
// when one's prefix starts with the other's.

import type { Key, ListRange } from '@holdfast/coord';
import { InvalidArgumentError } from '@holdfast/core';

export const DEFAULT_PREFIX = '/holdfast';
/** Bytes of a prefix: each of the up to a thousand operations of a request carries it. */
export const MAX_PREFIX_BYTES = 64;
/** Under `ownRoot`. */
export const COMPACTION_KEY = '!compaction';

const PREFIX_PATTERN = /^(?:\/[A-Za-z0-9._-]+)+$/;
/** What a prefix may be, in words for error messages. */
export const PREFIX_RULE: string =
  `slash-separated parts of letters, digits, dots, dashes and underscores, such as ${DEFAULT_PREFIX}; ` +
  `at most ${MAX_PREFIX_BYTES} characters and no slash at the end`;

/** A range of etcd's keys: from `start` up to, but without, `end`. */
export interface KeyRange {
  readonly start: Buffer;
  readonly end: Buffer;
}

/** True for a prefix that {@link KeySpace} takes. */
export function isPrefix(text: string): boolean {
  return text.length <= MAX_PREFIX_BYTES && PREFIX_PATTERN.test(text);
}

/** Translates keys of the seam to those of etcd and back. */
export class KeySpace {
  /** What every key of the seam starts with in etcd. */
  readonly root: Buffer;
  /** What the keys start with that are this driver's own. */
  readonly ownRoot: Buffer;

  constructor(prefix: string) {
    if (!isPrefix(prefix)) {
      throw new InvalidArgumentError('prefix', { value: prefix, allowed: PREFIX_RULE });
    }
    this.root = Buffer.from(`${prefix}/!k/`);
    this.ownRoot = Buffer.from(`${prefix}/`);
  }

  toStore(key: Key): Buffer {
    return Buffer.concat([this.root, Buffer.from(key)]);
  }

  fromStore(key: Uint8Array): Key {
    return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString(
      'utf8',
      this.root.length,
    );
  }

  /** All keys that start with `prefix`. */
  prefixRange(prefix: string): KeyRange {
    const start = this.toStore(prefix);
    const end = Buffer.from(start);
    // The last byte is one of UTF-8, or the slash of the root, and neither is ever 0xff.
    const last = end.length - 1;
    end[last] = (end[last] ?? 0) + 1;
    return { start, end };
  }

  /** What a listing covers; undefined when its bounds leave nothing. */
  listRange(range: ListRange): KeyRange | undefined {
    let { start, end } = this.prefixRange(range.prefix);
    if (range.after !== undefined) {
      // The smallest key greater than `after` is `after` and a NUL.
      const after = Buffer.concat([this.toStore(range.after), Buffer.of(0)]);
      if (Buffer.compare(after, start) > 0) start = after;
    }
    if (range.before !== undefined) {
      const before = this.toStore(range.before);
      if (Buffer.compare(before, end) < 0) end = before;
    }
    return Buffer.compare(start, end) < 0 ? { start, end } : undefined;
  }
}
