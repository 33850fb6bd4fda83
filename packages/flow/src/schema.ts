import type { FieldViolation } from '@holdfast/core';
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';

/** Values by name, each with the schema that says what it may be. */
export type Schemas = Readonly<Record<string, StandardSchemaV1>>;

/** The dialect of JSON Schema that is registered with a flow. */
const JSON_SCHEMA_TARGET = 'draft-2020-12';

/** A value that passed its schema, or what is wrong with it. */
export type Validation =
  | { readonly kind: 'valid'; readonly value: unknown }
  | { readonly kind: 'invalid'; readonly violations: readonly FieldViolation[] };

/** True for an object that implements Standard Schema, version 1. */
export function isSchema(value: unknown): value is StandardSchemaV1 {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  if (!('~standard' in value)) return false;
  const standard = value['~standard'];
  return (
    typeof standard === 'object' &&
    standard !== null &&
    'validate' in standard &&
    typeof standard.validate === 'function'
  );
}

/** A schema of our own. */
export function createSchema(validate: StandardSchemaV1.Props['validate']): StandardSchemaV1 {
  return Object.freeze({
    '~standard': Object.freeze({ version: 1, vendor: 'holdfast', validate }),
  });
}

/**
 * Whether `schema` accepts that there is no value. Asks it, because nothing that it could say about
 * itself is common to all libraries. 'unknown' when it answers asynchronously.
 */
export function acceptsUndefined(schema: StandardSchemaV1): boolean | 'unknown' {
  let result: ReturnType<StandardSchemaV1['~standard']['validate']>;
  try {
    result = schema['~standard'].validate(undefined);
  } catch {
    // A schema that throws for a missing value can't do without one.
    return false;
  }
  if (!('then' in result)) return !result.issues;
  // The answer comes too late to be of use; a rejection that nobody hears of would end the process.
  result.then(
    () => undefined,
    () => undefined,
  );
  return 'unknown';
}

/** Validates `value`; `field` names it in the violations. Rejects only when the schema itself throws. */
export async function validate(
  schema: StandardSchemaV1,
  value: unknown,
  field: string,
): Promise<Validation> {
  const result = await schema['~standard'].validate(value);
  if (!result.issues) return { kind: 'valid', value: result.value };
  return {
    kind: 'invalid',
    violations: result.issues.map((issue) => ({
      field: formatPath(field, issue.path ?? []),
      description: issue.message,
    })),
  };
}

/**
 * The JSON Schema of what `schema` accepts ('input') or yields ('output'); `undefined` when its
 * library offers none, or when the schema has no form in JSON Schema.
 */
export function jsonSchemaOf(
  schema: StandardSchemaV1,
  side: 'input' | 'output',
): Record<string, unknown> | undefined {
  const standard: Partial<StandardJSONSchemaV1.Props> = schema['~standard'];
  try {
    return standard.jsonSchema?.[side]({ target: JSON_SCHEMA_TARGET });
  } catch {
    // The specification lets a library throw for what it can't express; then there is no JSON Schema.
    return undefined;
  }
}

function formatPath(
  field: string,
  path: readonly (PropertyKey | StandardSchemaV1.PathSegment)[],
): string {
  let text = field;
  for (const segment of path) {
    const key = typeof segment === 'object' ? segment.key : segment;
    text += typeof key === 'number' ? `[${key}]` : `.${String(key)}`;
  }
  return text;
}
