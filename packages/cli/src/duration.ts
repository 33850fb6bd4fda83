import { InvalidArgumentError, LIMITS } from '@holdfast/core';
import ms from 'ms';

/** The bounds of a duration, in milliseconds. */
export interface DurationBounds {
  readonly minMs?: number | undefined;
  readonly maxMs?: number | undefined;
}

/**
 * Reads a duration such as `500ms`, `30s`, `5m`, `2h` or `7d`, in whole milliseconds. A number
 * without a unit is refused: one reader takes it for seconds, the next for milliseconds.
 * Throws an InvalidArgumentError that names `field`.
 */
export function parseDuration(text: string, field: string, bounds: DurationBounds = {}): number {
  const { minMs = 0, maxMs = LIMITS.durationMaxMs } = bounds;
  const parsed = /^\d+(?:\.\d+)?\s*[a-z]+$/i.test(text) ? ms(text) : undefined;
  if (parsed === undefined || parsed < minMs || parsed > maxMs) {
    const range = `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
    throw new InvalidArgumentError(field, {
      value: text,
      allowed: `a number with a unit, such as 500ms, 30s, 5m, 2h or 7d, ${range}`,
    });
  }
  return Math.round(parsed);
}

const UNITS: readonly (readonly [letter: string, sizeMs: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

/** A duration for people, in its largest whole unit: `3m` stands for anything from 3 to 4 minutes. */
export function formatDuration(durationMs: number): string {
  for (const [letter, sizeMs] of UNITS) {
    if (durationMs >= sizeMs) return `${Math.floor(durationMs / sizeMs)}${letter}`;
  }
  return `${Math.max(0, Math.round(durationMs))}ms`;
}

/** Like {@link formatDuration}, with what is left in the next unit: `1d 23h`. */
function formatFine(durationMs: number): string {
  const whole = formatDuration(durationMs);
  const place = UNITS.findIndex(([, sizeMs]) => durationMs >= sizeMs);
  const next = UNITS[place + 1];
  const restMs = durationMs % (UNITS[place]?.[1] ?? 1);
  return place >= 0 && next && restMs >= next[1] ? `${whole} ${formatDuration(restMs)}` : whole;
}

/** How long something took, for people: `84ms`, `1.2s`, `3m 5s`. */
export function formatElapsed(durationMs: number): string {
  if (durationMs < 1000) return `${Math.max(0, Math.round(durationMs))}ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)}s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`;
}

/** When something was or will be, seen from now: `3m ago`, `in 1d 23h`, `just now`. */
export function formatAge(atUnixMs: number, nowUnixMs: number): string {
  const agoMs = nowUnixMs - atUnixMs;
  // Two machines' clocks differ by a little; nothing is said to begin in 40 ms.
  if (Math.abs(agoMs) < 1000) return 'just now';
  return agoMs > 0 ? `${formatDuration(agoMs)} ago` : `in ${formatFine(-agoMs)}`;
}
