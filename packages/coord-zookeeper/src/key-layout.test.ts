import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPrefix, KeyLayout } from './key-layout.ts';

const layout = new KeyLayout('/board');
const id = '01kqa3f0zzzzzzzzzzzzzzzzzz';

describe('where a key lies', () => {
  it.each([
    ['a', '/=a'],
    ['a/', '/+a/='],
    ['a/b', '/+a/=b'],
    ['/', '/+/='],
    ['..', '/=..'],
    ['x%y z', '/=x%25y%20z'],
    ['o/😀', '/+o/=%f0%9f%98%80'],
    [`status/${id}`, '/+status/-01kq/-a3/-f0/=zzzzzzzzzzzzzzzzzz'],
    [`atoms/${id}/a/b`, '/+atoms/-01kq/-a3/-f0z/=zzzzzzzzzzzzzzzzz%2fa%2fb'],
    [`done/01732140123456-${id}`, `/+done/-01732/-140/-123/=456-${id}`],
    [`keys/${'0af'.repeat(20)}`, `/+keys/-0af/=${'0af'.repeat(19)}`],
    [`claims/w-${id}/${id}`, `/+claims/+w-${id}/=${id}`],
    ['a/b/c/d/e/f/g/h', '/+a/+b/+c/+d/+e/+f/=g%2fh'],
  ])('%s: %s', (key, path) => {
    expect(layout.locate(key).path).toBe(`/board/!k${path}`);
    expect(layout.keyAt(`/board/!k${path}`)).toBe(key);
  });

  const keys = fc.oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    fc.stringMatching(/^[a-c/.]{1,12}$/),
    fc.stringMatching(/^[a-c]\/[0-7][0-9a-hjkmnp-tv-z]{25}(\/[a-c]{0,3})?$/),
    fc.stringMatching(/^[a-c]\/[0-9]{14}-[a-c]{0,3}$/),
  );

  it('tells the key, and has every directory on the way (K1)', () => {
    fc.assert(
      fc.property(keys, (key) => {
        const { path, directories } = layout.locate(key);
        expect(layout.keyAt(path)).toBe(key);
        expect(path).toMatch(/^[\x21-\x7e]+$/); // K3
        const parents = path.split('/').slice(3, -1);
        expect(directories).toHaveLength(parents.length);
        expect(directories.at(-1) ?? layout.root.path).toBe(path.slice(0, path.lastIndexOf('/')));
      }),
    );
  });

  it('is below the directory of each of its prefixes, whose keys all start alike (K2)', () => {
    fc.assert(
      fc.property(keys, fc.nat(), (key, cut) => {
        const prefix = key.slice(0, cut % (key.length + 1));
        const directory = layout.directoryOf(prefix);
        expect(layout.locate(key).path.startsWith(`${directory.path}/`)).toBe(true);
        expect(key.startsWith(directory.keyPrefix)).toBe(true);
      }),
    );
  });

  it('is found again by going down from the root, name by name', () => {
    fc.assert(
      fc.property(keys, (key) => {
        let directory = layout.root;
        const names = layout
          .locate(key)
          .path.slice(layout.root.path.length + 1)
          .split('/');
        for (const name of names.slice(0, -1)) {
          const child = layout.child(directory, name);
          if (child?.kind !== 'directory') throw new Error('a directory is expected');
          directory = child;
        }
        expect(layout.child(directory, names.at(-1) ?? '')).toMatchObject({ kind: 'key', key });
      }),
    );
  });
});

it.each([
  ['/holdfast', true],
  ['/a/b.c_d-e', true],
  ['', false],
  ['/', false],
  ['/a/', false],
  ['a', false],
  ['/..', false],
  ['/a/./b', false],
  ['/zookeeper', false],
  ['/a b', false],
  [`/${'x'.repeat(64)}`, false],
])('a prefix: %j is one: %s', (prefix, expected) => {
  expect(isPrefix(prefix)).toBe(expected);
});
