import {
  InvalidArgumentError,
  LIMITS,
  MAX_TIMER_MS,
  parseName,
  type WorkerLabels,
} from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkNumber, checkRetry, type RetryOptions } from './retry-options.ts';
import { checkRuns } from './runs-where.ts';
import { isSchema, type Schemas } from './schema.ts';
import { type BoundNames, bindNames, overlayBindings } from './task-bindings.ts';
import type { CallContext, RevertContext, TaskContext } from './task-context.ts';
import type { NamedBindings, TaskBindings, TaskDefinition } from './task-definition.ts';
import type {
  GivesFrom,
  Names,
  NeedsFrom,
  None,
  PartsOf,
  Rebound,
  TaskParts,
} from './task-wiring-type.ts';
import type { Give, Item, Need } from './wiring-type.ts';

/** Lowest and highest priority of a task; the highest starts first. */
export const TASK_PRIORITY_MIN = -1000;
export const TASK_PRIORITY_MAX = 1000;

/** A task as the engine sees it: without the types of its values. Schemas go by what the task calls their values. */
export interface TaskSpec extends BoundNames {
  readonly name: string;
  readonly description: string;
  readonly requires: Schemas;
  readonly provides: Schemas;
  /** What `revert` requires. */
  readonly revertRequires: Schemas;
  readonly execute: (args: Readonly<Record<string, unknown>>, ctx: TaskContext) => unknown;
  readonly revert:
    | ((args: Readonly<Record<string, unknown>>, ctx: RevertContext) => unknown)
    | undefined;
  readonly retry: RetryOptions | undefined;
  readonly revertRetry?: RetryOptions | undefined;
  readonly timeoutMs: number | undefined;
  readonly heartbeatMs: number | undefined;
  /** Among tasks that are ready at once, higher starts first. */
  readonly priority: number;
  /** Names of provided values that listeners must not see. */
  readonly secrets: readonly string[];
  /** Where the task runs; undefined = as its flow says. */
  readonly runs?: RunsWhere | undefined;
  /** A remote task that nobody has begun to run by then has failed. */
  readonly startTimeoutMs?: number | undefined;
}

/**
 * Where a task runs: where its flow does, or as a job of its own on any worker that serves this version
 * of the flow on the job's queue, or on any of those that have these labels.
 */
export type RunsWhere = 'here' | 'anywhere' | { readonly labels: WorkerLabels };

/** A task made by {@link task}: its name, what it needs and what it gives. */
export interface Task<
  Name extends string = string,
  Needs extends Need = Need,
  Gives extends Give = Give,
  Parts extends TaskParts = TaskParts,
> extends Item<{ readonly names: Name; readonly needs: Needs; readonly gives: Gives }> {
  readonly kind: 'task';
  readonly name: Name;
  readonly spec: TaskSpec;
  /** What {@link named} has to know of the task. Exists in the type only. */
  readonly '~parts'?: Parts | undefined;
}

/** A task of which the compiler knows all. */
export type DefinedTask<Name extends string, Parts extends TaskParts> = Task<
  Name,
  NeedsFrom<Name, Parts>,
  GivesFrom<Name, Parts>,
  Parts
>;

/**
 * Defines a task. Throws `InvalidArgumentError` for a malformed name, schema or policy, and for
 * bindings of values that the task doesn't have.
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
  const Rebind extends Names = None,
  const Rename extends Names = None,
  Injected extends string = never,
  RevertRequires extends Schemas = Requires,
>(
  definition: TaskDefinition<Name, Requires, Provides, Rebind, Rename, Injected, RevertRequires>,
): DefinedTask<
  Name,
  // What is expected of the result says nothing about the definition: a task may be used as a `Task`.
  NoInfer<PartsOf<Requires, RevertRequires, Provides, Rebind, Rename, Injected>>
> {
  return createTask(definition.name, createSpec(definition));
}

/**
 * The same task under another name, so that it can stand in a flow more than once. Bindings of its
 * own let the copy read and give other values; per value they take the place of the original's, and
 * go by what the task calls its values. Throws `InvalidArgumentError` like {@link task}.
 *
 * @example named('copy-logs', copy, { rebind: { path: 'logPath' }, rename: { url: 'logUrl' } })
 */
export function named<
  const Name extends string,
  Parts extends TaskParts,
  const Rebind extends Names = None,
  const Rename extends Names = None,
  Injected extends string = never,
>(
  name: Name,
  original: Task<string, Need, Give, Parts>,
  bindings: NamedBindings<Name, Parts, Rebind, Rename, Injected> = {},
): DefinedTask<Name, NoInfer<Rebound<Parts, Rebind, Rename, Injected>>> {
  parseName(name, 'named.name');
  const { spec } = original;
  const bound = bindNames({ ...spec, name }, overlayBindings(spec, bindings));
  return createTask(name, Object.freeze({ ...spec, name, ...bound }));
}

/** A definition without the types of its values. */
interface UntypedDefinition extends TaskBindings<Names, Names, Readonly<Record<string, unknown>>> {
  readonly name: string;
  readonly description?: string | undefined;
  readonly requires?: Schemas | undefined;
  readonly provides?: Schemas | undefined;
  readonly revertRequires?: Schemas | undefined;
  readonly execute: (args: never, ctx: never) => unknown;
  readonly revert?: ((args: never, ctx: never) => unknown) | undefined;
  readonly retry?: RetryOptions | undefined;
  readonly revertRetry?: RetryOptions | undefined;
  readonly timeoutMs?: number | undefined;
  readonly heartbeatMs?: number | undefined;
  readonly priority?: number | undefined;
  readonly secrets?: readonly string[] | undefined;
  readonly runs?: RunsWhere | undefined;
  readonly startTimeoutMs?: number | undefined;
}

const TIMEOUT_RANGE = { min: 1, max: MAX_TIMER_MS, whole: true };
const START_TIMEOUT_RANGE = { min: 1, max: LIMITS.durationMaxMs, whole: true };
const PRIORITY_RANGE = { min: TASK_PRIORITY_MIN, max: TASK_PRIORITY_MAX, whole: true };

function createSpec(definition: UntypedDefinition): TaskSpec {
  const { name, revert } = definition;
  parseName(name, 'task.name');
  const field = `task(${name})`;
  checkFunction(`${field}.execute`, typeof definition.execute);
  if (revert !== undefined) checkFunction(`${field}.revert`, typeof revert);
  checkRetry(definition.retry, `${field}.retry`);
  checkRetry(definition.revertRetry, `${field}.revertRetry`);
  checkNumber(`${field}.timeoutMs`, definition.timeoutMs, TIMEOUT_RANGE);
  checkNumber(`${field}.heartbeatMs`, definition.heartbeatMs, TIMEOUT_RANGE);
  checkNumber(`${field}.priority`, definition.priority, PRIORITY_RANGE);
  const runs = checkRuns(definition.runs, `${field}.runs`);
  checkStartTimeout(definition.startTimeoutMs, { runs, field: `${field}.startTimeoutMs` });
  const requires = checkSchemas(definition.requires, `${field}.requires`);
  const revertRequires = definition.revertRequires
    ? checkSchemas(definition.revertRequires, `${field}.revertRequires`)
    : requires;
  const provides = checkSchemas(definition.provides, `${field}.provides`);
  return Object.freeze({
    name,
    description: definition.description ?? '',
    requires,
    revertRequires,
    provides,
    ...bindNames({ name, requires, revertRequires, provides }, definition),
    execute: eraseTypes(definition.execute.bind(definition)),
    revert: revert && eraseTypes(revert.bind(definition)),
    retry: definition.retry,
    revertRetry: definition.revertRetry,
    timeoutMs: definition.timeoutMs,
    heartbeatMs: definition.heartbeatMs,
    priority: definition.priority ?? 0,
    secrets: checkSecrets(definition.secrets, { provides, field: `${field}.secrets` }),
    runs,
    startTimeoutMs: definition.startTimeoutMs,
  });
}

function checkStartTimeout(
  startTimeoutMs: number | undefined,
  { runs, field }: { readonly runs: RunsWhere | undefined; readonly field: string },
): void {
  checkNumber(field, startTimeoutMs, START_TIMEOUT_RANGE);
  if (startTimeoutMs === undefined || runs !== 'here') return;
  throw new InvalidArgumentError(field, {
    value: startTimeoutMs,
    allowed: "none for a task that runs 'here': it starts as soon as it can",
  });
}

function checkSecrets(
  secrets: readonly string[] | undefined,
  { provides, field }: { readonly provides: Schemas; readonly field: string },
): readonly string[] {
  for (const name of secrets ?? []) {
    if (Object.hasOwn(provides, name)) continue;
    const allowed = `a name of what the task provides: ${Object.keys(provides).join(', ')}`;
    throw new InvalidArgumentError(field, { value: name, allowed });
  }
  return Object.freeze([...(secrets ?? [])]);
}

function createTask<Name extends string, Parts extends TaskParts>(
  name: Name,
  spec: TaskSpec,
): DefinedTask<Name, Parts> {
  return Object.freeze({ kind: 'task', name, spec });
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
