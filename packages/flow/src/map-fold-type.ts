import type { Names } from './task-wiring-type.ts';
import type {
  ConsumerOf,
  DoubledTable,
  Give,
  GivesOf,
  IsOpen,
  Item,
  NamesOf,
  Need,
  NeedsOf,
  OtherTypeName,
  Requirement,
  SentencesAbout,
  TypeName,
  UnknownGives,
  Wiring,
} from './wiring-type.ts';

/** The wiring check of a map, for the compiler. wiring-type.ts says what the check is and what its rules are. */

/** What a map needs and gives. */
export interface MapWiring<
  Name extends string,
  Over extends string,
  As extends string,
  Index extends string,
  Body extends Item,
  Collect extends Names,
> extends Wiring {
  readonly names: Name | NamesOf<Body>;
  readonly needs:
    | Need<Name, Over, readonly ItemType<NeedsOf<Body>, As>[], Over, false>
    | Outer<NeedsOf<Body>, As | Index>;
  readonly gives:
    | Lists<Name, GivesOf<Body>, Collect>
    | (keyof Collect extends never ? (true extends IsOpen<Body> ? UnknownGives : never) : never);
}

/** The needs for other values than these. */
type Outer<N extends Need, Own extends string> = N extends Need
  ? N['value'] extends Own
    ? never
    : N
  : never;

/** What all tasks accept that take an item: the intersection, which is what functions of each take. */
export type ItemType<N extends Need, As extends string> =
  Taker<N, As> extends (item: infer Type) => void ? Type : never;
type Taker<N extends Need, As extends string> = N extends Need
  ? N['value'] extends As
    ? (item: N['type']) => void
    : never
  : never;

/** The lists of what the body gives: all of it, when it isn't said what is collected. */
type Lists<Name extends string, G extends Give, Collect extends Names> = {
  [Value in G['value']]: keyof Collect extends never
    ? ListOf<Name, Value, Extract<G, { readonly value: Value }>['type']>
    : Value extends keyof Collect
      ? ListOf<Name, Collect[Value], Extract<G, { readonly value: Value }>['type']>
      : never;
}[G['value']];

/** In a list, JSON makes null of a value that is missing. */
type ListOf<Name extends string, List extends string, Type> = Give<
  Name,
  List,
  (undefined extends Type ? Exclude<Type, undefined> | null : Type)[]
>;

/** The sentences about what is wrong with the body of a map, as far as the map is concerned. */
export type BodyProblem<
  Name extends string,
  As extends string,
  Index extends string,
  Body extends Item,
> = As extends Index
  ? `map '${Name}' calls both the item and its place '${As}'`
  :
      | SentencesAbout<NamesOf<Body>, DoubledTable<Extract<NamesOf<Body>, Name>>>
      | IndexProblem<Name, Index, NeedsOf<Body>>;

/** A place is a number. */
type IndexProblem<Name extends string, Index extends string, N extends Need> = N extends Need
  ? N['value'] extends Index
    ? number extends N['type']
      ? never
      : `${Requirement<ConsumerOf<N>, N['value']>} as ${TypeName<N['type']>}, but map '${Name}' provides ${OtherTypeName<number, N['type']>}`
    : never
  : never;

/** What may be collected; in the place of each name that may not, a sentence. */
export type CheckedCollect<Name extends string, Body extends Item, Collect> = {
  readonly [Value in keyof Collect]: IsOpen<Body> extends true
    ? Collect[Value]
    : Value extends GivesOf<Body>['value']
      ? Collect[Value]
      : `map '${Name}' can't collect '${Value & string}', which no task in it provides`;
};
