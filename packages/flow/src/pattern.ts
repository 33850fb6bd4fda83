import { InvalidArgumentError, parseName } from '@holdfast/core';
import type { FoldLinear, FoldUnordered } from './fold-type.ts';
import type { CheckedLinks, FoldGraph, Link } from './graph-fold-type.ts';
import type { Task } from './task.ts';
import type { Folded, Item, Wiring } from './wiring-type.ts';

/** Several tasks or patterns and how they follow each other. Its name groups, and need not be unique. */
export interface Pattern<W extends Wiring = Wiring> extends Item<W> {
  readonly kind: 'linear' | 'unordered' | 'graph';
  readonly items: readonly Item[];
  /** Explicit links of a graph; empty for the others. */
  readonly links: readonly Link[];
}

/** The items when they are wired rightly; else the sentences that say what is wrong. */
type Checked<Items, F extends Folded> = [F['problem']] extends [never] ? Items : F['report'];

/**
 * Items that run one after another, and are reverted in reverse. Each sees the values of those
 * before it; of two that provide the same name, the nearest one before it.
 *
 * @example linear('build', fetch, compile, publish)
 */
export function linear<const Items extends readonly Item[]>(
  name: string,
  ...items: Checked<Items, FoldLinear<Items>>
): Pattern<FoldLinear<Items>['wiring']> {
  return createPattern('linear', { name, items: asItems(items), links: [] });
}

/**
 * Items that run in any order, or at once. They don't see each other's values, and no two of them
 * may provide the same name.
 *
 * @example unordered('checks', lint, test, audit)
 */
export function unordered<const Items extends readonly Item[]>(
  name: string,
  ...items: Checked<Items, FoldUnordered<Items>>
): Pattern<FoldUnordered<Items>['wiring']> {
  return createPattern('unordered', { name, items: asItems(items), links: [] });
}

/** What {@link graph} takes. */
export interface GraphDefinition<Tasks, Links> {
  /** Tasks or patterns, in any order. A pattern counts as one item: it starts when all that its tasks require is there. */
  readonly tasks: Tasks;
  /** Pairs of items: the second starts when the first is done, whether or not it takes a value of it. */
  readonly links?: Links | undefined;
}

/**
 * Items whose order follows from what they require and provide, and from explicit links.
 * No two of them may provide the same name.
 *
 * @example graph('deploy', { tasks: [migrate, build, release], links: [[migrate, release]] })
 */
export function graph<
  const Items extends readonly Item[],
  const Links extends readonly Link[] = readonly [],
>(
  name: string,
  definition: GraphDefinition<
    Checked<Items, FoldGraph<Items, Links>>,
    Links & CheckedLinks<Items, Links>
  >,
): Pattern<FoldGraph<Items, Links>['wiring']> {
  return createPattern('graph', {
    name,
    items: asItems(definition.tasks),
    links: definition.links ?? [],
  });
}

/** True for a pattern, as opposed to a task. */
export function isPattern(item: Item): item is Pattern {
  return item.kind !== 'task';
}

/** True for a task, as opposed to a pattern. */
export function isTask(item: Item): item is Task {
  return item.kind === 'task';
}

/** True for what `task`, `linear`, `unordered` or `graph` made. */
export function isItem(value: unknown): value is Item {
  if (typeof value !== 'object' || value === null) return false;
  if (!('kind' in value) || !('name' in value) || typeof value.name !== 'string') return false;
  return value.kind === 'task' ? 'spec' in value : 'items' in value && 'links' in value;
}

/** In a call that compiles, checked items are items; for others the check at run time has to do. */
function asItems(items: unknown): readonly Item[] {
  return items as readonly Item[];
}

function createPattern<W extends Wiring>(
  kind: Pattern['kind'],
  parts: {
    readonly name: string;
    readonly items: readonly Item[];
    readonly links: readonly Link[];
  },
): Pattern<W> {
  const { name } = parts;
  parseName(name, `${kind}.name`);
  const field = `${kind}(${name})`;
  checkItems(parts.items, kind === 'graph' ? `${field}.tasks` : field);
  if (!Array.isArray(parts.links)) refuse(`${field}.links`, parts.links, 'an array of pairs');
  const links = parts.links.map((link: Link, index): Link => {
    if (!Array.isArray(link) || link.length !== 2) {
      refuse(`${field}.links[${index}]`, link, 'a pair of items');
    }
    checkItems(link, `${field}.links[${index}]`);
    return Object.freeze([link[0], link[1]]);
  });
  return Object.freeze({
    kind,
    name,
    items: Object.freeze([...parts.items]),
    links: Object.freeze(links),
  });
}

function checkItems(items: readonly unknown[], field: string): void {
  if (!Array.isArray(items)) refuse(field, items, 'an array of tasks and patterns');
  for (const [index, item] of items.entries()) {
    if (!isItem(item)) refuse(`${field}[${index}]`, item, 'a task or a pattern');
  }
}

function refuse(field: string, value: unknown, allowed: string): never {
  throw new InvalidArgumentError(field, { value: typeof value, allowed });
}
