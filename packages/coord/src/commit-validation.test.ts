import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkCommit, checkKeys, checkRange, measureCommit } from './commit-validation.ts';
import type { Commit, CoordLimits } from './coord.ts';
import { compareKeys } from './key-order.ts';

// The conformance suite checks the limits on every driver; here is what needs exact words.
const LIMITS: CoordLimits = {
  maxKeyBytes: 8,
  maxValueBytes: 10,
  maxOpsPerCommit: 3,
  maxCommitBytes: 25,
  maxPageEntries: 5,
  maxKeysPerGet: 2,
};

function putting(...keys: string[]): Commit {
  return {
    when: [],
    write: keys.map((key) => ({ kind: 'put', key, value: new Uint8Array(10) })),
  };
}

describe('the check of a commit', () => {
  it('returns the size, in operations and bytes of UTF-8', () => {
    const commit: Commit = {
      when: [{ kind: 'exists', key: 'é' }],
      write: [
        { kind: 'put', key: 'a', value: new Uint8Array(3) },
        { kind: 'remove', key: '😀' },
      ],
    };
    expect(checkCommit(commit, LIMITS)).toEqual({ ops: 3, bytes: 2 + 1 + 3 + 4 });
    expect(measureCommit(commit)).toEqual({ ops: 3, bytes: 10 });
  });

  it.each<[Commit, string]>([
    [
      putting('a', 'b', 'c', 'd'),
      'commit: "0 guards and 4 writes" is not allowed; allowed: at most 3 of both together',
    ],
    [
      putting('a', 'b', 'a'),
      'write[2].key: "a" is not allowed; allowed: a key that no other write of the same commit names',
    ],
    [
      putting('123456789'),
      'write[0].key: "123456789" is not allowed; allowed: at most 8 bytes of UTF-8 (this key has 9)',
    ],
    [
      { when: [{ kind: 'absent', key: '' }], write: [] },
      'when[0].key: "" is not allowed; allowed: a non-empty string of whole Unicode characters without NUL',
    ],
    [
      { when: [{ kind: 'unchanged', key: 'a', version: -1n }], write: [] },
      'when[0].version: -1 is not allowed; allowed: 0 to 9223372036854775807',
    ],
    [
      { when: [], write: [{ kind: 'put', key: 'a', value: new Uint8Array(11) }] },
      'write[0].value has 11 bytes, the limit is 10; store large data elsewhere and pass a reference to it',
    ],
    [
      putting('a', 'b', 'c'),
      'commit has 33 bytes, the limit is 25; store large data elsewhere and pass a reference to it',
    ],
  ])('names the field, the value and what is allowed (%#)', (commit, message) => {
    expect(() => checkCommit(commit, LIMITS)).toThrow(message);
  });

  it('goes for ranges and gets too', () => {
    expect(() => checkRange({ prefix: 'a', limit: 6 }, LIMITS)).toThrow(
      'limit: 6 is not allowed; allowed: a whole number from 1 to 5',
    );
    expect(() => checkRange({ prefix: '\0', limit: 5 }, LIMITS)).toThrow('prefix: ');
    expect(() => checkKeys(['a', 'b', 'c'], LIMITS)).toThrow(
      'keys: "3 keys" is not allowed; allowed: at most 2 keys',
    );
    expect(() => checkRange({ prefix: '', limit: 5 }, LIMITS)).not.toThrow();
  });
});

describe('the order of keys', () => {
  it('is that of their UTF-8 bytes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 5 });
    fc.assert(
      fc.property(text, text, (a, b) => {
        const byBytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareKeys(a, b))).toBe(byBytes);
      }),
      { numRuns: 2000 },
    );
    expect(compareKeys('\uffff', '😀')).toBeLessThan(0);
  });
});
