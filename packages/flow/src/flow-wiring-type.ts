import type { StandardSchemaV1 } from '@standard-schema/spec';
import type {
  ConsumerOf,
  Give,
  GivesOf,
  IsOpen,
  Item,
  ItemOr,
  Need,
  NeedsOf,
  OtherTypeName,
  Requirement,
  TypeName,
} from './wiring-type.ts';

/**
 * The wiring check of a whole flow, for the compiler: what nothing inside provides has to come from
 * the flow's input. wiring-type.ts says what the check is and what its rules are.
 */

/** A schema whose values are objects: the names of the flow's inputs are its keys. */
export type InputSchema = StandardSchemaV1;

/** Values of the input, as tasks see them. */
export type InputValues<Schema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Schema>
  : // Without a schema the flow takes no input.
    {};

/** What a poster sends. */
export type PostedInput<Schema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<Schema>
  : Readonly<Record<string, never>>;

/** A sentence for each need of the flow's tasks that the input doesn't meet. */
type InputProblem<N extends Need, Values> = N extends Need
  ? N['value'] extends keyof Values
    ? [Values[N['value']]] extends [N['type']]
      ? never
      : `${Requirement<ConsumerOf<N>, N['value']>} as ${TypeName<N['type']>}, but the flow's input has ${OtherTypeName<Values[N['value']], N['type']>}`
    : N['isOptional'] extends true
      ? never
      : `${Requirement<ConsumerOf<N>, N['value']>}, which nothing before it provides`
  : never;

/** The body of a flow when its needs are met; else the sentences that say which aren't. */
export type CheckedBody<Body extends Item, Schema> = [
  InputProblem<NeedsOf<Body>, InputValues<Schema>>,
] extends [never]
  ? Body
  : InputProblem<NeedsOf<Body>, InputValues<Schema>>;

/** The schema of a flow's input; else a sentence when its values aren't objects. */
export type CheckedInput<Schema> = Schema extends StandardSchemaV1
  ? [StandardSchemaV1.InferOutput<Schema>] extends [object]
    ? Schema
    : 'the input of a flow is an object: its keys are the names that tasks require'
  : Schema;

/** A sentence for each name to put out that nobody provides. */
type OutputProblem<Body extends Item, Name> = Name extends string
  ? IsOpen<Body> extends true
    ? never
    : Name extends GivesOf<Body>['value']
      ? never
      : `no task of the flow provides '${Name}'`
  : never;

/** The names to put out; else a sentence in the place of each that nobody provides. */
export type CheckedOutput<
  Body extends Item,
  Names extends readonly string[],
> = string extends Names[number]
  ? Names
  : [OutputProblem<Body, Names[number]>] extends [never]
    ? Names
    : { readonly [Key in keyof Names]: ItemOr<Names[Key], OutputProblem<Body, Names[Key]>> };

/** The values that a flow puts out: all that its tasks provide, or the ones that were named. */
export type OutputValues<Body extends Item, Names extends readonly string[]> =
  IsOpen<Body> extends true
    ? Readonly<Record<string, unknown>>
    : string extends Names[number]
      ? Values<GivesOf<Body>>
      : Values<Extract<GivesOf<Body>, { readonly value: Names[number] }>>;

// Looked at through a mapping of its own, so that an editor shows the properties and not how they came about.
type Values<G extends Give> = {
  readonly [Entry in G as Entry['value']]: Entry['type'];
} extends infer Shape
  ? { readonly [Key in keyof Shape]: Shape[Key] }
  : never;
