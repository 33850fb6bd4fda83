// The entries: reading them, and judging and doing commits inside a write transaction.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type {
  Commit,
  CommitOutcome,
  CommitResult,
  Entry,
  Guard,
  Key,
  ListRange,
  Page,
  Version,
} from '@holdfast/coord';
import { committedAt, guardHolds, refusedBy, sessionEnded } from '@holdfast/coord';
import { keyRangeOf } from './key-range.ts';

const COLUMNS = 'SELECT key, value, version FROM entry';

/** What a group of commits led to. */
export interface GroupResult {
  readonly outcomes: readonly CommitOutcome[];
  /** The keys that were put or removed. */
  readonly changed: readonly Key[];
}

/** Statements on entries and the revision. One for each connection; they last as long as it does. */
export class EntryTable {
  readonly #db: DatabaseSync;
  readonly #one: StatementSync;
  readonly #many: StatementSync;
  readonly #version: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #hasSession: StatementSync;
  readonly #revision: StatementSync;
  readonly #setRevision: StatementSync;
  /** Bounds of a listing → its statement; there are four. */
  readonly #lists = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#one = this.#prepare(`${COLUMNS} WHERE key = ?`);
    // One statement, and so one snapshot, for any number of keys.
    this.#many = this.#prepare(`${COLUMNS} WHERE key IN (SELECT value FROM json_each(?))`);
    this.#version = this.#prepare('SELECT version FROM entry WHERE key = ?');
    this.#put = this.#prepare(
      'INSERT INTO entry (key, value, version, session) VALUES (?, ?, ?, ?) ON CONFLICT (key) ' +
        'DO UPDATE SET value = excluded.value, version = excluded.version, session = excluded.session',
    );
    this.#remove = this.#prepare('DELETE FROM entry WHERE key = ?');
    this.#hasSession = this.#prepare('SELECT 1 FROM session WHERE id = ?');
    this.#revision = this.#prepare('SELECT revision FROM store');
    this.#setRevision = this.#prepare('UPDATE store SET revision = ?');
  }

  get(keys: readonly Key[]): ReadonlyMap<Key, Entry> {
    const [only] = keys;
    if (only === undefined) return new Map();
    const rows = keys.length === 1 ? this.#one.all(only) : this.#many.all(JSON.stringify(keys));
    return new Map(rows.map(toEntry).map((entry) => [entry.key, entry]));
  }

  list(range: ListRange): Page {
    const { low, isLowIncluded, high } = keyRangeOf(range);
    const statement = this.#listStatement(isLowIncluded, high !== undefined);
    // One more than asked for tells whether there is more.
    const bounds = high === undefined ? [low] : [low, high];
    const rows = statement.all(...bounds, range.limit + 1);
    const entries = rows.slice(0, range.limit).map(toEntry);
    return { entries, more: rows.length > range.limit, visited: entries.length };
  }

  /**
   * Judges the commits one after the other, each seeing what those before it wrote. To be called
   * inside a write transaction, once the sessions that have ended were swept out.
   */
  apply(group: readonly Commit[]): GroupResult {
    const before = this.#revision.get()?.['revision'] as Version; // The column is an INTEGER.
    let revision = before;
    const changed: Key[] = [];
    const outcomes = group.map((commit): CommitOutcome => {
      const lost = this.#missingSession(commit);
      if (lost !== undefined) return { kind: 'failed', error: sessionEnded(lost) };
      const failed = commit.when.find((guard) => !this.#holds(guard));
      if (failed) return { kind: 'verdict', result: refusedBy(failed) };
      if (commit.write.length > 0) revision += 1n;
      for (const write of commit.write) changed.push(write.key);
      return { kind: 'verdict', result: this.#write(commit, revision) };
    });
    if (revision !== before) this.#setRevision.run(revision);
    return { outcomes, changed };
  }

  #write(commit: Commit, version: Version): CommitResult {
    for (const write of commit.write) {
      if (write.kind === 'remove') this.#remove.run(write.key);
      else this.#put.run(write.key, write.value, version, write.session?.id ?? null);
    }
    return committedAt(commit, version);
  }

  #holds(guard: Guard): boolean {
    const row = this.#version.get(guard.key);
    return guardHolds(guard, row?.['version'] as Version | undefined); // The column is an INTEGER.
  }

  /** The id of a session that the commit puts keys with and that isn't there. */
  #missingSession(commit: Commit): string | undefined {
    let known: string | undefined;
    for (const write of commit.write) {
      const id = write.kind === 'put' ? write.session?.id : undefined;
      if (id === undefined || id === known) continue;
      if (!this.#hasSession.get(id)) return id;
      known = id;
    }
    return undefined;
  }

  #listStatement(isLowIncluded: boolean, isBounded: boolean): StatementSync {
    const low = isLowIncluded ? 'key >= ?' : 'key > ?';
    const where = isBounded ? `${low} AND key < ?` : low;
    let statement = this.#lists.get(where);
    if (!statement) {
      statement = this.#prepare(`${COLUMNS} WHERE ${where} ORDER BY key LIMIT ?`);
      this.#lists.set(where, statement);
    }
    return statement;
  }

  #prepare(sql: string): StatementSync {
    const statement = this.#db.prepare(sql);
    statement.setReadBigInts(true); // Versions are bigint.
    return statement;
  }
}

/** A row of {@link COLUMNS}; the STRICT table holds the types. */
function toEntry(row: Record<string, unknown>): Entry {
  return {
    key: row['key'] as Key,
    value: row['value'] as Uint8Array,
    version: row['version'] as Version,
  };
}
