import { describe, expect, it } from 'vitest';
import {
  type CurrentStore,
  passTime,
  put,
  read,
  remove,
  until,
  writing,
} from './conformance-store.ts';

export function describeWatches(current: CurrentStore): void {
  describe('watches', () => {
    it.each(['the same', 'another'])('wake after a change by %s handle', async (whose) => {
      const store = current();
      const { coord } = store;
      const writer = whose === 'another' ? await store.openAnother() : coord;
      let wakes = 0;
      const watch = coord.watch('w/', () => {
        wakes += 1;
      });
      await watch.armed;
      for (const write of [put('w/1', 'x'), put('w/1', 'y'), remove('w/1')]) {
        const before = wakes;
        await writer.commit(writing(write));
        await until(store, `a wake-up after ${write.kind}`, () => wakes > before);
      }
      expect(wakes).toBeGreaterThanOrEqual(3);
      await watch.close();
    });

    it('wake when a session ends and takes its keys along', async () => {
      const store = current();
      const holder = await store.openAnother();
      const session = await holder.openSession({ ttlMs: 1000 });
      await holder.commit(writing(put('w/s', 'x', session)));
      let wakes = 0;
      const watch = store.coord.watch('w/', () => {
        wakes += 1;
      });
      await watch.armed;
      const before = wakes;
      await session.close();
      await until(store, 'a wake-up after the session ended', () => wakes > before);
      expect(await read(store.coord, 'w/s')).toBeUndefined();
      await watch.close();
    });

    it('lead a loop that reads after each wake-up to the last state', async () => {
      const store = current();
      const writer = await store.openAnother();
      let isDue = true;
      const watch = store.coord.watch('w/', () => {
        isDue = true;
      });
      await watch.armed;
      const write = async (): Promise<void> => {
        for (let n = 1; n <= 100; n += 1) await writer.commit(writing(put('w/n', `${n}`)));
      };
      const written = write();
      await until(store, 'the loop has seen the last state', async () => {
        if (!isDue) return false;
        isDue = false;
        return (await read(store.coord, 'w/n')) === '100';
      });
      await written;
      expect(await read(store.coord, 'w/n')).toBe('100');
      await watch.close();
    });

    it('sleep while other keys change', async () => {
      const store = current();
      let wakes = 0;
      const watch = store.coord.watch('w/1', () => {
        wakes += 1;
      });
      await watch.armed;
      for (let n = 0; n < 60; n += 1) {
        await store.coord.commit(writing(put('w/2', `${n}`), put('v/1', `${n}`)));
        await passTime(store, 1);
      }
      // Not none: a resync or two may fall into this time.
      expect(wakes).toBeLessThan(20);
      await watch.close();
    });

    it('are independent of each other, also on the same prefix', async () => {
      const store = current();
      const wakes = [0, 0];
      const watches = wakes.map((_, index) =>
        store.coord.watch('w/', () => {
          wakes[index] = (wakes[index] ?? 0) + 1;
        }),
      );
      await Promise.all(watches.map((watch) => watch.armed));
      await watches[0]?.close();
      const [closedWakes] = wakes;
      await store.coord.commit(writing(put('w/1', 'x')));
      await until(store, 'the open watch wakes', () => (wakes[1] ?? 0) > 0);
      expect(wakes[0]).toBe(closedWakes);
      await watches[1]?.close();
    });

    it('are silent once closed, and may be closed again', async () => {
      const store = current();
      let wakes = 0;
      const watch = store.coord.watch('', () => {
        wakes += 1;
      });
      await watch.armed;
      await store.coord.commit(writing(put('w/1', 'x')));
      await Promise.all([watch.close(), watch.close()]);
      const before = wakes;
      await store.coord.commit(writing(put('w/2', 'x')));
      await passTime(store);
      expect(wakes).toBe(before);
    });
  });
}
