import {
  type BackoffPolicy,
  DEFAULT_BACKOFF,
  InvalidArgumentError,
  LIMITS,
  parseName,
} from '@holdfast/core';
import type { RetrySpec } from './atom-spec.ts';
import { type BuiltinTask, builtinSpec } from './builtin-task.ts';
import type { FoldLinear } from './fold-type.ts';
import type { ItemType } from './map-fold-type.ts';
import { checkItem } from './pattern.ts';
import { checkNumber, checkRetry } from './retry-options.ts';
import type { Schemas } from './schema.ts';
import type { TaskSpec } from './task.ts';
import type { GivesFrom, NeedsFrom, None, PartsOf } from './task-wiring-type.ts';
import type { Folded, Give, Item, ItemOr, Need, NeedsOf, Wiring } from './wiring-type.ts';

/** What decides about the failures of an item, once {@link withRetry} has put it in front of one. */
export interface RetryController<
  Name extends string | undefined = string | undefined,
  Needs extends Need = Need,
  Gives extends Give = Give,
> {
  readonly kind: 'controller';
  readonly name: Name;
  /** Its name is that of the controller, or of its kind. */
  readonly spec: TaskSpec;
  readonly retry: RetrySpec;
  /** Exists in the type only; the names of its tasks are not those of the flow yet. */
  readonly '~needs'?: Needs | undefined;
  readonly '~gives'?: Gives | undefined;
}

/** An item under a retry controller. */
export interface Controlled<W extends Wiring = Wiring, Name extends string = string>
  extends Item<W> {
  readonly kind: 'retry';
  /** That of the item. */
  readonly name: Name;
  readonly spec: TaskSpec;
  readonly retry: RetrySpec;
  readonly item: Item;
}

/** What every retry controller may be given. */
export interface ControllerOptions<Name extends string | undefined = string | undefined> {
  /** Unique in the flow, like that of a task. Default: the name of the item, and `.retry`. */
  readonly name?: Name | undefined;
  /** The pause before each further round; what is left out is taken from core's `DEFAULT_BACKOFF`. Default: no pause. */
  readonly backoff?: Partial<BackoffPolicy> | undefined;
  /** No round starts later than so many milliseconds after the first did. Default: no limit. */
  readonly totalMs?: number | undefined;
  /**
   * What giving up means where there is no controller around to be asked: the whole flow is reverted,
   * or, with `false`, this item alone, and the flow fails with the rest left as it is. Default: true.
   */
  readonly escalates?: boolean | undefined;
}

/** What controllers that try again may be given too. */
export interface RoundsOptions<Name extends string | undefined = string | undefined>
  extends ControllerOptions<Name> {
  /** When there are no more rounds, revert the whole flow, whatever the controllers around say. Default: false. */
  readonly revertAll?: boolean | undefined;
}

/** The name that a controller has in front of an item. */
type NameFor<C extends RetryController, I extends Item> = C['name'] extends string
  ? C['name']
  : `${I['name']}.retry`;

/** Stands for the type that the tasks of the item take a value as. */
export interface AsItTakes {
  readonly [asItTakes]: 'whatever the item takes';
}
declare const asItTakes: unique symbol;

/** A controller as an item in front of `I`. */
interface AtomOf<C extends RetryController, Name extends string, I extends Item>
  extends Item<{
    readonly names: Name;
    readonly needs: NeedsAs<NonNullable<C['~needs']>, Name, Taken<C, I>>;
    readonly gives: GivesAs<NonNullable<C['~gives']>, Name, Taken<C, I>>;
  }> {
  readonly name: Name;
}

type NeedsAs<N extends Need, Name extends string, Type> = N extends Need
  ? Need<
      Name,
      N['value'],
      [N['type']] extends [readonly AsItTakes[]] ? readonly Type[] : N['type'],
      N['as'],
      N['isOptional']
    >
  : never;

type GivesAs<G extends Give, Name extends string, Type> = G extends Give
  ? Give<Name, G['value'], [G['type']] extends [AsItTakes] ? Type : G['type']>
  : never;

/** The type that the item takes what its controller gives as. */
type Taken<C extends RetryController, I extends Item> = ItemType<
  NeedsOf<I>,
  NonNullable<C['~gives']>['value']
>;

type FoldControlled<C extends RetryController, I extends Item> = FoldLinear<
  readonly [AtomOf<C, NameFor<C, I>, I>, I]
>;

/** The sentences in one place of a report. */
type Sentences<F extends Folded, Place extends number> = [F['problem']] extends [never]
  ? never
  : F['report'] extends readonly unknown[]
    ? Extract<F['report'][Place], string>
    : never;

/**
 * Puts an item under a retry controller. The controller runs first; what it provides is seen in the
 * item and after it. When something in the item fails for good, the controller is asked: another round
 * reverts all of the item and runs it again; giving up asks the controller around, and where there is none
 * the flow is reverted. Its rounds are stored, at most `LIMITS.roundsPerController`.
 *
 * @example withRetry(times({ attempts: 3 }), linear('deploy', upload, switchOver))
 */
export function withRetry<const C extends RetryController, const I extends Item>(
  controller: ItemOr<C, Sentences<FoldControlled<C, I>, 0>>,
  item: ItemOr<I, Sentences<FoldControlled<C, I>, 1>>,
): Controlled<FoldControlled<C, I>['wiring'], I['name']> {
  checkController(controller, 'withRetry.controller');
  checkItem(item, 'withRetry.item');
  // In a call that compiles the items are what they should be; others were checked above.
  const { spec, retry, name: own } = controller as RetryController;
  const inner = item as I;
  const name = own ?? parseName(`${inner.name}.retry`, 'withRetry.controller.name');
  return Object.freeze({
    kind: 'retry',
    name: inner.name,
    spec: Object.freeze({ ...spec, name }),
    retry,
    item: inner,
  });
}

/** What a controller of these parts is, by its type. */
export type ControllerOf<
  Name extends string | undefined,
  Requires extends Schemas = None,
  Provides extends Schemas = None,
> = RetryController<
  Name,
  NeedsFrom<'retry', PartsOf<Requires, Requires, Provides, None, None, never>>,
  GivesFrom<'retry', PartsOf<Requires, Requires, Provides, None, None, never>>
>;

/**
 * Makes a controller. Throws InvalidArgumentError for malformed options, naming `kind`.
 * `C` is vouched for by the caller, who knows what the parts provide and require.
 */
export function createController<C extends RetryController>(
  kind: string,
  parts: ControllerOptions & {
    readonly task: Omit<BuiltinTask, 'name'>;
    readonly onFailure: RetrySpec['onFailure'];
  },
): C {
  const { name, backoff, totalMs, escalates = true, onFailure } = parts;
  if (name !== undefined) parseName(name, `${kind}.name`);
  const field = name === undefined ? kind : `${kind}(${name})`;
  checkNumber(`${field}.totalMs`, totalMs, { min: 1, max: LIMITS.durationMaxMs, whole: true });
  checkRetry({ backoff }, field);
  const retry: RetrySpec = {
    onFailure,
    backoff: backoff && { ...DEFAULT_BACKOFF, ...withoutGaps(backoff) },
    totalMs,
    escalates,
  };
  const spec = builtinSpec({ ...parts.task, name: name ?? kind });
  const controller: RetryController = Object.freeze({
    kind: 'controller',
    name,
    spec,
    retry: Object.freeze(retry),
  });
  return controller as C;
}

function withoutGaps(backoff: Partial<BackoffPolicy>): Partial<BackoffPolicy> {
  return Object.fromEntries(Object.entries(backoff).filter(([, value]) => value !== undefined));
}

function checkController(value: unknown, field: string): void {
  const isController =
    typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'controller';
  if (isController) return;
  throw new InvalidArgumentError(field, {
    value: typeof value,
    allowed: 'what times, forEach, retryController and their like make',
  });
}
