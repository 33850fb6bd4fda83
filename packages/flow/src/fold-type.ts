import type {
  AllGives,
  AllNames,
  AllNeeds,
  DoubledTable,
  Folded,
  Given,
  GivesIn,
  Item,
  ItemOr,
  Met,
  MistypedTable,
  NamesIn,
  NamesOf,
  NeedsIn,
  OrOpen,
  SentencesAbout,
  Steps,
  Table,
  UnknownFold,
  Unmet,
  ValuesIn,
  Wire,
} from './wiring-type.ts';

/**
 * The wiring check of linear and unordered patterns, for the compiler. wiring-type.ts says what the
 * check is and what its rules are.
 */

/** What going through the items of a linear pattern yields. */
interface LinearWires {
  /** Keys of what the pattern gives in the end. */
  readonly gives: string;
  readonly wires: string;
  readonly unmet: string;
  readonly doubled: string;
  readonly isOpen: boolean;
}

type WireLinear<
  S extends readonly unknown[],
  Env extends string = never,
  Wires extends string = never,
  Unmet extends string = never,
  Names extends string = never,
  Doubled extends string = never,
  Open extends boolean = false,
> = S extends readonly [infer Head, ...infer Rest]
  ? Wire<NeedsIn<Head>, Env> extends infer Found extends string
    ? WireLinear<
        Rest,
        // The nearest earlier provider wins. Whatever an open item gives may hide all before it.
        ('open' extends Head ? never : Exclude<Env, `${ValuesIn<Head>} ${string}`>) | GivesIn<Head>,
        Wires | Found,
        Unmet | (Open extends true ? never : Exclude<NeedsIn<Head>, Met<Found>>),
        Names | NamesIn<Head>,
        Doubled | Extract<NamesIn<Head>, Names>,
        OrOpen<Open, Head>
      >
    : never
  : { gives: Env; wires: Wires; unmet: Unmet; doubled: Doubled; isOpen: Open };

type LinearResult<Items extends readonly unknown[], W extends LinearWires> = Result<
  Items,
  W,
  MistypedTable<W['wires'], Table<AllNeeds<Items>>, Table<AllGives<Items>>>,
  DoubledTable<W['doubled']>
>;

/** The items of a linear pattern, one after another. */
export type FoldLinear<Items extends readonly unknown[]> = number extends Items['length']
  ? UnknownFold
  : WireLinear<Steps<Items>> extends infer W extends LinearWires
    ? LinearResult<Items, W>
    : never;

/** What going through the items of an unordered pattern yields. */
export interface SiblingWires {
  /** `<value> <task> <other task>` for each value that two siblings give. */
  readonly ambiguous: string;
  readonly gives: string;
  readonly needs: string;
  readonly doubled: string;
  readonly isOpen: boolean;
}

export type WireSiblings<
  S extends readonly unknown[],
  Gives extends string = never,
  Needs extends string = never,
  Ambiguous extends string = never,
  Names extends string = never,
  Doubled extends string = never,
  Open extends boolean = false,
> = S extends readonly [infer Head, ...infer Rest]
  ? WireSiblings<
      Rest,
      Gives | GivesIn<Head>,
      Needs | NeedsIn<Head>,
      Ambiguous | Wire<GivesIn<Head>, Gives>,
      Names | NamesIn<Head>,
      Doubled | Extract<NamesIn<Head>, Names>,
      OrOpen<Open, Head>
    >
  : { ambiguous: Ambiguous; gives: Gives; needs: Needs; doubled: Doubled; isOpen: Open };

/** For each provider, a sentence about each value that a sibling gives too. */
export type AmbiguousTable<Keys extends string> = {
  readonly [Key in Keys as Key extends `${infer Task} ${string}`
    ? Task
    : never]: Key extends `${infer Task} ${infer Value} ${infer Other}`
    ? `task '${Task}' provides '${Value}', and so does task '${Other}' beside it; give one of the values another name`
    : never;
};

/** The items of an unordered pattern: they don't see each other, and may not give the same name. */
export type FoldUnordered<Items extends readonly unknown[]> = number extends Items['length']
  ? UnknownFold
  : WireSiblings<Steps<Items>> extends infer W extends SiblingWires
    ? Result<
        Items,
        W & { readonly unmet: W['needs'] },
        AmbiguousTable<W['ambiguous']>,
        DoubledTable<W['doubled']>
      >
    : never;

/** Puts the sentences of up to three tables in the places of the items that they are about. */
export type Result<
  Items extends readonly unknown[],
  W extends { readonly gives: string; readonly unmet: string; readonly isOpen: boolean },
  First,
  Second,
  Third = unknown,
> = Folded<
  {
    readonly names: AllNames<Items>;
    readonly needs: Unmet<Items, W['unmet']>;
    readonly gives: Given<Items, W['gives'], W['isOpen']>;
  },
  {
    readonly [Key in keyof Items]: Items[Key] extends Item
      ? ItemOr<
          Items[Key],
          | SentencesAbout<NamesOf<Items[Key]>, First>
          | SentencesAbout<NamesOf<Items[Key]>, Second>
          | SentencesAbout<NamesOf<Items[Key]>, Third>
        >
      : Items[Key];
  },
  First[keyof First] | Second[keyof Second] | Third[keyof Third]
>;
