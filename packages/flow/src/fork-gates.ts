// Lets the items of a map begin, no more at once than the map says: each time one is done, the next.
import { assert } from '@holdfast/core';
import type { AtomBook } from './atom-book.ts';
import type { Frontier } from './frontier.ts';
import type { ForkItem, RunGraph } from './run-graph.ts';

export interface ForkGatesParts {
  readonly graph: RunGraph;
  readonly book: AtomBook;
  readonly frontier: Frontier;
}

/** See the head of this file. */
export class ForkGates {
  readonly #parts: ForkGatesParts;
  /** The items of each map that have not begun, the next one last. */
  readonly #waiting = new Map<number, ForkItem[]>();
  /** The map of each item, by the node that stands for the item being done. */
  readonly #forks = new Map<number, number>();
  /** How many items more than may have begun already. */
  readonly #excess = new Map<number, number>();

  constructor(parts: ForkGatesParts) {
    this.#parts = parts;
  }

  /** The map has its items now; `fresh` are the nodes that are active since. */
  open(fork: number, fresh: readonly number[]): void {
    const { graph, frontier } = this.#parts;
    const node = graph.node(fork);
    assert(node.role.kind === 'fork', `${node.name} is a map`);
    const { items, active } = graph.forks.get(fork) ?? { items: [], active: 0 };
    const current = items.slice(0, active);
    // Those that an earlier attempt began go on first: they may hold more than fits at once.
    const begun: ForkItem[] = [];
    const others: ForkItem[] = [];
    for (const item of current) (this.#hasBegun(item) ? begun : others).push(item);
    const room = Math.max(0, node.role.concurrency - begun.length);
    this.#excess.set(fork, Math.max(0, begun.length - node.role.concurrency));
    for (const item of current) {
      this.#forks.set(item.end, fork);
      frontier.unshut(item.gate);
    }
    const waiting = others.slice(room);
    for (const item of waiting) frontier.shut(item.gate);
    this.#waiting.set(fork, waiting.reverse());
    frontier.undo(fresh);
    frontier.recount([...fresh, graph.placeFrom(node, node.role.gather)]);
  }

  /** A node is complete. */
  passed(index: number): void {
    const fork = this.#forks.get(index);
    const excess = fork === undefined ? 0 : (this.#excess.get(fork) ?? 0);
    if (fork !== undefined && excess > 0) {
      this.#excess.set(fork, excess - 1);
      return;
    }
    const next = fork === undefined ? undefined : this.#waiting.get(fork)?.pop();
    if (next) this.#parts.frontier.open(next.gate);
  }

  #hasBegun(item: ForkItem): boolean {
    const { graph, book } = this.#parts;
    return item.nodes.some(
      (index) => graph.node(index).task && book.get(index).state !== 'pending',
    );
  }
}
