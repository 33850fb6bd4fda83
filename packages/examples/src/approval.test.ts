import { testEveryCrash, testFlow } from '@holdfast/flow/testing';
import { describe, expect, it } from 'vitest';
import { type AccessInput, access } from './approval.ts';

const HOUR_MS = 3_600_000;

const input: AccessInput = { person: 'Ada', database: 'orders', reason: 'an order that is stuck' };
const yes = { name: 'decide', payload: { by: 'Grace', minutes: 30 }, afterMs: HOUR_MS };
const no = { name: 'decide', payload: { by: 'Grace', minutes: 0 }, afterMs: HOUR_MS };

describe('access', () => {
  it('is given once it is approved, and ends after the time that was granted', async () => {
    const trial = await testFlow(access, { input, signals: [yes] });
    expect(trial.output).toEqual({
      decision: { by: 'Grace', minutes: 30 },
      closing: 'Ada@orders (test-job/grant/1) was open for 30 min',
    });
    expect(trial.elapsedMs).toBe(1.5 * HOUR_MS);
    // What waits is left by its worker: each attempt may be another's.
    expect(trial.trace.lines).toEqual([
      'open-request: pending -> running',
      'open-request: running -> success',
      'decision: pending -> running',
      '--- attempt 2',
      'decision: running -> success',
      'granted: pending -> running',
      'granted: running -> success',
      'grant: pending -> running',
      'grant: running -> success',
      'until-it-ends: pending -> running',
      '--- attempt 3',
      'until-it-ends: running -> success',
      'withdraw: pending -> running',
      'withdraw: running -> success',
    ]);
  });

  it('is not given when it is refused', async () => {
    const trial = await testFlow(access, { input, signals: [no] });
    expect(trial.output).toEqual({ decision: { by: 'Grace', minutes: 0 } });
    expect(trial.task('grant').state).toBe('ignore');
  });

  it('is not given, and the request is closed, when nobody decides within two days', async () => {
    const trial = await testFlow(access, { input });
    expect(trial.failure?.task).toBe('decision');
    expect(trial.elapsedMs).toBe(48 * HOUR_MS);
    expect(trial.trace.lines).toEqual([
      'open-request: pending -> running',
      'open-request: running -> success',
      'decision: pending -> running',
      '--- attempt 2',
      'decision: running -> failure',
      'decision: failure -> reverting',
      'decision: reverting -> reverted',
      'open-request: success -> reverting',
      'open-request: reverting -> reverted',
    ]);
  });

  it('waits on when a signal makes no sense, and keeps what was wrong with it', async () => {
    const signals = [{ name: 'decide', payload: { by: 'Grace' } }, yes];
    const trial = await testFlow(access, { input, signals });
    expect(trial.output.decision.minutes).toBe(30);
    expect(trial.task('decision').record.errors).toHaveLength(1);
  });

  it('ends the same after a crash at any commit', async () => {
    const { uninterrupted, interrupted } = await testEveryCrash(access, { input, signals: [yes] });
    for (const { trial } of interrupted) expect(trial.output).toEqual(uninterrupted.output);
  });
});
