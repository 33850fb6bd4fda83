import { compareKeys } from '@holdfast/coord';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyRangeOf, prefixEnd } from './key-range.ts';

const text = fc.string({ unit: 'binary', maxLength: 4 });

describe('the range of keys that a listing reads', () => {
  it('holds exactly the keys with the prefix, between the bounds', () => {
    const bound = fc.option(text, { nil: undefined });
    fc.assert(
      fc.property(
        fc.record({ prefix: text, after: bound, before: bound, tail: text, other: text }),
        (sample) => {
          const { prefix, after, before, tail, other } = sample;
          const range = keyRangeOf({ prefix, after, before, limit: 1 });
          for (const key of [prefix + tail, other, prefix]) {
            const isNamed =
              key.startsWith(prefix) &&
              (after === undefined || compareKeys(key, after) > 0) &&
              (before === undefined || compareKeys(key, before) < 0);
            const fromLow = compareKeys(key, range.low);
            const isRead =
              (range.isLowIncluded ? fromLow >= 0 : fromLow > 0) &&
              (range.high === undefined || compareKeys(key, range.high) < 0);
            expect(isRead).toBe(isNamed);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['jobs/', 'jobs0'],
    ['', undefined],
    ['a\u{10ffff}', 'b'],
    ['\u{10ffff}\u{10ffff}', undefined],
    ['\ud7ff', '\ue000'],
    ['\uffff', '\u{10000}'],
  ])('with the prefix %j ends before %j', (prefix, end) => {
    expect(prefixEnd(prefix)).toBe(end);
  });
});
