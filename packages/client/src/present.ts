import { HoldfastError } from '@holdfast/core';

/** A field that every answer of the server has. */
export function present<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw new HoldfastError('INTERNAL', `the answer of the server lacks the field ${field}`);
}
