import { describe, expect, it } from 'vitest';
import type { Commit, Guard } from '../coord.ts';
import {
  absent,
  bytes,
  type CurrentStore,
  exists,
  put,
  read,
  remove,
  textOf,
  unchanged,
  versionOf,
  writing,
} from './conformance-store.ts';

export function describeCommits(current: CurrentStore): void {
  describe('commits', () => {
    it('acknowledges a put that every handle then reads, with the version it was told (C1)', async () => {
      const { coord, openAnother } = current();
      const other = await openAnother();
      const result = await coord.commit(writing(put('a', 'one'), put('b', 'two')));
      const entries = await other.get(['a', 'b', 'c']);
      expect(result.committed && result.versionOf('a')).toBe(entries.get('a')?.version);
      expect(result.committed && result.versionOf('b')).toBe(entries.get('b')?.version);
      expect(textOf(entries.get('a')?.value)).toBe('one');
      expect(textOf(entries.get('b')?.value)).toBe('two');
      expect(entries.has('c')).toBe(false);
      expect(entries.get('a')?.key).toBe('a');
    });

    it('shows each acknowledged commit to a read that starts after it, on any handle (C1)', async () => {
      const { coord, openAnother } = current();
      const other = await openAnother();
      for (let round = 0; round < 30; round += 1) {
        const [writer, reader] = round % 2 ? [coord, other] : [other, coord];
        await writer.commit(writing(put('k', `${round}`)));
        expect(await read(reader, 'k')).toBe(`${round}`);
        expect((await reader.list({ prefix: 'k', limit: 1 })).entries).toHaveLength(1);
      }
    });

    it('keeps values byte for byte, and apart from the arrays of its callers', async () => {
      const { coord } = current();
      const value = Uint8Array.from({ length: 256 }, (_, index) => index);
      await coord.commit(writing({ kind: 'put', key: 'all', value }, put('empty', '')));
      value.fill(7);
      const first = await coord.get(['all', 'empty']);
      expect([...(first.get('all')?.value ?? [])]).toEqual([...Array(256).keys()]);
      expect(first.get('empty')?.value.byteLength).toBe(0);
      first.get('all')?.value.fill(9);
      const second = await coord.get(['all']);
      expect(second.get('all')?.value[1]).toBe(1);
    });

    it('removes what it is told to, and removing nothing is no error', async () => {
      const { coord } = current();
      await coord.commit(writing(put('a', '1'), put('b', '1')));
      const result = await coord.commit(writing(remove('a'), remove('never-there')));
      expect(result.committed).toBe(true);
      expect(await read(coord, 'a')).toBeUndefined();
      expect(await read(coord, 'b')).toBe('1');
    });

    it('takes a commit that only asks, and one that asks nothing', async () => {
      const { coord } = current();
      await coord.commit(writing(put('a', '1')));
      expect((await coord.commit({ when: [exists('a')], write: [] })).committed).toBe(true);
      expect((await coord.commit({ when: [absent('a')], write: [] })).committed).toBe(false);
      expect((await coord.commit({ when: [], write: [] })).committed).toBe(true);
    });
  });

  describe('guards', () => {
    it.each<[string, (version: bigint) => Guard]>([
      ['absent, of a key that is there', () => absent('there')],
      ['exists, of a key that is not', () => exists('gone')],
      ['unchanged, of a key that changed', (version) => unchanged('there', version - 1n)],
      ['unchanged, of a key that is not there', (version) => unchanged('gone', version)],
    ])('refuses %s: names the guard and writes nothing (C2)', async (_, guardFor) => {
      const { coord } = current();
      const first = await coord.commit(writing(put('there', '1')));
      if (!first.committed) throw new Error('no guard, yet refused');
      const guard = guardFor(first.versionOf('there'));
      const commit: Commit = {
        when: [guard],
        write: [put('there', '2'), put('new', '2'), remove('there-too')],
      };
      expect(await coord.commit(commit)).toEqual({ committed: false, failedGuard: guard });
      expect(await read(coord, 'there')).toBe('1');
      expect(await read(coord, 'new')).toBeUndefined();
    });

    it('commits when every guard holds', async () => {
      const { coord } = current();
      await coord.commit(writing(put('a', '1'), put('b', '1')));
      const version = await versionOf(coord, 'a');
      const result = await coord.commit({
        when: [unchanged('a', version), exists('b'), absent('c'), exists('a')],
        write: [put('a', '2'), remove('b'), put('c', '2')],
      });
      expect(result.committed).toBe(true);
      expect(await read(coord, 'a')).toBe('2');
      expect(await read(coord, 'b')).toBeUndefined();
      expect(await read(coord, 'c')).toBe('2');
    });

    it('names the first guard that does not hold, in the order given', async () => {
      const { coord } = current();
      await coord.commit(writing(put('a', '1')));
      const result = await coord.commit({
        when: [exists('a'), absent('b'), exists('b'), absent('a')],
        write: [put('c', '1')],
      });
      expect(result).toEqual({ committed: false, failedGuard: exists('b') });
    });

    it('lets exactly one of many writers win that guard the same version', async () => {
      const { coord, openAnother } = current();
      const other = await openAnother();
      await coord.commit(writing(put('k', 'start')));
      const version = await versionOf(coord, 'k');
      const attempts = Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? coord : other).commit({
          when: [unchanged('k', version)],
          write: [put('k', `${index}`)],
        }),
      );
      const results = await Promise.all(attempts);
      const winners = results.flatMap((result, index) => (result.committed ? [index] : []));
      expect(winners).toHaveLength(1);
      expect(await read(coord, 'k')).toBe(`${winners[0]}`);
    });
  });

  describe('versions', () => {
    it('grow with every write to a key, whoever writes, and a stale one never matches again (C3)', async () => {
      const { coord, openAnother } = current();
      const other = await openAnother();
      const versions: bigint[] = [];
      for (let round = 0; round < 6; round += 1) {
        await (round % 2 ? coord : other).commit(writing(put('k', 'the same value')));
        versions.push(await versionOf(coord, 'k'));
      }
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => (a < b ? -1 : 1)));
      for (const stale of versions.slice(0, -1)) {
        const result = await coord.commit({ when: [unchanged('k', stale)], write: [] });
        expect(result.committed).toBe(false);
      }
      const newest = versions.at(-1) ?? 0n;
      const result = await coord.commit({ when: [unchanged('k', newest)], write: [] });
      expect(result.committed).toBe(true);
    });

    it('stay when other keys change', async () => {
      const { coord } = current();
      await coord.commit(writing(put('a', '1'), put('b', '1')));
      const version = await versionOf(coord, 'a');
      await coord.commit(writing(put('b', '2')));
      expect(await versionOf(coord, 'a')).toBe(version);
    });

    it('match nothing while the key is removed (C3)', async () => {
      const { coord } = current();
      await coord.commit(writing(put('k', '1')));
      const version = await versionOf(coord, 'k');
      await coord.commit(writing(remove('k')));
      const guard = unchanged('k', version);
      const result = await coord.commit({ when: [guard], write: [put('k', '2')] });
      expect(result).toEqual({ committed: false, failedGuard: guard });
    });
  });

  describe('atomicity', () => {
    it('never shows half a commit to another handle, by get or by list (C2)', async () => {
      const { coord, openAnother } = current();
      const reader = await openAnother();
      const keys = Array.from({ length: 10 }, (_, index) => `half/${index}`);
      let isDone = false;
      const write = async (): Promise<void> => {
        for (let round = 0; round < 60; round += 1) {
          const value = bytes(`${round}`);
          await coord.commit(writing(...keys.map((key) => ({ kind: 'put', key, value }) as const)));
        }
        isDone = true;
      };
      const writer = write();
      while (!isDone) {
        const entries = [...(await reader.get(keys)).values()];
        const page = await reader.list({ prefix: 'half/', limit: 100 });
        for (const seen of [entries, page.entries]) {
          expect([0, keys.length]).toContain(seen.length);
          expect(new Set(seen.map((entry) => textOf(entry.value))).size).toBeLessThan(2);
        }
      }
      await writer;
    });
  });
}
