// The watches of one process: who wants to be woken for which prefix.
//
// It owns the registry, the coalescing of wake-ups and the slow resync behind them. The driver owns
// the way in which it learns of changes, and tells by `changed` or `changedSomewhere`.
//
// Invariants:
//   I1. After `close` of a watch its `wake` is never called again.
//   I2. `wake` is never called from within `changed`: always from a microtask or a timer of its own,
//       once for all that happened until then.
//   I3. While there are watches, each is woken at least every 1.2 × `resyncMs`, so that a change the
//       store failed to report is seen all the same.
import type { Clock, Random, Timer } from '@holdfast/core';
import { jitter } from '@holdfast/core';
import type { Key, Watch } from './coord.ts';

/** How often every watch is woken without a reason, in milliseconds, give or take a fifth. */
export const DEFAULT_RESYNC_MS = 5000;

export interface WatchSetOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Default {@link DEFAULT_RESYNC_MS}. */
  readonly resyncMs?: number | undefined;
}

interface Watcher {
  readonly prefix: string;
  readonly wake: () => void;
  resyncTimer: Timer | undefined;
}

/** Wakes watches by prefix; see the head of this file. */
export class WatchSet {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #resyncMs: number;
  readonly #watchers = new Map<string, Set<Watcher>>();
  /** Length of a prefix → how many prefixes have it, so that a key is looked up once per length. */
  readonly #lengths = new Map<number, number>();
  readonly #due = new Set<Watcher>();
  #isWakeDue = false;

  constructor(options: WatchSetOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#resyncMs = options.resyncMs ?? DEFAULT_RESYNC_MS;
  }

  /** How many watches there are. */
  get size(): number {
    let size = 0;
    for (const watchers of this.#watchers.values()) size += watchers.size;
    return size;
  }

  /**
   * Adds a watch that works from now on. A driver that needs a round trip for that passes `armed`,
   * and `onClose` for what it has to let go of; `onClose` runs once.
   */
  add(
    prefix: string,
    wake: () => void,
    options: {
      readonly armed?: Promise<void> | undefined;
      readonly onClose?: (() => Promise<void>) | undefined;
    } = {},
  ): Watch {
    const watcher: Watcher = { prefix, wake, resyncTimer: undefined };
    this.#insert(watcher);
    let closed: Promise<void> | undefined;
    return {
      armed: options.armed ?? Promise.resolve(),
      close: () => {
        if (!closed) {
          this.#delete(watcher);
          closed = options.onClose?.() ?? Promise.resolve();
        }
        return closed;
      },
    };
  }

  /** Wakes the watches whose prefix `key` starts with. */
  changed(key: Key): void {
    for (const length of this.#lengths.keys()) {
      if (length > key.length) continue;
      const watchers = this.#watchers.get(key.slice(0, length));
      if (watchers) this.#wakeSoon(watchers);
    }
  }

  /** Wakes every watch: something changed, and it isn't known what. */
  changedSomewhere(): void {
    for (const watchers of this.#watchers.values()) this.#wakeSoon(watchers);
  }

  /** Drops every watch; none is woken again. Their `onClose` is left to who closes them. */
  clear(): void {
    const all = [...this.#watchers.values()].flatMap((watchers) => [...watchers]);
    for (const watcher of all) this.#delete(watcher);
  }

  #insert(watcher: Watcher): void {
    const { prefix } = watcher;
    let watchers = this.#watchers.get(prefix);
    if (!watchers) {
      watchers = new Set();
      this.#watchers.set(prefix, watchers);
      this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
    }
    watchers.add(watcher);
    this.#scheduleResync(watcher);
  }

  #delete(watcher: Watcher): void {
    this.#due.delete(watcher);
    watcher.resyncTimer?.cancel();
    const { prefix } = watcher;
    const watchers = this.#watchers.get(prefix);
    if (!watchers?.delete(watcher) || watchers.size > 0) return;
    this.#watchers.delete(prefix);
    const others = (this.#lengths.get(prefix.length) ?? 1) - 1;
    if (others > 0) this.#lengths.set(prefix.length, others);
    else this.#lengths.delete(prefix.length);
  }

  #wakeSoon(watchers: Iterable<Watcher>): void {
    for (const watcher of watchers) this.#due.add(watcher);
    if (this.#isWakeDue) return;
    this.#isWakeDue = true;
    queueMicrotask(() => {
      this.#isWakeDue = false;
      // Over a copy, so that a wake-up that leads to further changes can't keep this loop going.
      for (const watcher of [...this.#due]) {
        if (this.#due.delete(watcher)) watcher.wake();
      }
    });
  }

  #scheduleResync(watcher: Watcher): void {
    const delayMs = jitter(this.#random, this.#resyncMs);
    watcher.resyncTimer = this.#clock.startTimer(delayMs, () => {
      this.#wakeSoon([watcher]);
      this.#scheduleResync(watcher);
    });
  }
}
