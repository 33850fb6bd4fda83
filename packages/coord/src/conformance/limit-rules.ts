import { InvalidArgumentError, PayloadTooLargeError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import {
  absent,
  type CurrentStore,
  exists,
  failureOf,
  failuresOf,
  put,
  unchanged,
  writeAll,
  writing,
} from './conformance-store.ts';

export function describeLimits(current: CurrentStore): void {
  describe('limits', () => {
    it('are wide enough for the records of the board', () => {
      const { limits } = current().coord;
      expect(limits.maxOpsPerCommit).toBeGreaterThanOrEqual(100);
      expect(limits.maxKeyBytes).toBeGreaterThanOrEqual(512);
      expect(limits.maxValueBytes).toBeGreaterThan(600_000);
      expect(limits.maxCommitBytes).toBeGreaterThanOrEqual(limits.maxValueBytes);
      expect(limits.maxPageEntries).toBeGreaterThanOrEqual(100);
      expect(limits.maxKeysPerGet).toBeGreaterThanOrEqual(100);
    });

    it('hold to the byte for values', async () => {
      const { coord } = current();
      const { maxValueBytes } = coord.limits;
      const value = new Uint8Array(maxValueBytes).fill(120);
      await coord.commit(writing({ kind: 'put', key: 'k', value }));
      const entry = (await coord.get(['k'])).get('k');
      expect(entry && Buffer.compare(entry.value, value)).toBe(0);
      const tooLarge = { kind: 'put', key: 'l', value: new Uint8Array(maxValueBytes + 1) } as const;
      const error = await failureOf(coord.commit(writing(put('ok', 'x'), tooLarge)));
      expect(error).toBeInstanceOf(PayloadTooLargeError);
      expect(error).toMatchObject({
        field: 'write[1].value',
        sizeBytes: maxValueBytes + 1,
        limitBytes: maxValueBytes,
      });
      expect((await coord.get(['ok', 'l'])).size).toBe(0);
    });

    it('hold for the bytes of a commit', async () => {
      const { coord } = current();
      const { maxValueBytes, maxCommitBytes } = coord.limits;
      const value = new Uint8Array(maxValueBytes);
      const count = Math.floor(maxCommitBytes / maxValueBytes) + 1;
      if (count > coord.limits.maxOpsPerCommit) return; // The number of operations comes first.
      const writes = Array.from({ length: count }, (_, n) => ({
        kind: 'put' as const,
        key: `k${n}`,
        value,
      }));
      expect(await failureOf(coord.commit(writing(...writes)))).toBeInstanceOf(
        PayloadTooLargeError,
      );
      expect((await coord.list({ prefix: '', limit: 1 })).entries).toEqual([]);
    });

    it('hold to the byte for keys', async () => {
      const { coord } = current();
      const longest = `${'k'.repeat(coord.limits.maxKeyBytes - 2)}é`;
      await coord.commit(writing(put(longest, 'x')));
      expect((await coord.get([longest])).size).toBe(1);
      const tooLong = `${longest}k`;
      expect(await failureOf(coord.commit(writing(put(tooLong, 'x'))))).toBeInstanceOf(
        InvalidArgumentError,
      );
      expect(await failureOf(coord.get([tooLong]))).toBeInstanceOf(InvalidArgumentError);
    });

    it.each(['', 'a\0b', '\ud800', 'x\udc00y'])('refuse the key %j everywhere', async (key) => {
      const { coord } = current();
      const calls = [
        coord.commit(writing(put(key, 'x'))),
        coord.commit(writing({ kind: 'remove', key })),
        coord.commit({ when: [absent(key)], write: [] }),
        coord.get([key]),
        coord.list({ prefix: '', after: key, limit: 1 }),
        coord.list({ prefix: '', before: key, limit: 1 }),
      ];
      for (const error of await failuresOf(calls)) {
        expect(error).toBeInstanceOf(InvalidArgumentError);
      }
    });

    it('hold for the guards and writes of one commit', async () => {
      const { coord } = current();
      const { maxOpsPerCommit } = coord.limits;
      const writes = Array.from({ length: maxOpsPerCommit - 1 }, (_, n) => put(`k${n}`, 'x'));
      const most = { when: [absent('none')], write: writes };
      expect((await coord.commit(most)).committed).toBe(true);
      const tooMany = { when: [absent('none'), exists('k0')], write: writes };
      const error = await failureOf(coord.commit(tooMany));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(String(error)).toContain(`${maxOpsPerCommit}`);
    });

    it('refuse a key written twice in one commit, in whatever way', async () => {
      const { coord } = current();
      for (const second of [put('k', '2'), { kind: 'remove', key: 'k' } as const]) {
        const error = await failureOf(coord.commit(writing(put('k', '1'), second)));
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(error).toMatchObject({ violations: [{ field: 'write[1].key' }] });
      }
      expect((await coord.get(['k'])).size).toBe(0);
    });

    it('refuse a version no store has', async () => {
      const { coord } = current();
      for (const version of [-1n, 2n ** 63n]) {
        const commit = { when: [unchanged('k', version)], write: [] };
        expect(await failureOf(coord.commit(commit))).toBeInstanceOf(InvalidArgumentError);
      }
    });

    it('hold for pages and for the keys of a get', async () => {
      const { coord } = current();
      const { maxPageEntries, maxKeysPerGet } = coord.limits;
      for (const limit of [0, -1, 1.5, Number.NaN, maxPageEntries + 1]) {
        const error = await failureOf(coord.list({ prefix: '', limit }));
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(error).toMatchObject({ violations: [{ field: 'limit' }] });
      }
      const keys = Array.from({ length: maxKeysPerGet }, (_, n) => `k${n}`);
      await writeAll(
        coord,
        keys.map((key) => put(key, 'x')),
      );
      expect((await coord.get(keys)).size).toBe(maxKeysPerGet);
      expect(await failureOf(coord.get([...keys, 'more']))).toBeInstanceOf(InvalidArgumentError);
      expect((await coord.get([])).size).toBe(0);
      expect((await coord.get(['k0', 'k0'])).size).toBe(1);
    });

    it.each([999, 0, -5, Number.NaN, 3_600_001, Number.POSITIVE_INFINITY])(
      'refuse a session of %d ms',
      async (ttlMs) => {
        const error = await failureOf(current().coord.openSession({ ttlMs }));
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(error).toMatchObject({ violations: [{ field: 'ttlMs' }] });
      },
    );
  });
}
