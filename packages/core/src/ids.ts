import type { Clock } from './clock.ts';
import { InvalidArgumentError } from './errors.ts';
import type { Random } from './random.ts';

declare const brand: unique symbol;
/** A string that has been checked, or made, to be what its name says. */
export type Branded<Name extends string> = string & { readonly [brand]: Name };

/** One job, for ever: 26 characters, sorted by the time of the post. Never used twice. */
export type JobId = Branded<'JobId'>;
/** One incarnation of a worker process: `<name>-<26 characters>`. Never used twice. */
export type WorkerId = Branded<'WorkerId'>;

// Crockford's base 32, lower case: no i, l, o, u; sorts as its values do.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_LENGTH = 10;
const ID_LENGTH = 26;
const ID_PATTERN = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;
const WORKER_NAME_PATTERN = /^[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?$/;

/** A new job id: 48 bits of wall time in milliseconds, then 80 random bits (the layout of ULID). */
export function createJobId(source: { readonly clock: Clock; readonly random: Random }): JobId {
  return createUniqueId(source) as JobId; // brand constructor
}

/** A new worker id. `name` is for people: lower-case letters, digits, dots, dashes; at most 64. */
export function createWorkerId(
  name: string,
  source: { readonly clock: Clock; readonly random: Random },
): WorkerId {
  if (!WORKER_NAME_PATTERN.test(name)) {
    throw new InvalidArgumentError('worker.name', {
      value: name,
      allowed:
        'at most 64 lower-case letters, digits, dots and dashes, starting and ending with a letter or digit',
    });
  }
  return `${name}-${createUniqueId(source)}` as WorkerId; // brand constructor
}

/** A fresh id in the form of {@link JobId}, for things that have no brand of their own. */
export function createUniqueId(source: { readonly clock: Clock; readonly random: Random }): string {
  const bytes = source.random.bytes(ID_LENGTH - TIME_LENGTH);
  let id = encodeTime(source.clock.nowUnixMs());
  for (const byte of bytes) id += ALPHABET.charAt(byte & 31);
  return id;
}

/** The smallest id that a job posted at `unixMs` can have, for ranges over ids. */
export function jobIdFloor(unixMs: number): string {
  return encodeTime(Math.max(0, unixMs)) + '0'.repeat(ID_LENGTH - TIME_LENGTH);
}

/** When a job with this id was posted, by the clock of the server that made the id. */
export function jobIdTimeUnixMs(id: JobId): number {
  let time = 0;
  for (const char of id.slice(0, TIME_LENGTH)) time = time * 32 + ALPHABET.indexOf(char);
  return time;
}

/** Checks a job id that came from outside. Throws {@link InvalidArgumentError} naming `field`. */
export function parseJobId(text: string, field = 'id'): JobId {
  if (!ID_PATTERN.test(text)) {
    throw new InvalidArgumentError(field, {
      value: text,
      allowed: 'a job id: 26 characters of 0-9 and a-z without i, l, o, u',
    });
  }
  return text as JobId; // brand constructor
}

/** Checks a worker id that came from outside. Throws {@link InvalidArgumentError} naming `field`. */
export function parseWorkerId(text: string, field = 'id'): WorkerId {
  const cut = text.lastIndexOf('-');
  const isValid =
    cut > 0 && WORKER_NAME_PATTERN.test(text.slice(0, cut)) && ID_PATTERN.test(text.slice(cut + 1));
  if (!isValid) {
    throw new InvalidArgumentError(field, {
      value: text,
      allowed: 'a worker id: a name, a dash and 26 characters',
    });
  }
  return text as WorkerId; // brand constructor
}

function encodeTime(unixMs: number): string {
  let rest = Math.floor(unixMs);
  let text = '';
  for (let index = 0; index < TIME_LENGTH; index += 1) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
