import { fromUnknown, HoldfastError, InvalidArgumentError, UnavailableError } from '@holdfast/core';

// Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
const PERMISSION = 3;
const BUSY = 5;
const LOCKED = 6;
const READ_ONLY = 8;
const INPUT_OUTPUT = 10;
const FULL = 13;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;
const PRIMARY_MASK = 0xff;

/** What people can do about a result code, and after which the same call may work. */
const PROBLEMS: ReadonlyMap<number, string> = new Map([
  [PERMISSION, 'access was denied; check the permissions of the file'],
  [BUSY, 'another process holds its lock; try again'],
  [LOCKED, 'it is locked; try again'],
  [READ_ONLY, 'it is read-only; make the file and its directory writable'],
  [INPUT_OUTPUT, 'the disk reported an error; check the disk'],
  [FULL, 'the disk is full; free some space'],
  [
    CANNOT_OPEN,
    'it cannot be opened; check that it is a file and that it and its directory are writable',
  ],
]);

/** True when another process is in the way just now, so that waiting a little helps. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

/** True when the disk is full: SQLite rolls back then, so that nothing of a transaction is kept. */
export function isDiskFull(error: unknown): boolean {
  return resultCode(error) === FULL;
}

/** Turns what `node:sqlite` throws into one line that says what to do; other errors pass through. */
export function fromSqlite(error: unknown, path: string): HoldfastError {
  const code = resultCode(error);
  if (code === undefined) return fromUnknown(error);
  const problem = PROBLEMS.get(code);
  if (problem) {
    return new UnavailableError(`SQLite file ${path}: ${problem}`, { ids: { path }, cause: error });
  }
  if (code === NOT_A_DATABASE) {
    return new InvalidArgumentError('path', {
      value: path,
      allowed:
        'a file that Holdfast made, or one that does not exist yet (this one is no database)',
    });
  }
  return new HoldfastError('INTERNAL', `SQLite file ${path}: ${fromUnknown(error).message}`, {
    ids: { path },
    cause: error,
  });
}

/** The primary result code, or undefined when the error isn't SQLite's. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & PRIMARY_MASK : undefined;
}
