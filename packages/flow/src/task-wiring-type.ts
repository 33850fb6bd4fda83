import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { OptionalSchema } from './optional-schema.ts';
import type { Schemas } from './schema.ts';
import type { Stored } from './stored.ts';
import type { Give, ItemOr, Need } from './wiring-type.ts';

/**
 * What a task needs and gives, for the compiler, as it follows from the task's definition; and the
 * sentences about names in a definition that aren't there. task.ts makes the same checks where there
 * is no compiler, in the same words.
 */

/** What one side calls a value → what the other does. */
export type Names = Readonly<Record<string, string>>;

/** What is inferred where a definition leaves a record out. */
export type None = {};

/** A definition as far as the types of needs and gives depend on it. */
export interface TaskParts {
  readonly requires: Schemas;
  readonly revertRequires: Schemas;
  readonly provides: Schemas;
  readonly rebind: Names;
  readonly rename: Names;
  /** Names of the values that are injected. */
  readonly injected: string;
}

/** Parts, put together. */
export interface PartsOf<
  Requires extends Schemas,
  RevertRequires extends Schemas,
  Provides extends Schemas,
  Rebind extends Names,
  Rename extends Names,
  Injected extends string,
> extends TaskParts {
  readonly requires: Requires;
  readonly revertRequires: RevertRequires;
  readonly provides: Provides;
  readonly rebind: Rebind;
  readonly rename: Rename;
  readonly injected: Injected;
}

/** What a task of this name needs. */
export type NeedsFrom<Name extends string, Parts extends TaskParts> = {
  [Arg in ArgumentsOf<Parts>]: Need<
    Name,
    NameIn<Parts['rebind'], Arg>,
    Accepted<Parts, Arg>,
    Arg,
    IsOptional<Parts, Arg>
  >;
}[ArgumentsOf<Parts>];

/** What a task of this name gives. */
export type GivesFrom<Name extends string, Parts extends TaskParts> = {
  [Value in keyof Parts['provides'] & string]: Give<
    Name,
    NameIn<Parts['rename'], Value>,
    Stored<StandardSchemaV1.InferOutput<Parts['provides'][Value]>>
  >;
}[keyof Parts['provides'] & string];

/** The values that are taken from somewhere. */
type ArgumentsOf<Parts extends TaskParts> = Exclude<
  keyof (Parts['requires'] & Parts['revertRequires']) & string,
  Parts['injected']
>;

type NameIn<Renamed extends Names, Name extends string> = Name extends keyof Renamed
  ? Renamed[Name]
  : Name;

/** What both schemas of an argument accept: that of `execute` and that of `revert`, if it has them. */
type Accepted<Parts extends TaskParts, Arg> = AcceptedBy<Parts['requires'], Arg> &
  AcceptedBy<Parts['revertRequires'], Arg>;
type AcceptedBy<S extends Schemas, Arg> = Arg extends keyof S
  ? StandardSchemaV1.InferInput<S[Arg]>
  : unknown;

type IsOptional<Parts extends TaskParts, Arg> =
  AcceptsUndefined<Parts['requires'], Arg> extends true
    ? AcceptsUndefined<Parts['revertRequires'], Arg>
    : false;

/**
 * A schema that accepts a value of any type says nothing about whether it can do without one: that
 * of a coerced number does so, and can't. So it has to be said.
 */
type AcceptsUndefined<S extends Schemas, Arg> = Arg extends keyof S
  ? S[Arg] extends OptionalSchema<unknown, unknown>
    ? true
    : unknown extends StandardSchemaV1.InferInput<S[Arg]>
      ? false
      : undefined extends StandardSchemaV1.InferInput<S[Arg]>
        ? true
        : false
  : true;

/** The parts of a task whose bindings are overlaid by others. */
export type Rebound<
  Parts extends TaskParts,
  Rebind extends Names,
  Rename extends Names,
  Injected extends string,
> = PartsOf<
  Parts['requires'],
  Parts['revertRequires'],
  Parts['provides'],
  Overlaid<Parts['rebind'], Rebind>,
  Overlaid<Parts['rename'], Rename>,
  Exclude<Parts['injected'], keyof Rebind> | Injected
>;

type Overlaid<Below extends Names, Above extends Names> = {
  readonly [Name in (keyof Below | keyof Above) & string]: Name extends keyof Above
    ? Above[Name]
    : Below[Name];
};

/** The names when all may be rebound; else a sentence in the place of each that may not. */
export type CheckedRebind<Name extends string, Known, Rebind, Injected> = [keyof Rebind] extends [
  Exclude<keyof Known, Injected>,
]
  ? Rebind
  : {
      readonly [Arg in keyof Rebind]: Arg extends Injected
        ? `task '${Name}' can't both rebind and inject '${Arg & string}'`
        : Arg extends keyof Known
          ? Rebind[Arg]
          : `task '${Name}' requires no '${Arg & string}'; only what it requires can be rebound`;
    };

/** The names when all may be renamed; else a sentence in the place of each that may not. */
export type CheckedRename<Name extends string, Known, Rename extends Names> = [
  RenameProblems<Name, Known, Rename>[keyof Rename],
] extends [never]
  ? Rename
  : {
      readonly [Value in keyof Rename]: ItemOr<
        Rename[Value],
        RenameProblems<Name, Known, Rename>[Value]
      >;
    };

type RenameProblems<Name extends string, Known, Rename extends Names> = {
  readonly [Value in keyof Rename]: Value extends keyof Known
    ? Rename[Value] extends Others<Known, Rename, Value>
      ? `task '${Name}' provides '${Rename[Value]}' twice; give one of the values another name`
      : never
    : `task '${Name}' provides no '${Value & string}'; only what it provides can be renamed`;
};

/** What the flow calls the other results of the task. A name of type `string` is not known (W2). */
type Others<Known, Rename extends Names, Value> = string extends keyof Known | keyof Rename
  ? never
  : {
      [Other in Exclude<keyof Known, Value>]: Other extends keyof Rename
        ? string extends Rename[Other]
          ? never
          : Rename[Other]
        : Other;
    }[Exclude<keyof Known, Value>];

/** What may be injected, by its type; in the place of each name that may not, a sentence. */
export type CheckedInject<Name extends string, Known extends Schemas, Injected extends string> = {
  readonly [Arg in Injected]: Arg extends keyof Known
    ? StandardSchemaV1.InferInput<Known[Arg]>
    : `task '${Name}' requires no '${Arg}'; only what it requires can be injected`;
};
