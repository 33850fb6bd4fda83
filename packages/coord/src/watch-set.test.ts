import { createSeededRandom, VirtualClock } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { DEFAULT_RESYNC_MS, WatchSet } from './watch-set.ts';

function opened(): { clock: VirtualClock; watches: WatchSet; log: string[] } {
  const clock = new VirtualClock();
  return { clock, watches: new WatchSet({ clock, random: createSeededRandom(1) }), log: [] };
}

describe('a set of watches', () => {
  it('wakes each watch whose prefix the key has, once for all changes of a turn (I2)', async () => {
    const { clock, watches, log } = opened();
    for (const prefix of ['', 'a', 'a/', 'a/b', 'b', 'a/bcd']) {
      watches.add(prefix, () => log.push(prefix));
    }
    watches.changed('a/bc');
    watches.changed('a/bc');
    expect(log).toEqual([]);
    await clock.advance(0);
    expect(log.toSorted()).toEqual(['', 'a', 'a/', 'a/b']);
    watches.clear();
  });

  it('never wakes a watch after it was closed, not even for what happened before (I1)', async () => {
    const { clock, watches, log } = opened();
    const first = watches.add('a', () => log.push('first'));
    const second = watches.add('a', () => {
      log.push('second');
    });
    watches.changed('a');
    await first.close();
    await clock.advance(0);
    expect(log).toEqual(['second']);
    await second.close();
    watches.changed('a');
    await clock.advance(60_000);
    expect(log).toEqual(['second']);
    expect([watches.size, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('wakes every watch when it is not known what changed', async () => {
    const { clock, watches, log } = opened();
    watches.add('a', () => log.push('a'));
    watches.add('b', () => log.push('b'));
    watches.changedSomewhere();
    await clock.advance(0);
    expect(log).toEqual(['a', 'b']);
    watches.clear();
  });

  it('wakes every watch now and then without a reason, not all at the same moment (I3)', async () => {
    const { clock, watches, log } = opened();
    for (const name of ['a', 'b', 'c']) watches.add(name, () => log.push(name));
    await clock.advance(DEFAULT_RESYNC_MS * 0.8 - 1);
    expect(log).toEqual([]);
    const seen: number[] = [];
    while (log.length < 3) {
      await clock.advanceToNextTimer();
      await clock.advance(0);
      seen.push(clock.monotonicMs());
    }
    expect(new Set(seen).size).toBe(3);
    expect(Math.max(...seen)).toBeLessThanOrEqual(DEFAULT_RESYNC_MS * 1.2);
    watches.clear();
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets go once of what a driver holds for a watch', async () => {
    const { watches } = opened();
    let closed = 0;
    const onClose = async (): Promise<void> => {
      closed += 1;
    };
    const watch = watches.add('a', () => {}, { onClose });
    await Promise.all([watch.close(), watch.close()]);
    expect(closed).toBe(1);
  });
});
