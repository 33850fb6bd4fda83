// A small checker for linearizability, after Wing and Gong, with the memory of Lowe: it looks for an
// order of the operations of a history that agrees with real time and that a store, doing one thing
// after the other, would have answered in the same way.
import type { Commit, CommitResult, Entry, Guard, Key, Version } from '../coord.ts';

/** Something a client did: what it asked, what it was told, and when (by one common count). */
export type Operation = {
  readonly calledAt: number;
  readonly returnedAt: number;
} & (
  | { readonly kind: 'read'; readonly keys: readonly Key[]; readonly entries: readonly Entry[] }
  | { readonly kind: 'commit'; readonly commit: Commit; readonly result: CommitResult }
);

interface Cell {
  readonly value: Uint8Array;
  readonly version: Version;
}
type State = ReadonlyMap<Key, Cell>;

/**
 * An order of the operations that explains the history of a store that was empty at first, or
 * undefined when there is none. Meant for histories of up to about a hundred operations, of which
 * few overlap at any time.
 */
export function findOrder(history: readonly Operation[]): readonly Operation[] | undefined {
  const operations = history.toSorted((a, b) => a.calledAt - b.calledAt);
  const deadEnds = new Set<string>();
  const order: Operation[] = [];

  function extend(done: bigint, state: State): boolean {
    if (order.length === operations.length) return true;
    const configuration = `${done}|${formatState(state)}`;
    if (deadEnds.has(configuration)) return false;
    for (const [index, operation] of candidates(operations, done)) {
      const next = apply(state, operation);
      if (!next) continue;
      order.push(operation);
      if (extend(done | (1n << BigInt(index)), next)) return true;
      order.pop();
    }
    deadEnds.add(configuration);
    return false;
  }

  return extend(0n, new Map()) ? order : undefined;
}

/** The operations that may come next: those called before any other open one returned. */
function candidates(operations: readonly Operation[], done: bigint): [number, Operation][] {
  const open: [number, Operation][] = [];
  let firstReturn = Number.POSITIVE_INFINITY;
  for (const [index, operation] of operations.entries()) {
    if (operation.calledAt > firstReturn) break;
    if (done & (1n << BigInt(index))) continue;
    open.push([index, operation]);
    firstReturn = Math.min(firstReturn, operation.returnedAt);
  }
  return open.filter(([, operation]) => operation.calledAt < firstReturn);
}

/** The state after the operation, or undefined when in this state it would have been answered otherwise. */
function apply(state: State, operation: Operation): State | undefined {
  if (operation.kind === 'read') return isTrueRead(state, operation) ? state : undefined;
  const { commit, result } = operation;
  const failed = commit.when.find((guard) => !holds(guard, state.get(guard.key)));
  if (!result.committed) return isSameGuard(failed, result.failedGuard) ? state : undefined;
  return failed ? undefined : written(state, commit, result);
}

function written(
  state: State,
  commit: Commit,
  result: Extract<CommitResult, { committed: true }>,
): State | undefined {
  const next = new Map(state);
  for (const write of commit.write) {
    if (write.kind === 'remove') {
      next.delete(write.key);
      continue;
    }
    const version = result.versionOf(write.key);
    const before = state.get(write.key);
    if (before && before.version >= version) return undefined; // C3
    next.set(write.key, { value: write.value, version });
  }
  return next;
}

function isTrueRead(state: State, read: Extract<Operation, { kind: 'read' }>): boolean {
  const entries = new Map(read.entries.map((entry) => [entry.key, entry]));
  return read.keys.every((key) => {
    const entry = entries.get(key);
    const cell = state.get(key);
    if (!entry || !cell) return !entry && !cell;
    return entry.version === cell.version && Buffer.compare(entry.value, cell.value) === 0;
  });
}

// Written anew rather than taken from the driver's own code, which this checker is there to judge.
function holds(guard: Guard, cell: Cell | undefined): boolean {
  if (guard.kind === 'absent') return !cell;
  if (guard.kind === 'exists') return cell !== undefined;
  return cell?.version === guard.version;
}

function isSameGuard(a: Guard | undefined, b: Guard): boolean {
  if (a?.kind !== b.kind || a.key !== b.key) return false;
  return a.kind !== 'unchanged' || b.kind !== 'unchanged' || a.version === b.version;
}

function formatState(state: State): string {
  return [...state]
    .map(([key, cell]) => `${key}@${cell.version}=${Buffer.from(cell.value).toString('latin1')}`)
    .sort()
    .join(',');
}
