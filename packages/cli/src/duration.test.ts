import { InvalidArgumentError, LIMITS } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { formatAge, formatDuration, formatElapsed, parseDuration } from './duration.ts';

describe('parsing a duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['2 weeks', 1_209_600_000],
    ['0s', 0],
  ])('%s is %d ms', (text, expected) => {
    expect(parseDuration(text, '--delay')).toBe(expected);
  });

  it.each(['', '30', '-5s', '5 parsecs', 's', '1e3s', '11y', `${'9'.repeat(90)}s`, '5s\n'])(
    'refuses %j, naming the field, the value and what is allowed',
    (text) => {
      expect(() => parseDuration(text, '--delay')).toThrow(InvalidArgumentError);
      expect(() => parseDuration(text, '--delay')).toThrow(
        /^--delay: ".*allowed: a number with a unit/s,
      );
    },
  );

  it('holds to the bounds given', () => {
    const bounds = { minMs: 1000, maxMs: 3_600_000 };
    expect(parseDuration('1s', '--lease-ttl', bounds)).toBe(1000);
    expect(() => parseDuration('999ms', '--lease-ttl', bounds)).toThrow('from 1s to 1h');
    expect(() => parseDuration('61m', '--lease-ttl', bounds)).toThrow('from 1s to 1h');
  });

  it('takes what the longest limit allows', () => {
    expect(parseDuration(`${LIMITS.durationMaxMs}ms`, '--delay')).toBe(LIMITS.durationMaxMs);
  });
});

describe('printing times', () => {
  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [1000, '1s'],
    [59_999, '59s'],
    [3_599_999, '59m'],
    [86_400_000, '1d'],
  ])('a duration of %d ms is %s', (durationMs, expected) => {
    expect(formatDuration(durationMs)).toBe(expected);
  });

  it.each([
    [84.4, '84ms'],
    [1234, '1.2s'],
    [185_000, '3m 5s'],
    [7_380_000, '2h 3m'],
  ])('what took %d ms took %s', (durationMs, expected) => {
    expect(formatElapsed(durationMs)).toBe(expected);
  });

  it.each([
    [1_000_000, 'just now'],
    [999_001, 'just now'],
    [820_000, '3m ago'],
    [1_060_000, 'in 1m'],
  ])('%d seen from 1,000,000 is %s', (atUnixMs, expected) => {
    expect(formatAge(atUnixMs, 1_000_000)).toBe(expected);
  });
});
