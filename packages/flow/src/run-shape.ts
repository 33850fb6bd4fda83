// What changes the shape of a run while it goes on: the items that its maps turn out to have, and the
// scopes that start anew, whose maps have none until they have read their lists again.
import type { AtomBook } from './atom-book.ts';
import type { FailedCall } from './call-outcome.ts';
import type { Decisions } from './decisions.ts';
import type { ForkGates } from './fork-gates.ts';
import type { Frontier } from './frontier.ts';
import { finalFailure } from './perform-call.ts';
import type { Recovery } from './recovery.ts';
import type { RunGraph } from './run-graph.ts';
import { readResult } from './run-values.ts';

export interface RunShapeParts {
  readonly graph: RunGraph;
  readonly book: AtomBook;
  readonly frontier: Frontier;
  readonly gates: ForkGates;
  readonly recovery: Recovery;
  readonly decisions: Decisions;
}

/** See the head of this file. */
export class RunShape {
  readonly #parts: RunShapeParts;

  constructor(parts: RunShapeParts) {
    this.#parts = parts;
  }

  /**
   * Why a map can't have so many items; undefined when it can. Asked once more when the list is read:
   * other maps may have taken the room that there was when the try began.
   */
  refuseItems(fork: number, count: number): FailedCall | undefined {
    const { graph } = this.#parts;
    try {
      graph.checkRoom(fork, count);
      return undefined;
    } catch (error) {
      return finalFailure(`the items of ${graph.node(fork).name}`, error);
    }
  }

  /** Gives a map the items that its checkpoint says it has; nothing for any other atom. */
  expand(index: number): void {
    const { graph, book, gates, recovery } = this.#parts;
    if (graph.node(index).role.kind !== 'fork') return;
    const count = Number(readResult(book.get(index))['count']); // written by the runner
    const fresh = graph.expand(index, count);
    book.grow(fresh);
    for (const each of fresh) {
      if (graph.node(each).task && book.isStale(each)) book.reset(each);
    }
    gates.open(index, fresh);
    recovery.scopes.grow();
  }

  /** The scope of this controller starts anew. Costs what is in the scope, not what is in the flow. */
  restart(controller: number): void {
    const { frontier, recovery, decisions } = this.#parts;
    const members = recovery.membersOf(controller);
    const passedOver = decisions.passedOverBy(members);
    recovery.restart(controller, members);
    const others = decisions.reconsider(passedOver);
    const anew = [controller, ...members, ...others];
    for (const index of anew) decisions.forget(index);
    frontier.undo(anew);
    frontier.recount(anew);
  }
}
