import type { Key, ListRange } from '@holdfast/coord';
import { compareKeys } from '@holdfast/coord';

const LAST_CODE_POINT = 0x10ffff;
const BEFORE_SURROGATES = 0xd7ff;
const AFTER_SURROGATES = 0xe000;

/** A stretch of keys, in the order of their UTF-8 bytes. */
export interface KeyRange {
  /** The lowest key, or what lies before it. */
  readonly low: Key;
  readonly isLowIncluded: boolean;
  /** The first key that is no longer in it; undefined when it is open to the end. */
  readonly high: Key | undefined;
}

/** The keys that `range` names, prefix and bounds taken together. */
export function keyRangeOf(range: ListRange): KeyRange {
  const { prefix, after, before } = range;
  const isAfterInside = after !== undefined && compareKeys(after, prefix) >= 0;
  const end = prefixEnd(prefix);
  const isBeforeInside =
    before !== undefined && (end === undefined || compareKeys(before, end) < 0);
  return {
    low: isAfterInside ? after : prefix,
    isLowIncluded: !isAfterInside,
    high: isBeforeInside ? before : end,
  };
}

/** The first key that comes after every key with this prefix; undefined when there is none. */
export function prefixEnd(prefix: string): Key | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === LAST_CODE_POINT) continue;
    // Surrogates are no characters, so that their numbers are left out.
    const next = last === BEFORE_SURROGATES ? AFTER_SURROGATES : last + 1;
    return String.fromCodePoint(...points, next);
  }
  return undefined;
}
