import { testEveryCrash, testFlow } from '@holdfast/flow/testing';
import { describe, expect, it } from 'vitest';
import { type ReleaseInput, release } from './graph.ts';

const production: ReleaseInput = {
  service: 'shop',
  commit: '4f2a91c',
  stage: 'production',
  changedFiles: ['migrations/0007-prices.sql', 'src/prices.ts'],
};
const staging: ReleaseInput = { ...production, stage: 'staging', changedFiles: ['src/prices.ts'] };

describe('the release', () => {
  it('migrates, moves the traffic step by step in production, and tells of it', async () => {
    const trial = await testFlow(release, { input: production });
    expect(trial.output).toEqual({
      image: 'shop:4f2a91c',
      migrations: 1,
      traffic: '100% to shop:4f2a91c',
      announcement: 'Released: 100% to shop:4f2a91c',
    });
    expect(trial.task('shift-a-tenth').result).toEqual({ traffic: '10% to shop:4f2a91c' });
    expect(trial.task('shift-all').state).toBe('ignore');
  });

  it('skips what it has no need of, and nothing else', async () => {
    const trial = await testFlow(release, { input: staging });
    expect(trial.output).toEqual({ image: 'shop:4f2a91c', traffic: '100% to shop:4f2a91c' });
    const skipped = Object.keys(trial.tasks).filter((name) => trial.task(name).state === 'ignore');
    expect(skipped.sort()).toEqual(['announce', 'migrate', 'shift-a-tenth', 'shift-the-rest']);
  });

  it('moves no traffic before the database is migrated', async () => {
    const { trace } = await testFlow(release, { input: production, delay: { migrate: 60_000 } });
    const migrated = trace.lines.indexOf('migrate: running -> success');
    const moved = trace.lines.indexOf('roll-out: pending -> running');
    expect(migrated).toBeGreaterThan(-1);
    expect(moved).toBeGreaterThan(migrated);
  });

  it.each([production, staging])('is the same after a crash at any commit, %#', async (input) => {
    const { uninterrupted, interrupted } = await testEveryCrash(release, { input });
    for (const { trial } of interrupted) expect(trial.output).toEqual(uninterrupted.output);
  });
});
