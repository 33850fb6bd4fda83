// One connection to the file: opening, transactions, and waiting while another process writes.
//
// It owns the connection, its settings, and the translation of errors. It knows nothing of entries
// or sessions.
//
// Invariants:
//   D1. A transaction runs within one turn of the event loop, so that nothing else of this process
//       comes between its statements, and reads on the same connection never see half of one.
//   D2. SQLite never waits for a lock by itself: that would block the event loop. Whoever finds the
//       file busy waits in a timer, jittered, for at most `busyLimitMs` in all.
//   D3. `transact` rejects with OutcomeUnknownError only when COMMIT itself failed in a way that leaves
//       it open whether the disk holds the transaction; with any other error nothing was changed.
//   D4. Every read lets the event loop turn, though SQLite answers at once: a caller that reads in a
//       loop would otherwise keep timers and sockets waiting for ever.
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { CallOptions } from '@holdfast/coord';
import { checkNotCancelled, storeStopped } from '@holdfast/coord';
import type { Clock, Random } from '@holdfast/core';
import { fromUnknown, jitter, OutcomeUnknownError, sleep, UnavailableError } from '@holdfast/core';
import { LockTurns } from './lock-turns.ts';
import { checkWritable, createSchema, isEmptyFile } from './schema.ts';
import { fromSqlite, isBusy, isDiskFull } from './sqlite-error.ts';

/** The first wait for a busy file, in milliseconds; then twice that, and so on. */
const BUSY_WAIT_MIN_MS = 1;
/** The longest single wait, in milliseconds. */
const BUSY_WAIT_MAX_MS = 4;
/** Part by which each wait varies, so that processes don't meet at the lock again and again. */
const BUSY_WAIT_JITTER = 0.8;

/** The pause in which others get in: as long as they wait at first, and a little more. */
const TURN_PAUSE_MS = 3;

/** From this size on, the log is emptied as soon as the lock can be had: 64 MiB. */
const LOG_LIMIT_BYTES = 67_108_864;

// WAL: readers and the writer don't block each other. FULL: a commit is on the disk when it is
// acknowledged (fullfsync: on macOS too). SQLite merges the log into the file every 1,000 pages, but it
// starts the log anew only when nobody uses it just then; see `boundLog` for when that never happens.
const SETTINGS = `
  PRAGMA synchronous = FULL;
  PRAGMA fullfsync = ON;
  PRAGMA checkpoint_fullfsync = ON;
  PRAGMA wal_autocheckpoint = 1000;
  PRAGMA journal_size_limit = ${LOG_LIMIT_BYTES};
  PRAGMA cache_size = -16384;
`;

export interface SqliteDatabaseOptions {
  /** Absolute. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a call waits for other processes before it gives up, in milliseconds. */
  readonly busyLimitMs: number;
}

interface Connection {
  readonly db: DatabaseSync;
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
}

/** A connection that is shared by everything in one handle; see the head of this file. */
export class SqliteDatabase {
  readonly #options: SqliteDatabaseOptions;
  readonly #turns: LockTurns;
  #closing = new AbortController();
  #connection: Connection | undefined;

  constructor(options: SqliteDatabaseOptions) {
    this.#options = options;
    this.#turns = new LockTurns(options.clock);
  }

  /**
   * Opens the file; makes it, and the directories above it, when they aren't there. Returns the
   * connection, to prepare statements with.
   */
  async open(): Promise<DatabaseSync> {
    const { path } = this.#options;
    const db = this.#connect();
    this.#closing = new AbortController();
    try {
      // First of all, so that a file of another program is not touched.
      await this.#whenFree(() => isEmptyFile(db, path));
      await this.#whenFree(() => useWriteAheadLog(db, path));
      db.exec(SETTINGS);
      this.#connection = {
        db,
        begin: db.prepare('BEGIN IMMEDIATE'),
        commit: db.prepare('COMMIT'),
        rollback: db.prepare('ROLLBACK'),
      };
      await this.transact(() => {
        if (isEmptyFile(db, path)) createSchema(db);
        else checkWritable(db);
      });
    } catch (error) {
      this.#connection = undefined;
      db.close();
      throw fromSqlite(error, path);
    }
    return db;
  }

  /** Runs `statements` in one write transaction: all or nothing, on the disk once this resolves. */
  async transact<Result>(statements: () => Result, options?: CallOptions): Promise<Result> {
    if (this.#turns.isPauseDue()) await this.#wait(TURN_PAUSE_MS);
    try {
      return await this.#whenFree(() => this.#attempt(statements), options);
    } finally {
      this.#turns.ended();
    }
  }

  /** Runs one reading statement, in a later turn of the event loop; again when the file is busy. */
  async read<Result>(statement: () => Result, options?: CallOptions): Promise<Result> {
    await nextTurn(); // D4
    return this.#whenFree(statement, options);
  }

  /**
   * Empties the write-ahead log when it has grown beyond {@link LOG_LIMIT_BYTES}, as it does when
   * several processes write without a pause or a reader held on to it. To be called now and then;
   * when somebody is in the way it does nothing.
   */
  boundLog(): void {
    const log = statSync(`${this.#options.path}-wal`, { throwIfNoEntry: false });
    if (!log || log.size <= LOG_LIMIT_BYTES) return;
    try {
      this.#connection?.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      throw fromSqlite(error, this.#options.path);
    }
  }

  /** Ends the waits with an UnavailableError and closes the connection. */
  close(): void {
    this.#closing.abort();
    this.#connection?.db.close();
    this.#connection = undefined;
  }

  #connect(): DatabaseSync {
    const { path } = this.#options;
    try {
      mkdirSync(dirname(path), { recursive: true });
    } catch (error) {
      throw new UnavailableError(
        `the directory of SQLite file ${path} cannot be made: ${fromUnknown(error).message}`,
        { ids: { path }, cause: error },
      );
    }
    try {
      return new DatabaseSync(path, { timeout: 0 }); // D2
    } catch (error) {
      throw fromSqlite(error, path);
    }
  }

  #attempt<Result>(statements: () => Result): Result {
    const connection = this.#connection;
    if (!connection) throw storeStopped();
    connection.begin.run();
    let result: Result;
    try {
      result = statements();
    } catch (error) {
      rollBack(connection);
      throw error;
    }
    try {
      connection.commit.run();
    } catch (error) {
      rollBack(connection);
      if (isBusy(error) || isDiskFull(error)) throw error;
      throw this.#unknownOutcome(error); // D3
    }
    return result;
  }

  /** Tries until the file isn't busy; the first try is made at once, in this turn. */
  async #whenFree<Result>(attempt: () => Result, options?: CallOptions): Promise<Result> {
    const { path, random, busyLimitMs } = this.#options;
    let waitedMs = 0;
    for (let delayMs = BUSY_WAIT_MIN_MS; ; delayMs = Math.min(delayMs * 2, BUSY_WAIT_MAX_MS)) {
      checkNotCancelled(options);
      if (this.#closing.signal.aborted) throw storeStopped();
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error)) throw fromSqlite(error, path);
        this.#turns.blocked();
        if (waitedMs >= busyLimitMs) throw busyTooLongError(path, busyLimitMs, error);
      }
      const jitteredMs = jitter(random, delayMs, BUSY_WAIT_JITTER);
      waitedMs += jitteredMs;
      await this.#wait(jitteredMs);
    }
  }

  /** Ends early when the database is closed. */
  #wait(delayMs: number): Promise<void> {
    return sleep(this.#options.clock, delayMs, { signal: this.#closing.signal });
  }

  #unknownOutcome(error: unknown): OutcomeUnknownError {
    const { path } = this.#options;
    return new OutcomeUnknownError(
      `SQLite file ${path}: a commit failed on its way to the disk (${fromUnknown(error).message}), ` +
        'so it may have happened; read before you act again',
      { ids: { path }, cause: error },
    );
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function useWriteAheadLog(db: DatabaseSync, path: string): void {
  const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
  if (mode === 'wal') return;
  throw new UnavailableError(
    `SQLite file ${path}: its file system cannot share memory between processes; use a local disk`,
    { ids: { path } },
  );
}

function rollBack({ db, rollback }: Connection): void {
  // After some errors, such as a full disk, SQLite has rolled back by itself.
  if (db.isTransaction) rollback.run();
}

function busyTooLongError(path: string, limitMs: number, cause: unknown): UnavailableError {
  return new UnavailableError(
    `SQLite file ${path}: other processes held its lock for ${limitMs} ms; ` +
      'look for a stopped process that has it open, or try again',
    { ids: { path }, cause },
  );
}
