// The coordination seam: the one narrow interface through which everything durable goes, so that
// the board, the membership and the schedules are written once and run on every store.
//
// What every driver promises (and the conformance suite checks):
//   C1. `get`, `list` and `commit` are linearizable: each sees every commit that was acknowledged
//       before it was called. One page of `list` is one snapshot; two pages may be two.
//   C2. A commit happens whole or not at all. Its guards are judged against one state, and nothing
//       comes between that state and its writes.
//   C3. A key's version changes with every write to it and grows for as long as the key lives. A
//       store may start again at the beginning once a key was removed, so a key whose version guards
//       anything must never be created twice.
//   C4. Concurrent commits may share a round trip (group commit). Each keeps its own guards and its
//       own verdict, and the outcome is one that some order of them would give.
//   C5. When a session ends, by expiry or by `close`, every key put with it is removed. Nothing else
//       follows from its end; in particular no other write is undone or refused. A key belongs to the
//       session of its last put: put again without one, or with another, it leaves the first.
//
// What is NOT promised: that a watch reports every change, or only changes, or in time; that a
// session's `lost` signal comes before the store has let go of the lease of a paused process; that
// versions of different keys can be compared.
import type { Service } from '@holdfast/core';

/** A key: UTF-8 text without NUL, compared by its bytes, at most {@link CoordLimits.maxKeyBytes}. */
export type Key = string;

/** The version of a key's value; see C3. */
export type Version = bigint;

/** A key as it was read. */
export interface Entry {
  readonly key: Key;
  readonly value: Uint8Array;
  readonly version: Version;
}

/** A condition of a commit, judged in the same instant as its writes happen. */
export type Guard =
  | { readonly kind: 'absent'; readonly key: Key }
  | { readonly kind: 'exists'; readonly key: Key }
  | { readonly kind: 'unchanged'; readonly key: Key; readonly version: Version };

/** A write of a commit. */
export type Write =
  | {
      readonly kind: 'put';
      readonly key: Key;
      readonly value: Uint8Array;
      /** The key is removed when this session ends. */
      readonly session?: Session | undefined;
    }
  /** Removing a key that isn't there is no error. */
  | { readonly kind: 'remove'; readonly key: Key };

/** What is to be committed. No key may be written twice in one commit. */
export interface Commit {
  readonly when: readonly Guard[];
  readonly write: readonly Write[];
}

/** The verdict on a commit. Losing is a value, not an exception. */
export type CommitResult =
  | {
      readonly committed: true;
      /** The version that every key put by this commit has now (C3: it is one for all of them or by key). */
      versionOf(key: Key): Version;
    }
  | {
      readonly committed: false;
      /** The first guard, in the order given, that did not hold. */
      readonly failedGuard: Guard;
    };

/** Which keys to list: those that start with `prefix`, between the bounds, in key order. */
export interface ListRange {
  readonly prefix: string;
  /** Only keys greater than this whole key (exclusive). */
  readonly after?: Key | undefined;
  /** Only keys smaller than this whole key (exclusive). Bound every hot range: see {@link Page.visited}. */
  readonly before?: Key | undefined;
  /** Entries on the page, 1 to `limits.maxPageEntries`. */
  readonly limit: number;
}

/** One page of a listing. */
export interface Page {
  readonly entries: readonly Entry[];
  /** True when the range holds keys beyond this page; go on with `after` = the last key. */
  readonly more: boolean;
  /**
   * What the page cost: how many live keys the store had to visit. On etcd that is every key of the
   * range, whatever the limit (and removed keys since the last compaction, which it can't tell); on
   * SQLite and in memory it is what was returned.
   */
  readonly visited: number;
}

/** A lease, kept alive in the background. */
export interface Session {
  /** The store's name for it; unique for ever. */
  readonly id: string;
  readonly ttlMs: number;
  /**
   * Monotonic time (`clock.monotonicMs()`) until which the store can't have given the lease away:
   * the time at which the last answered keep-alive was SENT, plus the TTL, less a margin. The holder
   * stops by itself before then. It is about liveness only: no write is safe because of it.
   */
  trustedUntilMs(): number;
  /** True while {@link trustedUntilMs} lies ahead and the session is not known to be lost. */
  isTrusted(): boolean;
  /**
   * Aborts once the session can no longer be trusted: the store said it is gone, or
   * {@link trustedUntilMs} has passed. `reason` is a SessionLostError. Never un-aborts. Not aborted
   * by `close`.
   */
  readonly lost: AbortSignal;
  /**
   * Ends the lease at once, so that its keys vanish; it is not trusted from then on. When the store
   * is away: it lapses by itself.
   */
  close(): Promise<void>;
}

/** A running watch. */
export interface Watch {
  /** Resolves once the watch is armed: a change committed after that wakes it (or a resync does). */
  readonly armed: Promise<void>;
  /** Resolves when nothing of it runs any more. */
  close(): Promise<void>;
}

export interface CoordLimits {
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
  /** Guards plus writes of one commit. At least 100 on every driver. */
  readonly maxOpsPerCommit: number;
  /** Bytes of all keys and values of one commit. */
  readonly maxCommitBytes: number;
  readonly maxPageEntries: number;
  /** Keys of one `get`. */
  readonly maxKeysPerGet: number;
}

export interface CallOptions {
  /** Gives up waiting; a commit that was already sent may still happen. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A store, seen through the seam. `start` connects (and fails with an UnavailableError when the
 * store can't be reached within the driver's time limit); `stop` closes every watch, lets go of the
 * client and leaves open sessions to lapse, their `lost` aborted. A stopped handle stays stopped.
 *
 * Every operation fails with:
 * - UnavailableError when the store can't be reached or refuses for now; nothing happened.
 * - OutcomeUnknownError (commit only) when the answer was lost; read before you act again.
 * - InvalidArgumentError or PayloadTooLargeError when a limit or a rule above is broken; nothing was sent.
 * - SessionLostError (commit with `session`) when that session is gone; nothing happened.
 */
export interface Coord extends Service {
  /** For people: the kind of store and where it is, without secrets. */
  readonly description: string;
  readonly limits: CoordLimits;
  /** The entries of those keys that exist, all from one snapshot. Order and repeats don't matter. */
  get(keys: readonly Key[], options?: CallOptions): Promise<ReadonlyMap<Key, Entry>>;
  list(range: ListRange, options?: CallOptions): Promise<Page>;
  commit(commit: Commit, options?: CallOptions): Promise<CommitResult>;
  /**
   * Calls `wake` when something under `prefix` may have changed. Calls coalesce, repeat, and may be
   * lost: back each watch by a slow, jittered resync. `wake` must not throw and should only record.
   */
  watch(prefix: string, wake: () => void): Watch;
  /** Opens a lease of `ttlMs` milliseconds, 1,000 to 3,600,000; stores round up to what they can do. */
  openSession(options: { readonly ttlMs: number }): Promise<Session>;
  /** What happened so far, for metrics and benches. */
  readonly stats: CoordStats;
}

/** Counters since `start`. */
export interface CoordStats {
  readonly commits: number;
  /** Round trips (or store transactions) that carried them; commits / groups is the mean group size. */
  readonly groups: number;
  readonly reads: number;
}
