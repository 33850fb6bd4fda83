import { HoldfastError } from '@holdfast/core';
import type { CallOptions } from './coord.ts';

/** Throws a CANCELLED error when the caller has given up already. */
export function checkNotCancelled(options: CallOptions = {}): void {
  const { signal } = options;
  if (!signal?.aborted) return;
  throw new HoldfastError('CANCELLED', 'the caller gave up before the store was asked', {
    cause: signal.reason,
  });
}
