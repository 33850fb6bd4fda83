// The data behind the memory driver: keys in order, one revision counter, and sessions.
//
// It owns the state and the expiry of sessions by its clock. It does not group commits, keep sessions
// alive or know of handles. Every method is one instant: nothing happens within it but what it does.
import type { Clock, Random, Timer } from '@holdfast/core';
import { createUniqueId } from '@holdfast/core';
import { committedAt, guardHolds, refusedBy } from './commit-result.ts';
import type { Commit, Entry, Key, ListRange, Page, Version } from './coord.ts';
import type { CommitOutcome } from './group-commit.ts';
import { compareKeys } from './key-order.ts';
import { sessionEnded } from './store-errors.ts';

interface Cell {
  readonly value: Uint8Array;
  readonly version: Version;
  readonly session: StoredSession | undefined;
}

interface StoredSession {
  readonly id: string;
  readonly ttlMs: number;
  readonly keys: Set<Key>;
  expiresAtMs: number;
  timer: Timer | undefined;
}

/** Told the keys that a commit, or the end of a session, has changed. Must only record. */
export type ChangeListener = (keys: readonly Key[]) => void;

/**
 * A store in this process's memory, for tests, simulations and trials; gone with the process. Any
 * number of handles may share one. Made by {@link createMemoryStore}.
 */
export class MemoryStore {
  readonly #clock: Clock;
  readonly #cells = new Map<Key, Cell>();
  /** The keys of `#cells`, in order. Inserting moves what follows, which is cheap up to 100,000 keys. */
  readonly #keys: Key[] = [];
  readonly #sessions = new Map<string, StoredSession>();
  readonly #listeners = new Set<ChangeListener>();
  #revision: Version = 0n;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  get(keys: readonly Key[]): ReadonlyMap<Key, Entry> {
    const entries = new Map<Key, Entry>();
    for (const key of keys) {
      const cell = this.#cells.get(key);
      if (cell) entries.set(key, toEntry(key, cell));
    }
    return entries;
  }

  list(range: ListRange): Page {
    const { prefix, after, before, limit } = range;
    const entries: Entry[] = [];
    let index = this.#indexOf(prefix);
    if (after !== undefined && compareKeys(after, prefix) >= 0) {
      index = this.#indexOf(after);
      if (this.#keys[index] === after) index += 1;
    }
    for (; ; index += 1) {
      const key = this.#keys[index];
      if (key === undefined || !key.startsWith(prefix)) break;
      if (before !== undefined && compareKeys(key, before) >= 0) break;
      if (entries.length === limit) return { entries, more: true, visited: entries.length };
      const cell = this.#cells.get(key);
      if (cell) entries.push(toEntry(key, cell));
    }
    return { entries, more: false, visited: entries.length };
  }

  /** Judges one commit and, when its guards hold, does what it says. */
  apply(commit: Commit): CommitOutcome {
    for (const write of commit.write) {
      const id = write.kind === 'put' ? write.session?.id : undefined;
      if (id !== undefined && !this.#sessions.has(id)) {
        return { kind: 'failed', error: sessionEnded(id) };
      }
    }
    const failed = commit.when.find(
      (guard) => !guardHolds(guard, this.#cells.get(guard.key)?.version),
    );
    if (failed) return { kind: 'verdict', result: refusedBy(failed) };
    if (commit.write.length > 0) this.#write(commit);
    return { kind: 'verdict', result: committedAt(commit, this.#revision) };
  }

  /** Opens a session that ends after `ttlMs` milliseconds without a keep-alive; returns its id. */
  openSession(ttlMs: number, random: Random): string {
    const id = createUniqueId({ clock: this.#clock, random });
    const session: StoredSession = {
      id,
      ttlMs,
      keys: new Set(),
      expiresAtMs: this.#clock.monotonicMs() + ttlMs,
      timer: undefined,
    };
    this.#sessions.set(id, session);
    this.#armExpiry(session);
    return id;
  }

  /** Lets a session live for another TTL from now. */
  keepAlive(id: string): 'alive' | 'gone' {
    const session = this.#sessions.get(id);
    if (!session) return 'gone';
    session.expiresAtMs = this.#clock.monotonicMs() + session.ttlMs;
    return 'alive';
  }

  /** Ends a session and removes its keys. Ending one that is gone does nothing. */
  endSession(id: string): void {
    const session = this.#sessions.get(id);
    if (!session) return;
    this.#sessions.delete(id);
    session.timer?.cancel();
    if (session.keys.size === 0) return;
    this.#revision += 1n;
    const keys = [...session.keys];
    for (const key of keys) this.#remove(key);
    this.#tell(keys);
  }

  /**
   * Calls `listener` after each change, until the returned function is called. While nobody listens
   * no timer runs; sessions whose time is over meanwhile end once somebody does again.
   */
  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) {
      for (const session of this.#sessions.values()) this.#armExpiry(session);
    }
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      for (const session of this.#sessions.values()) session.timer?.cancel();
    };
  }

  #write(commit: Commit): void {
    this.#revision += 1n;
    for (const write of commit.write) {
      if (write.kind === 'remove') {
        this.#remove(write.key);
        continue;
      }
      const session = write.session && this.#sessions.get(write.session.id);
      // A copy, because the caller may use its array again.
      this.#put(write.key, { value: write.value.slice(), version: this.#revision, session });
    }
    this.#tell(commit.write.map((write) => write.key));
  }

  #put(key: Key, cell: Cell): void {
    const before = this.#cells.get(key);
    if (before) before.session?.keys.delete(key);
    else this.#keys.splice(this.#indexOf(key), 0, key);
    cell.session?.keys.add(key);
    this.#cells.set(key, cell);
  }

  #remove(key: Key): void {
    const cell = this.#cells.get(key);
    if (!cell) return;
    cell.session?.keys.delete(key);
    this.#cells.delete(key);
    this.#keys.splice(this.#indexOf(key), 1);
  }

  /** The index of the first key that isn't less than `key`. */
  #indexOf(key: Key): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle] ?? '', key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A session ends when its timer fires; a late timer gives it a longer life, which harms nobody. */
  #armExpiry(session: StoredSession): void {
    session.timer?.cancel();
    const delayMs = session.expiresAtMs - this.#clock.monotonicMs();
    session.timer = this.#clock.startTimer(delayMs, () => {
      if (session.expiresAtMs <= this.#clock.monotonicMs()) this.endSession(session.id);
      else this.#armExpiry(session);
    });
  }

  #tell(keys: readonly Key[]): void {
    for (const listener of this.#listeners) listener(keys);
  }
}

/** Makes an empty store. Sessions expire by `clock`. */
export function createMemoryStore(options: { readonly clock: Clock }): MemoryStore {
  return new MemoryStore(options);
}

function toEntry(key: Key, cell: Cell): Entry {
  // A copy, because what a caller does to it must not reach the store.
  return { key, value: cell.value.slice(), version: cell.version };
}
