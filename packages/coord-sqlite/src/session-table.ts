// The sessions: rows with the time at which they end, judged by a clock that all processes share.
//
// Every process sweeps: it removes what has ended, of whatever process, with the keys. A session has
// ended once it was swept, not before, so that its end is one instant for everybody. All methods but
// `hasEnded` are for the inside of a write transaction.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Key } from '@holdfast/coord';
import type { HostClock } from './host-clock.ts';

// A session of another boot is dead: its process is, and its times mean nothing now.
const ENDED = 'boot <> ? OR expires_at_ms <= ?';

/** Statements on sessions. One for each connection; they last as long as it does. */
export class SessionTable {
  readonly #host: HostClock;
  readonly #insert: StatementSync;
  readonly #extend: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteKeys: StatementSync;
  readonly #ended: StatementSync;

  constructor(db: DatabaseSync, host: HostClock) {
    this.#host = host;
    this.#insert = db.prepare('INSERT INTO session (id, boot, expires_at_ms) VALUES (?, ?, ?)');
    this.#extend = db.prepare('UPDATE session SET expires_at_ms = ? WHERE id = ?');
    this.#delete = db.prepare('DELETE FROM session WHERE id = ?');
    this.#deleteKeys = db.prepare('DELETE FROM entry WHERE session = ? RETURNING key');
    this.#ended = db.prepare(`SELECT id FROM session WHERE ${ENDED}`);
  }

  open(id: string, ttlMs: number): void {
    this.#insert.run(id, this.#host.bootId, this.#host.nowMs() + ttlMs);
  }

  /** Lets it live for another TTL from now; false when it was swept. */
  keepAlive(id: string, ttlMs: number): boolean {
    return Number(this.#extend.run(this.#host.nowMs() + ttlMs, id).changes) > 0;
  }

  /** Ends a session; returns the keys that went with it. */
  end(id: string): Key[] {
    this.#delete.run(id);
    return this.#deleteKeys.all(id).map((row) => String(row['key']));
  }

  /** Ends every session whose time is over; returns the keys that went with them. */
  sweep(): Key[] {
    return this.#endedIds().flatMap((id) => this.end(id));
  }

  /** True when a sweep would find something. */
  hasEnded(): boolean {
    return this.#endedIds().length > 0;
  }

  #endedIds(): string[] {
    return this.#ended.all(this.#host.bootId, this.#host.nowMs()).map((row) => String(row['id']));
  }
}
