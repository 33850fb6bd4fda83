import { compareKeys } from '@holdfast/coord';
import { InvalidArgumentError } from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPrefix, KeySpace, MAX_PREFIX_BYTES } from './key-space.ts';

const key = fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' });

describe('a prefix', () => {
  it.each(['/holdfast', '/a/b-c/D.e_f', `/${'x'.repeat(MAX_PREFIX_BYTES - 1)}`])(
    'may be %s',
    (text) => {
      expect(isPrefix(text)).toBe(true);
    },
  );

  it.each([
    '',
    '/',
    'holdfast',
    '/a/',
    '//a',
    '/a b',
    '/a/!k',
    '/é',
    `/${'x'.repeat(MAX_PREFIX_BYTES)}`,
  ])('may not be %j', (text) => {
    expect(() => new KeySpace(text)).toThrow(InvalidArgumentError);
    expect(() => new KeySpace(text)).toThrow(/prefix/);
  });
});

describe('keys', () => {
  it('come back as they were', () => {
    const space = new KeySpace('/a');
    fc.assert(
      fc.property(key, (text) => {
        expect(space.fromStore(space.toStore(text))).toBe(text);
      }),
    );
  });

  it('never meet those of another prefix, not even of one that goes on where this one ends', () => {
    const [outer, inner] = [new KeySpace('/a'), new KeySpace('/a/b')];
    fc.assert(
      fc.property(key, (text) => {
        const { start, end } = outer.prefixRange('');
        const stored = inner.toStore(text);
        const isInside = Buffer.compare(stored, start) >= 0 && Buffer.compare(stored, end) < 0;
        expect(isInside).toBe(false);
      }),
    );
  });
});

describe('a listing', () => {
  const space = new KeySpace('/a');
  const bound = fc.option(key, { nil: undefined });

  it('covers exactly the keys with its prefix between its bounds', () => {
    const prefix = fc.string({ maxLength: 3 });
    const listing = fc.record({ prefix, after: bound, before: bound, limit: fc.constant(1) });
    fc.assert(
      fc.property(listing, key, (wanted, text) => {
        const range = space.listRange(wanted);
        const stored = space.toStore(text);
        const isCovered =
          range !== undefined &&
          Buffer.compare(stored, range.start) >= 0 &&
          Buffer.compare(stored, range.end) < 0;
        const isAfter = wanted.after === undefined || compareKeys(text, wanted.after) > 0;
        const isBefore = wanted.before === undefined || compareKeys(text, wanted.before) < 0;
        expect(isCovered).toBe(text.startsWith(wanted.prefix) && isAfter && isBefore);
      }),
      { numRuns: 500 },
    );
  });
});
