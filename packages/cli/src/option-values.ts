// Reads the values of options. Each function takes the text that was given and the name of the option,
// and throws an InvalidArgumentError that names the option, the value and what is allowed.
import {
  InvalidArgumentError,
  isName,
  type JobState,
  NAME_RULE,
  parseWorkerLabels,
  type WorkerLabels,
} from '@holdfast/core';

/** A whole number in a range. */
export function parseInteger(
  text: string,
  field: string,
  range: { readonly min: number; readonly max: number },
): number {
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw new InvalidArgumentError(field, {
    value: text,
    allowed: `a whole number from ${range.min} to ${range.max}`,
  });
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

/** A point in time with its time zone, in milliseconds since the Unix epoch. */
export function parseTime(text: string, field: string): number {
  const [, year, month, day] = TIME.exec(text) ?? [];
  const unixMs = Date.parse(text);
  // Date.parse takes the 31st of February for the 3rd of March.
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  if (!Number.isNaN(unixMs) && date.getUTCDate() === Number(day)) return unixMs;
  throw new InvalidArgumentError(field, {
    value: text,
    allowed: 'a time with its zone in ISO 8601, such as 2027-01-31T08:00:00Z',
  });
}

/** One `name=value` more. */
export function collectLabel(
  text: string,
  field: string,
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const cut = text.indexOf('=');
  const name = text.slice(0, Math.max(0, cut));
  if (cut < 0 || !isName(name)) {
    throw new InvalidArgumentError(field, {
      value: text,
      allowed: `name=value, the name being ${NAME_RULE}`,
    });
  }
  if (Object.hasOwn(labels, name)) {
    throw new InvalidArgumentError(field, { value: text, allowed: 'each name only once' });
  }
  return { ...labels, [name]: text.slice(cut + 1) };
}

/** One `name=value` more that a worker says of itself; the value is a name too. */
export function collectWorkerLabel(
  text: string,
  field: string,
  labels: WorkerLabels,
): WorkerLabels {
  return parseWorkerLabels(collectLabel(text, field, labels), field);
}

/** Names separated by commas. */
export function parseNames(text: string, field: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every(isName) && new Set(names).size === names.length) return names;
  throw new InvalidArgumentError(field, {
    value: text,
    allowed: `different names, separated by commas; each ${NAME_RULE}`,
  });
}

const JOB_STATES: readonly JobState[] = [
  'scheduled',
  'ready',
  'running',
  'waiting',
  'suspended',
  'succeeded',
  'failed',
  'cancelled',
  'dead',
];

/** Job states separated by commas, in upper or lower case. */
export function parseJobStates(text: string, field: string): readonly JobState[] {
  return text.split(',').map((word) => {
    const state = JOB_STATES.find((known) => known === word.trim().toLowerCase());
    if (state) return state;
    throw new InvalidArgumentError(field, {
      value: text,
      allowed: `${JOB_STATES.join(', ')}; several are separated by commas`,
    });
  });
}

/** Where a server listens or is reached. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, with an IPv6 address in brackets. */
export function parseAddress(text: string, field: string): HostAndPort {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new InvalidArgumentError(field, {
    value: text,
    allowed: 'HOST:PORT, such as 127.0.0.1:4600 or [::1]:4600, the port from 0 to 65535',
  });
}
