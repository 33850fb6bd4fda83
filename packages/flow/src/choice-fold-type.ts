import type { Schemas } from './schema.ts';
import type { NeedsFrom, None, PartsOf } from './task-wiring-type.ts';
import type {
  DoubledTable,
  Give,
  GivesOf,
  IsOpen,
  Item,
  NamesOf,
  NeedsOf,
  SentencesAbout,
  UnknownGives,
  Wiring,
} from './wiring-type.ts';

/** The wiring check of a choice, for the compiler. wiring-type.ts says what the check is and what its rules are. */

/** Stands for a case that there is not. */
export interface NoCase
  extends Item<{ readonly names: never; readonly needs: never; readonly gives: never }> {
  readonly kind: never;
}

type Cases = Readonly<Record<string, Item>>;

/** The cases that there are. */
type Present<C extends Cases> = {
  [Case in keyof C]: [C[Case]] extends [NoCase] ? never : Case;
}[keyof C];

/** What a choice needs and gives. `IsTotal`: one of the cases is always taken. */
export interface ChoiceWiring<
  Name extends string,
  Requires extends Schemas,
  C extends Cases,
  IsTotal extends boolean,
> extends Wiring {
  readonly names: Name | NamesOf<C[Present<C>]>;
  readonly needs:
    | NeedsFrom<Name, PartsOf<Requires, Requires, None, None, None, never>>
    | NeedsOf<C[Present<C>]>;
  readonly gives:
    | GivesOfCases<C, IsTotal>
    | (string extends keyof C
        ? UnknownGives
        : true extends IsOpen<C[Present<C>]>
          ? UnknownGives
          : never);
}

/** What the cases give; a value that may be missing is undefined then. */
type GivesOfCases<C extends Cases, IsTotal extends boolean> = {
  [Case in Present<C>]: Weakened<
    GivesOf<C[Case]>,
    IsTotal extends true ? CommonValues<C, Present<C>> : never
  >;
}[Present<C>];

/** Gives whose values are undefined now and then, but for those that are always there. */
type Weakened<G extends Give, Always extends string> = G extends Give
  ? G['value'] extends Always
    ? G
    : Give<G['task'], G['value'], G['type'] | undefined>
  : never;

/** The names of the values that every case gives. */
type CommonValues<C extends Cases, Names extends keyof C> = keyof AllOf<
  {
    [Case in Names]: (values: { readonly [G in GivesOf<C[Case]> as G['value']]: 1 }) => void;
  }[Names]
> &
  string;

/** The intersection of what functions take. */
type AllOf<Functions> = Functions extends (values: infer Values) => void ? Values : never;

/** The sentences about one case: names that are used in another one too, or by the choice itself. */
export type CaseProblem<Name extends string, C extends Cases, Case extends keyof C> = [
  C[Case],
] extends [NoCase]
  ? never
  : SentencesAbout<
      NamesOf<C[Case]>,
      DoubledTable<Extract<NamesOf<C[Case]>, Name | NamesOf<C[Exclude<Present<C>, Case>]>>>
    >;
