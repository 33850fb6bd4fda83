// What the file looks like, and how a file of ours is told from another.
import type { DatabaseSync } from 'node:sqlite';
import { FailedPreconditionError, InvalidArgumentError } from '@holdfast/core';

/** "Hfst": marks a SQLite file as Holdfast's (`PRAGMA application_id`). */
const APPLICATION_ID = 0x48667374;
/** The version of the schema below (`PRAGMA user_version`). */
const SCHEMA_VERSION = 1;

// `key` is compared as memcmp compares UTF-8 (BINARY), which is the order the seam asks for. Rows live
// in the one b-tree of their key (WITHOUT ROWID): a put writes one place, not a table and an index.
const SCHEMA = `
  CREATE TABLE entry (
    key TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL,
    version INTEGER NOT NULL,
    session TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX entry_by_session ON entry (session) WHERE session IS NOT NULL;
  CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY,
    boot TEXT NOT NULL,
    expires_at_ms REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE store (revision INTEGER NOT NULL) STRICT;
  INSERT INTO store (revision) VALUES (0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * Tells whether the file is empty, so that the schema has to be made. Changes nothing.
 *
 * Throws InvalidArgumentError when the file belongs to another program, and FailedPreconditionError
 * when a newer Holdfast made it.
 */
export function isEmptyFile(db: DatabaseSync, path: string): boolean {
  const applicationId = readNumber(db, 'PRAGMA application_id', 'application_id');
  const version = readNumber(db, 'PRAGMA user_version', 'user_version');
  if (applicationId === APPLICATION_ID) {
    if (version > SCHEMA_VERSION) throw newerSchemaError(path, version);
    return false;
  }
  const tables = readNumber(db, 'SELECT count(*) AS tables FROM sqlite_schema', 'tables');
  if (applicationId === 0 && version === 0 && tables === 0) return true;
  throw new InvalidArgumentError('path', {
    value: path,
    allowed:
      'a file that Holdfast made, or one that does not exist yet (this one is of another program)',
  });
}

/** Makes the tables; inside a write transaction, after {@link isEmptyFile} said yes in the same one. */
export function createSchema(db: DatabaseSync): void {
  db.exec(SCHEMA);
}

/** Writes without changing anything, because a file that is read-only shows it only then. */
export function checkWritable(db: DatabaseSync): void {
  db.exec('UPDATE store SET revision = revision');
}

function readNumber(db: DatabaseSync, sql: string, column: string): number {
  return Number(db.prepare(sql).get()?.[column]);
}

function newerSchemaError(path: string, version: number): FailedPreconditionError {
  return new FailedPreconditionError(
    `SQLite file ${path} has schema version ${version}, made by a newer Holdfast; ` +
      `this one knows versions up to ${SCHEMA_VERSION}, so upgrade it`,
    { ids: { path } },
  );
}
