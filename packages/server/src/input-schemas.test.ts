import { encodeJson, FailedPreconditionError, type FieldViolation } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { FieldViolations } from './field-violations.ts';
import { COMPILED_SCHEMAS_MAX, InputSchemas } from './input-schemas.ts';

const SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    revision: { type: 'string', minLength: 1 },
    depth: { type: 'integer', minimum: 1, maximum: 100 },
    mode: { enum: ['fast', 'full'] },
    contact: { type: 'string', format: 'email' },
    paths: { type: 'array', items: { type: 'object', required: ['name'], properties: {} } },
    'odd key/~': { type: 'boolean' },
  },
  required: ['revision'],
  additionalProperties: false,
};

function check(
  value: unknown,
  options: { readonly schema?: string; readonly schemas?: InputSchemas } = {},
): readonly FieldViolation[] {
  const violations = new FieldViolations();
  const schemas = options.schemas ?? new InputSchemas();
  const payload = value instanceof Uint8Array ? json(value) : encodeJson(value);
  const inputSchemaJson = options.schema ?? JSON.stringify(SCHEMA);
  schemas.check(
    payload,
    { name: 'repo-check', inputSchemaJson },
    { violations, path: 'job.input' },
  );
  return violations.all;
}

function json(data: Uint8Array): { contentType: string; data: Uint8Array } {
  return { contentType: 'application/json', data };
}

test('an input that fits its schema is let in', () => {
  expect(check({ revision: 'main', depth: 3, mode: 'full', contact: 'a@example.org' })).toEqual([]);
});

describe('each field that the schema refuses is one violation', () => {
  test.each<[string, unknown, string, string]>([
    ['a wrong type', { revision: 12 }, 'job.input.revision', 'must be string, got 12'],
    ['a missing field', {}, 'job.input.revision', 'is missing'],
    ['an unknown field', { revision: 'x', revison: 1 }, 'job.input.revison', 'is not a field of'],
    [
      'a number out of range',
      { revision: 'x', depth: 0 },
      'job.input.depth',
      'must be >= 1, got 0',
    ],
    [
      'a value that is not among those allowed',
      { revision: 'x', mode: 'slow' },
      'job.input.mode',
      'must be "fast" or "full", got "slow"',
    ],
    [
      'a text of another format',
      { revision: 'x', contact: 'nobody' },
      'job.input.contact',
      'must match format "email", got "nobody"',
    ],
    [
      'a field of an element of a list',
      { revision: 'x', paths: [{ name: 1 }, {}] },
      'job.input.paths[1].name',
      'is missing',
    ],
    [
      'a field with a name that is no identifier',
      { revision: 'x', 'odd key/~': 1 },
      'job.input["odd key/~"]',
      'must be boolean, got 1',
    ],
    ['an input of another type altogether', [], 'job.input', 'must be object, got []'],
  ])('%s', (_name, value, ...[field, description]) => {
    expect(check(value)).toMatchObject([
      { field, description: expect.stringContaining(description) },
    ]);
  });

  test('all of them are noted', () => {
    const fields = check({ depth: 'deep', mode: 1 }).map(({ field }) => field);
    expect(fields.toSorted()).toEqual(['job.input.depth', 'job.input.mode', 'job.input.revision']);
  });

  test('a long value is shortened visibly', () => {
    const [violation] = check({ revision: ['x'.repeat(1000)] });
    expect(violation?.description).toMatch(/… \(1004 characters\)$/);
  });
});

describe('input that is not JSON', () => {
  test.each([
    ['half of an object', new TextEncoder().encode('{"a":')],
    ['nothing', new Uint8Array()],
    ['broken UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
    ['what is nested without end', new TextEncoder().encode('['.repeat(100_000))],
  ])('%s is refused, with or without a schema', (_name, bytes) => {
    for (const schema of ['', JSON.stringify(SCHEMA)]) {
      expect(check(bytes, { schema })).toMatchObject([
        {
          field: 'job.input',
          description: expect.stringContaining('cannot be read as application/json'),
        },
      ]);
    }
  });

  test('is let in under another content type: the flow has a codec of its own', () => {
    const violations = new FieldViolations();
    const payload = { contentType: 'application/gzip', data: Uint8Array.of(1) };
    const flow = { name: 'f', inputSchemaJson: JSON.stringify(SCHEMA) };
    new InputSchemas().check(payload, flow, { violations, path: 'job.input' });
    expect(violations.all).toEqual([]);
  });
});

test('a flow without a schema takes any JSON', () => {
  expect(check({ anything: [1, null] }, { schema: '' })).toEqual([]);
});

test.each([
  ['that is not JSON', '{'],
  ['that is no schema', '{"type":"obj"}'],
  ['that is not even an object', '17'],
  ['that is null', 'null'],
  ['with a reference to elsewhere', '{"$ref":"https://example.org/x.json"}'],
])('a registered schema %s is named as what is wrong, not the input', (_name, schema) => {
  expect(() => check({}, { schema })).toThrow(FailedPreconditionError);
  expect(() => check({}, { schema })).toThrow('flow repo-check registered an input schema');
});

test('schemas of one $id do not disturb each other', () => {
  const schemas = new InputSchemas();
  const schemaOf = (type: string): string =>
    JSON.stringify({ $id: 'https://example.org/input', type });
  expect(check('text', { schemas, schema: schemaOf('string') })).toEqual([]);
  expect(check('text', { schemas, schema: schemaOf('number') })).toHaveLength(1);
});

test('compiled validators are bounded', () => {
  const schemas = new InputSchemas();
  for (let index = 0; index < COMPILED_SCHEMAS_MAX + 10; index += 1) {
    check(0, { schemas, schema: JSON.stringify({ maximum: index }) });
  }
  expect(schemas.size).toBe(COMPILED_SCHEMAS_MAX);
});
