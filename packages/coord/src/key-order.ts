import type { Key } from './coord.ts';

const SURROGATE_FIRST = 0xd800;
const AFTER_SURROGATES = 0xe000;

/**
 * Compares two keys by their UTF-8 bytes, as every store does: negative when `a` comes first. That is
 * the order of code points, and differs from the order of JavaScript's strings where a character
 * beyond U+FFFF meets one from U+E000 to U+FFFF.
 */
export function compareKeys(a: Key, b: Key): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA !== unitB) return rank(unitA) - rank(unitB);
  }
  return a.length - b.length;
}

/** Where a UTF-16 unit stands among those it may differ from: surrogates after all others. */
function rank(unit: number): number {
  const isSurrogate = unit >= SURROGATE_FIRST && unit < AFTER_SURROGATES;
  return isSurrogate ? unit + 0x10000 : unit;
}
