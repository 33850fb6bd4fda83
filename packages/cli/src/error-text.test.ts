import {
  ERROR_TABLE,
  HoldfastError,
  InvalidArgumentError,
  NotFoundError,
  StoreUrlError,
} from '@holdfast/core';
import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { exitStatusOf, formatError } from './error-text.ts';

const plain = { colors: picocolors.createColors(false), withStack: false };

describe('an error', () => {
  it('is one line, without a stack', () => {
    expect(formatError(new NotFoundError('job x is not there'), plain)).toBe(
      'holdfast: job x is not there\n',
    );
    expect(formatError(new Error('first\n  second'), plain)).toBe('holdfast: first second\n');
  });

  it('with several wrong fields has one more line for each', () => {
    const error = new InvalidArgumentError([
      { field: 'input.repository', description: 'is missing' },
      { field: 'input.revision', description: 'has to be a string' },
    ]);
    expect(formatError(error, plain)).toBe(
      'holdfast: 2 fields are wrong\n' +
        '  input.repository: is missing\n' +
        '  input.revision: has to be a string\n',
    );
  });

  it('shows its stack and its causes when asked to', () => {
    const error = new HoldfastError('INTERNAL', 'outer', { cause: new Error('inner') });
    const text = formatError(error, { ...plain, withStack: true });
    expect(text).toContain('error-text.test.ts');
    expect(text).toContain('caused by: Error: inner');
  });

  it('gives the exit status of the error table', () => {
    for (const [code, row] of Object.entries(ERROR_TABLE)) {
      // The keys of the table are the codes.
      const error = new HoldfastError(code as keyof typeof ERROR_TABLE, 'x');
      expect(exitStatusOf(error)).toBe(row.exit);
    }
    expect(exitStatusOf(new StoreUrlError('x:', 'unknown kind of store'))).toBe(2);
    expect(exitStatusOf(new TypeError('a defect'))).toBe(70);
  });
});
