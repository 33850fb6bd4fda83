// Reads a job's records, all from one snapshot where it matters.

import type { Coord, Entry, Guard, Key } from '@holdfast/coord';
import type { AtomRecord, JobChange, JobId, JobSignal, JobSpec, JobStatus } from '@holdfast/core';
import { HoldfastError, LIMITS } from '@holdfast/core';
import {
  decodeAtom,
  decodeJobChange,
  decodeJobControl,
  decodeJobOutcome,
  decodeJobSignal,
  decodeJobSpec,
  decodeJobStatus,
} from '@holdfast/wire';
import { applyChanges } from './job-change-effects.ts';
import type { JobControl, JobView } from './job-view.ts';
import {
  atomsPrefix,
  changesPrefix,
  controlKey,
  outcomeKey,
  signalKey,
  signalsPrefix,
  specKey,
  statusKey,
} from './keys.ts';
import type { VersionedStatus } from './transition.ts';

/** A job's spec and its status with the version that guards decisions. */
export interface JobRecords extends VersionedStatus, VersionedControl {
  readonly spec: JobSpec;
}

/** A job's control as it was read, and what guards what is decided from it. */
export interface VersionedControl {
  /** Absent when nothing was asked of the job, and it has received nothing. */
  readonly control?: JobControl | undefined;
  readonly controlGuard: Guard;
}

/**
 * Spec, status and control of several jobs; those that aren't there are left out. So are those that
 * can't be read, where `unreadable` takes the error: one broken job must not hold up the others.
 */
export async function readJobs(
  coord: Coord,
  ids: readonly JobId[],
  unreadable?: (id: JobId, error: HoldfastError) => void,
): Promise<ReadonlyMap<JobId, JobRecords>> {
  const jobs = new Map<JobId, JobRecords>();
  const perGet = Math.max(1, Math.floor(coord.limits.maxKeysPerGet / 3));
  const pieces: Promise<void>[] = [];
  for (let from = 0; from < ids.length; from += perGet) {
    const piece = ids.slice(from, from + perGet);
    const keys = piece.flatMap((id) => [specKey(id), statusKey(id), controlKey(id)]);
    pieces.push(
      coord.get(keys).then((entries) => {
        for (const id of piece) {
          const records = tryJobRecords(entries, id, unreadable);
          if (records) jobs.set(id, records);
        }
      }),
    );
  }
  await Promise.all(pieces);
  return jobs;
}

/** Spec, status and control of one job, from one snapshot; undefined when it isn't there. */
export async function readJob(coord: Coord, id: JobId): Promise<JobRecords | undefined> {
  return (await readJobs(coord, [id])).get(id);
}

/** All checkpoints of a job, by name, as they are by what operators have changed; `control` is the job's. */
export async function readAtoms(
  coord: Coord,
  id: JobId,
  control: JobControl | undefined,
): Promise<readonly AtomRecord[]> {
  const [entries, changes] = await Promise.all([
    listAll(coord, atomsPrefix(id)),
    readChanges(coord, id, control),
  ]);
  return applyChanges(
    entries.map((entry) => decodeAtom(entry.value)),
    changes,
  );
}

/** What operators have changed about a job, by number; mostly there is nothing to read. */
export async function readChanges(
  coord: Coord,
  id: JobId,
  control: JobControl | undefined,
): Promise<readonly JobChange[]> {
  if (control === undefined || control.changes === 0) return [];
  const entries = await listAll(coord, changesPrefix(id));
  return entries.map((entry) => decodeJobChange(entry.value));
}

/** The control of a job alone. */
export async function readControl(
  coord: Coord,
  id: JobId,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<VersionedControl> {
  return versionedControl(await coord.get([controlKey(id)], { signal: options.signal }), id);
}

/** The signals of a job whose numbers are greater than `after`, by number; all by default. */
export async function readSignals(
  coord: Coord,
  id: JobId,
  options: { readonly after?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<readonly JobSignal[]> {
  const { after = 0, signal } = options;
  const signals: JobSignal[] = [];
  const bounds = { after: signalKey(id, after), signal };
  for await (const page of listPages(coord, signalsPrefix(id), bounds)) {
    signals.push(...page.map((entry) => decodeJobSignal(entry.value)));
  }
  return signals;
}

/** Everything about one job but its waiting reason. */
export async function readJobView(
  coord: Coord,
  id: JobId,
): Promise<{ readonly view: JobView; readonly signature: string } | undefined> {
  const keys = [specKey(id), statusKey(id), controlKey(id), outcomeKey(id)];
  // Status is read after the atoms: a status that says "succeeded" then comes with all of them.
  const atomEntries = await listAll(coord, atomsPrefix(id));
  const entries = await coord.get(keys);
  const records = jobRecords(entries, id);
  if (!records) return undefined;
  const outcome = entries.get(outcomeKey(id));
  // Signals and changes stay as they are and are counted in the control: they are no part of the signature.
  const hasSignals = (records.control?.signals ?? 0) > 0;
  const changes = await readChanges(coord, id, records.control);
  const view: JobView = {
    spec: records.spec,
    status: records.status,
    atoms: applyChanges(
      atomEntries.map((entry) => decodeAtom(entry.value)),
      changes,
    ),
    output: outcome ? decodeJobOutcome(outcome.value).output : undefined,
    control: records.control,
    waitingReason: '',
    signals: hasSignals ? await readSignals(coord, id) : [],
    changes,
  };
  const parts = [...entries.values(), ...atomEntries].map(
    (entry) => `${entry.key}@${entry.version}`,
  );
  return { view, signature: parts.join(' ') };
}

/** Every entry under a prefix, page by page; for prefixes whose size a limit bounds. */
export async function listAll(coord: Coord, prefix: string): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  for await (const page of listPages(coord, prefix)) all.push(...page);
  return all;
}

/** The pages under a prefix, in key order, each its own snapshot. */
export async function* listPages(
  coord: Coord,
  prefix: string,
  options: {
    readonly after?: Key | undefined;
    readonly before?: Key | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): AsyncGenerator<readonly Entry[]> {
  const { before, signal } = options;
  const limit = Math.min(coord.limits.maxPageEntries, LIMITS.pageSizeMax);
  let after = options.after;
  for (;;) {
    const page = await coord.list({ prefix, after, before, limit }, { signal });
    if (page.entries.length > 0) yield page.entries;
    after = page.entries.at(-1)?.key;
    if (!page.more || after === undefined) return;
  }
}

function tryJobRecords(
  entries: ReadonlyMap<Key, Entry>,
  id: JobId,
  unreadable: ((id: JobId, error: HoldfastError) => void) | undefined,
): JobRecords | undefined {
  try {
    return jobRecords(entries, id);
  } catch (error) {
    if (!unreadable || !(error instanceof HoldfastError)) throw error;
    unreadable(id, error);
    return undefined;
  }
}

function jobRecords(entries: ReadonlyMap<Key, Entry>, id: JobId): JobRecords | undefined {
  const spec = entries.get(specKey(id));
  const status = entries.get(statusKey(id));
  if (!spec && !status) return undefined;
  if (!spec || !status) {
    throw new HoldfastError(
      'INTERNAL',
      `job ${id} has ${spec ? 'no status' : 'no spec'}; run holdfast doctor`,
      { ids: { jobId: id } },
    );
  }
  return {
    spec: decodeJobSpec(spec.value),
    status: decodeJobStatus(status.value),
    version: status.version,
    ...versionedControl(entries, id),
  };
}

function versionedControl(entries: ReadonlyMap<Key, Entry>, id: JobId): VersionedControl {
  const key = controlKey(id);
  const entry = entries.get(key);
  if (!entry) return { control: undefined, controlGuard: { kind: 'absent', key } };
  return {
    control: decodeJobControl(entry.value),
    controlGuard: { kind: 'unchanged', key, version: entry.version },
  };
}

/** The status of a job alone. */
export async function readStatus(coord: Coord, id: JobId): Promise<JobStatus | undefined> {
  const entry = (await coord.get([statusKey(id)])).get(statusKey(id));
  return entry ? decodeJobStatus(entry.value) : undefined;
}
