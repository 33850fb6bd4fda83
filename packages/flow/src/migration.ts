// What a flow says about jobs that earlier versions of it have begun. migrate-records.ts does it.
import { type Failure, InvalidArgumentError, parseName, type TaskState } from '@holdfast/core';
import type { PlanBody, PlanNode } from './flow-plan.ts';
import type { Values } from './run-values.ts';

/** A task of an earlier version, as its record says. */
export interface OldTask {
  /** With its place where it stands in a map: `resize[2]`. */
  readonly name: string;
  readonly state: TaskState;
  /** What it provided, by the names that the task itself gives its values; undefined where it has not succeeded. */
  readonly result: Values | undefined;
  readonly failure: Failure | undefined;
  /** The version of the flow that wrote the record: that of the migration, or one before it. */
  readonly flowVersion: number;
}

/** A job that an earlier version has begun. */
export interface OldJob {
  readonly jobId: string;
  /** As it was posted, before any schema; undefined where it isn't JSON. */
  readonly input: unknown;
  /** What earlier versions have written, by name. A task that had not begun isn't there. */
  readonly tasks: ReadonlyMap<string, OldTask>;
}

/**
 * What becomes of the records that one earlier version has written, for the current one. Records that
 * are not mentioned count for the task of their name; where there is none, they count for nothing.
 *
 * @example
 * // `build` was split, `scale` was called `resize`, `tag` is another thing now.
 * const fromOne: Migration = {
 *   rename: { resize: 'scale' },
 *   forget: ['tag'],
 *   results: {
 *     compile: ({ tasks }) => {
 *       const built = tasks.get('build')?.result;
 *       return built && { objects: built['objects'] };
 *     },
 *   },
 * };
 */
export interface Migration {
  /**
   * Old name to new: what the old task did counts as done by the new one, which goes on where the old
   * one stood. The tasks of a map's items go along: `{ resize: 'scale' }` makes `scale[0]` of `resize[0]`.
   * Keys of further tries are made of the new name. The current version has no task of the old name.
   */
  readonly rename?: Readonly<Record<string, string>> | undefined;
  /**
   * Old names: as if these had never begun. Nothing of them is reverted; where the current version has a
   * task of that name, it runs anew. Its tries are counted on, so that no key is used twice.
   */
  readonly forget?: readonly string[] | undefined;
  /**
   * By new name, what a task would have returned; it counts as done then. `undefined` says nothing: the
   * task stands as its record does, and is run where there is none. Of tasks outside of maps, sleeps and
   * waits; at most {@link MIGRATION_RESULTS_MAX}.
   *
   * Asked once for a job, before the current version does anything else with it, and to be a pure function: a crash may let it
   * be asked again. What it returns passes the schemas of the task, and is durable before anything runs. A task that has failed,
   * was passed over or is being reverted stays what it is.
   */
  readonly results?: Readonly<Record<string, (job: OldJob) => unknown>> | undefined;
}

/** The most results that one migration gives: they are written in one checkpoint. */
export const MIGRATION_RESULTS_MAX = 100;

/** Versions and what leads from each to the current one. */
export type Migrations = ReadonlyMap<number, Migration>;

/** The name of the task that a record is of: `scan` of `scan[3]`, which is the one for an item of a map. */
export function taskNameOf(record: string): string {
  const bracket = record.indexOf('[');
  return bracket < 0 ? record : record.slice(0, bracket);
}

/** A node that has records, and how many maps it stands in. */
export interface RecordedNode {
  readonly node: PlanNode;
  readonly depth: number;
}

/** The nodes of a flow that have records, by their names, those in maps too. */
export function recordedNodes(
  body: PlanBody,
  depth: number = 0,
  found: Map<string, RecordedNode> = new Map(),
): ReadonlyMap<string, RecordedNode> {
  for (const node of body.nodes) {
    if (node.task) found.set(node.name, { node, depth });
    if (node.role.kind === 'fork') recordedNodes(node.role.body, depth + 1, found);
  }
  return found;
}

/** Checks the migrations of a flow. Throws {@link InvalidArgumentError} that names what is wrong. */
export function checkMigrations(
  migrations: unknown,
  flow: { readonly field: string; readonly version: number; readonly body: PlanBody },
): Migrations {
  if (migrations === undefined) return new Map();
  const { version, body } = flow;
  const field = `${flow.field}.migrations`;
  if (!isRecord(migrations)) {
    throw new InvalidArgumentError(field, {
      value: typeof migrations,
      allowed: 'an object whose keys are earlier versions',
    });
  }
  const nodes = recordedNodes(body);
  const found = new Map<number, Migration>();
  for (const [key, migration] of Object.entries(migrations)) {
    const from = Number(key);
    if (!Number.isInteger(from) || from < 1 || from >= version || String(from) !== key) {
      const allowed = `whole numbers from 1 to ${version - 1}, which are versions before ${version}`;
      throw new InvalidArgumentError(field, {
        value: key,
        allowed: version === 1 ? 'nothing: the flow is of version 1' : allowed,
      });
    }
    found.set(from, checkMigration(migration, `${field}.${key}`, nodes));
  }
  return new Map([...found].sort(([one], [other]) => one - other));
}

function checkMigration(
  migration: unknown,
  field: string,
  nodes: ReadonlyMap<string, RecordedNode>,
): Migration {
  if (!isRecord(migration)) {
    throw new InvalidArgumentError(field, {
      value: typeof migration,
      allowed: 'an object with rename, forget and results, as far as they are needed',
    });
  }
  for (const key of Object.keys(migration)) {
    if (['rename', 'forget', 'results'].includes(key)) continue;
    throw new InvalidArgumentError(field, { value: key, allowed: 'rename, forget and results' });
  }
  const { rename = {}, forget = [], results = {} } = migration;
  const renamed = checkRename(rename, `${field}.rename`, nodes);
  const forgotten = checkForget(forget, `${field}.forget`, renamed);
  const given = checkResults(results, `${field}.results`, nodes);
  return Object.freeze({ rename: renamed, forget: forgotten, results: given });
}

function checkRename(
  rename: unknown,
  field: string,
  nodes: ReadonlyMap<string, RecordedNode>,
): Readonly<Record<string, string>> {
  if (!isRecord(rename)) throw new InvalidArgumentError(field, notNames(rename));
  const targets = new Set<string>();
  const checked: Record<string, string> = {};
  for (const [from, to] of Object.entries(rename)) {
    parseName(from, field);
    if (nodes.has(from)) {
      const allowed =
        'a name that this version has no task of: the record of its own task would take the place of the old one';
      throw new InvalidArgumentError(field, { value: from, allowed });
    }
    const target = checkTask(to, `${field}.${from}`, nodes);
    if (targets.has(target)) {
      const allowed = `one old name for each new one; what was merged is for results`;
      throw new InvalidArgumentError(`${field}.${from}`, { value: target, allowed });
    }
    targets.add(target);
    checked[from] = target;
  }
  return Object.freeze(checked);
}

function checkForget(
  forget: unknown,
  field: string,
  renamed: Readonly<Record<string, string>>,
): readonly string[] {
  if (!Array.isArray(forget)) throw new InvalidArgumentError(field, notNames(forget));
  for (const name of forget as unknown[]) {
    // Whatever it is, parseName says whether it is a name.
    const checked = parseName(name as string, field);
    if (!Object.hasOwn(renamed, checked)) continue;
    const allowed = 'a name that is not renamed as well';
    throw new InvalidArgumentError(field, { value: checked, allowed });
  }
  return Object.freeze([...(forget as string[])]);
}

function checkResults(
  results: unknown,
  field: string,
  nodes: ReadonlyMap<string, RecordedNode>,
): Readonly<Record<string, (job: OldJob) => unknown>> {
  if (!isRecord(results)) throw new InvalidArgumentError(field, notNames(results));
  const entries = Object.entries(results);
  if (entries.length > MIGRATION_RESULTS_MAX) {
    const allowed = `up to ${MIGRATION_RESULTS_MAX} results`;
    throw new InvalidArgumentError(field, { value: `${entries.length} results`, allowed });
  }
  for (const [name, give] of entries) {
    const found = nodes.get(checkTask(name, field, nodes));
    const isGivable = found && found.depth === 0 && GIVABLE.has(found.node.role.kind);
    if (!isGivable) {
      const allowed =
        'tasks, sleeps and waits outside of maps; choices, maps and controllers are renamed or forgotten';
      throw new InvalidArgumentError(field, { value: name, allowed });
    }
    if (typeof give === 'function') continue;
    throw new InvalidArgumentError(`${field}.${name}`, {
      value: typeof give,
      allowed: 'a function of the job that returns what the task would have returned',
    });
  }
  // Every value is a function, as was just checked.
  return Object.freeze({ ...results }) as Readonly<Record<string, (job: OldJob) => unknown>>;
}

const GIVABLE: ReadonlySet<string> = new Set(['task', 'sleep', 'event']);

function checkTask(name: unknown, field: string, nodes: ReadonlyMap<string, RecordedNode>): string {
  if (typeof name === 'string' && nodes.has(name)) return name;
  throw new InvalidArgumentError(field, {
    value: typeof name === 'string' ? name : typeof name,
    allowed: `a task of this version of the flow: ${shorten([...nodes.keys()])}`,
  });
}

/** Names that a message lists; a flow may have thousands. */
const NAMES_SHOWN = 20;

function shorten(names: readonly string[]): string {
  if (names.length <= NAMES_SHOWN) return names.join(', ');
  return `${names.slice(0, NAMES_SHOWN).join(', ')} and ${names.length - NAMES_SHOWN} more`;
}

function notNames(value: unknown): { readonly value: unknown; readonly allowed: string } {
  return { value: typeof value, allowed: 'names of tasks' };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
