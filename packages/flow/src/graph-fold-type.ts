import type { AmbiguousTable, Result, SiblingWires, WireSiblings } from './fold-type.ts';
import type { Link } from './link.ts';
import type {
  AllGives,
  AllNeeds,
  DoubledTable,
  GivesIn,
  Item,
  ItemOr,
  Met,
  MistypedTable,
  NamesIn,
  NamesOf,
  NeedsIn,
  Requirement,
  Steps,
  Table,
  TaskOf,
  UnknownFold,
  Wire,
} from './wiring-type.ts';

/**
 * The wiring check of a graph, for the compiler: every item sees what its siblings give, in
 * whatever order they are listed. wiring-type.ts says what the check is and what its rules are.
 */

/** Wires between the items; an item never provides for itself. */
type SiblingWireKeys<S extends readonly unknown[], Gives extends string> = {
  [Key in keyof S]: Exclude<Wire<NeedsIn<S[Key]>, Gives>, `${string} ${NamesIn<S[Key]>}`>;
}[number];

/** Which item, by its place in the list, holds which task: `<task> <place>`. */
type PlaceKeys<S extends readonly unknown[]> = {
  [Place in keyof S]: `${NamesIn<S[Place]>} ${Place & string}`;
}[number];

/** The places by task. A mapping over strings: one over the items would be computed for each look-up. */
type Places<Keys extends string> = {
  readonly [Key in Keys as Key extends `${infer Task} ${string}`
    ? Task
    : never]: Key extends `${string} ${infer Place}` ? Place : never;
};
type PlaceTable = Readonly<Record<string, string>>;

/** The waiting item and the one it waits for. A task that is wired is in the table; one that is linked may not be. */
type WireEnds<
  P extends PlaceTable,
  Task extends string,
  Provider extends string,
> = `${P[Task]}>${P[Provider]}`;
type LinkEnds<
  P extends PlaceTable,
  L extends Link,
> = `${P[NamesOf<L[1]> & keyof P]}>${P[NamesOf<L[0]> & keyof P]}`;

/** A wait is `<place>><place it waits for>`. */
type Waits<Wires extends string, L, P extends PlaceTable> =
  | (Wires extends `${infer Task} ${string} ${infer Provider}`
      ? WireEnds<P, TaskOf<Task>, Provider>
      : never)
  | (L extends Link ? LinkEnds<P, L> : never);

/** For each item the union of `is <its place>` and `after <place>`. */
type Turns<S extends readonly unknown[], AfterTable extends PlaceTable> = {
  readonly [Place in keyof S]: `is ${Place & string}` | `after ${AfterTable[Place & string]}`;
};

/** What each place waits for. Every place is listed, those that wait for nothing by `<place>>`. */
type AfterTable<W extends string, S extends readonly unknown[]> = {
  readonly [Key in W | `${keyof S & `${number}`}>` as Waiter<Key>]: Exclude<WaitedFor<Key>, ''>;
};

/**
 * Goes through the items, back and forth, and takes away those that come after none that is left.
 * `true` when some are left in the end: they are in a cycle, or behind one. In most graphs the items
 * are listed in an order near to that of their values, so that a pass or two are enough.
 */
type HasCycle<
  Rest extends readonly unknown[],
  Done extends string = never,
  Left extends readonly unknown[] = [],
  Moved extends boolean = false,
> = Rest extends readonly [infer Head, ...infer Tail]
  ? [Exclude<AfterIn<Head>, Done>] extends [never]
    ? HasCycle<Tail, Done | IsIn<Head>, Left, true>
    : HasCycle<Tail, Done, [Head, ...Left], Moved>
  : Left extends readonly []
    ? false
    : Moved extends true
      ? HasCycle<Left, Done>
      : true;
type IsIn<Turn> = Turn extends `is ${infer Place}` ? Place : never;
type AfterIn<Turn> = Turn extends `after ${infer Place}` ? Place : never;

type Waiter<W extends string> = W extends `${infer Place}>${string}` ? Place : never;
type WaitedFor<W extends string> = W extends `${string}>${infer Place}` ? Place : never;

/** Takes away, round by round, waits for what waits for nothing; what is left is in a cycle or behind one. */
type Stuck<W extends string> =
  Extract<W, `${string}>${Waiter<W>}`> extends infer Left extends string
    ? [W] extends [Left]
      ? W
      : Stuck<Left>
    : never;

/** Takes away, round by round, waits of what nothing waits for; what is left is in a cycle or before one. */
type Needed<W extends string> =
  Extract<W, `${WaitedFor<W>}>${string}`> extends infer Left extends string
    ? [W] extends [Left]
      ? W
      : Needed<Left>
    : never;

/** The waits that are part of a cycle. */
type CyclicWaits<S extends readonly unknown[], W extends string> =
  HasCycle<Turns<S, AfterTable<W, S>>> extends true ? Needed<Stuck<W>> : never;

/** For each task that waits in a cycle, a sentence about why. */
type CycleTable<Wires extends string, L, P extends PlaceTable, Cyclic extends string> = [
  Cyclic,
] extends [never]
  ? unknown
  : {
      readonly [Key in Wires as Key extends `${infer Task} ${string} ${infer Provider}`
        ? WireEnds<P, TaskOf<Task>, Provider> extends Cyclic
          ? TaskOf<Task>
          : never
        : never]: Key extends `${infer Task} ${infer Value} ${infer Provider}`
        ? `${Requirement<Task, Value>} from task '${Provider}', which in turn waits for it: a cycle`
        : never;
    } & LinkCycleTable<L, P, Cyclic>;

type LinkCycleTable<L, P extends PlaceTable, Cyclic> = {
  readonly [Each in L as Each extends Link
    ? LinkEnds<P, Each> extends Cyclic
      ? NamesOf<Each[1]>
      : never
    : never]: Each extends Link
    ? `task '${NamesOf<Each[1]>}' is linked to run after task '${NamesOf<Each[0]>}', which in turn waits for it: a cycle`
    : never;
};

type FoldSiblings<
  Items extends readonly unknown[],
  L,
  S extends readonly unknown[],
  W extends SiblingWires,
  Wires extends string,
  P extends PlaceTable,
> = Result<
  Items,
  W & {
    readonly unmet: W['isOpen'] extends true ? never : Exclude<W['needs'], Met<Wires>>;
  },
  MistypedTable<Wires, Table<AllNeeds<Items>>, Table<AllGives<Items>>>,
  DoubledTable<W['doubled']> & AmbiguousTable<W['ambiguous']>,
  CycleTable<Wires, L, P, CyclicWaits<S, Waits<Wires, L, P>>>
>;

/**
 * The items of a graph, with its links. What `infer` names is computed once; an alias in its place
 * would be computed anew wherever it is used.
 */
export type FoldGraph<
  Items extends readonly unknown[],
  L extends readonly unknown[],
  Target extends Item | undefined = undefined,
> = number extends Items['length']
  ? UnknownFold
  : Steps<Items> extends infer S extends readonly unknown[]
    ? PlaceKeys<S> extends infer Keys extends string
      ? Target extends Item
        ? FoldTargeted<Items, L[number], S, Places<Keys>, Target>
        : FoldSteps<Items, L[number], S, Places<Keys>>
      : never
    : never;

type FoldSteps<
  Items extends readonly unknown[],
  L,
  S extends readonly unknown[],
  P extends PlaceTable,
> =
  WireSiblings<S> extends infer W extends SiblingWires
    ? SiblingWireKeys<S, W['gives']> extends infer Wires extends string
      ? FoldSiblings<Items, L, S, W, Wires, P>
      : never
    : never;

/** Only what the target needs: other items count for nothing, nor do links that lead to them. */
type FoldTargeted<
  Items extends readonly unknown[],
  L,
  S extends readonly unknown[],
  P extends PlaceTable,
  Target extends Item,
> =
  Waits<SiblingWireKeys<S, GivesIn<S[number]>>, L, P> extends infer W extends string
    ? NeededPlaces<W, P[NamesOf<Target> & keyof P]> extends infer Kept extends string
      ? FoldSteps<Items, LinkTo<L, P, Kept>, StepsAt<S, Kept>, P>
      : never
    : never;

/** The places, and those that they wait for, and so on. */
type NeededPlaces<W extends string, Found extends string> =
  WaitedFor<Extract<W, `${Found}>${string}`>> extends infer More extends string
    ? [More] extends [Found]
      ? Found
      : NeededPlaces<W, Found | More>
    : never;

type StepsAt<S extends readonly unknown[], Kept extends string> = {
  readonly [Place in keyof S]: Place extends Kept ? S[Place] : never;
};

type LinkTo<L, P extends PlaceTable, Kept extends string> = L extends Link
  ? P[NamesOf<L[1]> & keyof P] extends Kept
    ? L
    : never
  : never;

/** The links, each one that leads out of the graph replaced by a sentence. */
export type CheckedLinks<Items extends readonly unknown[], L extends readonly unknown[]> = {
  [Key in keyof L]: L[Key] extends readonly [
    infer From extends Item,
    infer To extends Item,
    unknown,
  ]
    ? // The compiler doesn't look into what a call returned, so that the sentence has to stand for all of it.
      ItemOr<unknown, Extract<LinkedIn<Items, From> | LinkedIn<Items, To>, string>>
    : L[Key] extends Link
      ? readonly [LinkedIn<Items, L[Key][0]>, LinkedIn<Items, L[Key][1]>]
      : never;
};

type LinkedIn<Items extends readonly unknown[], I extends Item> = Linked<
  Places<PlaceKeys<Steps<Items>>>,
  I
>;

/** The target, or a sentence when it isn't in the graph. */
export type CheckedTarget<
  Items extends readonly unknown[],
  Target extends Item | undefined,
> = number extends Items['length']
  ? Target
  : Target extends Item
    ? ItemOr<Target, Missing<Exclude<NamesOf<Target>, keyof Places<PlaceKeys<Steps<Items>>>>>>
    : Target;

type Missing<Names extends string> = Names extends Names
  ? `task '${Names}' is not in this graph; only what is can be its target`
  : never;

type Linked<P, I extends Item> = ItemOr<I, Stranger<Exclude<NamesOf<I>, keyof P>>>;
type Stranger<Names extends string> = Names extends Names
  ? `task '${Names}' is not in this graph; only what is can be linked`
  : never;
