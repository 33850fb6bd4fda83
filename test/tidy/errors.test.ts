// ERROR_TABLE, the error classes and the documented table say the same.
import * as core from '@holdfast/core';
import { ERROR_TABLE, HoldfastError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { sectionOf } from './repository.ts';

/** The names of the gRPC status codes other than OK. */
const GRPC_STATUSES = [
  ...['CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND'],
  ...['ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION'],
  ...['ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'],
  'UNAUTHENTICATED',
];

type ErrorClass = new (...args: readonly unknown[]) => HoldfastError;

describe('errors', () => {
  it('the table in packages/core/README.md is ERROR_TABLE, row by row', () => {
    const section = sectionOf('packages/core/README.md', 'Errors');
    const rows = section.split('\n').filter((line) => /^\| `[A-Z_]+` \|/.test(line));
    const expected = Object.entries(ERROR_TABLE).map(
      ([code, row]) =>
        `| \`${code}\` | \`${row.grpc}\` | ${row.exit} | ${row.retry} | ${row.meaning} |`,
    );
    expect(rows).toEqual(expected);
  });

  it('every code has a gRPC status that exists and an exit status that is not success', () => {
    for (const [code, row] of Object.entries(ERROR_TABLE)) {
      expect(GRPC_STATUSES, code).toContain(row.grpc);
      expect(row.exit, code).toBeGreaterThan(0);
      expect(row.exit, code).toBeLessThan(126);
      expect(row.meaning, code).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('every error class is named as it is exported and carries a code of its own', () => {
    const classes = Object.entries(core).filter(([, value]) => isErrorClass(value));
    const codes = classes.map(([name, value]) => {
      const error = construct(value as ErrorClass); // isErrorClass has said so
      expect(error.name).toBe(name);
      expect(Object.keys(ERROR_TABLE)).toContain(error.code);
      return error.code;
    });
    expect(codes.length).toBeGreaterThan(5);
    expect(new Set(codes).size).toBe(codes.length);
  });
});

function isErrorClass(value: unknown): boolean {
  return typeof value === 'function' && value.prototype instanceof HoldfastError;
}

/** One argument list that suits the constructor of every error class. */
function construct(errorClass: ErrorClass): HoldfastError {
  const takesProblems = errorClass.name === 'WiringError';
  return new errorClass('subject', takesProblems ? [] : { value: 1, allowed: 'another' });
}
