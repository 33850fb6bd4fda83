import { InvalidArgumentError } from '@holdfast/core';
import { readJobInput } from './job-input.ts';
import type { Terminal } from './terminal.ts';

/** Values of a task by their names. */
export type TaskValues = Readonly<Record<string, unknown>>;

/**
 * Reads `name=json` of arguments; the JSON may be in a file (`name=@FILE`) or come on standard input
 * (`name=-`). Throws InvalidArgumentError naming the argument, and PayloadTooLargeError.
 */
export async function readTaskValues(
  texts: readonly string[],
  stdin: Terminal['stdin'],
): Promise<TaskValues> {
  const values: Record<string, unknown> = {};
  for (const text of texts) {
    const cut = text.indexOf('=');
    const name = text.slice(0, Math.max(0, cut));
    if (name === '') {
      const allowed = 'NAME=JSON, such as total=12 or by="ada"';
      throw new InvalidArgumentError('name=json', { value: text, allowed });
    }
    if (Object.hasOwn(values, name)) {
      const allowed = 'each name only once';
      throw new InvalidArgumentError('name=json', { value: text, allowed });
    }
    // A name may be any that a flow gives, also one that every object inherits.
    Object.defineProperty(values, name, {
      value: await readJobInput(text.slice(cut + 1), stdin, name),
      enumerable: true,
    });
  }
  return values;
}
