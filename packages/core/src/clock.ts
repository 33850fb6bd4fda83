/**
 * Time as the rest of Holdfast sees it.
 *
 * Wall time (`nowUnixMs`) is for records that people read and for times a user named. It may jump.
 * Monotonic time (`monotonicMs`) is for durations and for deciding when a lease can no longer be
 * trusted. Neither ever decides who may write: fences do that.
 */
export interface Clock {
  /** Wall time, in whole milliseconds since the Unix epoch. May jump in either direction. */
  nowUnixMs(): number;
  /** Milliseconds since an arbitrary origin of this process. Never goes back. */
  monotonicMs(): number;
  /**
   * Runs `callback` once, after at least `delayMs`. A timer that runs keeps the process alive: whoever
   * starts one cancels it when it is of no use any more.
   * Delays beyond {@link MAX_TIMER_MS} are refused with a RangeError rather than fired at once.
   */
  startTimer(delayMs: number, callback: () => void): Timer;
}

/** A timer that was started by {@link Clock.startTimer}. Cancelling twice, or late, does nothing. */
export interface Timer {
  cancel(): void;
}

/** The longest delay of one timer, in milliseconds: the 2^31 - 1 that Node's timers hold. */
export const MAX_TIMER_MS = 2_147_483_647;

/**
 * Resolves after `delayMs`, or early (without an error) when `options.signal` aborts.
 * Delays longer than {@link MAX_TIMER_MS} are waited in pieces.
 */
export function sleep(
  clock: Clock,
  delayMs: number,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { signal } = options;
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    let remainingMs = Math.max(0, delayMs);
    let timer: Timer;
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const step = (): void => {
      const pieceMs = Math.min(remainingMs, MAX_TIMER_MS);
      remainingMs -= pieceMs;
      timer = clock.startTimer(pieceMs, () => (remainingMs > 0 ? step() : finish()));
    };
    step();
    signal?.addEventListener('abort', finish, { once: true });
  });
}
