import { parseName } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ANY_SCHEMA, builtinSpec, LIST_SCHEMA } from './builtin-task.ts';
import type { RetryOptions } from './retry-options.ts';
import { createSchema } from './schema.ts';
import type { Stored } from './stored.ts';
import type { Task } from './task.ts';
import type { TaskContext } from './task-context.ts';
import type { Give, Need } from './wiring-type.ts';

/** What {@link reduce} takes besides a name. */
export interface ReduceDefinition<Over, Provides, Accumulated, Given, Item> {
  /** The name of the list: of what a task before it provides, or of the flow's input. */
  readonly over: Over;
  /** What each item of the list may be. Default: what `execute` takes, unchecked when it runs. */
  readonly item?: StandardSchemaV1<Given, Item> | undefined;
  /** What the first call of `execute` gets; a copy of it, each time. */
  readonly initial: Accumulated;
  /** The name of the value that comes out in the end. */
  readonly provides: Provides;
  /** Default: the flow's policy. A failed try begins anew with the first item. */
  readonly retry?: RetryOptions | undefined;
  /** A try fails after this many milliseconds, for all items together. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Adds an item to what there is; called for one after another, in the order of the list. */
  execute(
    accumulated: NoInfer<Accumulated>,
    item: Item,
    ctx: TaskContext,
  ): NoInfer<Accumulated> | PromiseLike<NoInfer<Accumulated>>;
}

/**
 * Folds a list into one value. It is **one task with one checkpoint**: a crash or a failure in the middle
 * of the list begins anew. What is to be stored item by item is a `map`, with a `reduce` after it.
 *
 * @example
 * reduce('sum-up', {
 *   over: 'sizes',
 *   item: z.number(),
 *   initial: 0,
 *   provides: 'total',
 *   execute: (total, size) => total + size,
 * })
 */
export function reduce<
  const Name extends string,
  const Over extends string,
  const Provides extends string,
  Accumulated,
  Item = unknown,
  Given = Item,
>(
  name: Name,
  definition: ReduceDefinition<Over, Provides, Accumulated, Given, Item>,
): Task<
  Name,
  Need<Name, Over, readonly Given[], Over, false>,
  Give<Name, Provides, Stored<Accumulated>>
> {
  parseName(name, 'reduce.name');
  const field = `reduce(${name})`;
  const { over, provides, item, initial, retry, timeoutMs } = definition;
  parseName(over, `${field}.over`);
  parseName(provides, `${field}.provides`);
  const spec = builtinSpec({
    name,
    requires: { [over]: item ? listOf(item) : LIST_SCHEMA },
    provides: { [provides]: ANY_SCHEMA },
    retry,
    timeoutMs,
    execute: async (args: Readonly<Record<string, readonly Item[]>>, ctx: TaskContext) => {
      // What one try has added to must not be what the next one starts with.
      let accumulated = structuredClone(initial);
      for (const each of args[over] ?? []) {
        ctx.signal.throwIfAborted();
        accumulated = await definition.execute(accumulated, each, ctx);
      }
      return { [provides]: accumulated };
    },
  });
  return Object.freeze({ kind: 'task', name, spec });
}

/** A list of what `item` accepts; wrong items are named by their places. */
function listOf(item: StandardSchemaV1): StandardSchemaV1 {
  return createSchema(async (value) => {
    if (!Array.isArray(value)) return { issues: [{ message: 'is not a list' }] };
    const read: unknown[] = [];
    const issues: StandardSchemaV1.Issue[] = [];
    for (const [index, each] of value.entries()) {
      const result = await item['~standard'].validate(each);
      if (!result.issues) read.push(result.value);
      for (const issue of result.issues ?? []) {
        issues.push({ message: issue.message, path: [index, ...(issue.path ?? [])] });
      }
    }
    return issues.length > 0 ? { issues } : { value: read };
  });
}
