// What may enter a store at all, checked before anything is sent, the same for every driver.
//
// It owns the form of keys, the sizes and the counts. It knows nothing of what is stored, so that a
// request refused here has changed nothing and cost no round trip.
import { InvalidArgumentError, PayloadTooLargeError } from '@holdfast/core';
import type { Commit, CoordLimits, Guard, Key, ListRange, Write } from './coord.ts';
import { checkWhole } from './option-checks.ts';

/** The shortest session a store has to offer, in milliseconds. */
export const MIN_SESSION_TTL_MS = 1000;
/** The longest session a store has to offer, in milliseconds: one hour. */
export const MAX_SESSION_TTL_MS = 3_600_000;

/** The versions a store can hold: those of a signed 64-bit number that aren't negative. */
const MAX_VERSION = 2n ** 63n - 1n;

const KEY_FORM = 'a non-empty string of whole Unicode characters without NUL';

/** What a commit costs, in the units of {@link CoordLimits}. */
export interface CommitSize {
  /** Guards and writes. */
  readonly ops: number;
  /** Bytes of all keys and values; a key counts as often as it is named. */
  readonly bytes: number;
}

/** The size of a commit, unchecked. */
export function measureCommit(commit: Commit): CommitSize {
  let bytes = 0;
  for (const guard of commit.when) bytes += Buffer.byteLength(guard.key);
  for (const write of commit.write) {
    bytes += Buffer.byteLength(write.key);
    if (write.kind === 'put') bytes += write.value.byteLength;
  }
  return { ops: commit.when.length + commit.write.length, bytes };
}

/**
 * Checks everything about a commit that can be told without the store, and returns its size.
 *
 * Throws {@link InvalidArgumentError} for a malformed key or version, a key that is written twice,
 * or too many operations; {@link PayloadTooLargeError} for a value or a commit with too many bytes.
 */
export function checkCommit(commit: Commit, limits: CoordLimits): CommitSize {
  const ops = commit.when.length + commit.write.length;
  if (ops > limits.maxOpsPerCommit) {
    throw new InvalidArgumentError('commit', {
      value: `${commit.when.length} guards and ${commit.write.length} writes`,
      allowed: `at most ${limits.maxOpsPerCommit} of both together`,
    });
  }
  let bytes = 0;
  for (const [index, guard] of commit.when.entries()) {
    bytes += checkGuard(guard, `when[${index}]`, limits);
  }
  const written = new Set<Key>();
  for (const [index, write] of commit.write.entries()) {
    bytes += checkWrite(write, `write[${index}]`, limits);
    if (written.has(write.key)) {
      throw new InvalidArgumentError(`write[${index}].key`, {
        value: write.key,
        allowed: 'a key that no other write of the same commit names',
      });
    }
    written.add(write.key);
  }
  if (bytes > limits.maxCommitBytes) {
    throw new PayloadTooLargeError('commit', {
      sizeBytes: bytes,
      limitBytes: limits.maxCommitBytes,
    });
  }
  return { ops, bytes };
}

/** Checks the keys of a `get`. Throws {@link InvalidArgumentError}. */
export function checkKeys(keys: readonly Key[], limits: CoordLimits): void {
  if (keys.length > limits.maxKeysPerGet) {
    throw new InvalidArgumentError('keys', {
      value: `${keys.length} keys`,
      allowed: `at most ${limits.maxKeysPerGet} keys`,
    });
  }
  for (const [index, key] of keys.entries()) checkKey(key, `keys[${index}]`, limits);
}

/** Checks the bounds and the limit of a `list`. Throws {@link InvalidArgumentError}. */
export function checkRange(range: ListRange, limits: CoordLimits): void {
  checkPrefix(range.prefix, limits);
  if (range.after !== undefined) checkKey(range.after, 'after', limits);
  if (range.before !== undefined) checkKey(range.before, 'before', limits);
  checkWhole('limit', range.limit, [1, limits.maxPageEntries]);
}

/** Checks the prefix of a `list` or a `watch`; an empty one means every key. */
export function checkPrefix(prefix: string, limits: CoordLimits): void {
  if (prefix !== '') checkKey(prefix, 'prefix', limits);
}

/** Checks the time to live of a session, in milliseconds. Throws {@link InvalidArgumentError}. */
export function checkSessionTtl(ttlMs: number): void {
  if (ttlMs >= MIN_SESSION_TTL_MS && ttlMs <= MAX_SESSION_TTL_MS) return;
  throw new InvalidArgumentError('ttlMs', {
    value: ttlMs,
    allowed: `a number from ${MIN_SESSION_TTL_MS} to ${MAX_SESSION_TTL_MS}`,
  });
}

function checkGuard(guard: Guard, field: string, limits: CoordLimits): number {
  if (guard.kind === 'unchanged' && (guard.version < 0n || guard.version > MAX_VERSION)) {
    throw new InvalidArgumentError(`${field}.version`, {
      value: guard.version,
      allowed: `0 to ${MAX_VERSION}`,
    });
  }
  return checkKey(guard.key, `${field}.key`, limits);
}

function checkWrite(write: Write, field: string, limits: CoordLimits): number {
  const keyBytes = checkKey(write.key, `${field}.key`, limits);
  if (write.kind === 'remove') return keyBytes;
  const valueBytes = write.value.byteLength;
  if (valueBytes > limits.maxValueBytes) {
    throw new PayloadTooLargeError(`${field}.value`, {
      sizeBytes: valueBytes,
      limitBytes: limits.maxValueBytes,
    });
  }
  return keyBytes + valueBytes;
}

/** Returns the bytes of the key. Half a surrogate pair is refused: two such keys would become one in UTF-8. */
function checkKey(key: Key, field: string, limits: CoordLimits): number {
  if (key === '' || key.includes('\0') || !key.isWellFormed()) {
    throw new InvalidArgumentError(field, { value: key, allowed: KEY_FORM });
  }
  const bytes = Buffer.byteLength(key);
  if (bytes > limits.maxKeyBytes) {
    throw new InvalidArgumentError(field, {
      value: key,
      allowed: `at most ${limits.maxKeyBytes} bytes of UTF-8 (this key has ${bytes})`,
    });
  }
  return bytes;
}
