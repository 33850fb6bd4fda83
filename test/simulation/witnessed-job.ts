// What a witness at the store knows of a job, and which job a key of the board belongs to.
import type { Key } from '@holdfast/coord';
import type { AtomRecord, JobSpec, JobStatus } from '@holdfast/core';
import type { Wanted } from './job-rules.ts';

/** A job as the store's commits made it. */
export interface WitnessedJob {
  readonly id: string;
  spec: JobSpec | undefined;
  status: JobStatus | undefined;
  /** Version of the status, and the commit that wrote it. */
  version: bigint;
  readonly atoms: Map<string, { readonly record: AtomRecord; readonly commit: number }>;
  readonly entries: Set<string>;
  /** For each attempt, the commit of its claim and the fence that it made. */
  readonly claims: Map<
    number,
    { readonly commit: number; readonly fence: bigint; readonly atMs: number }
  >;
  wanted: Wanted;
  /** Signals by number, and how many its control says there are. */
  readonly signals: Map<number, string>;
  signalsCounted: number;
  /** How many ends of its task jobs its control says there were. */
  taskEnds: number;
  /** Keys that lead to its signals. */
  readonly signalKeys: Set<string>;
  isGone: boolean;
}

/** One key of a commit, as it is after it; without a value where it was removed. */
export interface Change {
  readonly key: Key;
  readonly value: Uint8Array | undefined;
  readonly version: bigint;
}

/** A job of which nothing has been seen. */
export function createWitnessedJob(id: string): WitnessedJob {
  return {
    id,
    spec: undefined,
    status: undefined,
    version: 0n,
    atoms: new Map(),
    entries: new Set(),
    claims: new Map(),
    wanted: 'nothing',
    signals: new Map(),
    signalsCounted: 0,
    taskEnds: 0,
    signalKeys: new Set(),
    isGone: false,
  };
}

/** Kinds of keys that are index entries of jobs. */
export const INDEXES: ReadonlySet<string> = new Set(['ready', 'due', 'deadline', 'claims', 'done']);
const OF_JOB: ReadonlySet<string> = new Set([
  'spec',
  'status',
  'atoms',
  'control',
  'signals',
  'signalkeys',
]);

/** The job that a key belongs to; undefined for keys of the fleet. */
export function jobIdOf(key: string): string | undefined {
  const parts = key.split('/');
  const [kind = ''] = parts;
  if (OF_JOB.has(kind)) return parts[1];
  if (kind === 'claims') return lastPart(key);
  return INDEXES.has(kind) ? key.slice(key.lastIndexOf('-') + 1) : undefined;
}

/** What follows the last slash. */
export function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** Adds the item, or takes it away. */
export function setTo<Item>(set: Set<Item>, item: Item, isThere: boolean): void {
  if (isThere) set.add(item);
  else set.delete(item);
}
