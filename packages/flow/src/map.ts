import { InvalidArgumentError, parseName } from '@holdfast/core';
import { builtinSpec, LIST_SCHEMA } from './builtin-task.ts';
import type { BodyProblem, CheckedCollect, MapWiring } from './map-fold-type.ts';
import { checkItem } from './pattern.ts';
import { checkNumber } from './retry-options.ts';
import { DEFAULT_TASK_CONCURRENCY } from './run-options.ts';
import type { TaskSpec } from './task.ts';
import type { Names, None } from './task-wiring-type.ts';
import type { Item, ItemOr, Wiring } from './wiring-type.ts';

/** An item that is run for each item of a list. */
export interface MapItem<W extends Wiring = Wiring, Name extends string = string> extends Item<W> {
  readonly kind: 'map';
  readonly name: Name;
  readonly spec: TaskSpec;
  readonly over: string;
  readonly as: string;
  readonly index: string | undefined;
  readonly concurrency: number;
  readonly body: Item;
  /** What the body gives → what the list of it is called; undefined: all, by their own names. */
  readonly collect: Names | undefined;
}

/** What {@link map} takes besides a name. */
export interface MapDefinition<Over, As, Index, Body, Collect> {
  /** The name of the list: of what a task before it provides, or of the flow's input. */
  readonly over: Over;
  /** What the body calls an item of the list. */
  readonly as: As;
  /** What the body calls the item's place in the list, from 0. Default: it isn't told. */
  readonly index?: Index | undefined;
  /** Items at once: 1 to {@link MAP_CONCURRENCY_MAX}. Default: `DEFAULT_TASK_CONCURRENCY`. The flow's own limit holds too. */
  readonly concurrency?: number | undefined;
  /** What is done for each item. It sees what is around the map too. */
  readonly body: Body;
  /** What the body gives → what the list of it is called. Default: everything that it gives, by the same names. */
  readonly collect?: Collect | undefined;
}

/** Most items that a map may run at once. */
export const MAP_CONCURRENCY_MAX = 1000;

/**
 * Runs an item for each item of a list that is known only when the flow gets there. Every task of
 * every item is checkpointed by itself, as `<task>[<place>]`. What the body gives is given as
 * lists, in the order of the items whatever order they end in; where a value is missing there stands null. The list
 * has to be the same each time it is read, which what is stored is.
 *
 * @example map('scan-all', { over: 'files', as: 'file', concurrency: 4, body: scan, collect: { report: 'reports' } })
 */
export function map<
  const Name extends string,
  const Over extends string,
  const As extends string,
  const Body extends Item,
  const Index extends string = never,
  const Collect extends Names = None,
>(
  name: Name,
  definition: MapDefinition<
    Over,
    As,
    Index,
    ItemOr<Body, BodyProblem<Name, As, Index, Body>>,
    CheckedCollect<Name, Body, Collect>
  >,
): MapItem<MapWiring<Name, Over, As, Index, Body, Collect>, Name> {
  parseName(name, 'map.name');
  const field = `map(${name})`;
  const { over, as, index, concurrency = DEFAULT_TASK_CONCURRENCY, body, collect } = definition;
  parseName(over, `${field}.over`);
  parseName(as, `${field}.as`);
  if (index !== undefined) parseName(index, `${field}.index`);
  if (index !== undefined && String(index) === as) {
    throw new InvalidArgumentError(`${field}.index`, {
      value: index,
      allowed: "another name than that of the item, 'as'",
    });
  }
  checkNumber(`${field}.concurrency`, concurrency, {
    min: 1,
    max: MAP_CONCURRENCY_MAX,
    whole: true,
  });
  checkItem(body, `${field}.body`);
  const spec = builtinSpec({
    name,
    requires: { [over]: LIST_SCHEMA },
    // What a map does is its body; that it has run means that the list is known.
    execute: () => undefined,
  });
  return Object.freeze({
    kind: 'map',
    name,
    spec,
    over,
    as,
    index,
    concurrency,
    body: body as Item, // as was just checked
    collect: checkCollect(collect, field),
  });
}

function checkCollect(collect: unknown, field: string): Names | undefined {
  if (collect === undefined) return undefined;
  if (typeof collect !== 'object' || collect === null) {
    throw new InvalidArgumentError(`${field}.collect`, {
      value: typeof collect,
      allowed: 'a record of names',
    });
  }
  const taken = new Set<string>();
  if (Object.keys(collect).length === 0) {
    throw new InvalidArgumentError(`${field}.collect`, {
      value: 'an empty record',
      allowed: 'at least one name; without it all that the body gives is collected',
    });
  }
  const names: Names = { ...collect };
  for (const [value, list] of Object.entries(names)) {
    parseName(list, `${field}.collect.${value}`);
    if (taken.has(list)) {
      throw new InvalidArgumentError(`${field}.collect.${value}`, {
        value: list,
        allowed: 'a name that no other list of the map has',
      });
    }
    taken.add(list);
  }
  return Object.freeze(names);
}
