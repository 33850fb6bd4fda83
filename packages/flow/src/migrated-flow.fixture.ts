import { z } from 'zod';
import type { Job } from './run-harness.fixture.ts';
import { task } from './task.ts';
import type { Item } from './wiring-type.ts';

/** Provides these numbers, and notes the key of each try, and that it is undone. */
export function giving(
  log: string[],
  name: string,
  numbers: Readonly<Record<string, number>>,
): Item {
  const provides = Object.fromEntries(Object.keys(numbers).map((value) => [value, z.number()]));
  return task({
    name,
    provides,
    execute: (_args, { idempotencyKey }) => {
      log.push(idempotencyKey);
      return numbers;
    },
    revert: () => {
      log.push(`undo ${name}`);
    },
  });
}

/** Reads a number, and provides it as what it has seen. */
export function using(log: string[], name: string, value: string): Item {
  return task({
    name,
    requires: { [value]: z.number() },
    provides: { seen: z.number() },
    execute: (args: Readonly<Record<string, unknown>>) => {
      log.push(`${name} of ${String(args[value])}`);
      return { seen: Number(args[value]) };
    },
  });
}

/** True once these tasks have succeeded. */
export function isDone(...names: string[]): (job: Job) => boolean {
  return (job) => names.every((name) => job.state(name) === 'success');
}
