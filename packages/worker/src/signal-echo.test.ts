import { VirtualClock } from '@holdfast/core';
import { expect, test } from 'vitest';
import { SIGNAL_ECHO_MS, SignalEcho } from './signal-echo.ts';

test('the same signal shortly after is an echo; another one, or a later one, is an order', async () => {
  const clock = new VirtualClock();
  const echo = new SignalEcho(clock);
  expect([echo.isEcho('SIGTERM'), echo.isEcho('SIGTERM'), echo.isEcho('SIGINT')]).toEqual([
    false,
    true,
    false,
  ]);
  await clock.advance(SIGNAL_ECHO_MS - 1);
  expect(echo.isEcho('SIGTERM')).toBe(true);
  await clock.advance(1);
  expect(echo.isEcho('SIGTERM')).toBe(false);
});
