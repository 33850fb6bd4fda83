import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { RetryOptions } from './retry-options.ts';
import type { Schemas } from './schema.ts';
import type { Stored } from './stored.ts';
import type { RunsWhere } from './task.ts';
import type { RevertContext, TaskContext } from './task-context.ts';
import type {
  CheckedInject,
  CheckedRebind,
  CheckedRename,
  Names,
  None,
  TaskParts,
} from './task-wiring-type.ts';

/** What a task declares: what `task()` and `named()` take. */

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

/** How the values of a task are tied to those of its flow, where they don't simply share a name. */
export interface TaskBindings<Rebind, Rename, Inject> {
  /** What the task calls a value → what the flow calls it: `{ input: 'source' }` reads `source` as `input`. */
  readonly rebind?: Rebind | undefined;
  /** What the task calls a result → what the flow calls it: `{ path: 'archivePath' }`. The checkpoint keeps the task's own name. */
  readonly rename?: Rename | undefined;
  /**
   * Values that are fixed here and taken from nowhere. They are no needs of the task, and pass its
   * schemas when it runs, like any argument. They are code, and not stored.
   */
  readonly inject?: Inject | undefined;
}

/** What `task()` takes. */
export interface TaskDefinition<
  Name extends string,
  Requires extends Schemas,
  Provides extends Schemas,
  Rebind extends Names = None,
  Rename extends Names = None,
  Injected extends string = never,
  RevertRequires extends Schemas = Requires,
> extends TaskBindings<
    CheckedRebind<Name, Requires & RevertRequires, Rebind, Injected>,
    CheckedRename<Name, Provides, Rename>,
    CheckedInject<Name, Requires & RevertRequires, Injected>
  > {
  /** Unique in the flow. 1 to 128 letters, digits, dots, dashes and underscores. */
  readonly name: Name;
  /** For people; shown where the flow is drawn. */
  readonly description?: string | undefined;
  /**
   * The values that the task needs, from tasks before it or from the flow's input. One whose schema
   * accepts `undefined` is optional: nobody has to provide it.
   */
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
        args: TaskArguments<NoInfer<RevertRequires>>,
        ctx: RevertContext<TaskResult<NoInfer<Provides>>>,
      ) => void | PromiseLike<void>)
    | undefined;
  /**
   * The values that `revert` needs. They come from where those of `execute` do, so who provides them
   * runs before the task. Default: those of `requires`.
   */
  readonly revertRequires?: RevertRequires | undefined;
  /** Default: the flow's policy. Holds for `revert` too, unless that has its own. */
  readonly retry?: RetryOptions | undefined;
  /** For `revert` alone. Default: as for `execute`. */
  readonly revertRetry?: RetryOptions | undefined;
  /** A try of `execute` or of `revert` fails after this many milliseconds. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /**
   * A try fails when so many milliseconds pass without `ctx.heartbeat()` or `ctx.progress()`: for work
   * that may take long, but should not be silent for long. Default: no limit.
   */
  readonly heartbeatMs?: number | undefined;
  /**
   * Provided values that listeners must not see: `***` stands in their place. They are stored as they
   * are. What a task takes is never told to listeners.
   */
  readonly secrets?: readonly (keyof NoInfer<Provides> & string)[] | undefined;
  /**
   * Of tasks that could start at the same time, those of higher priority do first. A whole number
   * from `TASK_PRIORITY_MIN` to `TASK_PRIORITY_MAX`. Default: 0.
   */
  readonly priority?: number | undefined;
  /**
   * Where the task runs, and its revert: where its flow does ('here'), or as a job of its own on any
   * worker that serves this version of the flow on the job's queue ('anywhere'), or on any of those that
   * have these labels. What it takes travels as JSON then, values of the flow's input too. Default: as
   * the flow says.
   */
  readonly runs?: RunsWhere | undefined;
  /**
   * A task that runs elsewhere has failed for good when nobody has begun to run it so many milliseconds
   * after it could start. From 1 to `LIMITS.durationMaxMs`; without effect for a task that runs where
   * its flow does, and refused where `runs` is 'here'. Default: no limit.
   */
  readonly startTimeoutMs?: number | undefined;
}

/** What `named()` takes besides a name and a task. Each entry takes the place of what the task says about the same value. */
export type NamedBindings<
  Name extends string,
  Parts extends TaskParts,
  Rebind extends Names,
  Rename extends Names,
  Injected extends string,
> = TaskBindings<
  CheckedRebind<Name, Parts['requires'] & Parts['revertRequires'], Rebind, Injected>,
  CheckedRename<Name, Parts['provides'], Rename>,
  CheckedInject<Name, Parts['requires'] & Parts['revertRequires'], Injected>
>;
