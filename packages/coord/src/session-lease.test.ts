import { type Clock, SessionLostError, VirtualClock } from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionLease, trustMarginMs } from './session-lease.ts';

const TTL_MS = 9000;
const MARGIN_MS = trustMarginMs(TTL_MS);

interface Request {
  readonly sentAtMs: number;
  answer(answer: 'alive' | 'gone'): void;
  fail(): void;
}

function opened(): {
  clock: VirtualClock;
  lease: SessionLease;
  requests: Request[];
  revoked: () => number;
  /** Moves time without firing a timer, as a process sees it that was stopped. */
  readonly pause: (byMs: number) => void;
} {
  const clock = new VirtualClock();
  let pausedMs = 0;
  const ofProcess: Clock = {
    nowUnixMs: () => clock.nowUnixMs() + pausedMs,
    monotonicMs: () => clock.monotonicMs() + pausedMs,
    startTimer: (delayMs, callback) => clock.startTimer(delayMs, callback),
  };
  const requests: Request[] = [];
  let revoked = 0;
  const lease = new SessionLease({
    id: 's1',
    ttlMs: TTL_MS,
    grantSentAtMs: clock.monotonicMs(),
    clock: ofProcess,
    store: {
      keepAlive() {
        const { promise, resolve, reject } = Promise.withResolvers<'alive' | 'gone'>();
        requests.push({
          sentAtMs: clock.monotonicMs(),
          answer: resolve,
          fail: () => reject(new Error('the store is away')),
        });
        return promise;
      },
      revoke: async () => {
        revoked += 1;
      },
    },
  });
  const pause = (byMs: number): void => {
    pausedMs += byMs;
  };
  return { clock, lease, requests, revoked: () => revoked, pause };
}

describe('a session lease', () => {
  it('is trusted from when its grant was sent, for its TTL less the margin', async () => {
    const clock = new VirtualClock();
    await clock.advance(5000);
    const lease = new SessionLease({
      id: 's1',
      ttlMs: TTL_MS,
      grantSentAtMs: 4000, // The answer took a second.
      clock,
      store: { keepAlive: async () => 'alive', revoke: async () => {} },
    });
    expect(lease.trustedUntilMs()).toBe(4000 + TTL_MS - MARGIN_MS);
    expect(lease.isTrusted()).toBe(true);
    await lease.close();
  });

  it('counts from when a keep-alive was sent, not from when it was answered (I1)', async () => {
    const { clock, lease, requests } = opened();
    await clock.advance(3000);
    expect(requests.map((request) => request.sentAtMs)).toEqual([3000]);
    await clock.advance(1500);
    requests[0]?.answer('alive');
    await clock.advance(0);
    expect(lease.trustedUntilMs()).toBe(3000 + TTL_MS - MARGIN_MS);
    await lease.close();
  });

  it('is not misled by answers that come in the wrong order (I2)', async () => {
    const { clock, lease, requests } = opened();
    await clock.advance(6000);
    expect(requests).toHaveLength(2); // The first one hangs.
    requests[1]?.answer('alive');
    await clock.advance(100);
    expect(lease.trustedUntilMs()).toBe(6000 + TTL_MS - MARGIN_MS);
    requests[0]?.answer('alive');
    await clock.advance(0);
    expect(lease.trustedUntilMs()).toBe(6000 + TTL_MS - MARGIN_MS);
    await lease.close();
  });

  it('is lost when no keep-alive is answered, before the store could give it away', async () => {
    const { clock, lease } = opened();
    await clock.advance(TTL_MS - MARGIN_MS - 1);
    expect([lease.isTrusted(), lease.lost.aborted]).toEqual([true, false]);
    await clock.advance(1);
    expect([lease.isTrusted(), lease.lost.aborted]).toEqual([false, true]);
    expect(lease.lost.reason).toBeInstanceOf(SessionLostError);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is lost in time on a clock whose timers fire a fraction early', async () => {
    const clock = new VirtualClock();
    let timers = 0;
    const early: Clock = {
      nowUnixMs: () => clock.nowUnixMs(),
      monotonicMs: () => clock.monotonicMs(),
      startTimer: (delayMs, callback) => {
        timers += 1;
        if (timers > 100) throw new Error('a timer is armed again and again');
        return clock.startTimer(Math.max(0, delayMs - 0.4), callback);
      },
    };
    const lease = new SessionLease({
      id: 's1',
      ttlMs: TTL_MS,
      grantSentAtMs: 0,
      clock: early,
      store: { keepAlive: () => new Promise(() => undefined), revoke: async () => {} },
    });
    await clock.advance(TTL_MS - MARGIN_MS + 1);
    expect([lease.isTrusted(), lease.lost.aborted]).toEqual([false, true]);
  });

  it('tries again soon after an error, and lives on when the store is back in time', async () => {
    const { clock, lease, requests } = opened();
    await clock.advance(3000);
    for (let tries = 1; tries <= 8; tries += 1) {
      expect(requests).toHaveLength(tries);
      requests.at(-1)?.fail();
      await clock.advance(450);
    }
    requests.at(-1)?.answer('alive');
    await clock.advance(1);
    expect(lease.isTrusted()).toBe(true);
    expect(lease.trustedUntilMs()).toBe(6600 + TTL_MS - MARGIN_MS);
    await lease.close();
  });

  it('is lost at once when the store says it is gone', async () => {
    const { clock, lease, requests } = opened();
    await clock.advance(3000);
    requests[0]?.answer('gone');
    await clock.advance(0);
    expect([lease.isTrusted(), lease.lost.aborted]).toEqual([false, true]);
    await clock.advance(60_000);
    expect(requests).toHaveLength(1);
  });

  it('of a process that was stopped for an hour is not trusted from its first instruction on', async () => {
    const { clock, lease, requests, pause } = opened();
    await clock.advance(3000);
    expect(lease.isTrusted()).toBe(true);
    pause(3_600_000);
    // No timer has fired yet and no answer was read: arithmetic alone has to tell.
    expect([lease.isTrusted(), lease.lost.aborted]).toEqual([false, false]);
    // The answer to the keep-alive sent before the pause is read before any timer fires.
    requests[0]?.answer('alive');
    await clock.advance(0);
    expect(lease.isTrusted()).toBe(false);
    await clock.advance(1);
    expect([lease.isTrusted(), lease.lost.aborted]).toEqual([false, true]);
    await clock.advance(60_000);
    expect([lease.isTrusted(), requests.length]).toEqual([false, 1]);
  });

  it('stays lost, though an answer comes that the store gave in time (I3)', async () => {
    const { clock, lease, requests } = opened();
    await clock.advance(TTL_MS - MARGIN_MS);
    expect(lease.lost.aborted).toBe(true);
    for (const request of requests) request.answer('alive');
    await clock.advance(0);
    expect(lease.isTrusted()).toBe(false);
  });

  it('ends quietly when closed: revoked once, not lost, no timers', async () => {
    const { clock, lease, requests, revoked } = opened();
    await clock.advance(3000);
    await Promise.all([lease.close(), lease.close()]);
    requests[0]?.answer('gone');
    await clock.advance(60_000);
    expect(revoked()).toBe(1);
    expect([lease.isTrusted(), lease.lost.aborted]).toEqual([false, false]);
    expect([clock.pendingTimers, requests.length]).toEqual([0, 1]);
  });

  it('can be closed while the store is away', async () => {
    const clock = new VirtualClock();
    const lease = new SessionLease({
      id: 's1',
      ttlMs: TTL_MS,
      grantSentAtMs: 0,
      clock,
      store: {
        keepAlive: async () => 'alive',
        revoke: () => Promise.reject(new Error('the store is away')),
      },
    });
    await expect(lease.close()).resolves.toBeUndefined();
  });

  it('never trusts longer than the store holds, whatever answers come and when', async () => {
    const step = fc.record({
      advanceMs: fc.integer({ min: 0, max: 4000 }),
      which: fc.nat({ max: 3 }),
      what: fc.constantFrom('alive' as const, 'fail' as const, 'nothing' as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { clock, lease, requests } = opened();
        let latestSentMs = 0;
        let wasLost = false;
        for (const { advanceMs, which, what } of steps) {
          await clock.advance(advanceMs);
          const request = requests.at(-1 - which);
          if (request && what === 'alive') {
            latestSentMs = Math.max(latestSentMs, request.sentAtMs);
            request.answer('alive');
          } else if (request && what === 'fail') request.fail();
          await clock.advance(0);
          expect(lease.trustedUntilMs()).toBeLessThan(latestSentMs + TTL_MS);
          expect(lease.isTrusted() && wasLost).toBe(false);
          expect(lease.isTrusted()).toBe(!lease.lost.aborted);
          wasLost ||= lease.lost.aborted;
        }
        await lease.close();
      }),
      { numRuns: 100 },
    );
  });
});
