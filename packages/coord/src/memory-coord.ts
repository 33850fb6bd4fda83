// The memory driver: a handle on a store in this process, as one process has one on a real store.
//
// It owns its sessions' keep-alive, its watches and its queue of commits. The data belong to the
// MemoryStore, so that several handles, each standing for a process, can share them. A handle that is
// stopped acts like a process that died: its sessions lapse when their time is over.
import type { Clock, Logger, Random } from '@holdfast/core';
import { SessionLostError } from '@holdfast/core';
import { checkNotCancelled } from './call-options.ts';
import {
  checkCommit,
  checkKeys,
  checkPrefix,
  checkRange,
  checkSessionTtl,
} from './commit-validation.ts';
import type {
  CallOptions,
  Commit,
  CommitResult,
  Coord,
  CoordLimits,
  CoordStats,
  Entry,
  Key,
  ListRange,
  Page,
  Session,
  Watch,
} from './coord.ts';
import { type CommitOutcome, GroupCommit } from './group-commit.ts';
import type { MemoryStore } from './memory-store.ts';
import { SessionLease } from './session-lease.ts';
import { storeNotStarted, storeStopped } from './store-errors.ts';
import { WatchSet } from './watch-set.ts';

/** The limits of the memory driver: as strict as those of a real store. */
const MEMORY_LIMITS: CoordLimits = {
  maxKeyBytes: 1024,
  maxValueBytes: 1_048_576,
  maxOpsPerCommit: 128,
  maxCommitBytes: 1_310_720,
  maxPageEntries: 1000,
  maxKeysPerGet: 1000,
};

const GROUP_LIMITS = {
  maxCommits: 128,
  maxOps: 16_384,
  maxBytes: 16_777_216,
  maxInFlight: 1,
  maxQueued: 100_000,
} as const;

export interface MemoryCoordOptions {
  /** The clock of the process that the handle stands for. */
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
}

/** Opens a handle on a store in memory. It has to be started before use, like every {@link Coord}. */
export function openMemoryCoord(store: MemoryStore, options: MemoryCoordOptions): Coord {
  return new MemoryCoord(store, options);
}

class MemoryCoord implements Coord {
  readonly description = 'memory of this process';
  readonly limits = MEMORY_LIMITS;
  readonly #store: MemoryStore;
  readonly #options: MemoryCoordOptions;
  readonly #group: GroupCommit;
  readonly #watches: WatchSet;
  readonly #leases = new Map<string, SessionLease>();
  #state: 'new' | 'started' | 'stopped' = 'new';
  #unsubscribe: (() => void) | undefined;
  #reads = 0;

  constructor(store: MemoryStore, options: MemoryCoordOptions) {
    this.#store = store;
    this.#options = options;
    this.#watches = new WatchSet(options);
    this.#group = new GroupCommit({
      ...GROUP_LIMITS,
      isSequential: true,
      send: (group) => Promise.resolve(group.map((commit) => this.#apply(commit))),
    });
  }

  get stats(): CoordStats {
    const { commits, groups } = this.#group.stats;
    return { commits, groups, reads: this.#reads };
  }

  async start(): Promise<void> {
    if (this.#state === 'stopped') throw storeStopped();
    if (this.#state === 'started') return;
    this.#state = 'started';
    this.#unsubscribe = this.#store.subscribe((keys) => {
      for (const key of keys) this.#watches.changed(key);
    });
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#unsubscribe?.();
    this.#watches.clear();
    for (const lease of this.#leases.values()) lease.abandon();
    this.#leases.clear();
    await this.#group.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async get(keys: readonly Key[], options?: CallOptions): Promise<ReadonlyMap<Key, Entry>> {
    checkKeys(keys, this.limits);
    this.#checkCall(options);
    this.#reads += 1;
    return this.#store.get(keys);
  }

  async list(range: ListRange, options?: CallOptions): Promise<Page> {
    checkRange(range, this.limits);
    this.#checkCall(options);
    this.#reads += 1;
    return this.#store.list(range);
  }

  async commit(commit: Commit, options?: CallOptions): Promise<CommitResult> {
    checkCommit(commit, this.limits);
    this.#checkCall(options);
    return this.#group.commit(commit, options);
  }

  watch(prefix: string, wake: () => void): Watch {
    checkPrefix(prefix, this.limits);
    this.#checkCall();
    return this.#watches.add(prefix, wake);
  }

  async openSession(options: { readonly ttlMs: number }): Promise<Session> {
    const { ttlMs } = options;
    checkSessionTtl(ttlMs);
    this.#checkCall();
    const { clock, random, logger } = this.#options;
    const grantSentAtMs = clock.monotonicMs();
    const id = this.#store.openSession(ttlMs, random);
    const lease = new SessionLease({
      id,
      ttlMs,
      grantSentAtMs,
      clock,
      logger,
      store: {
        keepAlive: async () => this.#store.keepAlive(id),
        revoke: async () => {
          this.#leases.delete(id);
          this.#checkCall();
          this.#store.endSession(id);
        },
      },
    });
    this.#leases.set(id, lease);
    lease.lost.addEventListener('abort', () => this.#leases.delete(id), { once: true });
    return lease;
  }

  #apply(commit: Commit): CommitOutcome {
    const outcome = this.#store.apply(commit);
    if (outcome.kind === 'failed' && outcome.error instanceof SessionLostError) {
      this.#leases.get(outcome.error.ids['session'] ?? '')?.markGone();
    }
    return outcome;
  }

  #checkCall(options?: CallOptions): void {
    if (this.#state === 'new') throw storeNotStarted();
    if (this.#state === 'stopped') throw storeStopped();
    checkNotCancelled(options);
  }
}
