import { SessionLostError, UnavailableError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Coord, Session } from '../coord.ts';
import {
  absent,
  type CurrentStore,
  clockOf,
  exists,
  failureOf,
  passTime,
  put,
  read,
  until,
  writing,
} from './conformance-store.ts';

const TTL_MS = 1000;

export function describeSessions(current: CurrentStore): void {
  describe('sessions', () => {
    it('remove their keys when they are closed, and nothing else (C5)', async () => {
      const { coord, openAnother } = current();
      const other = await openAnother();
      const session = await coord.openSession({ ttlMs: TTL_MS });
      await coord.commit(
        writing(put('s/1', 'x', session), put('s/2', 'x', session), put('p', 'x')),
      );
      expect(await read(other, 's/1')).toBe('x');
      await session.close();
      expect([...(await other.get(['s/1', 's/2', 'p'])).keys()]).toEqual(['p']);
      expect(await read(coord, 's/1')).toBeUndefined();
    });

    it('are closed once, however often, and closing does not abort `lost`', async () => {
      const { coord } = current();
      const session = await coord.openSession({ ttlMs: TTL_MS });
      await Promise.all([session.close(), session.close()]);
      await session.close();
      expect(session.lost.aborted).toBe(false);
      expect(session.isTrusted()).toBe(false);
    });

    it('have ids of their own, and a time to live no shorter than asked for', async () => {
      const { coord, openAnother } = current();
      const other = await openAnother();
      const sessions = await Promise.all(
        [coord, coord, other, other].map((handle) => handle.openSession({ ttlMs: 1500 })),
      );
      expect(new Set(sessions.map((session) => session.id)).size).toBe(4);
      for (const session of sessions) expect(session.ttlMs).toBeGreaterThanOrEqual(1500);
      await Promise.all(sessions.map((session) => session.close()));
    });

    it('are trusted from the start, but for less than their time to live', async () => {
      const store = current();
      const clock = clockOf(store);
      const session = await store.coord.openSession({ ttlMs: TTL_MS });
      const trustedMs = session.trustedUntilMs() - clock.monotonicMs();
      expect(session.isTrusted()).toBe(true);
      expect(trustedMs).toBeGreaterThan(0);
      expect(trustedMs).toBeLessThan(session.ttlMs);
      await session.close();
    });

    it('live on by keep-alive for several times their time to live', async () => {
      const store = current();
      const clock = clockOf(store);
      const session = await store.coord.openSession({ ttlMs: TTL_MS });
      await store.coord.commit(writing(put('s', 'x', session)));
      const untilMs = clock.monotonicMs() + 2.5 * session.ttlMs;
      while (clock.monotonicMs() < untilMs) {
        await passTime(store);
        expect(session.isTrusted()).toBe(true);
        expect(await read(store.coord, 's')).toBe('x');
      }
      expect(session.lost.aborted).toBe(false);
      await session.close();
    });

    it('end by themselves when their process is gone, but never before trustedUntil', async () => {
      const store = current();
      const clock = clockOf(store);
      const doomed = await store.openAnother();
      const session = await doomed.openSession({ ttlMs: TTL_MS });
      await doomed.commit(writing(put('s', 'x', session), put('plain', 'x')));
      await doomed.stop();
      const trustedUntilMs = session.trustedUntilMs();
      let goneByMs = 0;
      await until(store, 'the key of a dead process vanishes', async () => {
        const isThere = (await read(store.coord, 's')) !== undefined;
        goneByMs = clock.monotonicMs();
        return !isThere;
      });
      expect(goneByMs).toBeGreaterThanOrEqual(trustedUntilMs);
      expect(await read(store.coord, 'plain')).toBe('x');
      expect(session.isTrusted()).toBe(false);
    });

    it('tell their holder when the store gave the lease away', async () => {
      const store = current();
      const session = await store.coord.openSession({ ttlMs: TTL_MS });
      await store.coord.commit(writing(put('s', 'x', session), put('plain', 'x')));
      await store.expireSession(session);
      await until(store, 'the session is lost', () => session.lost.aborted);
      expect(session.lost.reason).toBeInstanceOf(SessionLostError);
      expect(session.isTrusted()).toBe(false);
      expect(await read(store.coord, 's')).toBeUndefined();
      expect(await read(store.coord, 'plain')).toBe('x');
      await session.close();
    });

    it('refuse a put once the store gave the lease away; nothing of that commit is written', async () => {
      const store = current();
      const session = await store.coord.openSession({ ttlMs: TTL_MS });
      await store.expireSession(session);
      // Even before the holder has noticed, because the store is asked.
      const commit = writing(put('plain', 'x'), put('s', 'x', session));
      let failure: unknown;
      await until(store, 'the store has answered', async () => {
        failure = await failureOf(store.coord.commit(commit));
        // Where the connection went with the session, there may be none for a moment.
        return !(failure instanceof UnavailableError);
      });
      expect(failure).toBeInstanceOf(SessionLostError);
      await until(store, 'the session is lost', () => session.lost.aborted);
      expect(await failureOf(store.coord.commit(commit))).toBeInstanceOf(SessionLostError);
      expect((await store.coord.get(['plain', 's'])).size).toBe(0);
    });

    it('refuse a put once they are closed; commits beside it are not disturbed', async () => {
      const { coord } = current();
      const session = await coord.openSession({ ttlMs: TTL_MS });
      await session.close();
      const [before, refused, after] = await Promise.allSettled([
        coord.commit(writing(put('before', 'x'))),
        coord.commit(writing(put('s', 'x', session), put('with', 'x'))),
        coord.commit(writing(put('after', 'x'))),
      ]);
      expect([before.status, after.status]).toEqual(['fulfilled', 'fulfilled']);
      expect(refused.status === 'rejected' && refused.reason).toBeInstanceOf(SessionLostError);
      expect([...(await coord.get(['before', 's', 'with', 'after'])).keys()].sort()).toEqual([
        'after',
        'before',
      ]);
    });

    it('lose a key that is put again without them, or with another one (C5)', async () => {
      const { coord } = current();
      const [first, second] = await openTwo(coord);
      await coord.commit(writing(put('a', '1', first), put('b', '1', first), put('c', '1')));
      await coord.commit(writing(put('a', '2'), put('b', '2', second), put('c', '2', first)));
      await first.close();
      expect([...(await coord.get(['a', 'b', 'c'])).keys()].sort()).toEqual(['a', 'b']);
      await second.close();
      expect([...(await coord.get(['a', 'b', 'c'])).keys()]).toEqual(['a']);
    });

    it('let go of a key that was removed and made anew without them', async () => {
      const { coord } = current();
      const session = await coord.openSession({ ttlMs: TTL_MS });
      await coord.commit(writing(put('a', '1', session)));
      await coord.commit({ when: [exists('a')], write: [{ kind: 'remove', key: 'a' }] });
      await coord.commit(writing(put('a', '2')));
      await session.close();
      expect(await read(coord, 'a')).toBe('2');
    });

    it('may share a commit, each with its own keys', async () => {
      const { coord } = current();
      const [first, second] = await openTwo(coord);
      await coord.commit(writing(put('a', '1', first), put('b', '1', second)));
      await first.close();
      expect([...(await coord.get(['a', 'b'])).keys()]).toEqual(['b']);
      await second.close();
    });

    it('let another process act on their end, by a guard (takeover)', async () => {
      const { coord, openAnother } = current();
      const holder = await openAnother();
      const session = await holder.openSession({ ttlMs: TTL_MS });
      await holder.commit(writing(put('worker', 'x', session)));
      const takeOver = { when: [absent('worker')], write: [put('taken', 'x')] };
      expect(await coord.commit(takeOver)).toEqual({
        committed: false,
        failedGuard: absent('worker'),
      });
      await session.close();
      expect((await coord.commit(takeOver)).committed).toBe(true);
    });
  });
}

function openTwo(coord: Coord): Promise<[Session, Session]> {
  return Promise.all([coord.openSession({ ttlMs: TTL_MS }), coord.openSession({ ttlMs: TTL_MS })]);
}
