// What a commit looks like as one multi of ZooKeeper.
//
// ZooKeeper tells a new node from one that is there: `create` and `set` are different operations, and
// each fails where the other is right. What the guards of a commit don't tell about a key is guessed
// at first: a key that is put is new, a key that is removed is there. When a guess was wrong nothing has
// happened, the keys in question are read, and the commit is planned again with what is known now; the
// multi itself verifies that, too.
//
// Invariants:
//   P1. Guards are judged in the order given, before any write: the first operation that fails because
//       of a guard belongs to the first guard that does not hold. Where a key has one guard and is
//       written, guard and write are one operation in the guard's place; no other guard looks at it.
//   P2. An operation that was guessed comes after all guards. If it fails, all guards held.
//   P3. A multi that happens has done what the commit asks for, whatever was guessed or known.
//   P4. A key that moves between a session and none, or another session, is removed and made anew, as
//       ZooKeeper can't move nodes. Empty writes bring the new node's version beyond the old one's (C3).
import type { Commit, CommitResult, Guard, Key, Write } from '@holdfast/coord';
import { assert, HoldfastError } from '@holdfast/core';
import type { KeyLayout, Location } from './key-layout.ts';
import { nodeVersionOf, versionOf } from './key-versions.ts';
import { ANY_VERSION, FAULT, type NodeStat, type Op, type OpResult } from './messages.ts';

/** How many versions a key may have had when it moves between sessions: each costs an operation. */
export const MAX_MOVED_VERSIONS = 1000;

const NOTHING = new Uint8Array(0);

/** What is known of keys: their nodes, or that they are not there. */
export type KnownNodes = ReadonlyMap<Key, NodeStat | 'absent'>;

/** An operation, and whose failure it is when it fails. */
interface Step {
  readonly op: Op;
  /** Undefined for a guess. */
  readonly guard: Guard | undefined;
}

/** How the version of a key that was put follows from the answer. */
type PutVersion =
  | { readonly kind: 'fixed'; readonly version: number; readonly isOwned: boolean }
  | { readonly kind: 'answered'; readonly step: number; readonly isOwned: boolean };

/** See the head of this file. */
export interface CommitPlan {
  readonly ops: readonly Op[];
  /** The directories in which nodes are created. */
  readonly directories: ReadonlySet<string>;
  readonly steps: readonly Step[];
  readonly puts: ReadonlyMap<Key, PutVersion>;
}

/** What the answer to a plan says. */
export type PlanVerdict =
  | { readonly kind: 'result'; readonly result: CommitResult }
  /** Directories are missing; nothing happened. */
  | { readonly kind: 'noDirectory' }
  /** A guess was wrong, or what was known has changed; nothing happened. */
  | { readonly kind: 'wrongGuess' }
  | { readonly kind: 'refused'; readonly fault: number };

/** Tells which session a put is for; undefined for none. */
export type OwnerOf = (write: Extract<Write, { kind: 'put' }>) => bigint | undefined;

export interface PlanContext {
  readonly layout: KeyLayout;
  readonly known: KnownNodes;
  readonly ownerOf: OwnerOf;
}

/** Plans a commit. Throws RESOURCE_EXHAUSTED for a key that has changed too often to move. */
export function planCommit(commit: Commit, context: PlanContext): CommitPlan {
  const planner = new Planner(context);
  const guards = countGuards(commit.when);
  const writes = new Map(commit.write.map((write) => [write.key, write]));
  const merged = new Set<Key>();
  for (const guard of commit.when) {
    const write = guards.get(guard.key) === 1 ? writes.get(guard.key) : undefined;
    if (write && planner.merge(guard, write))
      merged.add(write.key); // P1
    else planner.guard(guard);
  }
  for (const write of commit.write) {
    if (!merged.has(write.key)) planner.write(write); // P2
  }
  return planner.finish();
}

/** The keys whose nodes have to be read before a commit is planned again. */
export function guessedKeys(commit: Commit): readonly Key[] {
  return commit.write.map((write) => write.key);
}

/** Reads the answer to a plan. */
export function judgePlan(plan: CommitPlan, results: readonly OpResult[]): PlanVerdict {
  const failed = results.findIndex(isOwnFault);
  const result = results[failed];
  const step = plan.steps[failed];
  if (!result || !step || result.kind !== 'fault') return committed(plan, results);
  const { fault } = result;
  if (step.op.kind === 'create' && fault === FAULT.noNode) return { kind: 'noDirectory' };
  if (!LOSING_FAULTS.has(fault)) return { kind: 'refused', fault };
  if (!step.guard) return { kind: 'wrongGuess' };
  return { kind: 'result', result: { committed: false, failedGuard: step.guard } };
}

/** What fails where a node is not as expected. */
const LOSING_FAULTS: ReadonlySet<number> = new Set([
  FAULT.noNode,
  FAULT.badVersion,
  FAULT.nodeExists,
]);

/** True for the operation that failed: those before it are told as 0, those after it by a code of their own. */
function isOwnFault(result: OpResult): boolean {
  return (
    result.kind === 'fault' && result.fault !== 0 && result.fault !== FAULT.runtimeInconsistency
  );
}

function committed(plan: CommitPlan, results: readonly OpResult[]): PlanVerdict {
  return {
    kind: 'result',
    result: {
      committed: true,
      versionOf(key) {
        const put = plan.puts.get(key);
        assert(put, `versionOf(${JSON.stringify(key)}): this commit did not put that key`);
        if (put.kind === 'fixed') return versionOf(put);
        const answer = results[put.step];
        assert(answer?.kind === 'done' && answer.stat, 'a set is answered with the node it made');
        return versionOf({ version: answer.stat.version, isOwned: put.isOwned });
      },
    },
  };
}

function countGuards(guards: readonly Guard[]): ReadonlyMap<Key, number> {
  const counts = new Map<Key, number>();
  for (const { key } of guards) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** Collects the operations of one commit. */
class Planner {
  readonly #context: PlanContext;
  readonly #steps: Step[] = [];
  readonly #directories = new Set<string>();
  readonly #puts = new Map<Key, PutVersion>();
  readonly #locations = new Map<Key, Location>();

  constructor(context: PlanContext) {
    this.#context = context;
  }

  finish(): CommitPlan {
    return {
      ops: this.#steps.map(({ op }) => op),
      directories: this.#directories,
      steps: this.#steps,
      puts: this.#puts,
    };
  }

  /** A guard on its own. */
  guard(guard: Guard): void {
    const path = this.#path(guard.key);
    switch (guard.kind) {
      case 'absent':
        this.#addAbsence(guard.key, guard);
        return;
      case 'exists':
        this.#add({ kind: 'check', path, version: ANY_VERSION }, guard);
        return;
      case 'unchanged':
        this.#add({ kind: 'check', path, version: nodeVersionOf(guard.version).version }, guard);
        return;
      default:
        throw guard satisfies never;
    }
  }

  /** A guard and the write of its key as one; false when they have to stay apart. */
  merge(guard: Guard, write: Write): boolean {
    const path = this.#path(guard.key);
    if (guard.kind === 'absent') {
      if (write.kind === 'remove') this.#addAbsence(guard.key, guard);
      else this.#addCreate(write, guard);
      return true;
    }
    const at = guard.kind === 'unchanged' ? nodeVersionOf(guard.version) : undefined;
    if (write.kind === 'remove') {
      this.#add({ kind: 'delete', path, version: at?.version ?? ANY_VERSION }, guard);
      return true;
    }
    // Of which kind the node is that exists, or which session's, only a read can tell.
    if (!at || at.isOwned) return false;
    if (this.#context.ownerOf(write) === undefined) this.#addSet(write, at.version, guard);
    else this.#addMove(write, at.version, guard);
    return true;
  }

  /** A write of its own, by what is known or guessed of its key. */
  write(write: Write): void {
    const node = this.#context.known.get(write.key);
    if (write.kind === 'remove') {
      if (node === 'absent') this.#addAbsence(write.key, undefined);
      else this.#add({ kind: 'delete', path: this.#path(write.key), version: ANY_VERSION });
      return;
    }
    if (node === undefined || node === 'absent') this.#addCreate(write, undefined);
    else if (node.owner === (this.#context.ownerOf(write) ?? 0n)) this.#addSet(write, node.version);
    else this.#addMove(write, node.version);
  }

  /** Holds exactly where there is no such node, and leaves none behind. */
  #addAbsence(key: Key, guard: Guard | undefined): void {
    const path = this.#path(key);
    this.#noteDirectories(key);
    this.#add({ kind: 'create', path, data: NOTHING, mode: 'persistent' }, guard);
    this.#add({ kind: 'delete', path, version: ANY_VERSION }, guard);
  }

  #addCreate(write: Extract<Write, { kind: 'put' }>, guard: Guard | undefined): void {
    const isOwned = this.#context.ownerOf(write) !== undefined;
    const path = this.#path(write.key);
    const mode = isOwned ? 'ephemeral' : 'persistent';
    this.#noteDirectories(write.key);
    this.#add({ kind: 'create', path, data: write.value, mode }, guard);
    this.#puts.set(write.key, { kind: 'fixed', version: 0, isOwned });
  }

  #addSet(write: Extract<Write, { kind: 'put' }>, version: number, guard?: Guard): void {
    const isOwned = this.#context.ownerOf(write) !== undefined;
    this.#puts.set(write.key, { kind: 'answered', step: this.#steps.length, isOwned });
    this.#add({ kind: 'set', path: this.#path(write.key), data: write.value, version }, guard);
  }

  /** P4 */
  #addMove(write: Extract<Write, { kind: 'put' }>, version: number, guard?: Guard): void {
    if (version > MAX_MOVED_VERSIONS) throw tooOldToMove(write.key, version);
    const isOwned = this.#context.ownerOf(write) !== undefined;
    const path = this.#path(write.key);
    const mode = isOwned ? 'ephemeral' : 'persistent';
    this.#noteDirectories(write.key);
    this.#add({ kind: 'delete', path, version }, guard);
    this.#add({ kind: 'create', path, data: NOTHING, mode }, guard);
    for (let count = 0; count < version; count += 1) {
      this.#add({ kind: 'set', path, data: NOTHING, version: ANY_VERSION }, guard);
    }
    this.#add({ kind: 'set', path, data: write.value, version: ANY_VERSION }, guard);
    this.#puts.set(write.key, { kind: 'fixed', version: version + 1, isOwned });
  }

  #add(op: Op, guard?: Guard): void {
    this.#steps.push({ op, guard });
  }

  #path(key: Key): string {
    return this.#locate(key).path;
  }

  #noteDirectories(key: Key): void {
    for (const path of this.#locate(key).directories) this.#directories.add(path);
  }

  #locate(key: Key): Location {
    let location = this.#locations.get(key);
    if (!location) {
      location = this.#context.layout.locate(key);
      this.#locations.set(key, location);
    }
    return location;
  }
}

function tooOldToMove(key: Key, version: number): HoldfastError {
  return new HoldfastError(
    'RESOURCE_EXHAUSTED',
    `${JSON.stringify(key)} has changed ${version} times; on ZooKeeper a key can move between sessions, or to and from ` +
      `none, only within its first ${MAX_MOVED_VERSIONS} changes; remove it first, in a commit of its own`,
  );
}
