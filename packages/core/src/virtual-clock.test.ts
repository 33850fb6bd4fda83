import { describe, expect, it } from 'vitest';
import { sleep } from './clock.ts';
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
