// Where the keys of the seam lie in ZooKeeper:
//
//   <prefix>                        persistent, made when it is missing
//   <prefix>/!k                     the root of the keys
//   <prefix>/!k/+jobs/=a            the key jobs/a: `+` is a part of a key up to a slash, `=` the rest
//   <prefix>/!k/+status/-01kq/-a3/-f0/=<rest>    the key status/01kqa3f0<rest>: `-` is a piece of a part
//
// A node has all its children in one list, which has to stay small: it is read whole, and ZooKeeper's
// own clients take no message over 1 MiB. So where the second part of a key starts with a time, as
// ids and time indexes do, the keys of about one second share a directory; where it is a hash, those
// that share its first three digits do. All that is under such a part, slashes included, is the name of
// one node, so that a job's records need no directory of their own.
//
// Directories are containers: ZooKeeper removes them some time after the last node in them.
//
// Invariants:
//   K1. Where a key lies follows from the key alone, and the key from where it lies.
//   K2. All keys below a directory start with its key prefix. Which keys do so and lie elsewhere is
//       not said: those who list sort all that they find.
//   K3. Names are printable ASCII, whatever the key: ZooKeeper takes neither control characters nor
//       those beyond U+FFFF, and no name that is a dot or two.
import type { Key } from '@holdfast/coord';
import { InvalidArgumentError } from '@holdfast/core';

export const DEFAULT_PREFIX = '/holdfast';
/** Characters of a prefix: every operation of every request carries it. */
export const MAX_PREFIX_LENGTH = 64;

const PREFIX_PATTERN = /^(?:\/(?!\.{1,2}(?:\/|$)|zookeeper(?:\/|$))[A-Za-z0-9._-]+)+$/;
/** What a prefix may be, in words for error messages. */
export const PREFIX_RULE: string =
  `slash-separated parts of letters, digits, dots, dashes and underscores, such as ${DEFAULT_PREFIX}; ` +
  `at most ${MAX_PREFIX_LENGTH} characters, no slash at the end, and no part may be ., .. or zookeeper`;

/** Parts of a key that are directories; what follows them is one name. */
const MAX_PART_DIRECTORIES = 6;
/** Which part of a key is spread: 1 is the second. */
const SPREAD_PART = 1;

/** How a part of a certain form is cut into directories, from its start. */
interface Spread {
  readonly pattern: RegExp;
  /** Lengths of the pieces where the part ends the key, and where more follows. */
  readonly last: readonly number[];
  readonly inner: readonly number[];
}

const SPREADS: readonly Spread[] = [
  // 26 digits of base 32, of which the first ten are milliseconds: 12 days, 17 minutes, one second.
  // Where a part has records below it there are more of them, so they share 32 ms.
  { pattern: /^[0-7][0-9a-hjkmnp-tv-z]{25}$/, last: [4, 2, 2], inner: [4, 2, 3] },
  // 14 decimal digits of milliseconds and whatever follows: 11 days, 17 minutes, one second.
  { pattern: /^\d{14}(?!\d)/, last: [5, 3, 3], inner: [5, 3, 3] },
  // A hash in hexadecimal digits: 4096 directories.
  { pattern: /^[0-9a-f]{32,}$/, last: [3], inner: [3] },
];

const MARK = { part: '+', piece: '-', key: '=' } as const;
/** What stands for itself in a name. */
const UNSAFE = /[^A-Za-z0-9._~!$&'()*,;:@+=-]/gu;

/** Where a key lies. */
export interface Location {
  /** The directories on the way, from the one below the root; each needs those before it. */
  readonly directories: readonly string[];
  /** The node itself. */
  readonly path: string;
}

/** A directory, and what all keys in it start with. */
export interface Directory {
  readonly path: string;
  readonly keyPrefix: string;
}

/** A child of a directory. */
export type Child =
  | { readonly kind: 'key'; readonly key: Key; readonly path: string }
  | ({ readonly kind: 'directory' } & Directory);

/** True for a prefix that {@link KeyLayout} takes. */
export function isPrefix(text: string): boolean {
  return text.length <= MAX_PREFIX_LENGTH && PREFIX_PATTERN.test(text);
}

/** Translates keys of the seam to paths of ZooKeeper and back; see the head of this file. */
export class KeyLayout {
  /** The directory that holds all others. */
  readonly root: Directory;
  readonly prefix: string;

  constructor(prefix: string) {
    if (!isPrefix(prefix)) {
      throw new InvalidArgumentError('prefix', { value: prefix, allowed: PREFIX_RULE });
    }
    this.prefix = prefix;
    this.root = { path: `${prefix}/!k`, keyPrefix: '' };
  }

  /** The nodes that have to be there before any other, in the order in which they are made. */
  get rootPaths(): readonly string[] {
    const parts = this.root.path.split('/').slice(1);
    return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
  }

  locate(key: Key): Location {
    const { steps, rest } = walk(key);
    const directories: string[] = [];
    let path = this.root.path;
    for (const step of steps) {
      path += `/${step.mark}${escape(step.text)}`;
      directories.push(path);
    }
    return { directories, path: `${path}/${MARK.key}${escape(rest)}` };
  }

  /** The key that lies at this path; undefined for a directory and for what is not ours. */
  keyAt(path: string): Key | undefined {
    const { root } = this;
    if (!path.startsWith(`${root.path}/`)) return undefined;
    let key = '';
    for (const name of path.slice(root.path.length + 1).split('/')) {
      const text = unescape(name.slice(1));
      if (name.startsWith(MARK.key)) return key + text;
      key += name.startsWith(MARK.part) ? `${text}/` : text;
    }
    return undefined;
  }

  /** The deepest directory that has every key with this prefix in it or below it. */
  directoryOf(prefix: string): Directory {
    let directory = this.root;
    for (const step of walkComplete(prefix)) {
      directory = {
        path: `${directory.path}/${step.mark}${escape(step.text)}`,
        keyPrefix: `${directory.keyPrefix}${step.text}${step.mark === MARK.part ? '/' : ''}`,
      };
    }
    return directory;
  }

  /** What a name in a directory stands for; undefined when it is not ours. */
  child(directory: Directory, name: string): Child | undefined {
    const text = unescape(name.slice(1));
    const path = `${directory.path}/${name}`;
    switch (name.charAt(0)) {
      case MARK.key:
        return { kind: 'key', key: directory.keyPrefix + text, path };
      case MARK.part:
        return { kind: 'directory', keyPrefix: `${directory.keyPrefix}${text}/`, path };
      case MARK.piece:
        return { kind: 'directory', keyPrefix: directory.keyPrefix + text, path };
      default:
        return undefined;
    }
  }
}

interface Step {
  readonly mark: typeof MARK.part | typeof MARK.piece;
  readonly text: string;
}

/** The directories on the way to a key, and the name that is left. */
function walk(key: Key): { readonly steps: readonly Step[]; readonly rest: string } {
  const steps = walkComplete(key);
  let at = 0;
  for (const step of steps) at += step.text.length + (step.mark === MARK.part ? 1 : 0);
  const rest = key.slice(at);
  const depth = steps.length;
  const isSpread = steps.some((step) => step.mark === MARK.piece);
  if (isSpread || depth !== SPREAD_PART || rest.includes('/')) return { steps, rest };
  // The part that is to be spread ends the key.
  const pieces = cut(rest, spreadOf(rest)?.last ?? []);
  return {
    steps: [...steps, ...pieces],
    rest: rest.slice(pieces.reduce((length, piece) => length + piece.text.length, 0)),
  };
}

/** The directories that follow from the parts of a text that end with a slash. */
function walkComplete(text: string): Step[] {
  const steps: Step[] = [];
  let at = 0;
  for (let depth = 0; depth < MAX_PART_DIRECTORIES; depth += 1) {
    const end = text.indexOf('/', at);
    if (end < 0) return steps;
    const part = text.slice(at, end);
    const spread = depth === SPREAD_PART ? spreadOf(part) : undefined;
    if (spread) return [...steps, ...cut(part, spread.inner)];
    steps.push({ mark: MARK.part, text: part });
    at = end + 1;
  }
  return steps;
}

function spreadOf(part: string): Spread | undefined {
  return SPREADS.find(({ pattern }) => pattern.test(part));
}

function cut(part: string, lengths: readonly number[]): Step[] {
  let at = 0;
  return lengths.map((length) => {
    const text = part.slice(at, at + length);
    at += length;
    return { mark: MARK.piece, text };
  });
}

function escape(text: string): string {
  return text.replaceAll(UNSAFE, (char) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}

function unescape(name: string): string {
  return name.includes('%') ? decodeURIComponent(name) : name;
}
