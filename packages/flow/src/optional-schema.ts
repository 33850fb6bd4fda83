import type { StandardSchemaV1 } from '@standard-schema/spec';
import { createSchema } from './schema.ts';

/** A schema that accepts that there is no value, whatever else it accepts. */
export interface OptionalSchema<Input, Output> extends StandardSchemaV1<Input | undefined, Output> {
  readonly isOptional: true;
}

/**
 * Makes a requirement optional: nobody has to provide it, and where nobody does, or all who might
 * were ignored, the task gets `fallback`, uncopied and unchecked. A value that is there passes `schema`.
 *
 * Schemas that accept `undefined` by themselves, such as `z.string().default('x')`, need no wrapper. This
 * one is for those that can't say so: those made by `type`, those that accept values of any type,
 * and those of libraries without optional values or with asynchronous validation.
 *
 * @example requires: { retries: optional(type<number>(), 3) }
 */
export function optional<Schema extends StandardSchemaV1>(
  schema: Schema,
): OptionalSchema<
  StandardSchemaV1.InferInput<Schema>,
  StandardSchemaV1.InferOutput<Schema> | undefined
>;
export function optional<Schema extends StandardSchemaV1>(
  schema: Schema,
  fallback: StandardSchemaV1.InferOutput<Schema>,
): OptionalSchema<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>>;
export function optional(
  schema: StandardSchemaV1,
  fallback?: unknown,
): OptionalSchema<unknown, unknown> {
  const validate: StandardSchemaV1.Props['validate'] = (value, options) =>
    value === undefined ? { value: fallback } : schema['~standard'].validate(value, options);
  return Object.freeze({ ...createSchema(validate), isOptional: true });
}
