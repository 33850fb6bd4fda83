import type { AttemptRecord, JobId, JobStatus, WorkerId } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Kill } from './assassin.ts';
import {
  type DemoResult,
  findTakeovers,
  formatLastLine,
  formatResult,
  isGood,
  unexplainedRepeats,
} from './demo-result.ts';

const KILLED_AT = 10_000;
const kill: Kill = {
  pid: 1,
  atUnixMs: KILLED_AT,
  inFlight: [{ jobId: 'j1', task: 'a', attempt: 1, atUnixMs: KILLED_AT - 5 }],
};

function attempt(number: number, of: Partial<AttemptRecord>): AttemptRecord {
  // Shaped like an id; nothing here reads more of it.
  return { number, worker: `w${number}-x` as WorkerId, claimedAtUnixMs: 0, ...of };
}

function job(id: string, ...attempts: readonly AttemptRecord[]): JobStatus {
  return {
    id: id as JobId, // likewise
    flow: 'f',
    queue: 'q',
    priority: 5,
    phase: { kind: 'succeeded', finishedAtUnixMs: KILLED_AT + 1000 },
    attempt: attempts.length,
    lostAttempts: 0,
    revivals: 0,
    attempts,
    attemptsDropped: 0,
    updatedAtUnixMs: 0,
  };
}

const good: DemoResult = {
  posted: 24,
  succeeded: 24,
  lost: 0,
  takeovers: [{ jobId: 'j1', from: 'w1', to: 'w2', gapMs: 314 }],
  testimony: { tasks: 144, executions: 145, repeated: [{ jobId: 'j1', task: 'a' }], broken: [] },
};

describe('the result of the demo', () => {
  it('finds who took over what, and how soon after the kill', () => {
    const lost = attempt(1, { end: 'lost' });
    const next = attempt(2, { claimedAtUnixMs: KILLED_AT + 314 });
    const released = attempt(1, { end: 'released' });
    expect(findTakeovers([job('j1', lost, next), job('j2', released, next)], kill)).toEqual(
      good.takeovers,
    );
  });

  it('ends with a line of exactly this form', () => {
    expect(formatLastLine(good)).toBe(
      'demo: 24 posted, 24 succeeded, 0 lost, 144 tasks, 1 repeated, takeover 0.31s',
    );
  });

  it('is bad when a job is lost or failed, or a committed task ran again', () => {
    expect(isGood(good)).toBe(true);
    expect(isGood({ ...good, lost: 1 })).toBe(false);
    expect(isGood({ ...good, succeeded: 23 })).toBe(false);
    const broken = [{ jobId: 'j2', task: 'b' }];
    const bad = { ...good, testimony: { ...good.testimony, broken } };
    expect(isGood(bad)).toBe(false);
    expect(formatResult(bad, kill).join('\n')).toContain('BROKEN: b of j2 ran after its commit');
  });

  it('tells repeats that the kill explains from others', () => {
    expect(unexplainedRepeats(good.testimony, kill)).toEqual([]);
    const repeated = [...good.testimony.repeated, { jobId: 'j2', task: 'a' }];
    const other = { ...good, testimony: { ...good.testimony, repeated } };
    expect(unexplainedRepeats(other.testimony, kill)).toEqual([{ jobId: 'j2', task: 'a' }]);
    expect(formatResult(other, kill).join('\n')).toContain('1 not in flight');
  });
});
