import { type AtomRecord, type JobStatus, pendingAtom } from '@holdfast/core';
import type { FlowFields, JobViewFields } from '@holdfast/wire';
import { formatElapsed } from './duration.ts';
import { colorTaskState } from './state-color.ts';
import { plainText } from './table.ts';
import type { Colors } from './terminal.ts';

interface TreeNode {
  readonly label: string;
  readonly atom?: AtomRecord | undefined;
  readonly children: TreeNode[];
}

/** One row of the tree: the name with its branches drawn, and what there is to tell of the task. */
export interface TreeRow {
  readonly name: string;
  readonly state: string;
  readonly took: string;
  readonly tries: string;
  readonly note: string;
}

/**
 * The tasks of a job as a tree of the patterns around them, in the flow's order. Tasks that nothing
 * has happened to yet are pending. Where the flow isn't known (or no longer has the task), the task
 * stands at the root.
 */
export function taskTree(
  { atoms, status }: Pick<JobViewFields, 'atoms' | 'status'>,
  flow: FlowFields | undefined,
  style: { readonly colors: Colors; readonly nowUnixMs: number },
): readonly TreeRow[] {
  const options = { ...style, status };
  const root: TreeNode = { label: '', children: [] };
  const rest = new Map(atoms.map((atom) => [atom.name, atom]));
  for (const node of flow?.nodes ?? []) {
    // The outermost pattern is the flow itself, which the heading names.
    const parent = node.path.slice(1).reduce(childOf, root);
    const atom = rest.get(node.name) ?? pendingAtom(node.name);
    rest.delete(node.name);
    parent.children.push({ label: node.name, atom, children: [] });
  }
  for (const atom of rest.values()) root.children.push({ label: atom.name, atom, children: [] });
  return root.children.flatMap((child) => rowsOf(child, { ...options, first: '', other: '' }));
}

function childOf(parent: TreeNode, label: string): TreeNode {
  const known = parent.children.find((child) => !child.atom && child.label === label);
  if (known) return known;
  const created: TreeNode = { label, children: [] };
  parent.children.push(created);
  return created;
}

interface RowOptions {
  readonly colors: Colors;
  readonly nowUnixMs: number;
  readonly status: JobStatus;
  /** What stands before the node's own name, and before those of its children. */
  readonly first: string;
  readonly other: string;
}

function rowsOf(node: TreeNode, options: RowOptions): TreeRow[] {
  const { first, other } = options;
  const own = node.atom
    ? { name: first + node.label, ...describeTask(node.atom, options) }
    : { name: first + options.colors.dim(node.label), state: '', took: '', tries: '', note: '' };
  const children = node.children.flatMap((child, index) => {
    const isLast = index === node.children.length - 1;
    return rowsOf(child, {
      ...options,
      first: `${other}${isLast ? '└─ ' : '├─ '}`,
      other: `${other}${isLast ? '   ' : '│  '}`,
    });
  });
  return [own, ...children];
}

function describeTask(atom: AtomRecord, options: RowOptions): Omit<TreeRow, 'name'> {
  const { colors, nowUnixMs } = options;
  const cutOffAtUnixMs = cutOffAt(atom, options.status);
  return {
    state:
      cutOffAtUnixMs === undefined
        ? colorTaskState(atom.state, colors)
        : colors.yellow(atom.state === 'running' ? 'interrupted' : 'revert interrupted'),
    took: elapsedOf(atom, cutOffAtUnixMs ?? nowUnixMs),
    tries: atom.tries === 0 ? '' : `${atom.tries}`,
    note: noteOf(atom),
  };
}

/**
 * When the attempt ended that a task's checkpoint was written by, where it says that the task is under
 * way: the next attempt takes it up, or nobody does. Undefined for a task that isn't cut off.
 */
function cutOffAt(atom: AtomRecord, status: JobStatus): number | undefined {
  if (atom.state !== 'running' && atom.state !== 'reverting') return undefined;
  if (status.phase.kind === 'running' && atom.attempt === status.attempt) return undefined;
  const attempt = status.attempts.find(({ number }) => number === atom.attempt);
  return attempt?.endedAtUnixMs ?? atom.startedAtUnixMs;
}

function elapsedOf(atom: AtomRecord, nowUnixMs: number): string {
  if (atom.startedAtUnixMs === undefined) return '';
  return formatElapsed((atom.finishedAtUnixMs ?? nowUnixMs) - atom.startedAtUnixMs);
}

function noteOf(atom: AtomRecord): string {
  const parts: string[] = [];
  const isInFlight = atom.state === 'running' || atom.state === 'reverting';
  if (isInFlight && atom.progress > 0) parts.push(`${Math.round(atom.progress * 100)}%`);
  if (isInFlight && atom.progressMessage) parts.push(plainText(atom.progressMessage));
  if (atom.executions > atom.tries) parts.push(`ran ${atom.executions} times`);
  const errors = atom.errors.length + atom.errorsDropped;
  if (errors > 0) parts.push(`${errors} non-fatal ${errors === 1 ? 'error' : 'errors'}`);
  const failure = atom.revertFailure ?? atom.failure;
  if (failure) parts.push(plainText(`${failure.type}: ${failure.message}`));
  return parts.join(', ');
}
