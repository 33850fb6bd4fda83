import { type BlockDepth, InvalidArgumentError } from '@holdfast/core';
import type { PlanVote } from './flow-plan.ts';
import type { Give, GivesOf, Item, NamesOf } from './wiring-type.ts';

/** Whether what a link leads to is run. */
export interface Decider<Results = never> {
  /**
   * Asked right before it would start, with what the tasks at the end of the link's first item
   * provided, by their names. Anything but false lets it run, unless another link's decider says no.
   * Not asked when all of those tasks were skipped themselves. When it throws, the task has failed.
   */
  readonly decide: (results: Results) => boolean | PromiseLike<boolean>;
  /**
   * How far a no reaches: `all` that comes after, whatever it is; what comes after in the same pattern
   * (`flow`); the tasks right after (`neighbours`); or nothing else (`atom`): then what comes after runs
   * without the values that are missing. Of several noes the one that reaches farthest counts. Default: `all`.
   */
  readonly depth?: BlockDepth | undefined;
}

/** An explicit link of a graph: the second item starts when the first one is done. */
export type Link = readonly [from: Item, to: Item, decider?: Decider];

/** What a decider gets of the tasks of an item, by their names; what was skipped isn't there. */
export type LinkResults<From extends Item> =
  IsSingle<NamesOf<From>> extends true
    ? { readonly [Task in NamesOf<From>]: ResultOf<GivesOf<From>> }
    : {
        readonly [Task in GivesOf<From>['task']]?: ResultOf<
          Extract<GivesOf<From>, { readonly task: Task }>
        >;
      };

type ResultOf<G extends Give> = { readonly [E in G as E['value']]: E['type'] };

/** False for a union of names, and for none. */
type IsSingle<Name extends string, Each extends string = Name> = [Name] extends [never]
  ? false
  : Each extends Each
    ? [Name] extends [Each]
      ? true
      : false
    : never;

/**
 * A link of a graph with a decider: `to` starts when `from` is done, if the decider doesn't say no.
 * Leads to a pattern, and none of it runs. Throws `InvalidArgumentError` for a malformed decider.
 *
 * @example links: [link(measure, compress, { decide: ({ measure }) => measure.bytes > 1000 })]
 */
export function link<const From extends Item, const To extends Item>(
  from: From,
  to: To,
  decider: Decider<LinkResults<NoInfer<From>>>,
): readonly [From, To, Decider] {
  checkDecider(decider, `link(${from.name}, ${to.name})`);
  return [from, to, decider];
}

const DEPTHS: readonly BlockDepth[] = ['all', 'flow', 'neighbours', 'atom'];

/** A decider as the engine asks it. Throws InvalidArgumentError naming what is wrong with it. */
export function checkDecider(decider: Decider, field: string): Pick<PlanVote, 'decide' | 'depth'> {
  const { decide, depth = 'all' } = decider;
  if (typeof decide !== 'function') {
    throw new InvalidArgumentError(`${field}.decide`, {
      value: typeof decide,
      allowed: 'a function',
    });
  }
  if (!DEPTHS.includes(depth)) {
    throw new InvalidArgumentError(`${field}.depth`, { value: depth, allowed: DEPTHS.join(', ') });
  }
  // The engine hands in what the tasks of the link's first item provided, which `link` took the type from.
  return { decide: decide as PlanVote['decide'], depth };
}
