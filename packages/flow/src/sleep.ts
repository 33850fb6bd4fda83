import { LIMITS, parseName } from '@holdfast/core';
import type { SleepSpec } from './atom-spec.ts';
import { builtinSpec } from './builtin-task.ts';
import { checkNumber } from './retry-options.ts';
import type { Schemas } from './schema.ts';
import type { TaskSpec } from './task.ts';
import type { TaskArguments } from './task-definition.ts';
import type { NeedsFrom, None, PartsOf } from './task-wiring-type.ts';
import type { Item, Wiring } from './wiring-type.ts';

/** A pause in a flow. */
export interface Sleep<W extends Wiring = Wiring, Name extends string = string> extends Item<W> {
  readonly kind: 'sleep';
  readonly name: Name;
  readonly spec: TaskSpec;
  readonly sleep: SleepSpec;
}

/** What {@link sleep} takes besides a name. */
export type SleepDefinition<Requires extends Schemas> =
  | {
      /** From 0 to `LIMITS.durationMaxMs`. */
      readonly ms: number;
    }
  | {
      /** The values that the length of the pause depends on. */
      readonly requires: Requires;
      /** From 0 to `LIMITS.durationMaxMs`; anything else fails the flow. */
      ms(values: TaskArguments<NoInfer<Requires>>): number | PromiseLike<number>;
    };

/** What a pause needs. */
interface SleepWiring<Name extends string, Requires extends Schemas> extends Wiring {
  readonly names: Name;
  readonly needs: NeedsFrom<Name, PartsOf<Requires, Requires, None, None, None, never>>;
  readonly gives: never;
}

/**
 * A durable pause: what comes after starts that much later. It goes on through crashes, and only what
 * is left of it is waited; a job whose flow does nothing but wait holds no place on a worker.
 * Throws `InvalidArgumentError` for a malformed name or a time out of range.
 *
 * @example sleep('cool-down', { ms: 86_400_000 })
 * @example sleep('until-due', { requires: { dueInMs: z.number() }, ms: ({ dueInMs }) => dueInMs })
 */
export function sleep<const Name extends string, Requires extends Schemas = None>(
  name: Name,
  definition: SleepDefinition<Requires>,
): Sleep<SleepWiring<Name, Requires>, Name> {
  parseName(name, 'sleep.name');
  if (typeof definition.ms !== 'function') {
    // A missing one is out of range too.
    const range = { min: 0, max: LIMITS.durationMaxMs, whole: false };
    checkNumber(`sleep(${name}).ms`, definition.ms ?? null, range);
  }
  const spec = builtinSpec({
    name,
    requires: 'requires' in definition ? definition.requires : undefined,
    execute: (values: TaskArguments<Requires>) =>
      'requires' in definition ? definition.ms(values) : definition.ms,
  });
  const pause: SleepSpec = { kind: 'duration' };
  return Object.freeze({ kind: 'sleep', name, spec, sleep: pause });
}
