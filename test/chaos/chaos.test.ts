// A short campaign on each store: every fault at least once. What it does is drawn from the seed below;
// `npm run chaos` runs the same for as long as one wants.
import { describe, expect, it } from 'vitest';
import { runCampaign } from './campaign.ts';
import type { ChaosStoreKind } from './chaos-store.ts';
import { formatReport } from './report.ts';

const SEED = 20_261_121;
const STORES: readonly ChaosStoreKind[] = ['etcd', 'zookeeper'];

/** Without those that need the right to mount, or libfaketime. */
const FAULT_KINDS: Readonly<Record<ChaosStoreKind, number>> = { etcd: 25, zookeeper: 22 };

describe('a short campaign of every fault', () => {
  it.each(STORES)('breaks no promise on %s', { timeout: 400_000 }, async (store) => {
    const lines: string[] = [];
    const report = await runCampaign({
      store,
      seed: SEED,
      length: { kind: 'once' },
      say: (line) => lines.push(line),
    });
    console.log(formatReport(report));
    expect(report.violations, lines.join('\n')).toEqual([]);
    expect(report.rounds).toBe(2);
    // A campaign in which nothing happens proves nothing.
    expect(Object.keys(report.faults).length).toBeGreaterThanOrEqual(FAULT_KINDS[store]);
    expect(report.jobs).toBeGreaterThan(100);
    expect(report.lostAttempts).toBeGreaterThan(0);
    expect(report.repeatedTasks).toBeGreaterThan(0);
  });
});
