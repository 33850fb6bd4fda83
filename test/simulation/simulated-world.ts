// Time and chance of one simulated world: events, run one after the other on a virtual clock.
//
// It owns the clock that everything in the world goes by, which is true time, and the seed's
// randomness. It knows nothing of jobs.
//
// Invariants:
//   D1. Nothing happens but by an event, and between two events everything that the first one set in
//       motion has come to rest. So the same seed gives the same history.
//   D2. Events that are due at the same time run in the order in which they were asked for.
import { createSeededRandom, type Random, type Timer, VirtualClock } from '@holdfast/core';

/** When every simulated world begins. */
const EPOCH_UNIX_MS = Date.UTC(2026, 0, 1);
/** Events without time moving on: far more than a bulk post of a whole fleet needs. */
const MAX_EVENTS_AT_ONCE = 100_000;

/** A source of chance with the draws that simulations make. */
export interface Chance extends Random {
  /** True with this probability. */
  hits(probability: number): boolean;
  /** A number between the two. */
  between(min: number, max: number): number;
  /** A whole number between the two, both inclusive. */
  whole(min: number, max: number): number;
  /** One of the items; the list must not be empty. */
  pick<Item>(items: readonly Item[]): Item;
  /** A source of its own, for someone whose draws are not to disturb the others'. */
  fork(): Chance;
}

export function createChance(seed: number): Chance {
  const random = createSeededRandom(seed);
  const chance: Chance = {
    ...random,
    hits: (probability) => random.next() < probability,
    between: (min, max) => min + random.next() * (max - min),
    whole: (min, max) => min + Math.floor(random.next() * (max - min + 1)),
    pick<Item>(items: readonly Item[]): Item {
      const item = items[Math.floor(random.next() * items.length)];
      if (item === undefined) throw new Error('there is nothing to pick from');
      return item;
    },
    fork: () => createChance(Math.floor(random.next() * 2 ** 32)),
  };
  return chance;
}

/** See the head of this file. */
export class SimulatedWorld {
  readonly chance: Chance;
  readonly #clock = new VirtualClock(EPOCH_UNIX_MS);
  #events = 0;
  /** Events that have run since time last moved, and when that was. */
  #eventsNow = 0;
  #movedAtMs = 0;

  constructor(seed: number) {
    this.chance = createChance(seed);
  }

  /** Virtual milliseconds since the beginning: true time, which no process sees. */
  get nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** With fractions of a millisecond, unlike a process's clock. */
  get nowUnixMs(): number {
    return EPOCH_UNIX_MS + this.nowMs;
  }

  /** Events that have run. */
  get events(): number {
    return this.#events;
  }

  /** Runs `run` once, `delayMs` from now. D1, D2: the clock's own promises. */
  schedule(delayMs: number, run: () => void): Timer {
    return this.#clock.startTimer(delayMs, () => {
      this.#count();
      run();
    });
  }

  /** Resolves after `ms`. For actors that never die. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.schedule(ms, resolve));
  }

  /** Runs all events of the next `ms`, or until `isDone` holds after one of them; true when it did. */
  run(ms: number, isDone: () => boolean = () => false): Promise<boolean> {
    return this.#clock.advanceUntil(isDone, ms);
  }

  /** A loop that waits for no time at all would keep the world where it is for ever. */
  #count(): void {
    this.#eventsNow = this.nowMs > this.#movedAtMs ? 0 : this.#eventsNow + 1;
    this.#movedAtMs = this.nowMs;
    if (this.#eventsNow > MAX_EVENTS_AT_ONCE) {
      throw new Error(`time stands still at ${this.nowMs} ms: somebody waits for nothing, forever`);
    }
    this.#events += 1;
  }
}
