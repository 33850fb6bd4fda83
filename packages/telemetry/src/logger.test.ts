import { InvalidArgumentError } from '@holdfast/core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createLogger, type LoggerSettings } from './logger.ts';

afterEach(() => vi.unstubAllEnvs());

function setup(settings: Partial<LoggerSettings> = {}) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { lines, logger: createLogger({ name: 'test', destination, ...settings }) };
}

describe('a logger', () => {
  test('writes one line of JSON with its fields, and has written it when the call returns', () => {
    const { lines, logger } = setup();
    logger.child({ jobId: 'j1' }).info({ attempt: 2 }, 'job ended');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      name: 'test',
      level: 30,
      jobId: 'j1',
      attempt: 2,
      msg: 'job ended',
    });
  });

  test('writes for people, as promptly, where it is asked to', () => {
    const { lines, logger } = setup({ pretty: true });
    logger.warn({ jobId: 'j1' }, 'job handed back');
    expect(lines.join('')).toMatch(/WARN \(test\): job handed back\n\s+jobId: "j1"/);
  });

  test('takes its level from HOLDFAST_LOG_LEVEL', () => {
    vi.stubEnv('HOLDFAST_LOG_LEVEL', 'WARN');
    const { lines, logger } = setup();
    logger.info({}, 'not shown');
    logger.warn({}, 'shown');
    expect(lines).toHaveLength(1);
  });

  test('prefers the level it is given', () => {
    vi.stubEnv('HOLDFAST_LOG_LEVEL', 'silent');
    const { lines, logger } = setup({ level: 'debug' });
    logger.debug({}, 'shown');
    expect(lines).toHaveLength(1);
  });

  test('refuses an unknown level, naming where it came from and what is allowed', () => {
    vi.stubEnv('HOLDFAST_LOG_LEVEL', 'loud');
    expect(() => setup()).toThrow(InvalidArgumentError);
    expect(() => setup()).toThrow(
      'HOLDFAST_LOG_LEVEL: "loud" is not allowed; allowed: debug, info, warn, error, silent',
    );
  });

  test('shows the message and stack of an error', () => {
    const { lines, logger } = setup();
    logger.error({ error: new TypeError('no') }, 'failed');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      error: { type: 'TypeError', message: 'no' },
    });
  });
});
