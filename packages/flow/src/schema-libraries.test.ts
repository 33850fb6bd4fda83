// The same flow with each library that implements Standard Schema, and with none: types are inferred
// from the schemas, defaults stand in for what nobody provides, and what is wrong is refused.
import type { FlowInput, FlowOutput } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type as arktype } from 'arktype';
import * as v from 'valibot';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { type AnyFlow, flow } from './flow.ts';
import { optional } from './optional-schema.ts';
import { linear } from './pattern.ts';
import { Job, outputOf } from './run-harness.fixture.ts';
import { acceptsUndefined } from './schema.ts';
import { named, task } from './task.ts';
import { type } from './unchecked-schema.ts';

/** What a flow takes and gives in all of these tests. */
interface Input {
  readonly city: string;
}
interface Output {
  readonly report: { readonly city: string; readonly degrees: number };
  readonly text: string;
}

/** What the tasks do, whatever the library. */
const measured = (city: string, unit: 'C' | 'F'): Pick<Output, 'report'> => ({
  report: { city, degrees: unit === 'C' ? 20 : 68 },
});
const told = (args: {
  readonly greeting?: string | undefined;
  readonly report: Output['report'];
}): Pick<Output, 'text'> => ({ text: `${args.greeting ?? 'Hi'}: ${args.report.degrees}` });

function withZod() {
  const report = z.object({ city: z.string(), degrees: z.number() });
  const measure = task({
    name: 'measure',
    requires: { city: z.string(), unit: z.enum(['C', 'F']).default('C') },
    provides: { report },
    execute: ({ city, unit }) => {
      expectTypeOf(unit).toEqualTypeOf<'C' | 'F'>();
      return measured(city, unit);
    },
  });
  const tell = task({
    name: 'tell',
    requires: { report, greeting: z.string().optional() },
    provides: { text: z.string() },
    execute: (args) => {
      expectTypeOf(args.greeting).toEqualTypeOf<string | undefined>();
      return told(args);
    },
  });
  return flow({
    name: 'weather',
    input: z.strictObject({ city: z.string() }),
    body: linear('main', measure, tell),
  });
}

function withValibot() {
  const report = v.object({ city: v.string(), degrees: v.number() });
  const measure = task({
    name: 'measure',
    requires: { city: v.string(), unit: v.optional(v.picklist(['C', 'F']), 'C') },
    provides: { report },
    execute: ({ city, unit }) => {
      expectTypeOf(unit).toEqualTypeOf<'C' | 'F'>();
      return measured(city, unit);
    },
  });
  const tell = task({
    name: 'tell',
    requires: { report, greeting: v.optional(v.string()) },
    provides: { text: v.string() },
    execute: (args) => {
      expectTypeOf(args.greeting).toEqualTypeOf<string | undefined>();
      return told(args);
    },
  });
  return flow({
    name: 'weather',
    input: v.strictObject({ city: v.string() }),
    body: linear('main', measure, tell),
  });
}

function withArktype() {
  const report = arktype({ city: 'string', degrees: 'number' });
  const measure = task({
    name: 'measure',
    // Only the keys of its objects have defaults.
    requires: { city: arktype('string'), unit: optional(arktype("'C' | 'F'"), 'C') },
    provides: { report },
    execute: ({ city, unit }) => {
      expectTypeOf(unit).toEqualTypeOf<'C' | 'F'>();
      return measured(city, unit);
    },
  });
  const tell = task({
    name: 'tell',
    requires: { report, greeting: arktype('string | undefined') },
    provides: { text: arktype('string') },
    execute: (args) => {
      expectTypeOf(args.greeting).toEqualTypeOf<string | undefined>();
      return told(args);
    },
  });
  return flow({
    name: 'weather',
    input: arktype({ '+': 'reject', city: 'string' }),
    body: linear('main', measure, tell),
  });
}

function withPlainTypes() {
  const measure = task({
    name: 'measure',
    requires: { city: type<string>(), unit: optional(type<'C' | 'F'>(), 'C') },
    provides: { report: type<Output['report']>() },
    execute: ({ city, unit }) => {
      expectTypeOf(unit).toEqualTypeOf<'C' | 'F'>();
      return measured(city, unit);
    },
  });
  const tell = task({
    name: 'tell',
    requires: { report: type<Output['report']>(), greeting: optional(type<string>()) },
    provides: { text: type<string>() },
    execute: (args) => {
      expectTypeOf(args.greeting).toEqualTypeOf<string | undefined>();
      return told(args);
    },
  });
  return flow({ name: 'weather', input: type<Input>(), body: linear('main', measure, tell) });
}

test('the types of input and output are those of the schemas', () => {
  expectTypeOf<FlowInput<ReturnType<typeof withZod>>>().toEqualTypeOf<{ city: string }>();
  expectTypeOf<FlowInput<ReturnType<typeof withValibot>>>().toEqualTypeOf<{ city: string }>();
  expectTypeOf<FlowInput<ReturnType<typeof withArktype>>>().toEqualTypeOf<{ city: string }>();
  expectTypeOf<FlowInput<ReturnType<typeof withPlainTypes>>>().toEqualTypeOf<Input>();
  expectTypeOf<FlowOutput<ReturnType<typeof withZod>>>().toExtend<Output>();
  expectTypeOf<FlowOutput<ReturnType<typeof withValibot>>>().toExtend<Output>();
  expectTypeOf<FlowOutput<ReturnType<typeof withArktype>>>().toExtend<Output>();
  expectTypeOf<FlowOutput<ReturnType<typeof withPlainTypes>>>().toEqualTypeOf<Output>();
});

const LIBRARIES: [string, () => AnyFlow][] = [
  ['zod', withZod],
  ['valibot', withValibot],
  ['arktype', withArktype],
  ['no library', withPlainTypes],
];

describe.each(LIBRARIES)('a flow with %s', (library, make) => {
  test('runs, with defaults for what nobody provides', async () => {
    const result = await new Job(make()).run({ input: { city: 'Oslo' } });
    expect(outputOf(result)).toEqual({
      report: { city: 'Oslo', degrees: 20 },
      text: 'Hi: 20',
    });
  });

  test('says which value is wrong', async () => {
    const result = await new Job(make()).run({ input: { city: undefined } });
    expect(result).toMatchObject({ kind: 'failed' });
    const message = result.kind === 'failed' ? result.failure.message : '';
    // Plain types know no fields: the task finds that the value is missing.
    expect(message).toContain(library === 'no library' ? 'requires.city' : 'input.city');
  });
});

describe('whether a schema accepts that there is no value', () => {
  const cases: [string, StandardSchemaV1, boolean | 'unknown'][] = [
    ['of zod', z.string(), false],
    ['of zod, optional', z.string().optional(), true],
    ['of zod, with a default', z.string().default('x'), true],
    ['of zod, coercing', z.coerce.number(), false],
    ['of zod, nullable', z.string().nullable(), false],
    ['of zod, asynchronous', z.unknown().refine(async () => true), 'unknown'],
    ['of valibot', v.string(), false],
    ['of valibot, optional', v.optional(v.string()), true],
    ['of valibot, with a default', v.optional(v.string(), 'x'), true],
    [
      'of valibot, asynchronous',
      v.pipeAsync(
        v.string(),
        v.checkAsync(async () => true),
      ),
      'unknown',
    ],
    ['of arktype', arktype('string'), false],
    ['of arktype, optional', arktype('string | undefined'), true],
    ['of arktype, with a default', arktype('string | undefined').pipe((it) => it ?? 'x'), true],
    ['of a type', type<string>(), false],
    ['of a type, optional', optional(type<string>()), true],
    ['asynchronous, made optional', optional(z.string().refine(async () => true)), true],
    ['that throws', throwing, false],
    ['that rejects', rejecting, 'unknown'],
  ];
  test.each(cases)('%s', (_what, schema, accepts) => {
    expect(acceptsUndefined(schema)).toBe(accepts);
  });
});

const throwing: StandardSchemaV1 = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: () => {
      throw new Error('no value');
    },
  },
};

const rejecting: StandardSchemaV1 = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async () => {
      throw new Error('no value');
    },
  },
};

test('a schema of a type refuses nothing but a missing value', async () => {
  const schema = type<number>()['~standard'];
  expect(await schema.validate('text')).toEqual({ value: 'text' });
  expect(await schema.validate(null)).toEqual({ value: null });
  expect(await schema.validate(undefined)).toEqual({ issues: [{ message: 'is missing' }] });
});

test('a value that is there passes the schema that was made optional', async () => {
  const schema = optional(z.number(), 1)['~standard'];
  expect(await schema.validate(undefined)).toEqual({ value: 1 });
  expect(await schema.validate(2)).toMatchObject({ value: 2 });
  expect(await schema.validate('2')).toMatchObject({ issues: [{}] });
});

test('libraries can be mixed, in one task and between tasks', async () => {
  const give = task({
    name: 'give',
    provides: { a: v.number(), b: type<number>() },
    execute: () => ({ a: 1, b: 2 }),
  });
  const add = task({
    name: 'add',
    requires: { a: z.number(), b: arktype('number') },
    provides: { sum: z.number() },
    execute: ({ a, b }) => ({ sum: a + b }),
  });
  const more = named('more', add, { rebind: { a: 'sum' }, rename: { sum: 'total' } });
  const sums = flow({ name: 'sums', body: linear('main', give, add, more), output: ['total'] });
  expect(outputOf(await new Job(sums).run())).toEqual({ total: 5 });
});
