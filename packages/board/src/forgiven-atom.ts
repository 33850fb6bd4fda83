import type { AtomRecord } from '@holdfast/core';

/**
 * The record of a task that starts afresh. `tries` and `revertTries` go on from where they are: they are
 * part of idempotency keys.
 */
export function forgivenAtom(atom: AtomRecord): AtomRecord {
  return {
    ...atom,
    state: 'pending',
    intention: 'execute',
    forgivenTries: atom.tries,
    forgivenRevertTries: atom.revertTries,
    result: undefined,
    failure: undefined,
    revertFailure: undefined,
    nextAtUnixMs: undefined,
    progress: 0,
    progressMessage: undefined,
    rounds: [],
    blocked: undefined,
    taskJob: undefined,
  };
}
