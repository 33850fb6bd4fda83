import { InvalidArgumentError, MAX_TIMER_MS, parseName } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkNumber, checkRetry, type RetryOptions } from './retry-options.ts';
import { isSchema, type Schemas } from './schema.ts';
import type { Stored } from './stored.ts';
import type { CallContext, RevertContext, TaskContext } from './task-context.ts';
import type { Give, Item, Need } from './wiring-type.ts';

/** The values that a task gets, by name. */
export type TaskArguments<Requires extends Schemas> = {
  readonly [Name in keyof Requires]: StandardSchemaV1.InferOutput<Requires[Name]>;
};

/** What `execute` has to return: an object with the provided names, or nothing. */
export type TaskReturn<Provides extends Schemas> = keyof Provides extends never
  ? // A function that returns nothing is written with void.
    void
  : { readonly [Name in keyof Provides]: StandardSchemaV1.InferInput<Provides[Name]> };

/** What a task provided, as it was stored. */
export type TaskResult<Provides extends Schemas> = {
  readonly [Name in keyof Provides]: Stored<StandardSchemaV1.InferOutput<Provides[Name]>>;
};

/** What `task()` takes. */
export interface TaskDefinition<
  Name extends string,
  Requires extends Schemas,
  Provides extends Schemas,
> {
  /** Unique in the flow. 1 to 128 letters, digits, dots, dashes and underscores. */
  readonly name: Name;
  /** For people; shown where the flow is drawn. */
  readonly description?: string | undefined;
  /** The values that the task needs, from tasks before it or from the flow's input. */
  readonly requires?: Requires | undefined;
  /** The values that the task gives; stored as JSON, at most `LIMITS.payloadBytes` together. */
  readonly provides?: Provides | undefined;
  /** Does the work. May be run more than once for one try; see `ctx.idempotencyKey`. */
  execute(
    args: TaskArguments<NoInfer<Requires>>,
    ctx: TaskContext,
  ): TaskReturn<NoInfer<Provides>> | PromiseLike<TaskReturn<NoInfer<Provides>>>;
  /** Undoes the work when the flow fails later, or when the task itself fails. */
  readonly revert?:
    | ((
        args: TaskArguments<NoInfer<Requires>>,
        ctx: RevertContext<TaskResult<NoInfer<Provides>>>,
      ) => void | PromiseLike<void>)
    | undefined;
  /** Default: the flow's policy. Holds for `revert` too. */
  readonly retry?: RetryOptions | undefined;
  /** A try of `execute` or of `revert` fails after this many milliseconds. Default: no limit. */
  readonly timeoutMs?: number | undefined;
}

/** What a task of this name needs, from its schemas. */
export type NeedsFrom<Name extends string, Requires extends Schemas> = {
  [Value in keyof Requires & string]: Need<
    Name,
    Value,
    StandardSchemaV1.InferInput<Requires[Value]>
  >;
}[keyof Requires & string];

/** What a task of this name gives, from its schemas. */
export type GivesFrom<Name extends string, Provides extends Schemas> = {
  [Value in keyof Provides & string]: Give<
    Name,
    Value,
    Stored<StandardSchemaV1.InferOutput<Provides[Value]>>
  >;
}[keyof Provides & string];

/** A task as the engine sees it: without the types of its values. */
export interface TaskSpec {
  readonly name: string;
  readonly description: string;
  readonly requires: Schemas;
  readonly provides: Schemas;
  readonly execute: (args: Readonly<Record<string, unknown>>, ctx: TaskContext) => unknown;
  readonly revert:
    | ((args: Readonly<Record<string, unknown>>, ctx: RevertContext) => unknown)
    | undefined;
  readonly retry: RetryOptions | undefined;
  readonly timeoutMs: number | undefined;
}

/** A task made by {@link task}: its name, what it needs and what it gives. */
export interface Task<
  Name extends string = string,
  Needs extends Need = Need,
  Gives extends Give = Give,
> extends Item<{ readonly names: Name; readonly needs: Needs; readonly gives: Gives }> {
  readonly kind: 'task';
  readonly name: Name;
  readonly spec: TaskSpec;
}

// What is inferred where a definition leaves `requires` or `provides` out.
type None = {};

/**
 * Defines a task. Throws `InvalidArgumentError` for a malformed name, schema or policy.
 *
 * @example
 * const greet = task({
 *   name: 'greet',
 *   requires: { who: z.string() },
 *   provides: { greeting: z.string() },
 *   execute: ({ who }) => ({ greeting: `Hello, ${who}!` }),
 * });
 */
export function task<
  const Name extends string,
  Requires extends Schemas = None,
  Provides extends Schemas = None,
>(
  definition: TaskDefinition<Name, Requires, Provides>,
): Task<Name, NeedsFrom<Name, Requires>, GivesFrom<Name, Provides>> {
  const name = definition.name;
  parseName(name, 'task.name');
  const field = `task(${name})`;
  checkFunction(`${field}.execute`, typeof definition.execute);
  if (definition.revert !== undefined) {
    checkFunction(`${field}.revert`, typeof definition.revert);
  }
  checkRetry(definition.retry, `${field}.retry`);
  const range = { min: 1, max: MAX_TIMER_MS, whole: true };
  checkNumber(`${field}.timeoutMs`, definition.timeoutMs, range);
  const spec: TaskSpec = {
    name,
    description: definition.description ?? '',
    requires: checkSchemas(definition.requires, `${field}.requires`),
    provides: checkSchemas(definition.provides, `${field}.provides`),
    execute: eraseTypes(definition.execute.bind(definition)),
    revert: definition.revert && eraseTypes(definition.revert.bind(definition)),
    retry: definition.retry,
    timeoutMs: definition.timeoutMs,
  };
  return Object.freeze({ kind: 'task', name, spec: Object.freeze(spec) });
}

/**
 * The engine calls user code only with values that passed the schemas, which the types of the
 * definition were inferred from; the compiler can't follow that.
 */
function eraseTypes<Context extends CallContext>(
  call: (args: never, ctx: never) => unknown,
): (args: Readonly<Record<string, unknown>>, ctx: Context) => unknown {
  return call as (args: Readonly<Record<string, unknown>>, ctx: Context) => unknown;
}

function checkSchemas(schemas: Schemas | undefined, field: string): Schemas {
  const checked: Record<string, StandardSchemaV1> = {};
  for (const [name, schema] of Object.entries(schemas ?? {})) {
    parseName(name, field);
    if (!isSchema(schema)) {
      throw new InvalidArgumentError(`${field}.${name}`, {
        value: typeof schema,
        allowed: 'a schema that implements Standard Schema',
      });
    }
    checked[name] = schema;
  }
  return Object.freeze(checked);
}

function checkFunction(field: string, type: string): void {
  if (type !== 'function')
    throw new InvalidArgumentError(field, { value: type, allowed: 'a function' });
}
