import { InvalidArgumentError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Commit } from '../coord.ts';
import {
  absent,
  type CurrentStore,
  exists,
  put,
  read,
  remove,
  unchanged,
  versionOf,
  writeAll,
  writing,
} from './conformance-store.ts';

export function describeGrouping(current: CurrentStore): void {
  describe('group commit', () => {
    it('gives 200 concurrent commits 200 verdicts of their own, in fewer round trips (C4)', async () => {
      const { coord } = current();
      const existing = Array.from({ length: 200 }, (_, n) => n).filter((n) => n % 3 === 0);
      await writeAll(
        coord,
        existing.map((n) => put(`g/${n}`, 'old')),
      );
      const groupsBefore = coord.stats.groups;
      const version = await versionOf(coord, 'g/0');
      const commitOf = (n: number): Commit => {
        if (n % 5 === 0) return { when: [unchanged('g/0', version)], write: [put(`u/${n}`, 'x')] };
        if (n % 5 === 1) return { when: [exists(`g/${n}`)], write: [remove(`g/${n}`)] };
        return { when: [absent(`g/${n}`)], write: [put(`g/${n}`, 'new'), put(`h/${n}`, 'new')] };
      };
      const numbers = Array.from({ length: 200 }, (_, n) => n);
      const results = await Promise.all(numbers.map((n) => coord.commit(commitOf(n))));
      for (const [n, result] of results.entries()) {
        const isThere = n % 3 === 0;
        const isExpected = n % 5 === 0 || (n % 5 === 1 ? isThere : !isThere);
        const failedKey = result.committed ? undefined : result.failedGuard.key;
        expect([n, failedKey]).toEqual([n, isExpected ? undefined : `g/${n}`]);
        const written = n % 5 > 1 && isExpected ? 'new' : undefined;
        expect(await read(coord, `h/${n}`)).toBe(written);
      }
      expect(coord.stats.groups - groupsBefore).toBeLessThan(200);
      expect(coord.stats.commits).toBeGreaterThanOrEqual(200);
    });

    it('does not let a malformed commit disturb those beside it', async () => {
      const { coord } = current();
      const results = await Promise.allSettled([
        coord.commit(writing(put('a', '1'))),
        coord.commit(writing(put('twice', '1'), put('twice', '2'))),
        coord.commit(writing(put('b', '1'))),
      ]);
      expect(results.map((result) => result.status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      const refused = results[1];
      expect(refused.status === 'rejected' && refused.reason).toBeInstanceOf(InvalidArgumentError);
      expect(await read(coord, 'twice')).toBeUndefined();
    });

    it.each(['one handle', 'two handles'])(
      'lets one of a write-skew pair win, on %s',
      async (kind) => {
        const { coord, openAnother } = current();
        const other = kind === 'one handle' ? coord : await openAnother();
        for (let round = 0; round < 30; round += 1) {
          const [x, y] = [`skew/${round}/x`, `skew/${round}/y`];
          const results = await Promise.all([
            coord.commit({ when: [absent(x)], write: [put(y, '1')] }),
            other.commit({ when: [absent(y)], write: [put(x, '1')] }),
          ]);
          expect(results.filter((result) => result.committed)).toHaveLength(1);
          expect((await coord.get([x, y])).size).toBe(1);
        }
      },
    );

    it('takes many concurrent commits that write the same key', async () => {
      const { coord } = current();
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, n) => coord.commit(writing(put('hot', `${n}`)))),
      );
      const versions = results.map((result) => (result.committed ? result.versionOf('hot') : -1n));
      expect(new Set(versions).size).toBe(50);
      const newest = versions.reduce((a, b) => (a > b ? a : b));
      expect(await versionOf(coord, 'hot')).toBe(newest);
      expect(await read(coord, 'hot')).toBe(`${versions.indexOf(newest)}`);
    });

    it('counts without loss when many handles compare and set', async () => {
      const { coord, openAnother } = current();
      const handles = [coord, await openAnother(), await openAnother()];
      await coord.commit(writing(put('counter', '0')));
      const increment = async (handle: typeof coord): Promise<void> => {
        for (;;) {
          const entry = (await handle.get(['counter'])).get('counter');
          if (!entry) throw new Error('the counter is not there');
          const next = Number(new TextDecoder().decode(entry.value)) + 1;
          const result = await handle.commit({
            when: [unchanged('counter', entry.version)],
            write: [put('counter', `${next}`)],
          });
          if (result.committed) return;
        }
      };
      await Promise.all(
        handles.map(async (handle) => {
          for (let round = 0; round < 15; round += 1) await increment(handle);
        }),
      );
      expect(await read(coord, 'counter')).toBe('45');
    });
  });
}
