import { createSeededRandom, VirtualClock } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { describeCoordConformance } from './conformance/index.ts';
import type { Coord } from './coord.ts';
import { openMemoryCoord } from './memory-coord.ts';
import { createMemoryStore } from './memory-store.ts';

describe('the memory driver', () => {
  it('leaves no timer behind, and ends the sessions of dead handles once there is one again', async () => {
    const clock = new VirtualClock();
    const random = createSeededRandom(1);
    const store = createMemoryStore({ clock });
    const first = openMemoryCoord(store, { clock, random });
    await first.start();
    first.watch('', () => {});
    const session = await first.openSession({ ttlMs: 5000 });
    const put = { kind: 'put', key: 's', value: new Uint8Array(), session } as const;
    await first.commit({ when: [], write: [put] });
    await first.stop();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(4000);
    const second = openMemoryCoord(store, { clock, random });
    await second.start();
    expect((await second.get(['s'])).size).toBe(1);
    await clock.advance(1000);
    expect((await second.get(['s'])).size).toBe(0);
    await second.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});

describeCoordConformance('memory', {
  async open() {
    const clock = new VirtualClock();
    const random = createSeededRandom(1);
    const store = createMemoryStore({ clock });
    const handles: Coord[] = [];
    const openAnother = async (): Promise<Coord> => {
      const coord = openMemoryCoord(store, { clock, random });
      handles.push(coord);
      await coord.start();
      return coord;
    };
    return {
      coord: await openAnother(),
      openAnother,
      clock,
      advance: (ms) => clock.advance(ms),
      expireSession: async (session) => store.endSession(session.id),
      close: async () => {
        await Promise.all(handles.map((handle) => handle.stop()));
      },
    };
  },
});
