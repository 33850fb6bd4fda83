import { silentLogger, UnavailableError, VirtualClock } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { StoreHealth } from './store-health.ts';

const INTERVAL_MS = 2000;

/** A store that is asked, and whose answers a test gives. */
function watchedStore(): {
  readonly clock: VirtualClock;
  readonly health: StoreHealth;
  readonly reports: boolean[];
  readonly probes: { isFailing: boolean; count: number; isHanging: boolean };
} {
  const clock = new VirtualClock();
  const reports: boolean[] = [];
  const probes = { isFailing: false, count: 0, isHanging: false };
  const health = new StoreHealth({
    clock,
    intervalMs: INTERVAL_MS,
    logger: silentLogger,
    changed: (isWell) => reports.push(isWell),
    probe: async ({ signal }) => {
      probes.count += 1;
      if (probes.isHanging)
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      if (probes.isFailing) throw new UnavailableError('the store is away');
    },
  });
  return { clock, health, reports, probes };
}

describe('the health of the store', () => {
  it('is told when it changes, and only then (O1)', async () => {
    const { clock, health, reports, probes } = watchedStore();
    await using _stopped = health;
    await health.start();
    await clock.advance(INTERVAL_MS);
    expect(reports).toEqual([]);
    probes.isFailing = true;
    await clock.advance(2 * INTERVAL_MS);
    expect(reports).toEqual([false]);
    probes.isFailing = false;
    await clock.advance(2 * INTERVAL_MS);
    expect(reports).toEqual([false, true]);
    expect(probes.count).toBeGreaterThanOrEqual(5);
  });

  it('is asked by one probe at a time, and by none after the stop (O2, O3)', async () => {
    const { clock, health, reports, probes } = watchedStore();
    probes.isHanging = true;
    probes.isFailing = true;
    await health.start();
    await clock.advance(5 * INTERVAL_MS);
    expect(probes.count).toBe(1);
    await health.stop();
    await clock.advance(5 * INTERVAL_MS);
    expect([probes.count, reports]).toEqual([1, []]);
  });
});
