import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { RetryOptions } from './retry-options.ts';
import { createSchema, type Schemas } from './schema.ts';
import { type TaskSpec, task } from './task.ts';

/** What is run for an item that is no plain task, without the types of its values. */
export interface BuiltinTask {
  readonly name: string;
  readonly description?: string | undefined;
  readonly requires?: Schemas | undefined;
  readonly provides?: Schemas | undefined;
  execute(args: never, ctx: never): unknown;
  readonly revert?: ((args: never, ctx: never) => unknown) | undefined;
  readonly retry?: RetryOptions | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Makes its spec, as of a task. Throws InvalidArgumentError for whatever a task is refused for. */
export function builtinSpec(definition: BuiltinTask): TaskSpec {
  // The types of the values were checked where the item was defined.
  return task(definition as never).spec;
}

/** A schema that accepts what `accepts` does. */
function schemaFor(what: string, accepts: (value: unknown) => boolean): StandardSchemaV1 {
  return createSchema((value) =>
    accepts(value) ? { value } : { issues: [{ message: `is not ${what}` }] },
  );
}

/** Any list. */
export const LIST_SCHEMA: StandardSchemaV1 = schemaFor('a list', Array.isArray);

/** Anything that has a form in JSON, or nothing at all. */
export const ANY_SCHEMA: StandardSchemaV1 = schemaFor('a value', () => true);
