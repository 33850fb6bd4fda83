import { describe, expect, it } from 'vitest';
import type { Key } from '../coord.ts';
import { type CurrentStore, keysOf, put, writeAll, writing } from './conformance-store.ts';

// In the order of their UTF-8 bytes. In UTF-16 the last two would change places.
const ORDERED_KEYS: readonly Key[] = [
  'o/\u0001',
  'o/ ',
  'o/%',
  'o/*',
  'o/A',
  'o/Z',
  'o/_',
  'o/a',
  'o/a/',
  'o/a/b',
  'o/a0',
  'o/aa',
  'o/z',
  'o/~',
  'o/é',
  'o/ÿ',
  'o/ß₂'.normalize('NFD'),
  'o/日本',
  'o/\uffff',
  'o/😀',
].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

export function describeListing(current: CurrentStore): void {
  describe('listing', () => {
    it('gives keys in the order of their UTF-8 bytes', async () => {
      const { coord } = current();
      await writeAll(
        coord,
        ORDERED_KEYS.toReversed().map((key) => put(key, key)),
      );
      const page = await coord.list({ prefix: 'o/', limit: 100 });
      expect(keysOf(page)).toEqual(ORDERED_KEYS);
      expect(keysOf(page).slice(-2)).toEqual(['o/\uffff', 'o/😀']);
      expect(page.more).toBe(false);
      expect(page.visited).toBeGreaterThanOrEqual(ORDERED_KEYS.length);
    });

    it('gives values and versions as get does', async () => {
      const { coord } = current();
      await coord.commit(writing(put('v/1', 'one')));
      await coord.commit(writing(put('v/2', 'two')));
      const page = await coord.list({ prefix: 'v/', limit: 10 });
      const entries = await coord.get(['v/1', 'v/2']);
      for (const entry of page.entries) {
        expect(entry.version).toBe(entries.get(entry.key)?.version);
        expect([...entry.value]).toEqual([...(entries.get(entry.key)?.value ?? [])]);
      }
    });

    it.each([1, 3, 19, 20, 21])('pages through all keys, %i at a time', async (limit) => {
      const { coord } = current();
      await writeAll(
        coord,
        ORDERED_KEYS.map((key) => put(key, '')),
      );
      const seen: Key[] = [];
      for (let more = true; more; ) {
        const page = await coord.list({ prefix: 'o/', limit, after: seen.at(-1) });
        expect(page.entries.length).toBeLessThanOrEqual(limit);
        // A page that says there is more has to bring something, or paging would not end.
        expect(page.more && page.entries.length === 0).toBe(false);
        seen.push(...keysOf(page));
        more = page.more;
      }
      expect(seen).toEqual(ORDERED_KEYS);
    });

    it('takes a prefix literally', async () => {
      const { coord } = current();
      const keys = ['p%x', 'p*x', 'p?x', 'p[x', 'p_x', 'pax', 'p\\x', 'Pax', 'p'];
      await writeAll(
        coord,
        keys.map((key) => put(key, '')),
      );
      for (const prefix of ['p%', 'p*', 'p?', 'p[', 'p_', 'pa', 'p\\', 'Pa']) {
        expect(keysOf(await coord.list({ prefix, limit: 10 }))).toEqual([`${prefix}x`]);
      }
    });

    it('ends a prefix where its last character is the last there is', async () => {
      const { coord } = current();
      const last = '\u{10ffff}';
      const keys = ['q', `q${last}`, `q${last}${last}`, 'r', last];
      await writeAll(
        coord,
        keys.map((key) => put(key, '')),
      );
      expect(keysOf(await coord.list({ prefix: `q${last}`, limit: 10 }))).toEqual([
        `q${last}`,
        `q${last}${last}`,
      ]);
      expect(keysOf(await coord.list({ prefix: last, limit: 10 }))).toEqual([last]);
    });

    it('gives every key for an empty prefix, and none for a prefix without keys', async () => {
      const { coord } = current();
      await writeAll(coord, [put('b', ''), put('a', ''), put('é', '')]);
      expect(keysOf(await coord.list({ prefix: '', limit: 10 }))).toEqual(['a', 'b', 'é']);
      expect(await coord.list({ prefix: 'zzz', limit: 10 })).toMatchObject({
        entries: [],
        more: false,
      });
    });

    it('leaves out both bounds, and takes bounds outside the prefix or crossed', async () => {
      const { coord } = current();
      await writeAll(
        coord,
        ['a/1', 'b/1', 'b/2', 'b/3', 'b/4', 'c/1'].map((key) => put(key, '')),
      );
      const list = async (after?: Key, before?: Key): Promise<Key[]> =>
        keysOf(await coord.list({ prefix: 'b/', after, before, limit: 10 }));
      expect(await list('b/1', 'b/4')).toEqual(['b/2', 'b/3']);
      expect(await list('b/11', 'b/30')).toEqual(['b/2', 'b/3']);
      expect(await list('a/1', 'c/1')).toEqual(['b/1', 'b/2', 'b/3', 'b/4']);
      expect(await list('b/4')).toEqual([]);
      expect(await list('c/1')).toEqual([]);
      expect(await list(undefined, 'b/1')).toEqual([]);
      expect(await list(undefined, 'a/1')).toEqual([]);
      expect(await list('b/3', 'b/2')).toEqual([]);
    });

    it('says whether there is more within the bounds', async () => {
      const { coord } = current();
      await writeAll(
        coord,
        ['m/1', 'm/2', 'm/3', 'm/4'].map((key) => put(key, '')),
      );
      const more = async (limit: number, before?: Key): Promise<boolean> =>
        (await coord.list({ prefix: 'm/', before, limit })).more;
      expect(await more(3)).toBe(true);
      expect(await more(4)).toBe(false);
      expect(await more(2, 'm/4')).toBe(true);
      expect(await more(3, 'm/4')).toBe(false);
    });

    it('gives a page as large as the limit allows', async () => {
      const { coord } = current();
      const count = coord.limits.maxPageEntries + 1;
      const keys = Array.from({ length: count }, (_, n) => `big/${`${n}`.padStart(8, '0')}`);
      await writeAll(
        coord,
        keys.map((key) => put(key, 'x'.repeat(100))),
      );
      const page = await coord.list({ prefix: 'big/', limit: coord.limits.maxPageEntries });
      expect(keysOf(page)).toEqual(keys.slice(0, -1));
      expect(page.more).toBe(true);
      const rest = await coord.list({ prefix: 'big/', after: keys.at(-2), limit: 5 });
      expect(keysOf(rest)).toEqual(keys.slice(-1));
    });
  });
}
