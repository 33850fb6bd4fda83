import { InvalidArgumentError, parseName } from '@holdfast/core';
import type { ChoiceSpec } from './atom-spec.ts';
import { builtinSpec } from './builtin-task.ts';
import type { CaseProblem, ChoiceWiring, NoCase } from './choice-fold-type.ts';
import { checkItem } from './pattern.ts';
import type { Schemas } from './schema.ts';
import type { TaskSpec } from './task.ts';
import type { TaskContext } from './task-context.ts';
import type { TaskArguments } from './task-definition.ts';
import type { None } from './task-wiring-type.ts';
import type { Item, ItemOr, Wiring } from './wiring-type.ts';

/** Items of which at most one is run; the others are skipped. */
export interface Choice<W extends Wiring = Wiring, Name extends string = string> extends Item<W> {
  readonly kind: 'choice';
  readonly name: Name;
  readonly spec: TaskSpec;
  readonly choice: ChoiceSpec;
  readonly cases: readonly { readonly name: string; readonly item: Item }[];
}

/** The name of the case that is taken when no other is. */
const OTHERWISE = 'otherwise';

/** A question with two answers, asked when the flow gets there. Its answer is stored. */
export interface Condition<Requires extends Schemas> {
  /** The values that the answer depends on. */
  readonly requires?: Requires | undefined;
  decide(
    values: TaskArguments<NoInfer<Requires>>,
    ctx: TaskContext,
  ): boolean | PromiseLike<boolean>;
}

/** What {@link when} takes besides a name. */
export interface WhenDefinition<Requires extends Schemas, Do, Otherwise> {
  readonly if: Condition<Requires>;
  /** What is run when the answer is yes. */
  readonly do: Do;
  /** What is run when it is no. Default: nothing. */
  readonly otherwise?: Otherwise | undefined;
}

/**
 * Runs one item or the other, or none. What both give is given, what only one gives is
 * `undefined` when it didn't run. The decision is a step of its own, named like the choice: unique in the
 * flow, checkpointed, and never made twice.
 *
 * @example
 * when('enough', {
 *   if: { requires: { size: z.number() }, decide: ({ size }) => size > 10 },
 *   do: compress,
 *   otherwise: linear('as-it-is', copy),
 * })
 */
export function when<
  const Name extends string,
  const Do extends Item,
  const Otherwise extends Item = NoCase,
  Requires extends Schemas = None,
>(
  name: Name,
  definition: WhenDefinition<
    Requires,
    ItemOr<Do, CaseProblem<Name, WhenCases<Do, Otherwise>, 'do'>>,
    ItemOr<Otherwise, CaseProblem<Name, WhenCases<Do, Otherwise>, 'otherwise'>>
  >,
): Choice<
  ChoiceWiring<Name, Requires, WhenCases<Do, Otherwise>, Otherwise extends NoCase ? false : true>,
  Name
> {
  parseName(name, 'when.name');
  const field = `when(${name})`;
  const { if: condition, do: item, otherwise } = definition;
  if (typeof condition?.decide !== 'function') {
    throw new InvalidArgumentError(`${field}.if.decide`, {
      value: typeof condition?.decide,
      allowed: 'a function',
    });
  }
  return createChoice(name, {
    field,
    requires: condition.requires,
    cases: { do: item },
    otherwise,
    execute: async (values: TaskArguments<Requires>, ctx: TaskContext) =>
      (await condition.decide(values, ctx)) ? 'do' : undefined,
  });
}

type WhenCases<Do extends Item, Otherwise extends Item> = {
  readonly do: Do;
  readonly otherwise: Otherwise;
};

/** What {@link choose} takes besides a name. */
export interface ChooseDefinition<Requires extends Schemas, CaseNames, Checked, Otherwise> {
  /** The values that the choice depends on. */
  readonly requires?: Requires | undefined;
  /** The name of the case to run; `undefined` for the one that is `otherwise` there. */
  case(
    values: TaskArguments<NoInfer<Requires>>,
    ctx: TaskContext,
  ): CaseNames | PromiseLike<CaseNames>;
  /** 1 to {@link CASES_MAX} items by the names of their cases. */
  readonly cases: Checked;
  /** What is run when no case is named. Default: a case has to be. */
  readonly otherwise?: Otherwise | undefined;
}

/** Cases of one choice. */
export const CASES_MAX = 1000;

/**
 * Runs one of several items. What all of them give is given, what only some give is `undefined` when
 * none of these ran. Like {@link when}, the decision is a step of its own.
 *
 * @example
 * choose('by-size', {
 *   requires: { size: z.number() },
 *   case: ({ size }) => (size > 10 ? 'large' : 'small'),
 *   cases: { small: copy, large: linear('large', compress, split) },
 * })
 */
export function choose<
  const Name extends string,
  const Cases extends Readonly<Record<string, Item>>,
  const Otherwise extends Item = NoCase,
  Requires extends Schemas = None,
>(
  name: Name,
  definition: ChooseDefinition<
    Requires,
    // Not an alias: the compiler would show that, and not the names.
    (keyof NoInfer<Cases> & string) | ([NoInfer<Otherwise>] extends [NoCase] ? never : undefined),
    Cases & CheckedCases<Name, ChooseCases<Cases, Otherwise>, Cases>,
    Otherwise & ItemOr<unknown, CaseProblem<Name, ChooseCases<Cases, Otherwise>, 'otherwise'>>
  >,
): Choice<ChoiceWiring<Name, Requires, ChooseCases<Cases, Otherwise>, true>, Name> {
  parseName(name, 'choose.name');
  const field = `choose(${name})`;
  if (typeof definition.case !== 'function') {
    throw new InvalidArgumentError(`${field}.case`, {
      value: typeof definition.case,
      allowed: 'a function',
    });
  }
  const { cases, otherwise, requires } = definition;
  checkCases(cases, field);
  return createChoice(name, {
    field,
    requires,
    cases,
    otherwise,
    execute: definition.case.bind(definition),
  });
}

type ChooseCases<Cases extends Readonly<Record<string, Item>>, Otherwise extends Item> = Cases & {
  readonly otherwise: Otherwise;
};

/** The cases, in the place of each wrong one the sentences about it. */
type CheckedCases<Name extends string, All extends Readonly<Record<string, Item>>, Cases> = {
  readonly [Case in keyof Cases]: ItemOr<unknown, CaseProblem<Name, All, Case & keyof All>>;
};

function checkCases(cases: unknown, field: string): void {
  const isRecord = typeof cases === 'object' && cases !== null && !Array.isArray(cases);
  const count = isRecord ? Object.keys(cases).length : 0;
  if (count < 1 || count > CASES_MAX) {
    throw new InvalidArgumentError(`${field}.cases`, {
      value: isRecord ? `${count} cases` : typeof cases,
      allowed: `1 to ${CASES_MAX} items by the names of their cases`,
    });
  }
  if (isRecord && Object.hasOwn(cases, OTHERWISE)) {
    throw new InvalidArgumentError(`${field}.cases.${OTHERWISE}`, {
      value: 'a case',
      allowed: `any other name; what is to run otherwise stands beside the cases`,
    });
  }
}

function createChoice<W extends Wiring, Name extends string>(
  name: Name,
  parts: {
    readonly field: string;
    readonly requires: Schemas | undefined;
    readonly cases: Readonly<Record<string, unknown>>;
    readonly otherwise: unknown;
    readonly execute: (values: never, ctx: never) => unknown;
  },
): Choice<W, Name> {
  const { field, requires, otherwise, execute } = parts;
  const cases: { name: string; item: Item }[] = [];
  for (const [each, item] of Object.entries({ ...parts.cases, [OTHERWISE]: otherwise })) {
    if (each === OTHERWISE && item === undefined) continue;
    parseName(each, `${field}.cases`);
    checkItem(item, each === OTHERWISE ? `${field}.${each}` : `${field}.cases.${each}`);
    cases.push({ name: each, item: item as Item }); // as was just checked
  }
  return Object.freeze({
    kind: 'choice',
    name,
    spec: builtinSpec({ name, requires, execute }),
    choice: Object.freeze({ otherwise: otherwise === undefined ? undefined : OTHERWISE }),
    cases: Object.freeze(cases),
  });
}
