import { UnavailableError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { type CurrentStore, failuresOf, put, read, until, writing } from './conformance-store.ts';

export function describeLifecycle(current: CurrentStore): void {
  describe('lifecycle', () => {
    it('starts and stops as often as asked, also at the same time', async () => {
      const { openAnother } = current();
      const coord = await openAnother();
      await Promise.all([coord.start(), coord.start()]);
      expect((await coord.commit(writing(put('k', 'x')))).committed).toBe(true);
      await Promise.all([coord.stop(), coord.stop()]);
      await coord.stop();
    });

    it('refuses every call once stopped, and keeps what was acknowledged', async () => {
      const { coord, openAnother } = current();
      const stopped = await openAnother();
      await stopped.commit(writing(put('k', 'x')));
      await stopped.stop();
      const calls = [
        stopped.get(['k']),
        stopped.list({ prefix: '', limit: 1 }),
        stopped.commit(writing(put('k', 'y'))),
        stopped.openSession({ ttlMs: 1000 }),
      ];
      for (const error of await failuresOf(calls)) expect(error).toBeInstanceOf(UnavailableError);
      expect(await read(coord, 'k')).toBe('x');
    });

    it('ends the watches when it stops', async () => {
      const { coord, openAnother } = current();
      const stopped = await openAnother();
      let wakes = 0;
      const watch = stopped.watch('', () => {
        wakes += 1;
      });
      await watch.armed;
      await stopped.stop();
      const before = wakes;
      await coord.commit(writing(put('k', 'x')));
      await watch.close();
      expect(wakes).toBe(before);
    });

    it('leaves its sessions to lapse when it stops, so that nobody trusts them for ever', async () => {
      const store = current();
      const stopped = await store.openAnother();
      const session = await stopped.openSession({ ttlMs: 1000 });
      await stopped.commit(writing(put('s', 'x', session)));
      await stopped.stop();
      await until(store, 'the session is lost', () => session.lost.aborted);
      expect(session.isTrusted()).toBe(false);
      await session.close();
      await until(
        store,
        'its key vanishes',
        async () => (await read(store.coord, 's')) === undefined,
      );
    });

    it('gives up at once for a caller that has given up already', async () => {
      const { coord } = current();
      const options = { signal: AbortSignal.abort() };
      const calls = [
        coord.get(['k'], options),
        coord.list({ prefix: '', limit: 1 }, options),
        coord.commit(writing(put('k', 'x')), options),
      ];
      for (const error of await failuresOf(calls))
        expect(error).toMatchObject({ code: 'CANCELLED' });
      expect(await read(coord, 'k')).toBeUndefined();
    });

    it('describes itself', () => {
      expect(current().coord.description).not.toBe('');
    });
  });
}
