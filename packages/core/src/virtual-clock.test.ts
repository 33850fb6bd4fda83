import { describe, expect, it } from 'vitest';
import { sleep } from './clock.ts';
import { createSeededRandom } from './random.ts';
import { VirtualClock } from './virtual-clock.ts';

describe('the virtual clock', () => {
  it('fires timers in order of their time, then of their start, and what they set off before the next', async () => {
    const clock = new VirtualClock(0);
    const log: string[] = [];
    const note = (text: string) => (): void => void log.push(`${text}@${clock.monotonicMs()}`);
    clock.startTimer(20, note('late'));
    clock.startTimer(10, () => {
      note('first')();
      void Promise.resolve().then(note('then'));
      clock.startTimer(5, note('nested'));
    });
    clock.startTimer(10, note('second'));
    clock.startTimer(10, note('cancelled')).cancel();
    await clock.advance(30);
    expect(log).toEqual(['first@10', 'then@10', 'second@10', 'nested@15', 'late@20']);
    expect(clock.nowUnixMs()).toBe(30);
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps thousands of timers in order, cancelled ones left out', async () => {
    const clock = new VirtualClock();
    const random = createSeededRandom(7);
    const fired: { readonly dueMs: number; readonly index: number }[] = [];
    const expected: { readonly dueMs: number; readonly index: number }[] = [];
    for (let index = 0; index < 5000; index += 1) {
      const dueMs = Math.floor(random.next() * 1000);
      const timer = clock.startTimer(dueMs, () => void fired.push({ dueMs, index }));
      if (index % 3 === 0) timer.cancel();
      else expected.push({ dueMs, index });
    }
    expect(clock.pendingTimers).toBe(expected.length);
    await clock.advance(1000);
    expect(fired).toEqual(expected.toSorted((a, b) => a.dueMs - b.dueMs));
    expect(clock.pendingTimers).toBe(0);
  });

  it('cancelling a timer twice, or once it has fired, changes nothing', async () => {
    const clock = new VirtualClock();
    const [early, late] = [10, 20].map((dueMs) => clock.startTimer(dueMs, () => undefined));
    await clock.advance(10);
    early?.cancel();
    expect(clock.pendingTimers).toBe(1);
    late?.cancel();
    late?.cancel();
    expect(clock.pendingTimers).toBe(0);
    expect(await clock.advanceToNextTimer()).toBe(false);
    expect(clock.monotonicMs()).toBe(10);
  });

  it('advances until something holds, and no further, or for as long as it was given', async () => {
    const clock = new VirtualClock();
    const log: number[] = [];
    for (const dueMs of [10, 20, 20, 30]) clock.startTimer(dueMs, () => void log.push(dueMs));
    expect(await clock.advanceUntil(() => true, 100)).toBe(true);
    expect(clock.monotonicMs()).toBe(0);
    expect(await clock.advanceUntil(() => log.includes(20), 100)).toBe(true);
    expect([clock.monotonicMs(), log]).toEqual([20, [10, 20]]);
    expect(await clock.advanceUntil(() => log.length === 9, 15)).toBe(false);
    expect([clock.monotonicMs(), log]).toEqual([35, [10, 20, 20, 30]]);
  });

  it('a jump of wall time fires nothing', async () => {
    const clock = new VirtualClock(1000);
    let fired = false;
    clock.startTimer(10, () => {
      fired = true;
    });
    clock.jumpWallTime(-500);
    expect(clock.nowUnixMs()).toBe(500);
    await clock.advance(5);
    expect(fired).toBe(false);
  });

  it('a sleep ends at its time, or at once when its signal aborts', async () => {
    const clock = new VirtualClock();
    const ended: string[] = [];
    const abort = new AbortController();
    void sleep(clock, 100).then(() => ended.push(`slept@${clock.monotonicMs()}`));
    void sleep(clock, 3_000_000_000).then(() => ended.push(`long@${clock.monotonicMs()}`));
    void sleep(clock, 100, { signal: abort.signal }).then(() =>
      ended.push(`aborted@${clock.monotonicMs()}`),
    );
    await clock.advance(50);
    abort.abort();
    await clock.advance(100);
    await clock.advance(3_000_000_000);
    expect(ended).toEqual(['aborted@50', 'slept@100', 'long@3000000000']);
    expect(clock.pendingTimers).toBe(0);
  });
});
