/**
 * The wiring check, for the compiler: which values a task needs, which it gives, and what is wrong.
 *
 * Each task and each pattern carries a {@link Wiring} in its type. A pattern folds the wirings of its
 * items into its own, and puts in the place of an item that is wired wrongly a sentence, which the
 * compiler then shows as the type that it expected there.
 *
 * W1. The check mirrors compile.ts, which makes the same one where there is no compiler.
 * W2. What isn't known statically (spread arrays, names of type `string`) is never an error here.
 * W3. Whatever goes step by step works on unions of strings alone, because those cost the compiler
 *     nothing to carry along: it gives up after five million instantiations in one expression. Types
 *     of values are looked up once, at the end, in tables.
 *
 * An entry's key is `<value> <task>`, a wire's is `<consumer> <value> <provider>`: names hold no spaces.
 * A task that calls a value something else than the flow does is `<task>:<its name of the value>` there.
 * An item is the union of `name <task>`, `need <key>`, `give <key>`, and `open` when it may give more.
 */

/** A value that a task needs. */
export interface Need<
  Task extends string = string,
  Value extends string = string,
  Type = unknown,
  As extends string = Value,
  Optional extends boolean = boolean,
> {
  readonly task: Task;
  /** What the flow calls it. */
  readonly value: Value;
  /** What its schema accepts. */
  readonly type: Type;
  /** What the task calls it. */
  readonly as: As;
  /** True when nobody has to provide it. */
  readonly isOptional: Optional;
}

/** A value that a task gives; `type` is what its stored form is read back as. */
export interface Give<Task extends string = string, Value extends string = string, Type = unknown> {
  readonly task: Task;
  readonly value: Value;
  readonly type: Type;
}

/** Names of the tasks in an item, what they need from outside, and what they give to it. */
export interface Wiring {
  readonly names: string;
  readonly needs: Need;
  readonly gives: Give;
}

/** Anything that may stand in a pattern: a task or another pattern. `W` exists in the type only. */
export interface Item<W extends Wiring = Wiring> {
  readonly kind:
    | 'task'
    | 'linear'
    | 'unordered'
    | 'graph'
    | 'retry'
    | 'choice'
    | 'map'
    | 'sleep'
    | 'event';
  readonly name: string;
  readonly '~wiring'?: W | undefined;
}

type WiringOf<I extends Item> = NonNullable<I['~wiring']>;

/** A need or a give. */
type Entry = { readonly task: string; readonly value: string; readonly type: unknown };

/** The entries whose names are known statically (W2). */
type Known<E extends Entry> = E extends Entry
  ? string extends E['task'] | E['value']
    ? never
    : E
  : never;

export type NamesOf<I extends Item> = WiringOf<I>['names'] extends infer Name
  ? Name extends string
    ? string extends Name
      ? never
      : Name
    : never
  : never;
export type NeedsOf<I extends Item> = Known<WiringOf<I>['needs']>;
export type GivesOf<I extends Item> = Known<WiringOf<I>['gives']>;

/** True when the item may give more than is known statically. */
export type IsOpen<I extends Item> = string extends WiringOf<I>['gives']['value' | 'task']
  ? true
  : false;

/** Stands for what an item may give besides what is known. */
export type UnknownGives = Give<string, string>;

/** The wiring of items of which nothing is known statically. */
export interface UnknownWiring extends Wiring {
  readonly names: never;
  readonly needs: never;
  readonly gives: UnknownGives;
}

/** The result of folding the items of a pattern. */
export interface Folded<W extends Wiring = Wiring, Report = unknown, Problem = unknown> {
  readonly wiring: W;
  /** The items, each wrong one replaced by the sentences about it. */
  readonly report: Report;
  readonly problem: Problem;
}

/** The items when they are wired rightly; else the sentences that say what is wrong. */
export type Checked<Items, F extends Folded> = [F['problem']] extends [never] ? Items : F['report'];

/** The result where nothing is known statically. */
export type UnknownFold = Folded<UnknownWiring, readonly Item[], never>;

export type KeyOf<E extends Entry> = E extends Need
  ? `${E['value']} ${ConsumerOf<E>}`
  : E extends Entry
    ? `${E['value']} ${E['task']}`
    : never;

/** The task that consumes a value, whatever it calls that. */
export type TaskOf<Consumer extends string> = Consumer extends `${infer Task}:${string}`
  ? Task
  : Consumer;

/** The beginning of a sentence about a value that a task requires. */
export type Requirement<
  Consumer extends string,
  Value extends string,
> = Consumer extends `${infer Task}:${infer As}`
  ? `task '${Task}' requires '${Value}' (its '${As}')`
  : `task '${Consumer}' requires '${Value}'`;

/** The consumer of a need: its task, and what that calls the value if it is something else. */
export type ConsumerOf<N extends Need> = N['as'] extends N['value']
  ? N['task']
  : `${N['task']}:${N['as']}`;

/** Entries by their key. */
export type Table<E extends Entry> = { readonly [X in E as KeyOf<X>]: X };

/** The items as the folds see them: strings only (W3). */
export type Steps<Items extends readonly unknown[]> = {
  readonly [Key in keyof Items]: Items[Key] extends Item ? StepOf<Items[Key]> : never;
};

type StepOf<I extends Item> =
  | `name ${NamesOf<I>}`
  | `need ${KeyOf<NeedsOf<I>>}`
  | `give ${KeyOf<GivesOf<I>>}`
  | (IsOpen<I> extends true ? 'open' : never);

export type NamesIn<Step> = Step extends `name ${infer Name}` ? Name : never;
export type NeedsIn<Step> = Step extends `need ${infer Key}` ? Key : never;
export type GivesIn<Step> = Step extends `give ${infer Key}` ? Key : never;
export type ValuesIn<Step> = Step extends `give ${infer Value} ${string}` ? Value : never;

/** True as soon as one of the steps is open. */
export type OrOpen<Open extends boolean, Step> = Open extends true
  ? true
  : 'open' extends Step
    ? true
    : false;

/** The wires from the needs to their providers in `Env`. */
export type Wire<
  Needs extends string,
  Env extends string,
> = Needs extends `${infer Value} ${infer Task}`
  ? Extract<Env, `${Value} ${string}`> extends infer Found
    ? Found extends `${string} ${infer Provider}`
      ? `${Task} ${Value} ${Provider}`
      : never
    : never
  : never;

/** The keys of the needs that the wires meet. */
export type Met<Wires extends string> = Wires extends `${infer Task} ${infer Value} ${string}`
  ? `${Value} ${Task}`
  : never;

export type AllNames<Items extends readonly unknown[]> = {
  [Key in keyof Items]: Items[Key] extends Item ? NamesOf<Items[Key]> : never;
}[number];
export type AllNeeds<Items extends readonly unknown[]> = {
  [Key in keyof Items]: Items[Key] extends Item ? NeedsOf<Items[Key]> : never;
}[number];
export type AllGives<Items extends readonly unknown[]> = {
  [Key in keyof Items]: Items[Key] extends Item ? GivesOf<Items[Key]> : never;
}[number];

/**
 * For each consumer, a sentence about each wire whose provider gives what its schema doesn't accept.
 * `Needs` and `Gives` are tables, made once and handed in, not made for each wire.
 */
export type MistypedTable<Wires extends string, Needs extends Entries, Gives extends Entries> = {
  readonly [Key in Wires as Key extends `${infer Task} ${string}` ? TaskOf<Task> : never]: Mistyped<
    Key,
    Needs,
    Gives
  >;
};

type Entries = Readonly<Record<string, Entry>>;

type Mistyped<
  Key extends string,
  Needs extends Entries,
  Gives extends Entries,
> = Key extends `${infer Task} ${infer Value} ${infer Provider}`
  ? [Gives[`${Value} ${Provider}`]['type']] extends [Needs[`${Value} ${Task}`]['type']]
    ? never
    : `${Requirement<Task, Value>} as ${TypeName<Needs[`${Value} ${Task}`]['type']>}, but task '${Provider}' provides ${OtherTypeName<Gives[`${Value} ${Provider}`]['type'], Needs[`${Value} ${Task}`]['type']>}`
  : never;

/** For each name in `Names`, a sentence that it is used twice. */
export type DoubledTable<Names extends string> = {
  readonly [Name in Names]: `two tasks are named '${Name}'; the name of a task is unique in its flow${Advice<Name>}`;
};

/** Retry controllers are named after what they control, unless they have a name of their own. */
type Advice<Name extends string> = Name extends `${string}.retry`
  ? ': give one of the retry controllers a name'
  : '';

/** The sentences about the tasks of these names. */
export type SentencesAbout<Names extends string, Sentences> = Names extends Names
  ? Sentences extends Readonly<Record<Names, infer Sentence>>
    ? Sentence
    : never
  : never;

/** The item itself, or the sentences about it. */
export type ItemOr<I, Problem> = [Problem] extends [never] ? I : Problem;

/** The values with these keys, and whatever else an open item may give. */
export type Given<Items extends readonly unknown[], Keys extends string, Open extends boolean> =
  | Picked<Table<AllGives<Items>>, Keys, Give>
  | (true extends Open ? UnknownGives : never);

/** The needs with these keys. */
export type Unmet<Items extends readonly unknown[], Keys extends string> = Picked<
  Table<AllNeeds<Items>>,
  Keys,
  Need
>;

// The condition is always true; it tells the compiler what the entries of a table are.
type Picked<T, Keys, Kind extends Entry> = T[Keys & keyof T] extends infer Found extends Kind
  ? Found
  : never;

/** A type in words. */
export type TypeName<Type> = [Type] extends [never]
  ? 'nothing'
  : unknown extends Type
    ? 'an unknown value'
    : [Type] extends [string]
      ? LiteralName<Type, string, `'${Type}'`>
      : [Type] extends [number]
        ? LiteralName<Type, number, `${Type}`>
        : [Type] extends [boolean]
          ? 'a boolean'
          : [Type] extends [null | undefined]
            ? 'null or undefined'
            : undefined extends Type
              ? `${TypeName<Exclude<Type, undefined>>} or undefined`
              : null extends Type
                ? `${TypeName<Exclude<Type, null>>} or null`
                : [Type] extends [Date]
                  ? 'a Date'
                  : [Type] extends [readonly unknown[]]
                    ? 'an array'
                    : [Type] extends [object]
                      ? 'an object'
                      : 'one of several types';

/** A literal as it is written, several literals, or any value of their kind. */
type LiteralName<Type extends Kind, Kind extends string | number, Written extends string> =
  // True for what names no single key: the kind as a whole, a pattern, a brand.
  {} extends Readonly<Record<Type, 1>>
    ? `a ${KindName<Kind>}`
    : IsUnion<Type> extends true
      ? `one of several ${KindName<Kind>}s`
      : Written;

type KindName<Kind> = [Kind] extends [string] ? 'string' : 'number';

type IsUnion<Type, Each = Type> = Each extends Each
  ? [Type] extends [Each]
    ? false
    : true
  : never;

/** A type in words that says so when it only looks like the other one: two objects, two sets of literals. */
export type OtherTypeName<Type, Other> =
  TypeName<Type> extends TypeName<Other>
    ? TypeName<Type> extends `one of several ${infer Things}`
      ? `one of several other ${Things}`
      : `${TypeName<Type>} of another type`
    : TypeName<Type>;
