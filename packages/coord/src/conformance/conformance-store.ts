// What the conformance suite needs of a driver, and the few words its rules are written in.
import type { Clock } from '@holdfast/core';
import { sleep, systemClock } from '@holdfast/core';
import type { Commit, Coord, Guard, Key, Page, Session, Write } from '../coord.ts';

/** One fresh, empty store, opened for one test. */
export interface ConformanceStore {
  /** A started handle on the data. */
  readonly coord: Coord;
  /** Another started handle on the same data, as another process has one. `close` stops it too. */
  readonly openAnother: () => Promise<Coord>;
  /** Makes the store give the lease away at once, behind its holder's back. */
  readonly expireSession: (session: Session) => Promise<void>;
  /** The clock that all handles run on; default the machine's. */
  readonly clock?: Clock | undefined;
  /** Lets that many milliseconds pass on `clock`; default: waits for them. */
  readonly advance?: ((ms: number) => Promise<void>) | undefined;
  /** Stops every handle and removes the data. */
  readonly close: () => Promise<void>;
}

/** How the suite gets at a driver. */
export interface ConformanceDriver {
  /** A store that shares nothing with those opened before. */
  open(): Promise<ConformanceStore>;
}

/** The store of the test that runs; opened before and closed after each. */
export type CurrentStore = () => ConformanceStore;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How long a rule waits for what must happen soon, in milliseconds of the store's clock. */
const WAIT_LIMIT_MS = 20_000;
const POLL_MS = 20;

export function clockOf(store: ConformanceStore): Clock {
  return store.clock ?? systemClock;
}

/** Lets a little time pass on the store's clock. */
export async function passTime(store: ConformanceStore, ms: number = POLL_MS): Promise<void> {
  await (store.advance ? store.advance(ms) : sleep(clockOf(store), ms));
}

/** Waits until `isTrue`; throws, naming `what`, when it still isn't after 20 s. */
export async function until(
  store: ConformanceStore,
  what: string,
  isTrue: () => boolean | Promise<boolean>,
): Promise<void> {
  const clock = clockOf(store);
  const untilMs = clock.monotonicMs() + WAIT_LIMIT_MS;
  while (!(await isTrue())) {
    if (clock.monotonicMs() > untilMs) throw new Error(`waited ${WAIT_LIMIT_MS} ms for: ${what}`);
    await passTime(store);
  }
}

export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

export function textOf(value: Uint8Array | undefined): string | undefined {
  return value && decoder.decode(value);
}

export function put(key: Key, value: string, session?: Session): Write {
  return session
    ? { kind: 'put', key, value: bytes(value), session }
    : { kind: 'put', key, value: bytes(value) };
}

export function remove(key: Key): Write {
  return { kind: 'remove', key };
}

export function absent(key: Key): Guard {
  return { kind: 'absent', key };
}

export function exists(key: Key): Guard {
  return { kind: 'exists', key };
}

export function unchanged(key: Key, version: bigint): Guard {
  return { kind: 'unchanged', key, version };
}

/** A commit without guards. */
export function writing(...write: Write[]): Commit {
  return { when: [], write };
}

/** The value of one key as text; undefined when it isn't there. */
export async function read(coord: Coord, key: Key): Promise<string | undefined> {
  return textOf((await coord.get([key])).get(key)?.value);
}

/** The version of a key that has to be there. */
export async function versionOf(coord: Coord, key: Key): Promise<bigint> {
  const entry = (await coord.get([key])).get(key);
  if (!entry) throw new Error(`${key} is not there`);
  return entry.version;
}

/** Commits without guards, as many writes at a time as one commit takes. */
export async function writeAll(coord: Coord, writes: readonly Write[]): Promise<void> {
  const size = coord.limits.maxOpsPerCommit;
  const commits: Promise<unknown>[] = [];
  for (let start = 0; start < writes.length; start += size) {
    commits.push(coord.commit({ when: [], write: writes.slice(start, start + size) }));
  }
  await Promise.all(commits);
}

export function keysOf(page: Page): Key[] {
  return page.entries.map((entry) => entry.key);
}

/** What a promise was rejected with; throws when it wasn't. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('the call succeeded, though it had to fail');
}

/** What each of several calls, all under way, was rejected with. */
export function failuresOf(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(promises.map(failureOf));
}
