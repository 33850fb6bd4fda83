import {
  InvalidArgumentError,
  LIMITS,
  parseName,
  type RetryDecision,
  TerminalError,
} from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { RetryContext, RetrySpec } from './atom-spec.ts';
import { ANY_SCHEMA, LIST_SCHEMA } from './builtin-task.ts';
import {
  type AsItTakes,
  type ControllerOf,
  type ControllerOptions,
  createController,
  type RetryController,
  type RoundsOptions,
} from './retry-controller.ts';
import { checkNumber, type RetryOptions } from './retry-options.ts';
import type { Schemas } from './schema.ts';
import type { Stored } from './stored.ts';
import type { RevertContext } from './task-context.ts';
import type { TaskArguments, TaskResult, TaskReturn } from './task-definition.ts';
import type { None } from './task-wiring-type.ts';
import type { Give, Need } from './wiring-type.ts';

/** The retry controllers that there are, and the one that is whatever its maker wants. */

/**
 * Gives up at the first failure: the controller around is asked. With `escalates: false` it bounds what
 * is reverted.
 *
 * @example withRetry(alwaysRevert({ escalates: false }), linear('optional-extras', resize, tag))
 */
export function alwaysRevert<const Name extends string | undefined = undefined>(
  options: ControllerOptions<Name> = {},
): ControllerOf<Name> {
  return createController('alwaysRevert', { ...options, ...NOTHING, onFailure: () => 'revert' });
}

/** Has the whole flow reverted at the first failure, whatever the controllers around would say. */
export function alwaysRevertAll<const Name extends string | undefined = undefined>(
  options: ControllerOptions<Name> = {},
): ControllerOf<Name> {
  return createController('alwaysRevertAll', {
    ...options,
    ...NOTHING,
    onFailure: () => 'revertAll',
  });
}

/** What {@link times} takes. */
export interface TimesOptions<Name extends string | undefined, Provides extends string>
  extends RoundsOptions<Name> {
  /** Rounds in total, the first one included: 1 to `LIMITS.roundsPerController`. */
  readonly attempts: number;
  /** The name of a value that is the number of the round, from 1. Default: none. */
  readonly provides?: Provides | undefined;
}

/**
 * So many rounds in all.
 *
 * @example withRetry(times({ attempts: 3, backoff: { initialMs: 500 } }), upload)
 */
export function times<
  const Name extends string | undefined = undefined,
  const Provides extends string = never,
>(
  options: TimesOptions<Name, Provides>,
): RetryController<
  Name,
  never,
  Provides extends Provides ? Give<'retry', Provides, number> : never
> {
  const { attempts, provides } = options;
  const range = { min: 1, max: LIMITS.roundsPerController, whole: true };
  checkNumber('times.attempts', attempts ?? null, range);
  if (provides !== undefined) parseName(provides, 'times.provides');
  return createController('times', {
    ...options,
    task: {
      provides: provides === undefined ? {} : { [provides]: ANY_SCHEMA },
      execute: (_values: unknown, { history }: RetryContext) =>
        provides === undefined ? undefined : { [provides]: history.length + 1 },
    },
    onFailure: (_values, { history }) => (history.length < attempts ? 'retry' : exhausted(options)),
  });
}

/** What {@link forEach} takes. */
export interface ForEachOptions<Name extends string | undefined, Value, Provides extends string>
  extends RoundsOptions<Name> {
  /** 1 to `LIMITS.roundsPerController` values that have a form in JSON; one that occurs twice is tried twice. */
  readonly values: readonly Value[];
  /** The name of the value of the round. */
  readonly provides: Provides;
}

/**
 * A round for each value, in their order, until one succeeds.
 *
 * @example withRetry(forEach({ values: ['eu', 'us'], provides: 'region' }), deploy)
 */
export function forEach<
  const Provides extends string,
  const Value,
  const Name extends string | undefined = undefined,
>(
  options: ForEachOptions<Name, Value, Provides>,
): RetryController<Name, never, Give<'retry', Provides, Writable<Stored<Value>>>> {
  const { provides } = options;
  parseName(provides, 'forEach.provides');
  const isList = Array.isArray(options.values);
  const values: readonly Value[] = isList ? [...(options.values as readonly Value[])] : [];
  if (values.length === 0 || values.length > LIMITS.roundsPerController) {
    throw new InvalidArgumentError('forEach.values', {
      value: isList ? `${values.length} values` : typeof options.values,
      allowed: `a list of 1 to ${LIMITS.roundsPerController} values`,
    });
  }
  return createController('forEach', {
    ...options,
    task: {
      provides: { [provides]: ANY_SCHEMA },
      execute: (_values: unknown, { history }: RetryContext) => ({
        [provides]: values[history.length],
      }),
    },
    onFailure: (_values, { history }) =>
      history.length < values.length ? 'retry' : exhausted(options),
  });
}

/** What was written down as it stands is read-only in its type; what is read from a checkpoint isn't. */
type Writable<Value> = Value extends object
  ? { -readonly [Key in keyof Value]: Writable<Value[Key]> }
  : Value;

/** What {@link parameterizedForEach} takes. */
export interface ParameterizedForEachOptions<
  Name extends string | undefined,
  Value,
  Values extends string,
  Provides extends string,
> extends RoundsOptions<Name> {
  /** The name of the list: of what a task before it provides, or of the flow's input. */
  readonly values: Values;
  /** What each value of the list may be. Default: what the tasks of the item take, and each of them checks that itself. */
  readonly schema?: StandardSchemaV1<Value> | undefined;
  /** The name of the value of the round. */
  readonly provides: Provides;
}

/**
 * Like {@link forEach}, with a list that is only known when the flow runs. An empty list fails the
 * controller, and so its item. Of a list longer than `LIMITS.roundsPerController` the rest is not tried.
 *
 * @example withRetry(parameterizedForEach({ values: 'hosts', schema: z.string(), provides: 'host' }), install)
 */
export function parameterizedForEach<
  const Values extends string,
  const Provides extends string,
  Value = AsItTakes,
  const Name extends string | undefined = undefined,
>(
  options: ParameterizedForEachOptions<Name, Value, Values, Provides>,
): RetryController<
  Name,
  Need<'retry', Values, readonly Value[], Values, false>,
  Give<'retry', Provides, Value>
> {
  const { values: list, provides } = options;
  parseName(list, 'parameterizedForEach.values');
  parseName(provides, 'parameterizedForEach.provides');
  const listIn = (values: Readonly<Record<string, unknown>>): readonly unknown[] =>
    values[list] as readonly unknown[]; // LIST_SCHEMA let it pass
  return createController('parameterizedForEach', {
    ...options,
    task: {
      requires: { [list]: LIST_SCHEMA },
      provides: { [provides]: options.schema ?? ANY_SCHEMA },
      execute: (args: Readonly<Record<string, unknown>>, { history }: RetryContext) => {
        const values = listIn(args);
        if (values.length === 0)
          throw new TerminalError(`the list '${list}' is empty: there is nothing to try`);
        return { [provides]: values[history.length] };
      },
    },
    onFailure: (args, { history }) => {
      const most = Math.min(listIn(args).length, LIMITS.roundsPerController);
      return history.length < most ? 'retry' : exhausted(options);
    },
  });
}

/** What {@link retryController} takes. */
export interface RetryControllerDefinition<
  Name extends string | undefined,
  Requires extends Schemas,
  Provides extends Schemas,
> extends ControllerOptions<Name> {
  /** For people; shown where the flow is drawn. */
  readonly description?: string | undefined;
  /** The values that the controller needs, like those of a task. */
  readonly requires?: Requires | undefined;
  /** The values that it gives, anew in each round. */
  readonly provides?: Provides | undefined;
  /** Starts a round. Default: provides nothing. */
  execute?(
    values: TaskArguments<NoInfer<Requires>>,
    ctx: RetryContext,
  ): TaskReturn<NoInfer<Provides>> | PromiseLike<TaskReturn<NoInfer<Provides>>>;
  /**
   * What to do about the failures of the last round of `ctx.history`. It may be asked again after a
   * crash. When it throws, the controller has failed, as if it had answered `revert`.
   */
  onFailure(
    values: TaskArguments<NoInfer<Requires>>,
    ctx: RetryContext,
  ): RetryDecision | PromiseLike<RetryDecision>;
  /** Undoes what `execute` did in the last round, when there is no other. */
  readonly revert?:
    | ((
        values: TaskArguments<NoInfer<Requires>>,
        ctx: RevertContext<TaskResult<NoInfer<Provides>>> & RetryContext,
      ) => void | PromiseLike<void>)
    | undefined;
  /** How often `execute` and `revert` themselves are tried. Default: the flow's policy. */
  readonly retry?: RetryOptions | undefined;
  /** A try of `execute`, of `onFailure` or of `revert` fails after this many milliseconds. Default: no limit. */
  readonly timeoutMs?: number | undefined;
}

/**
 * A retry controller of one's own.
 *
 * @example
 * retryController({
 *   name: 'patience',
 *   onFailure: (_values, { history }) =>
 *     history.at(-1)?.failures.some(({ type }) => type === 'QuotaError') ? 'revert' : 'retry',
 * })
 */
export function retryController<
  const Name extends string | undefined = undefined,
  Requires extends Schemas = None,
  Provides extends Schemas = None,
>(
  definition: RetryControllerDefinition<Name, Requires, Provides>,
): ControllerOf<Name, Requires, Provides> {
  if (typeof definition.onFailure !== 'function') {
    throw new InvalidArgumentError('retryController.onFailure', {
      value: typeof definition.onFailure,
      allowed: 'a function',
    });
  }
  return createController('retryController', {
    ...definition,
    task: {
      ...definition,
      execute: definition.execute?.bind(definition) ?? (() => undefined),
    },
    onFailure: eraseTypes(definition.onFailure.bind(definition)),
  });
}

/** The engine asks only with values that passed the schemas that the types of the arguments were inferred from. */
function eraseTypes(
  judge: (args: never, ctx: RetryContext) => RetryDecision | PromiseLike<RetryDecision>,
): RetrySpec['onFailure'] {
  return judge as RetrySpec['onFailure']; // The compiler can't follow that.
}

const NOTHING = { task: { execute: () => undefined } } as const;

function exhausted({ revertAll = false }: RoundsOptions): RetryDecision {
  return revertAll ? 'revertAll' : 'revert';
}
