// The one impure file of core: it reads the machine's clocks, timers and entropy.
import { randomBytes } from 'node:crypto';
import { type Clock, MAX_TIMER_MS } from './clock.ts';
import type { Random } from './random.ts';

/** The machine's own clocks and timers. */
export const systemClock: Clock = {
  nowUnixMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  startTimer(delayMs, callback) {
    if (delayMs > MAX_TIMER_MS) {
      throw new RangeError(
        `a timer of ${delayMs} ms is longer than the ${MAX_TIMER_MS} ms allowed`,
      );
    }
    const handle = setTimeout(callback, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(handle) };
  },
};

/** The machine's own randomness, fit for ids and secrets. */
export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (length) => new Uint8Array(randomBytes(length)),
};
