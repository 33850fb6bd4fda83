// Who is struck by what, and when: drawn from the seed alone. A lane brings about one fault after the
// other, with pauses between; several lanes run at once, so that faults overlap. Two lanes over the same
// processes never strike the same one at a time.
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@holdfast/core';
import type { Fault } from './faults.ts';

/** The faults of a lane in a drawn order; each comes up once before any comes up again. */
export class Deck<Item> {
  readonly #items: readonly Item[];
  readonly #random: Random;
  #left: Item[] = [];
  #dealt = 0;

  constructor(items: readonly Item[], random: Random) {
    this.#items = items;
    this.#random = random;
  }

  /** True once each item has come up. */
  get isThrough(): boolean {
    return this.#dealt >= this.#items.length;
  }

  draw(): Item | undefined {
    if (this.#left.length === 0) this.#left = shuffle(this.#items, this.#random);
    this.#dealt += 1;
    return this.#left.pop();
  }
}

/** Things that are struck; whoever takes one gives it back. */
export class Victims<Victim> {
  readonly #free: Victim[];
  readonly #random: Random;

  constructor(victims: readonly Victim[], random: Random) {
    this.#free = [...victims];
    this.#random = random;
  }

  take(): Victim | undefined {
    const index = Math.floor(this.#random.next() * this.#free.length);
    return this.#free.splice(index, 1)[0];
  }

  giveBack(victim: Victim): void {
    this.#free.push(victim);
  }
}

export interface LaneOptions<Victim> {
  readonly deck: Deck<Fault<Victim>>;
  readonly victims: Victims<Victim>;
  readonly random: Random;
  /** Between the end of a fault and the next, in milliseconds, give or take half. */
  readonly pauseMs: number;
  /** True when the lane is to end; asked between faults. */
  readonly isOver: () => boolean;
}

/** Strikes until it is over; what it began is healed when it resolves. */
export async function runLane<Victim>(options: LaneOptions<Victim>): Promise<void> {
  const { deck, victims, random, pauseMs, isOver } = options;
  while (!isOver()) {
    await delay(pauseMs * (0.5 + random.next()));
    if (isOver()) return;
    const victim = victims.take();
    const fault = victim === undefined ? undefined : deck.draw();
    if (victim === undefined || !fault) continue;
    try {
      await fault.run(victim, random);
    } finally {
      victims.giveBack(victim);
    }
  }
}

function shuffle<Item>(items: readonly Item[], random: Random): Item[] {
  return items
    .map((item) => ({ item, weight: random.next() }))
    .sort((a, b) => a.weight - b.weight)
    .map(({ item }) => item);
}
