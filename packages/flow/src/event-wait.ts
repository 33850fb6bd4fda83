import { InvalidArgumentError, LIMITS, parseName } from '@holdfast/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { EventSpec } from './atom-spec.ts';
import { ANY_SCHEMA, builtinSpec } from './builtin-task.ts';
import { checkNumber } from './retry-options.ts';
import { isSchema } from './schema.ts';
import type { Stored } from './stored.ts';
import type { TaskSpec } from './task.ts';
import type { Give, Item, Wiring } from './wiring-type.ts';

/** A wait for a signal in a flow. */
export interface EventWait<W extends Wiring = Wiring, Name extends string = string>
  extends Item<W> {
  readonly kind: 'event';
  readonly name: Name;
  readonly spec: TaskSpec;
  readonly event: EventSpec;
}

/** What {@link waitFor} takes besides a name. */
export interface WaitDefinition<
  Schema extends StandardSchemaV1 | undefined,
  Provides extends string,
> {
  /** The signal's name: 1 to 128 letters, digits, dots, dashes and underscores. */
  readonly event: string;
  /** What the signal's payload has to be. One that isn't is refused and recorded, and the wait goes on. Default: anything. */
  readonly schema?: Schema | undefined;
  /** The wait fails after so many milliseconds, 1 to `LIMITS.durationMaxMs`. Default: it never does. */
  readonly timeoutMs?: number | undefined;
  /** The name of the value that the payload becomes. Default: none, the payload isn't kept. */
  readonly provides?: Provides | undefined;
}

/** What a wait gives. */
interface EventWiring<
  Name extends string,
  Schema extends StandardSchemaV1 | undefined,
  Provides extends string,
> extends Wiring {
  readonly names: Name;
  readonly needs: never;
  readonly gives: Provides extends Provides ? Give<Name, Provides, PayloadOf<Schema>> : never;
}

type PayloadOf<Schema> = Schema extends StandardSchemaV1
  ? Stored<StandardSchemaV1.InferOutput<Schema>>
  : unknown;

/**
 * A durable wait for a signal that is sent to the job: an approval, an answer, a nudge. A signal is
 * taken once, by the first wait for its name; one that comes early is kept. A job whose flow does
 * nothing but wait holds no place on a worker. Throws `InvalidArgumentError` for a malformed definition.
 *
 * @example
 * waitFor('approval', {
 *   event: 'approved',
 *   schema: z.object({ by: z.string() }),
 *   timeoutMs: 604_800_000,
 *   provides: 'approval',
 * })
 */
export function waitFor<
  const Name extends string,
  Schema extends StandardSchemaV1 | undefined = undefined,
  const Provides extends string = never,
>(
  name: Name,
  definition: WaitDefinition<Schema, Provides>,
): EventWait<EventWiring<Name, Schema, Provides>, Name> {
  parseName(name, 'waitFor.name');
  const field = `waitFor(${name})`;
  const { event, schema, timeoutMs, provides } = definition;
  parseName(event, `${field}.event`);
  if (provides !== undefined) parseName(provides, `${field}.provides`);
  if (schema !== undefined && !isSchema(schema)) {
    throw new InvalidArgumentError(`${field}.schema`, {
      value: typeof schema,
      allowed: 'a schema that implements Standard Schema',
    });
  }
  checkNumber(`${field}.timeoutMs`, timeoutMs, { min: 1, max: LIMITS.durationMaxMs, whole: true });
  const spec = builtinSpec({
    name,
    // The payload passes `schema` when it arrives, and may have become something else by that.
    provides: provides === undefined ? {} : { [provides]: ANY_SCHEMA },
    // What it provides is the signal; there is nothing to be run.
    execute: () => undefined,
  });
  return Object.freeze({
    kind: 'event',
    name,
    spec,
    event: Object.freeze({ event, schema, timeoutMs, provides }),
  });
}
