import { InvalidArgumentError, parseName } from '@holdfast/core';
import type { PlanVote } from './flow-plan.ts';
import type { FoldLinear, FoldUnordered } from './fold-type.ts';
import type { CheckedLinks, CheckedTarget, FoldGraph } from './graph-fold-type.ts';
import { isItem } from './item.ts';
import { checkDecider, type Link } from './link.ts';
import type { Checked, Item, Wiring } from './wiring-type.ts';

/** How the items of a pattern follow each other. */
export type PatternKind = 'linear' | 'unordered' | 'graph';

/** Several items and how they follow each other. Its name groups, and need not be unique. */
export interface Pattern<W extends Wiring = Wiring, Name extends string = string> extends Item<W> {
  readonly kind: PatternKind;
  readonly name: Name;
  readonly items: readonly Item[];
  /** Explicit links of a graph; empty for the others. */
  readonly links: readonly PatternLink[];
  /** Of a graph, the item that it is there for; undefined: all of them are. */
  readonly target: Item | undefined;
}

/** An explicit link, and what is asked before the second item starts. */
export type PatternLink = readonly [
  from: Item,
  to: Item,
  decider: Pick<PlanVote, 'decide' | 'depth'> | undefined,
];

/**
 * Items that run one after another, and are reverted in reverse. Each sees the values of those
 * before it; of two that provide the same name, the nearest one before it.
 *
 * @example linear('build', fetch, compile, publish)
 */
export function linear<const Name extends string, const Items extends readonly Item[]>(
  name: Name,
  ...items: Checked<Items, FoldLinear<Items>>
): Pattern<FoldLinear<Items>['wiring'], Name> {
  return createPattern('linear', { name, items: asItems(items) });
}

/**
 * Items that run in any order, or at once. They don't see each other's values, and no two of them
 * may provide the same name.
 *
 * @example unordered('checks', lint, test, audit)
 */
export function unordered<const Name extends string, const Items extends readonly Item[]>(
  name: Name,
  ...items: Checked<Items, FoldUnordered<Items>>
): Pattern<FoldUnordered<Items>['wiring'], Name> {
  return createPattern('unordered', { name, items: asItems(items) });
}

/** What {@link graph} takes. */
export interface GraphDefinition<Tasks, Links, Target> {
  /** Tasks or patterns, in any order. A pattern counts as one item: it starts when all that its tasks require is there. */
  readonly tasks: Tasks;
  /**
   * Pairs of items: the second starts when the first is done, whether or not it takes a value of it.
   * `link(first, second, { decide })` is a pair that may keep the second one from running.
   */
  readonly links?: Links | undefined;
  /** One of `tasks`: only it runs, and what it needs. Default: all of them do. */
  readonly target?: Target | undefined;
}

/**
 * Items whose order follows from what they require and provide, and from explicit links.
 * No two of them may provide the same name.
 *
 * @example graph('deploy', { tasks: [migrate, build, release], links: [[migrate, release]] })
 */
export function graph<
  const Name extends string,
  const Items extends readonly Item[],
  const Links extends readonly Link[] = readonly [],
  const Target extends Item | undefined = undefined,
>(
  name: Name,
  definition: GraphDefinition<
    Checked<Items, FoldGraph<Items, Links, Target>>,
    Links & CheckedLinks<Items, Links>,
    CheckedTarget<Items, Target>
  >,
): Pattern<FoldGraph<Items, Links, Target>['wiring'], Name> {
  const { tasks, links, target } = definition;
  return createPattern('graph', { name, items: asItems(tasks), links, target: asTarget(target) });
}

/** In a call that compiles, checked items are items; for others the check at run time has to do. */
function asItems(items: unknown): readonly Item[] {
  return items as readonly Item[];
}

/** Like {@link asItems}. */
function asTarget(target: unknown): Item | undefined {
  return target as Item | undefined;
}

function createPattern<W extends Wiring, Name extends string>(
  kind: PatternKind,
  parts: {
    readonly name: Name;
    readonly items: readonly Item[];
    readonly links?: readonly Link[] | undefined;
    readonly target?: Item | undefined;
  },
): Pattern<W, Name> {
  const { name, links = [], target } = parts;
  parseName(name, `${kind}.name`);
  const field = `${kind}(${name})`;
  checkItems(parts.items, kind === 'graph' ? `${field}.tasks` : field);
  if (!Array.isArray(links)) refuse(`${field}.links`, links, 'an array of pairs');
  if (target !== undefined) checkItem(target, `${field}.target`);
  return Object.freeze({
    kind,
    name,
    items: Object.freeze([...parts.items]),
    links: Object.freeze(
      links.map((link: Link, index) => createLink(link, `${field}.links[${index}]`)),
    ),
    target,
  });
}

function createLink(link: Link, field: string): PatternLink {
  if (!Array.isArray(link) || link.length < 2 || link.length > 3) {
    refuse(field, link, 'a pair of items, and a decider if there is one');
  }
  const [from, to, decider] = link;
  checkItem(from, `${field}[0]`);
  checkItem(to, `${field}[1]`);
  return Object.freeze([from, to, decider && checkDecider(decider, field)]);
}

function checkItems(items: readonly unknown[], field: string): void {
  if (!Array.isArray(items)) refuse(field, items, 'an array of tasks and patterns');
  for (const [index, item] of items.entries()) checkItem(item, `${field}[${index}]`);
}

/** Throws InvalidArgumentError unless `item` may stand in a flow. */
export function checkItem(item: unknown, field: string): void {
  if (!isItem(item)) refuse(field, item, 'a task or a pattern');
}

function refuse(field: string, value: unknown, allowed: string): never {
  throw new InvalidArgumentError(field, { value: typeof value, allowed });
}
