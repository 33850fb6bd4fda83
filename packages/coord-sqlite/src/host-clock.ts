import { readFileSync } from 'node:fs';
import type { Clock } from '@holdfast/core';

/** Where Linux names the time since its last start. */
const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id';

/** Time that every process of one machine reads alike, so that they agree on when a lease has ended. */
export interface HostClock {
  /** Names the span in which `nowMs` can be compared: one start of the machine. */
  readonly bootId: string;
  /** Milliseconds; monotonic within a boot where the machine allows it. */
  nowMs(): number;
}

/**
 * The clock that sessions are judged by. On Linux that is CLOCK_MONOTONIC, which all processes of
 * the machine share and nobody can set. Where the boot has no name (macOS, Windows) it is wall time:
 * a wall clock that is set forward ends sessions early there, and set back lets them live longer,
 * which costs time but not safety.
 */
export function openHostClock(clock: Clock): HostClock {
  const bootId = readBootId();
  if (bootId === undefined) return { bootId: 'wall-time', nowMs: () => clock.nowUnixMs() };
  return { bootId, nowMs: () => Number(process.hrtime.bigint() / 1000n) / 1000 };
}

function readBootId(): string | undefined {
  try {
    return readFileSync(BOOT_ID_PATH, 'utf8').trim();
  } catch {
    // Only Linux has this file; what is done without it is the caller's to decide.
    return undefined;
  }
}
