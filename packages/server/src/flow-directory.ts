/**
 * Which flows can be posted to, as posts look it up.
 *
 * D1. A flow that isn't known is looked up at the board every time: what was just registered can be
 *     posted to at once.
 * D2. A flow that is known is remembered for {@link FLOW_MEMORY_MS}, so that a stream of posts
 *     doesn't cost a read each. For that long a schema that was just replaced may still be used.
 */
import type { Board, FlowRecord } from '@holdfast/board';
import { type Clock, NotFoundError } from '@holdfast/core';

/** How long a known flow is remembered, in milliseconds. */
const FLOW_MEMORY_MS = 1000;
/** Flows that are remembered. */
const FLOWS_REMEMBERED_MAX = 1024;
/** Names of registered flows that an error lists. */
const FLOWS_NAMED_MAX = 20;

interface RememberedFlow {
  readonly flow: FlowRecord;
  readonly untilMs: number;
}

/** Looks flows up; see the head of this file. */
export class FlowDirectory {
  readonly #board: Board;
  readonly #clock: Clock;
  // A map keeps the order of insertion: the first entry is the oldest one.
  readonly #remembered = new Map<string, RememberedFlow>();

  constructor(parts: { readonly board: Board; readonly clock: Clock }) {
    this.#board = parts.board;
    this.#clock = parts.clock;
  }

  /** The flow as it is registered; undefined when it isn't. */
  async find(name: string): Promise<FlowRecord | undefined> {
    const remembered = this.#remembered.get(name);
    if (remembered && remembered.untilMs > this.#clock.monotonicMs()) return remembered.flow;
    this.#remembered.delete(name);
    const view = await this.#board.getFlow(name);
    if (view) this.#remember(view.flow);
    return view?.flow;
  }

  /** The error for flows that aren't registered: it names some that are. */
  async unknown(names: readonly string[]): Promise<NotFoundError> {
    const { items, nextPageToken } = await this.#board.listFlows({ pageSize: FLOWS_NAMED_MAX });
    const registered = items.map(({ flow }) => flow.name);
    if (nextPageToken !== undefined) registered.push('…');
    const what = names.map((name) => JSON.stringify(name)).join(', ');
    const hint =
      registered.length > 0
        ? `registered: ${registered.join(', ')}`
        : 'no flow is registered yet: start a worker that serves it';
    const subject = names.length === 1 ? `flow ${what} is` : `flows ${what} are`;
    const message = `${subject} not registered; ${hint}`;
    return new NotFoundError(message, { ids: { flow: names[0] ?? '' } });
  }

  #remember(flow: FlowRecord): void {
    this.#remembered.set(flow.name, {
      flow,
      untilMs: this.#clock.monotonicMs() + FLOW_MEMORY_MS,
    });
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= FLOWS_REMEMBERED_MAX) break;
      this.#remembered.delete(oldest);
    }
  }
}
