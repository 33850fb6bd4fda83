/** A timer that waits in a {@link TimerHeap}. */
export interface PendingTimer {
  readonly dueMs: number;
  /** Timers that are due at the same time fire in this order. */
  readonly sequence: number;
  /** Undefined once it was cancelled: it stays in the heap until it comes up, but holds nothing. */
  callback: (() => void) | undefined;
}

/** Timers as a binary heap by due time, then sequence: starting or firing one looks at few of the others. */
export class TimerHeap {
  readonly #timers: PendingTimer[] = [];

  push(timer: PendingTimer): void {
    const timers = this.#timers;
    let index = timers.length;
    timers.push(timer);
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      const above = timers[parent];
      if (!above || isBefore(above, timer)) break;
      timers[index] = above;
      index = parent;
    }
    timers[index] = timer;
  }

  /** The next timer to fire, which stays where it is; cancelled ones before it are dropped. */
  peek(): PendingTimer | undefined {
    while (this.#timers[0] && !this.#timers[0].callback) this.pop();
    return this.#timers[0];
  }

  /** Takes the first timer away. */
  pop(): void {
    const timers = this.#timers;
    const last = timers.pop();
    if (!last || timers.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const [a, b] = [timers[left], timers[left + 1]];
      if (!a) break;
      const [child, at] = b && isBefore(b, a) ? [b, left + 1] : [a, left];
      if (isBefore(last, child)) break;
      timers[index] = child;
      index = at;
    }
    timers[index] = last;
  }
}

function isBefore(a: PendingTimer, b: PendingTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);
}
