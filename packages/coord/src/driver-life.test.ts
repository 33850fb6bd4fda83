import { describe, expect, it } from 'vitest';
import { DriverLife } from './driver-life.ts';

interface Parts {
  commits: number;
}

/** A life whose opening ends as told, and what was done to its parts. */
function lifeOf(open: () => Promise<Parts>): { life: DriverLife<Parts>; log: string[] } {
  const log: string[] = [];
  const life = new DriverLife<Parts>({
    open: () => {
      log.push('open');
      return open();
    },
    close: async (parts) => {
      log.push('close');
      parts.commits += 1; // One that was on its way.
    },
    count: ({ commits }) => ({ commits, groups: 1 }),
  });
  return { life, log };
}

describe('the life of a driver', () => {
  it('opens its parts once, however often it is started and stopped (L1)', async () => {
    const parts = { commits: 0 };
    const { life, log } = lifeOf(async () => parts);
    await Promise.all([life.start(), life.start()]);
    await life.start();
    expect(life.running()).toBe(parts);
    await Promise.all([life.stop(), life.stop()]);
    await life.stop();
    expect(log).toEqual(['open', 'close']);
  });

  it('opens afresh after a start that failed, and closes nothing that was not opened (L1)', async () => {
    let isAway = true;
    const { life, log } = lifeOf(async () => {
      if (isAway) throw new Error('away');
      return { commits: 0 };
    });
    await expect(life.start()).rejects.toThrow('away');
    expect(() => life.running()).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    isAway = false;
    await life.start();
    await life.stop();
    expect(log).toEqual(['open', 'open', 'close']);

    isAway = true;
    const other = lifeOf(() => Promise.reject(new Error('away')));
    const starting = other.life.start();
    const stopping = other.life.stop();
    await expect(starting).rejects.toThrow('away');
    await stopping;
    expect(other.log).toEqual(['open']);
  });

  it('gives nobody its parts once it is told to stop, also while it starts (L2)', async () => {
    const { promise, resolve } = Promise.withResolvers<Parts>();
    const { life, log } = lifeOf(() => promise);
    const starting = life.start();
    const stopping = life.stop();
    resolve({ commits: 0 });
    await starting;
    expect(() => life.running()).toThrow('the store was stopped');
    await stopping;
    expect(log).toEqual(['open', 'close']);
  });

  it('stays stopped (L3)', async () => {
    const { life, log } = lifeOf(async () => ({ commits: 0 }));
    await life.stop();
    await expect(life.start()).rejects.toThrow('the store was stopped');
    expect(log).toEqual([]);
  });

  it('refuses a caller who has given up already', async () => {
    const { life } = lifeOf(async () => ({ commits: 0 }));
    await life.start();
    const call = (): Parts => life.running({ signal: AbortSignal.abort() });
    expect(call).toThrow(expect.objectContaining({ code: 'CANCELLED' }));
    await life.stop();
  });

  it('counts on until its parts are closed, and keeps the count', async () => {
    const parts = { commits: 3 };
    const { life } = lifeOf(async () => parts);
    expect(life.stats).toEqual({ commits: 0, groups: 0, reads: 0 });
    await life.start();
    life.countRead();
    expect(life.stats).toEqual({ commits: 3, groups: 1, reads: 1 });
    await life.stop();
    expect(life.stats).toEqual({ commits: 4, groups: 1, reads: 1 });
  });
});
