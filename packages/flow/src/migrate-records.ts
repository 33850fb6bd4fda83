// Brings the records of a job to the version of the flow that is about to go on with it.
//
// What earlier versions wrote is read anew at each start of the job, and stays as it is: the current
// version writes what it changes, under its own names. So there is nothing to be undone when a
// migration turns out to be wrong, and a crash at any point changes nothing.
//
// Invariants:
//   V1. The same records give the same migration. What a record becomes follows from that record and the flow's
//       definition; only results are computed by user code, and they are durable before anything else is
//       written by the current version. From then on they aren't computed any more.
//   V2. A record of the current version wins over one that was migrated to its name, and one that a later
//       version wrote over one of an earlier version.
//   V3. No record of the current version is written over an old one that is still needed under another name:
//       a name that was renamed is none of the current version's (migration.ts).
//   V4. Records that this version can't read lead to a reason to wait, and to nothing else: nothing is
//       run, written or reverted.
//   V5. No record that nobody goes on with stays amid a revert: a revival would wait for its end.
import {
  type AtomRecord,
  decodeJson,
  type Logger,
  type Payload,
  pendingAtom,
  type TaskState,
  toFailure,
} from '@holdfast/core';
import type { FlowPlan } from './flow-plan.ts';
import {
  type OldJob,
  type OldTask,
  type RecordedNode,
  recordedNodes,
  taskNameOf,
} from './migration.ts';
import { findMisfit } from './record-fit.ts';
import { CHECKPOINT_BYTES_MAX, CHECKPOINT_RECORDS_MAX, type RunIdentity } from './run-options.ts';
import { encodeResult, readResult } from './run-values.ts';

/** The job whose records are read. */
export interface RecordedJob {
  readonly identity: RunIdentity;
  readonly atoms: readonly AtomRecord[];
  readonly input: Payload;
  readonly nowUnixMs: number;
  readonly logger: Logger;
}

/** What came of it. */
export type Migrated =
  /** `atoms` are what the run goes on from; the records of each of `first` have to be durable, one after the other, before it starts. */
  | {
      readonly kind: 'migrated';
      readonly atoms: readonly AtomRecord[];
      readonly first: readonly (readonly AtomRecord[])[];
    }
  /** V4. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Brings the records to the plan's version; see the head of this file. Rejects never. */
export async function migrateRecords(plan: FlowPlan, job: RecordedJob): Promise<Migrated> {
  const foreign = findForeignVersion(plan, job.atoms);
  if (foreign !== undefined) return { kind: 'refused', reason: foreign };
  const migration = new RecordMigration(plan, job);
  try {
    await migration.run();
  } catch (error) {
    return { kind: 'refused', reason: toFailure(error).message };
  }
  const { atoms } = migration;
  const misfit = findMisfit(atoms, migration.nodes);
  if (misfit === undefined) return { kind: 'migrated', atoms, first: migration.first };
  const advice = 'it goes on once a worker has code that fits, or a migration that forgets it';
  return { kind: 'refused', reason: `${misfit}; ${advice}` };
}

/** Why records of other versions can't be gone on with; undefined when all can. */
export function findForeignVersion(
  { version, migrations }: Pick<FlowPlan, 'version' | 'migrations'>,
  atoms: readonly AtomRecord[],
): string | undefined {
  const versions = atoms.map((atom) => atom.flowVersion).filter((each) => each !== version);
  const newest = versions.reduce((most, each) => Math.max(most, each), version);
  if (newest > version) {
    return `version ${newest} of the flow has gone on with it, and this worker has version ${version}`;
  }
  const unknown = versions.find((each) => !migrations.has(each));
  if (unknown === undefined) return undefined;
  return `version ${unknown} of the flow has begun it, and version ${version} has no migration from that`;
}

class RecordMigration {
  readonly nodes: ReadonlyMap<string, RecordedNode>;
  readonly first: (readonly AtomRecord[])[] = [];
  readonly #plan: FlowPlan;
  readonly #job: RecordedJob;
  readonly #current: readonly AtomRecord[];
  /** By version, the earliest first. */
  readonly #old: ReadonlyMap<number, readonly AtomRecord[]>;
  readonly #migrated = new Map<string, AtomRecord>();
  /** V5: what was amid a revert under a name that nobody goes on with, and what it became. */
  readonly #settled: { readonly old: AtomRecord; readonly name: string }[] = [];

  constructor(plan: FlowPlan, job: RecordedJob) {
    this.#plan = plan;
    this.#job = job;
    this.nodes = recordedNodes(plan);
    const { atoms } = job;
    this.#current = atoms.filter(({ flowVersion }) => flowVersion === plan.version);
    const versions = [...plan.migrations.keys()];
    const of = (version: number): readonly AtomRecord[] =>
      atoms.filter(({ flowVersion }) => flowVersion === version);
    this.#old = new Map(versions.map((version) => [version, of(version)]));
  }

  /** What the run goes on from. */
  get atoms(): readonly AtomRecord[] {
    return [...this.#migrated.values()];
  }

  async run(): Promise<void> {
    for (const [version, atoms] of this.#old) this.#read(version, atoms);
    for (const atom of this.#current) this.#migrated.set(atom.name, atom); // V2
    // V1: something that this version has written already says that it has asked before.
    if (this.#current.length === 0) await this.#giveResults();
    this.#settle();
  }

  /** Reads the records of one version. Those that are renamed come last: they take the place of others. */
  #read(version: number, atoms: readonly AtomRecord[]): void {
    const { rename = {}, forget = [] } = this.#plan.migrations.get(version) ?? {};
    const targets = new Map(Object.entries(rename));
    const forgotten = new Set(forget);
    for (const atom of atoms) {
      const task = taskNameOf(atom.name);
      if (forgotten.has(task)) this.#forget(atom);
      else if (!targets.has(task)) this.#migrated.set(atom.name, released(atom));
    }
    for (const atom of atoms) {
      const target = targets.get(taskNameOf(atom.name));
      if (target === undefined) continue;
      const name = target + atom.name.slice(taskNameOf(atom.name).length);
      this.#migrated.set(name, { ...released(atom), name });
      if (atom.state === 'reverting') this.#settled.push({ old: atom, name });
    }
  }

  /** As if it had never begun; only the numbers of its tries are used up. */
  #forget(atom: AtomRecord): void {
    const { name, tries, executions, revertTries, errors, errorsDropped, signal } = atom;
    if (!this.nodes.has(taskNameOf(name))) {
      // Nobody reads it, but a revert that has begun: the run says at its end that it was left.
      if (atom.state === 'reverting') this.#migrated.set(name, released(atom));
      return;
    }
    this.#migrated.set(name, {
      ...pendingAtom(name),
      tries,
      forgivenTries: tries,
      executions,
      revertTries,
      forgivenRevertTries: revertTries,
      errors,
      errorsDropped,
      signal,
    });
    if (atom.state === 'reverting') this.#settled.push({ old: atom, name });
  }

  /** V1. */
  async #giveResults(): Promise<void> {
    const given = new Map<string, AtomRecord>();
    for (const [version, atoms] of this.#old) {
      const { results = {} } = this.#plan.migrations.get(version) ?? {};
      if (atoms.length === 0 || Object.keys(results).length === 0) continue;
      const job = this.#oldJob(version);
      for (const [name, give] of Object.entries(results)) {
        const record = await this.#give(name, () => give(job), version);
        if (record) given.set(name, record);
      }
    }
    if (given.size === 0) return;
    let bytes = 0;
    for (const [name, record] of given) {
      this.#migrated.set(name, record);
      bytes += record.result?.data.length ?? 0;
    }
    if (bytes > CHECKPOINT_BYTES_MAX && given.size > 1) {
      throw new Error(
        `the results of its migration have ${bytes} bytes together, the limit is ${CHECKPOINT_BYTES_MAX}`,
      );
    }
    this.first.push([...given.values()]);
  }

  async #give(name: string, give: () => unknown, version: number): Promise<AtomRecord | undefined> {
    const before = this.#migrated.get(name) ?? pendingAtom(name);
    const spec = this.nodes.get(name)?.node.task;
    if (!spec || !GIVEN_IN.has(before.state)) return undefined;
    try {
      const returned = give();
      if (returned === undefined) return undefined;
      const result = await encodeResult(spec, returned, this.#job.logger);
      return this.#written({
        ...before,
        state: 'success',
        intention: 'execute',
        result,
        failure: undefined,
        progress: 1,
        nextAtUnixMs: undefined,
        rounds: [],
        finishedAtUnixMs: before.finishedAtUnixMs ?? this.#job.nowUnixMs,
      });
    } catch (error) {
      const { version: current } = this.#plan;
      const { message } = toFailure(error);
      const what = `the migration from version ${version} to ${current} of the flow`;
      throw new Error(`${what} gives no usable result for task ${name}: ${message}`);
    }
  }

  /** The old records as the functions of the migration from `version` see them. */
  #oldJob(version: number): OldJob {
    const { identity, input } = this.#job;
    const tasks = new Map<string, OldTask>();
    for (const [from, atoms] of this.#old) {
      if (from <= version) for (const atom of atoms) tasks.set(atom.name, oldTask(atom));
    }
    return { jobId: identity.jobId, input: decodeInput(input), tasks };
  }

  /** V5, in checkpoints that hold what became of a record together with the record. */
  #settle(): void {
    let batch: AtomRecord[] = [];
    for (const { old, name } of this.#settled) {
      if (batch.length + 2 > CHECKPOINT_RECORDS_MAX) {
        this.first.push(batch);
        batch = [];
      }
      const record = this.#migrated.get(name);
      if (record && record.flowVersion !== this.#plan.version) batch.push(this.#written(record));
      if (old.name !== name) batch.push({ ...old, state: 'reverted', nextAtUnixMs: undefined });
    }
    if (batch.length > 0) this.first.push(batch);
  }

  #written(record: AtomRecord): AtomRecord {
    const { attempt, worker } = this.#job.identity;
    return { ...record, flowVersion: this.#plan.version, attempt, worker };
  }
}

/** Anything else has failed, was passed over, or is being reverted: that a migration doesn't undo. */
const GIVEN_IN: ReadonlySet<TaskState> = new Set(['pending', 'running', 'success']);

/** What a task job of the old version comes to is nothing to this one. */
function released(atom: AtomRecord): AtomRecord {
  const isUnderWay = atom.state === 'running' || atom.state === 'reverting';
  return isUnderWay && atom.taskJob !== undefined ? { ...atom, taskJob: undefined } : atom;
}

function oldTask(atom: AtomRecord): OldTask {
  const { name, state, failure, flowVersion } = atom;
  return {
    name,
    state,
    get result() {
      return atom.result && readResult(atom);
    },
    failure,
    flowVersion,
  };
}

function decodeInput(input: Payload): unknown {
  try {
    return decodeJson(input);
  } catch {
    return undefined; // The run says what is wrong with it, and fails the flow.
  }
}
