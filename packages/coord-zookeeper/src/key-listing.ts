// Lists keys in order from directories that have no order.
//
// First it looks around: it reads the names in the directories that may hold keys of the range, from
// the one that holds all of them downwards, until the first keys of the range are known. Then it reads
// the page, as one snapshot: the values of those keys and, once more, the names in all directories that
// it looked into. What is returned is judged by these names alone, so it is what the store held at that
// moment. Where keys have come up since the looking around, whose values were not read, the page is
// read again with the names that are known now.
//
// Invariants:
//   L1. The entries of a page are the first of the range in the snapshot, without a gap.
//   L2. A page that says there is more has at least one entry.
//   L3. A directory that can hold no key of the range is not read.
import type { CallOptions, Entry, Key, ListRange, Page } from '@holdfast/coord';
import { compareKeys } from '@holdfast/coord';
import { UnavailableError } from '@holdfast/core';
import type { Child, Directory, KeyLayout } from './key-layout.ts';
import { entryOf } from './key-versions.ts';
import type { Read, ReadResult } from './messages.ts';
import type { NodeReader } from './node-reader.ts';

/** Directories read at the same time, once a first look was not enough. */
const MAX_DIRECTORIES_AT_ONCE = 128;
/** Directories after which a page ends early, once it has a key. */
const MANY_DIRECTORIES = 2000;
/** Directories of one page: with their paths a request is full. ZooKeeper clears empty ones away within minutes. */
const MAX_DIRECTORIES = 8000;
/** Bytes of the paths of one request; the page is cut to what fits. */
const MAX_PATH_BYTES = 900_000;
/** How often a page is read again because of keys that came up just then. */
const MAX_TRIES = 20;

type KeyChild = Extract<Child, { kind: 'key' }>;

/** Children by the path of their directory. */
type Outline = Map<string, { readonly directory: Directory; readonly children: readonly Child[] }>;

/** A page as it was read. */
interface PageRead {
  readonly page: Page;
  /** It ends early, before a key whose value was not read. */
  readonly isCut: boolean;
  /** The names of that moment. */
  readonly now: Outline;
}

export interface KeyListingOptions {
  readonly reader: NodeReader;
  readonly layout: KeyLayout;
}

/** See the head of this file. */
export class KeyListing {
  readonly #options: KeyListingOptions;

  constructor(options: KeyListingOptions) {
    this.#options = options;
  }

  /** One page. Rejects like `Coord.list`. */
  async page(range: ListRange, options: CallOptions = {}): Promise<Page> {
    let outline: Outline = new Map();
    for (let tries = 1; ; tries += 1) {
      await this.#lookAround(range, outline, options);
      const { page, isCut, now } = await this.#readPage(range, outline, options);
      if (!isCut) return page;
      if (tries >= MAX_TRIES) {
        if (page.entries.length > 0) return page; // L2
        throw busyError(range);
      }
      outline = now;
    }
  }

  /** Completes the outline until the first keys of the range are known. */
  async #lookAround(range: ListRange, outline: Outline, options: CallOptions): Promise<void> {
    const top = this.#options.layout.directoryOf(range.prefix);
    let unread = outline.size === 0 ? [top] : unreadBefore(arrange(outline, range), range.limit);
    let width = 1;
    while (unread.length > 0) {
      const wanted = unread.slice(0, width);
      const results = await this.#options.reader.read(wanted.map(readChildren), options);
      this.#note(outline, wanted, results);
      const arranged = arrange(outline, range);
      if (outline.size >= MANY_DIRECTORIES && arranged[0]?.kind === 'key') return;
      if (outline.size >= MAX_DIRECTORIES) throw busyError(range);
      unread = unreadBefore(arranged, range.limit);
      // On the way down one at a time is enough; where the directories hold little, many are needed.
      const isBottom = wanted.every(({ path }) => holdsNoDirectory(outline, path));
      width = isBottom ? Math.min(2 * width, MAX_DIRECTORIES_AT_ONCE) : Math.ceil(width / 2);
    }
  }

  async #readPage(range: ListRange, outline: Outline, options: CallOptions): Promise<PageRead> {
    const directories = [...outline.values()].map(({ directory }) => directory);
    const { keys, isTrimmed } = this.#firstKeys(range, outline);
    const reads: Read[] = [
      ...directories.map(readChildren),
      ...keys.map(({ path }): Read => ({ kind: 'data', path })),
    ];
    const results = await this.#options.reader.read(reads, options);
    const now: Outline = new Map();
    this.#note(now, directories, results.slice(0, directories.length));
    const entries = entriesOf(keys, results.slice(directories.length));
    const page = assemble(range, arrange(now, range), entries);
    const wanted = isTrimmed || outline.size >= MANY_DIRECTORIES ? 1 : range.limit;
    const isCut = page.more && page.entries.length < wanted;
    return { page, isCut, now };
  }

  /** The keys whose values are worth reading, as many as fit into one request. */
  #firstKeys(
    range: ListRange,
    outline: Outline,
  ): { readonly keys: readonly KeyChild[]; readonly isTrimmed: boolean } {
    let bytes = 0;
    for (const { directory } of outline.values()) bytes += directory.path.length;
    const keys: KeyChild[] = [];
    for (const child of arrange(outline, range)) {
      if (child.kind !== 'key' || keys.length === range.limit) break;
      bytes += child.path.length;
      if (bytes > MAX_PATH_BYTES && keys.length > 0) return { keys, isTrimmed: true };
      keys.push(child);
    }
    return { keys, isTrimmed: false };
  }

  #note(outline: Outline, directories: readonly Directory[], results: readonly ReadResult[]): void {
    const { layout } = this.#options;
    for (const [index, directory] of directories.entries()) {
      const result = results[index];
      // A directory that is not there (any more) has nothing in it.
      const names = result?.kind === 'children' ? result.names : [];
      const children = names
        .map((name) => layout.child(directory, name))
        .filter((child) => child !== undefined);
      outline.set(directory.path, { directory, children });
    }
  }
}

function busyError({ prefix }: ListRange): UnavailableError {
  return new UnavailableError(
    `the first keys of ${JSON.stringify(prefix)} changed ${MAX_TRIES} times while they were read; try again after a pause`,
  );
}

function readChildren({ path }: Directory): Read {
  return { kind: 'children', path };
}

/**
 * The keys of the range that are known, in order, and among them, where their keys begin, the
 * directories that were not read.
 */
function arrange(outline: Outline, range: ListRange): readonly Child[] {
  const found: Child[] = [];
  let isPlain = true;
  for (const { children } of outline.values()) {
    for (const child of children) {
      const isWanted =
        child.kind === 'key'
          ? isInRange(child.key, range)
          : !outline.has(child.path) && mayHold(child.keyPrefix, range); // L3
      if (!isWanted) continue;
      found.push(child);
      isPlain &&= isPlainText(placeOf(child));
    }
  }
  return found.sort((a, b) => comparePlaces(placeOf(a), placeOf(b), isPlain));
}

function holdsNoDirectory(outline: Outline, path: string): boolean {
  return outline.get(path)?.children.every(({ kind }) => kind === 'key') ?? true;
}

function placeOf(child: Child): string {
  return child.kind === 'key' ? child.key : child.keyPrefix;
}

/** JavaScript's own order is that of the bytes where there is nothing beyond U+D7FF, and much faster. */
function comparePlaces(a: string, b: string, isPlain: boolean): number {
  if (!isPlain) return compareKeys(a, b);
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function isPlainText(text: string): boolean {
  return !/[\ud800-\uffff]/.test(text);
}

/** The directories that stand before the first keys of the page, and before what comes right after. */
function unreadBefore(arranged: readonly Child[], limit: number): Directory[] {
  const unread: Directory[] = [];
  let keys = 0;
  for (const child of arranged) {
    if (child.kind === 'directory') unread.push(child);
    else keys += 1;
    if (keys > limit) break;
  }
  return unread;
}

function isInRange(key: Key, { prefix, after, before }: ListRange): boolean {
  if (!key.startsWith(prefix)) return false;
  if (after !== undefined && compareKeys(key, after) <= 0) return false;
  return before === undefined || compareKeys(key, before) < 0;
}

/** True when a key that starts with `keyPrefix` may be in the range. */
function mayHold(keyPrefix: string, { prefix, after, before }: ListRange): boolean {
  if (!keyPrefix.startsWith(prefix) && !prefix.startsWith(keyPrefix)) return false;
  if (before !== undefined && compareKeys(keyPrefix, before) >= 0) return false;
  if (after === undefined || after.startsWith(keyPrefix)) return true;
  return compareKeys(keyPrefix, after) > 0;
}

function entriesOf(
  keys: readonly KeyChild[],
  results: readonly ReadResult[],
): ReadonlyMap<Key, Entry> {
  const entries = new Map<Key, Entry>();
  for (const [index, { key }] of keys.entries()) {
    const result = results[index];
    if (result?.kind === 'data') entries.set(key, entryOf(key, result));
  }
  return entries;
}

function assemble(
  range: ListRange,
  arranged: readonly Child[],
  known: ReadonlyMap<Key, Entry>,
): Page {
  const entries: Entry[] = [];
  for (const child of arranged) {
    const entry = child.kind === 'key' ? known.get(child.key) : undefined;
    if (!entry || entries.length === range.limit) {
      return { entries, more: true, visited: arranged.length }; // L1
    }
    entries.push(entry);
  }
  return { entries, more: false, visited: arranged.length };
}
