/** Atoms that may start, the higher priority first; of equal ones, the one that came first. */
export class ReadyQueue {
  readonly #priorityOf: (index: number) => number;
  readonly #lanes = new Map<number, { readonly waiting: number[]; head: number }>();
  #priorities: number[] = [];
  #size = 0;

  constructor(priorityOf: (index: number) => number) {
    this.#priorityOf = priorityOf;
  }

  get size(): number {
    return this.#size;
  }

  add(index: number): void {
    const priority = this.#priorityOf(index);
    let lane = this.#lanes.get(priority);
    if (!lane) {
      lane = { waiting: [], head: 0 };
      this.#lanes.set(priority, lane);
      this.#priorities = [...this.#lanes.keys()].sort((one, other) => other - one);
    }
    lane.waiting.push(index);
    this.#size += 1;
  }

  take(): number | undefined {
    for (const priority of this.#priorities) {
      const lane = this.#lanes.get(priority);
      if (!lane || lane.head === lane.waiting.length) continue;
      const index = lane.waiting[lane.head];
      lane.head += 1;
      this.#size -= 1;
      if (lane.head === lane.waiting.length) {
        lane.waiting.length = 0;
        lane.head = 0;
      }
      return index;
    }
    return undefined;
  }
}
