import { VirtualClock } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { LockTurns } from './lock-turns.ts';

/** Commits without a gap, 1 ms each, for `ms` milliseconds; returns when pauses were due. */
async function commitFor(ms: number, turns: LockTurns, clock: VirtualClock): Promise<number[]> {
  const pauses: number[] = [];
  for (let done = 0; done < ms; done += 1) {
    if (turns.isPauseDue()) {
      pauses.push(done);
      await clock.advance(3);
    }
    await clock.advance(1);
    turns.ended();
  }
  return pauses;
}

describe('turns at the lock', () => {
  it('need no pause of a process that meets nobody', async () => {
    const clock = new VirtualClock();
    expect(await commitFor(200, new LockTurns(clock), clock)).toEqual([]);
  });

  it('end after 10 ms for a process that met others lately, and not for ever', async () => {
    const clock = new VirtualClock();
    const turns = new LockTurns(clock);
    turns.blocked();
    expect((await commitFor(45, turns, clock)).length).toBeGreaterThanOrEqual(3);
    await clock.advance(1000);
    expect(await commitFor(45, turns, clock)).toEqual([]);
  });

  it('are not over for a process that leaves gaps by itself', async () => {
    const clock = new VirtualClock();
    const turns = new LockTurns(clock);
    turns.blocked();
    for (let n = 0; n < 50; n += 1) {
      await clock.advance(5);
      expect(turns.isPauseDue()).toBe(false);
      turns.ended();
    }
  });
});
