import { afterEach, beforeEach, describe } from 'vitest';
import { describeCommits } from './commit-rules.ts';
import type { ConformanceDriver, ConformanceStore } from './conformance-store.ts';
import { describeGrouping } from './group-rules.ts';
import { describeHistories } from './history-rules.ts';
import { describeLifecycle } from './lifecycle-rules.ts';
import { describeLimits } from './limit-rules.ts';
import { describeListing } from './list-rules.ts';
import { describeSessions } from './session-rules.ts';
import { describeWatches } from './watch-rules.ts';

/** For each test, in milliseconds; sessions of real stores take seconds to lapse. */
const TEST_TIMEOUT_MS = 60_000;

/**
 * Defines the conformance tests of the seam for one driver, in a vitest file. Every driver has to
 * pass all of them; each test gets a fresh store from `driver.open`.
 */
export function describeCoordConformance(name: string, driver: ConformanceDriver): void {
  describe(`coord conformance: ${name}`, { timeout: TEST_TIMEOUT_MS }, () => {
    let store: ConformanceStore | undefined;
    const current = (): ConformanceStore => {
      if (!store) throw new Error('no store is open: current() is for the inside of a test');
      return store;
    };
    beforeEach(async () => {
      store = await driver.open();
    });
    afterEach(async () => {
      await store?.close();
      store = undefined;
    });

    describeLifecycle(current);
    describeCommits(current);
    describeListing(current);
    describeLimits(current);
    describeGrouping(current);
    describeSessions(current);
    describeWatches(current);
    describeHistories(current);
  });
}
