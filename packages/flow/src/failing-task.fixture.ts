import { encodeJson } from '@holdfast/core';
import type { Signal } from './run-options.ts';
import { type Task, task } from './task.ts';

/** A policy of a single try. */
export const ONCE: { readonly attempts: 1 } = { attempts: 1 };
/** A task that fails so many times, whatever the try, and notes what it does. */
export function failing<const Name extends string>(
  log: string[],
  name: Name,
  failures: number,
): Task<Name, never, never> {
  let calls = 0;
  return task({
    name,
    retry: ONCE,
    execute: () => {
      log.push(name);
      calls += 1;
      if (calls <= failures) throw new Error(`${name} fails`);
    },
    revert: () => {
      log.push(`undo ${name}`);
    },
  });
}

/** The signal of this number. */
export const signal = (seq: number): Signal => ({
  seq,
  name: 'go',
  payload: encodeJson(seq),
  atUnixMs: 0,
});
