import type { Clock } from '@holdfast/core';

/**
 * The same signal within this time is one order, in milliseconds. Whoever signals a whole process
 * group (a terminal, systemd, `timeout`) reaches a process directly, and again through a parent that
 * passes signals on; a second order would mean "leave at once".
 */
export const SIGNAL_ECHO_MS = 300;

/** Tells an order from its echo. */
export class SignalEcho {
  readonly #clock: Clock;
  readonly #lastAtMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when this signal was seen less than {@link SIGNAL_ECHO_MS} ago. */
  isEcho(signal: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const lastAtMs = this.#lastAtMs.get(signal);
    if (lastAtMs !== undefined && nowMs - lastAtMs < SIGNAL_ECHO_MS) return true;
    this.#lastAtMs.set(signal, nowMs);
    return false;
  }
}
