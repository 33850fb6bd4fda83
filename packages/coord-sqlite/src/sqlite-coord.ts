// The SQLite driver: one file, any number of processes of one machine.
//
// It owns the queue of commits, the sessions of this handle, its watches and the housekeeping; the
// tables own their statements, the database owns the connection. All statements run in this thread:
// a group commit blocks the event loop for as long as the disk takes to confirm it.
//
// NOT guaranteed: anything on a network file system, whose locks SQLite can't trust; that sessions
// are judged fairly where the machine gives its boots no name (see host-clock.ts); that a process
// which is stopped (SIGSTOP) amid a transaction doesn't hold up the others.
//
// Invariants:
//   S1. A commit is acknowledged once the disk has confirmed it (WAL, synchronous = FULL).
//   S2. Every write transaction first ends the sessions whose time is over, so that no guard is
//       judged on the keys of a session that had ended by then.
//   S3. Watches of this handle are told after the transaction, never from within it.
import { resolve } from 'node:path';
import type {
  CallOptions,
  Commit,
  CommitOutcome,
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
} from '@holdfast/coord';
import {
  checkCommit,
  checkKeys,
  checkPrefix,
  checkRange,
  checkSessionTtl,
  GroupCommit,
  SessionLease,
  storeNotStarted,
  storeStopped,
  WatchSet,
} from '@holdfast/coord';
import type { Clock, Logger, Random, Timer } from '@holdfast/core';
import {
  createUniqueId,
  fromUnknown,
  InvalidArgumentError,
  jitter,
  SessionLostError,
  silentLogger,
  systemClock,
  systemRandom,
} from '@holdfast/core';
import { EntryTable } from './entry-table.ts';
import { ForeignChanges } from './foreign-changes.ts';
import { type HostClock, openHostClock } from './host-clock.ts';
import { SessionTable } from './session-table.ts';
import { SqliteDatabase } from './sqlite-database.ts';

/**
 * The limits of this driver. SQLite itself would take far more: they are those of a real cluster, so
 * that what works on the embedded store works there too.
 */
const SQLITE_LIMITS: CoordLimits = {
  maxKeyBytes: 1024,
  maxValueBytes: 1_048_576,
  maxOpsPerCommit: 128,
  maxCommitBytes: 1_310_720,
  maxPageEntries: 1000,
  maxKeysPerGet: 1000,
};

/** What one write transaction takes: about ten milliseconds of the event loop. */
const GROUP_LIMITS = {
  maxCommits: 1024,
  maxOps: 2048,
  maxBytes: 4_194_304,
  maxInFlight: 1,
  maxQueued: 100_000,
} as const;

/** How long a call waits for other processes that write, by default, in milliseconds. */
const DEFAULT_BUSY_LIMIT_MS = 5000;
/**
 * How often a handle looks for ended sessions, unreported changes and a log that is too long, in
 * milliseconds, give or take a fifth. It bounds how long after its end a session's keys are seen.
 */
const HOUSEKEEPING_MS = 250;

export interface SqliteCoordOptions {
  /** Path of the file; made with its directories when it isn't there. On a local disk. */
  readonly path: string;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Default: the machine's. */
  readonly random?: Random | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  /** How long a call waits while other processes write, in milliseconds. Default 5,000. */
  readonly busyLimitMs?: number | undefined;
}

/**
 * Opens a handle on a SQLite file. It has to be started before use, like every {@link Coord}; `start`
 * fails with
 * - UnavailableError when the file or its directory can't be made, opened or written;
 * - InvalidArgumentError when the path is empty or the file isn't Holdfast's;
 * - FailedPreconditionError when a newer Holdfast made the file.
 */
export function openSqliteCoord(options: SqliteCoordOptions): Coord {
  return new SqliteCoord(options);
}

interface Tables {
  readonly entries: EntryTable;
  readonly sessions: SessionTable;
  readonly foreign: ForeignChanges;
}

class SqliteCoord implements Coord {
  readonly description: string;
  readonly limits = SQLITE_LIMITS;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #host: HostClock;
  readonly #database: SqliteDatabase;
  readonly #group: GroupCommit;
  readonly #watches: WatchSet;
  readonly #leases = new Map<string, SessionLease>();
  #tables: Tables | undefined;
  #started: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #housekeepingTimer: Timer | undefined;
  /** The sweep that runs, if one does. */
  #sweep: Promise<void> | undefined;
  #reads = 0;

  constructor(options: SqliteCoordOptions) {
    const { clock = systemClock, random = systemRandom, logger = silentLogger } = options;
    this.#path = checkPath(options.path);
    this.description = `sqlite:${this.#path}`;
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger.child({ store: this.description });
    this.#host = openHostClock(clock);
    this.#database = new SqliteDatabase({
      path: this.#path,
      clock,
      random,
      busyLimitMs: options.busyLimitMs ?? DEFAULT_BUSY_LIMIT_MS,
    });
    this.#watches = new WatchSet({ clock, random });
    this.#group = new GroupCommit({
      ...GROUP_LIMITS,
      isSequential: true,
      // After everything else that is due in this turn, so that all of its commits share one fsync.
      defer: setImmediate,
      send: (group) => this.#send(group),
    });
  }

  get stats(): CoordStats {
    const { commits, groups } = this.#group.stats;
    return { commits, groups, reads: this.#reads };
  }

  start(): Promise<void> {
    if (this.#stopped) return Promise.reject(storeStopped());
    this.#started ??= this.#start().catch((error: unknown) => {
      this.#started = undefined; // It may be tried again.
      throw error;
    });
    return this.#started;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async get(keys: readonly Key[], options?: CallOptions): Promise<ReadonlyMap<Key, Entry>> {
    checkKeys(keys, this.limits);
    const { entries } = this.#running();
    this.#reads += 1;
    return this.#database.read(() => entries.get(keys), options);
  }

  async list(range: ListRange, options?: CallOptions): Promise<Page> {
    checkRange(range, this.limits);
    const { entries } = this.#running();
    this.#reads += 1;
    return this.#database.read(() => entries.list(range), options);
  }

  async commit(commit: Commit, options?: CallOptions): Promise<CommitResult> {
    checkCommit(commit, this.limits);
    this.#running();
    return this.#group.commit(commit, options);
  }

  watch(prefix: string, wake: () => void): Watch {
    checkPrefix(prefix, this.limits);
    this.#running();
    return this.#watches.add(prefix, wake);
  }

  async openSession(options: { readonly ttlMs: number }): Promise<Session> {
    const { ttlMs } = options;
    checkSessionTtl(ttlMs);
    const { sessions } = this.#running();
    const id = createUniqueId({ clock: this.#clock, random: this.#random });
    const grantSentAtMs = this.#clock.monotonicMs();
    await this.#database.transact(() => sessions.open(id, ttlMs));
    const lease = new SessionLease({
      id,
      ttlMs,
      grantSentAtMs,
      clock: this.#clock,
      logger: this.#logger,
      store: {
        keepAlive: () => this.#keepAlive(id, ttlMs),
        revoke: () => this.#revoke(id),
      },
    });
    this.#leases.set(id, lease);
    lease.lost.addEventListener('abort', () => this.#leases.delete(id), { once: true });
    if (this.#stopped) lease.abandon();
    return lease;
  }

  async #start(): Promise<void> {
    const db = await this.#database.open();
    this.#tables = {
      entries: new EntryTable(db),
      sessions: new SessionTable(db, this.#host),
      foreign: new ForeignChanges({
        db,
        path: this.#path,
        clock: this.#clock,
        logger: this.#logger,
        onChange: () => this.#watches.changedSomewhere(),
      }),
    };
    this.#scheduleHousekeeping();
  }

  async #stop(): Promise<void> {
    await this.#started?.catch(() => undefined); // Whoever started it was told.
    this.#housekeepingTimer?.cancel();
    this.#tables?.foreign.close();
    this.#watches.clear();
    for (const lease of this.#leases.values()) lease.abandon();
    await this.#group.close();
    await this.#sweep;
    this.#tables = undefined;
    this.#database.close();
  }

  async #send(group: readonly Commit[]): Promise<readonly CommitOutcome[]> {
    const { entries, sessions } = this.#open();
    const { outcomes, changed, swept } = await this.#database.transact(() => ({
      swept: sessions.sweep(), // S2
      ...entries.apply(group),
    }));
    this.#tell(swept);
    this.#tell(changed); // S3
    for (const outcome of outcomes) this.#noticeLostSession(outcome);
    return outcomes;
  }

  async #keepAlive(id: string, ttlMs: number): Promise<'alive' | 'gone'> {
    const { sessions } = this.#running();
    const { swept, isAlive } = await this.#database.transact(() => ({
      swept: sessions.sweep(),
      isAlive: sessions.keepAlive(id, ttlMs),
    }));
    this.#tell(swept);
    return isAlive ? 'alive' : 'gone';
  }

  async #revoke(id: string): Promise<void> {
    this.#leases.delete(id);
    const { sessions } = this.#running();
    this.#tell(await this.#database.transact(() => sessions.end(id)));
  }

  #scheduleHousekeeping(): void {
    this.#housekeepingTimer = this.#clock.startTimer(jitter(this.#random, HOUSEKEEPING_MS), () => {
      this.#keepHouse();
      this.#scheduleHousekeeping();
    });
  }

  #keepHouse(): void {
    try {
      const { foreign, sessions } = this.#running();
      foreign.check();
      this.#database.boundLog();
      if (!this.#sweep && sessions.hasEnded()) this.#startSweep(sessions);
    } catch (error) {
      // The file is busy or failing. The next round tries again, and callers are told for themselves.
      this.#logFailure(error);
    }
  }

  #startSweep(sessions: SessionTable): void {
    this.#sweep = this.#database
      .transact(() => sessions.sweep())
      .then((keys) => this.#tell(keys))
      .catch((error: unknown) => this.#logFailure(error))
      .finally(() => {
        this.#sweep = undefined;
      });
  }

  #logFailure(error: unknown): void {
    const { code, message } = fromUnknown(error);
    this.#logger.warn({ code, error: message }, 'housekeeping failed; trying again');
  }

  #noticeLostSession(outcome: CommitOutcome): void {
    if (outcome.kind === 'verdict' || !(outcome.error instanceof SessionLostError)) return;
    this.#leases.get(outcome.error.ids['session'] ?? '')?.markGone();
  }

  #tell(keys: readonly Key[]): void {
    for (const key of keys) this.#watches.changed(key);
  }

  /** The tables while the file is open; group commits in flight still need it after `stop` was called. */
  #open(): Tables {
    if (!this.#tables) throw this.#stopped ? storeStopped() : storeNotStarted();
    return this.#tables;
  }

  #running(): Tables {
    if (this.#stopped) throw storeStopped();
    return this.#open();
  }
}

function checkPath(path: string): string {
  // SQLite takes these two for databases that no other process can see.
  if (path === '' || path === ':memory:') {
    throw new InvalidArgumentError('path', { value: path, allowed: 'the path of a file' });
  }
  return resolve(path);
}
