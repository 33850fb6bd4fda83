// Time and chance of one simulated world: a queue of events, run one after the other.
//
// It owns virtual time, the order of events, and the seed's randomness. It knows nothing of jobs.
//
// Invariants:
//   D1. Nothing happens but by an event, and between two events everything that the first one set in
//       motion has come to rest. So the same seed gives the same history.
//   D2. Events that are due at the same time run in the order in which they were asked for.
import { createSeededRandom, type Random } from '@holdfast/core';

/** When every simulated world begins. */
const EPOCH_UNIX_MS = Date.UTC(2026, 0, 1);
/** Events without time moving on: far more than a bulk post of a whole fleet needs. */
const MAX_EVENTS_AT_ONCE = 100_000;

interface ScheduledEvent {
  readonly dueMs: number;
  readonly sequence: number;
  run: (() => void) | undefined;
}

/** An event that has been asked for; cancelling late does nothing. */
export interface Scheduled {
  cancel(): void;
}

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
  #nowMs = 0;
  #sequence = 0;
  #events = 0;
  /** Events that have run since time last moved. */
  #eventsNow = 0;
  /** A binary heap by time, then sequence. */
  readonly #heap: ScheduledEvent[] = [];

  constructor(seed: number) {
    this.chance = createChance(seed);
  }

  /** Virtual milliseconds since the beginning: true time, which no process sees. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get nowUnixMs(): number {
    return EPOCH_UNIX_MS + this.#nowMs;
  }

  /** Events that have run. */
  get events(): number {
    return this.#events;
  }

  /** Runs `run` once, `delayMs` from now. */
  schedule(delayMs: number, run: () => void): Scheduled {
    this.#sequence += 1;
    const dueMs = this.#nowMs + Math.max(0, delayMs);
    const event: ScheduledEvent = { dueMs, sequence: this.#sequence, run };
    this.#push(event);
    return { cancel: () => void (event.run = undefined) };
  }

  /** Resolves after `ms`. For actors that never die. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.schedule(ms, resolve));
  }

  /** Runs all events of the next `ms`, or until `isDone` holds after one of them; true when it did. */
  async run(ms: number, isDone: () => boolean = () => false): Promise<boolean> {
    const untilMs = this.#nowMs + ms;
    await rest();
    for (;;) {
      if (isDone()) return true;
      const next = this.#heap[0];
      if (!next || next.dueMs > untilMs) break;
      this.#pop();
      if (!next.run) continue;
      this.#advanceTo(next.dueMs);
      this.#events += 1;
      next.run();
      await rest(); // D1
    }
    this.#nowMs = untilMs;
    return false;
  }

  /** A loop that waits for no time at all would keep the world where it is for ever. */
  #advanceTo(dueMs: number): void {
    this.#eventsNow = dueMs > this.#nowMs ? 0 : this.#eventsNow + 1;
    if (this.#eventsNow > MAX_EVENTS_AT_ONCE) {
      throw new Error(
        `time stands still at ${this.#nowMs} ms: somebody waits for nothing, forever`,
      );
    }
    this.#nowMs = Math.max(this.#nowMs, dueMs);
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      const above = heap[parent];
      if (!above || isBefore(above, event)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      if (!a) break;
      const [child, at] = b && isBefore(b, a) ? [b, left + 1] : [a, left];
      if (isBefore(last, child)) break;
      heap[index] = child;
      index = at;
    }
    heap[index] = last;
  }
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);
}

/** Lets every promise that is settled run its continuations, chained ones too. */
function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
