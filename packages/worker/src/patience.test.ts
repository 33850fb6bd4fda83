import {
  createSeededRandom,
  InvalidArgumentError,
  OutcomeUnknownError,
  UnavailableError,
  VirtualClock,
} from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { OUTAGE_QUIET_MS, Patience } from './patience.ts';
import { type LogLine, recordingLogger } from './test-fleet.fixture.ts';

function setup() {
  const clock = new VirtualClock();
  const lines: LogLine[] = [];
  const logger = recordingLogger(lines);
  const patience = new Patience({ clock, random: createSeededRandom(1), logger });
  const stop = new AbortController();
  const options = { signal: stop.signal, what: 'test' };
  return { clock, lines, patience, stop, options };
}

describe('patience', () => {
  test('repeats a call until it succeeds, ever more slowly but never slower than a few seconds', async () => {
    const { clock, patience, options } = setup();
    const atMs: number[] = [];
    const result = patience.keepTrying(async () => {
      atMs.push(clock.monotonicMs());
      if (atMs.length <= 12) throw new OutcomeUnknownError('lost');
      return 'done';
    }, options);
    await clock.advance(60_000);
    expect(await result).toBe('done');
    const gaps = atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? 0));
    expect(gaps[0]).toBeLessThan(100);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2000);
    expect(Math.max(...gaps)).toBeGreaterThan(1000);
  });

  test('ends with the reason of its signal', async () => {
    const { clock, patience, stop, options } = setup();
    const result = patience
      .keepTrying(() => Promise.reject(new UnavailableError('no')), options)
      .catch((error: unknown) => error);
    await clock.advance(1000);
    stop.abort(new Error('enough'));
    await clock.advance(0);
    expect(await result).toEqual(new Error('enough'));
    expect(clock.pendingTimers).toBe(0);
  });

  test('ends at once with a failure that does not pass', async () => {
    const { patience, options } = setup();
    const wrong = new InvalidArgumentError('field', { value: 1, allowed: '2' });
    await expect(patience.keepTrying(() => Promise.reject(wrong), options)).rejects.toBe(wrong);
  });

  test('tells of an outage once, and not of a store that fails now and then', async () => {
    const { clock, patience, lines, options } = setup();
    const failOnce = async (): Promise<void> => {
      let failures = 0;
      const result = patience.keepTrying(async () => {
        failures += 1;
        if (failures <= 3) throw new UnavailableError('no');
      }, options);
      await clock.advance(500);
      await result;
    };
    for (let outage = 0; outage < 5; outage += 1) await failOnce();
    expect(lines.map((line) => line.message)).toEqual([
      'the store is away; this worker keeps its jobs and keeps trying',
      'the store is back',
    ]);
    await clock.advance(OUTAGE_QUIET_MS);
    await failOnce();
    expect(lines).toHaveLength(4);
  });
});
