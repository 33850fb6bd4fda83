import { type AtomRecord, isFinal, type JobId, type JobStatus, pendingAtom } from '@holdfast/core';
import type { FlowFields, FlowGraphFields, FlowNodeFields } from '@holdfast/wire';
import { formatAge, formatElapsed } from './duration.ts';
import { colorTaskState } from './state-color.ts';
import { plainText } from './table.ts';
import { describeTaskJob, type TaskJobs, taskJobOf, type ViewedJob } from './task-jobs.ts';
import type { Colors } from './terminal.ts';

interface TreeNode {
  readonly label: string;
  /** A pattern has none, but for one that is named like the step that heads it: a choice, a map. */
  atom?: AtomRecord | undefined;
  readonly isPattern: boolean;
  readonly children: TreeNode[];
  /** A task that does nothing but wait, and for what: a pause says by itself until when. */
  waitsFor?: string | undefined;
}

/** One row of the tree: the name with its branches drawn, and what there is to tell of the task. */
export interface TreeRow {
  /** The task that has begun; undefined for one that has not, and for a pattern. */
  readonly begun: string | undefined;
  readonly name: string;
  readonly state: string;
  readonly took: string;
  readonly tries: string;
  readonly note: string;
  /** Type and message of its last failure; empty when it has none. */
  readonly failure: string;
}

/**
 * The tasks of a job as a tree of the patterns around them, in the flow's order; those of a map's items
 * below the map, item by item. Tasks that nothing has happened to yet are pending. Where the flow isn't
 * known (or no longer has the task), the task stands at the root.
 */
export function taskTree(
  { atoms, status, taskJobs }: Pick<ViewedJob, 'atoms' | 'status' | 'taskJobs'>,
  flow: FlowFields | undefined,
  style: { readonly colors: Colors; readonly nowUnixMs: number },
): readonly TreeRow[] {
  const options = { ...style, status, taskJobs, begun: new Set(atoms.map(({ name }) => name)) };
  const root: TreeNode = { label: '', isPattern: true, children: [] };
  const rest = new Map(atoms.map((atom) => [atom.name, atom]));
  const maps = new Map<string, TreeNode>();
  const waits = new Map<string, string | undefined>();
  for (const node of flow?.nodes ?? []) {
    // The outermost pattern is the flow itself, which the heading names.
    const parent = node.path.slice(1).reduce(childOf, root);
    const atom = rest.get(node.name) ?? pendingAtom(node.name);
    rest.delete(node.name);
    const child = addAtom(parent, atom);
    child.waitsFor = waitOf(node);
    for (const inner of node.body ? waitsIn(node.body) : []) waits.set(...inner);
    for (const name of node.body ? namesIn(node.body) : []) maps.set(name, child);
  }
  const places = new Map([...maps.keys()].map((name, place) => [name, place]));
  const placeOf = ({ name }: AtomRecord): number => places.get(taskOf(name)) ?? 0;
  const others = [...rest.values()].toSorted(
    (a, b) => compareItems(a.name, b.name) || placeOf(a) - placeOf(b) || startOf(a) - startOf(b),
  );
  for (const atom of others) {
    const parent = maps.get(taskOf(atom.name)) ?? root;
    addAtom(parent, atom).waitsFor = waits.get(taskOf(atom.name));
  }
  return root.children.flatMap((child) => rowsOf(child, { ...options, first: '', other: '' }));
}

/** Steps that no graph tells of stand in the order in which they began. */
function startOf({ startedAtUnixMs }: AtomRecord): number {
  return startedAtUnixMs ?? Number.MAX_SAFE_INTEGER;
}

/** The tasks that a map has for each item, those of maps within it too. */
function namesIn({ nodes }: FlowGraphFields): readonly string[] {
  return nodes.flatMap(({ name, body }) => [name, ...(body ? namesIn(body) : [])]);
}

/** What a wait waits for; empty for a pause, undefined for a task that does something. */
function waitOf({ kind, signal }: FlowNodeFields): string | undefined {
  if (kind === 'event') return signal === undefined ? '' : `for signal ${signal}`;
  return kind === 'sleep' ? '' : undefined;
}

/** The waits that a map has for each item. */
function waitsIn({ nodes }: FlowGraphFields): readonly (readonly [string, string | undefined])[] {
  return nodes.flatMap((node) => [
    [node.name, waitOf(node)] as const,
    ...(node.body ? waitsIn(node.body) : []),
  ]);
}

/** `scan` of `scan[3]`, which is the task for one item of a map. */
function taskOf(name: string): string {
  return name.replace(/\[.*$/, '');
}

function compareItems(a: string, b: string): number {
  const [itemOfA, itemOfB] = [a, b].map((name) => name.slice(taskOf(name).length));
  return (itemOfA ?? '').localeCompare(itemOfB ?? '', 'en', { numeric: true });
}

/** Adds a step; one that heads a pattern of its own name stands for it. */
function addAtom(parent: TreeNode, atom: AtomRecord): TreeNode {
  if (parent.isPattern && !parent.atom && parent.label === atom.name) {
    parent.atom = atom;
    return parent;
  }
  const child: TreeNode = { label: atom.name, atom, isPattern: false, children: [] };
  parent.children.push(child);
  return child;
}

function childOf(parent: TreeNode, label: string): TreeNode {
  const known = parent.children.find((child) => child.isPattern && child.label === label);
  if (known) return known;
  const created: TreeNode = { label, isPattern: true, children: [] };
  parent.children.push(created);
  return created;
}

interface RowOptions {
  readonly colors: Colors;
  readonly nowUnixMs: number;
  readonly status: JobStatus;
  readonly taskJobs: TaskJobs | undefined;
  readonly begun: ReadonlySet<string>;
  /** What stands before the node's own name, and before those of its children. */
  readonly first: string;
  readonly other: string;
}

const NOTHING_TO_TELL = { state: '', took: '', tries: '', note: '', failure: '' };

function rowsOf(node: TreeNode, options: RowOptions): TreeRow[] {
  const { first, other } = options;
  const own = node.atom
    ? {
        name: first + node.label,
        begun: options.begun.has(node.atom.name) ? node.atom.name : undefined,
        ...describeTask(node.atom, node.waitsFor, options),
      }
    : { name: first + options.colors.dim(node.label), begun: undefined, ...NOTHING_TO_TELL };
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

function describeTask(
  atom: AtomRecord,
  waitsFor: string | undefined,
  options: RowOptions,
): Omit<TreeRow, 'name' | 'begun'> {
  const { colors, nowUnixMs, status, taskJobs } = options;
  const taskJob = taskJobOf(atom, status);
  const isInWait =
    waitsFor !== undefined && atom.state === 'running' && !isFinal(status.phase.kind);
  // A wait lasts from one attempt to the next.
  const cutOffAtUnixMs = isInWait ? undefined : cutOffAt(atom, status);
  const isInterrupted = cutOffAtUnixMs !== undefined;
  const interrupted = atom.state === 'running' ? 'interrupted' : 'revert interrupted';
  const state = isInterrupted
    ? colors.yellow(interrupted)
    : isInWait || (taskJob ? isQueued(taskJob, taskJobs) : isWaiting(atom, status))
      ? colors.yellow('waiting')
      : colorTaskState(atom.state, colors);
  return {
    state,
    took: elapsedOf(atom, cutOffAtUnixMs ?? nowUnixMs),
    tries: atom.tries === 0 ? '' : `${atom.tries}`,
    note: [
      ...(isInWait && waitsFor !== '' ? [waitsFor] : []),
      ...(taskJob ? [describeTaskJob(taskJob, taskJobs)] : []),
      noteOf(atom, { nowUnixMs, isGoingOn: GOING_ON.has(status.phase.kind) }),
      ...(isOfEarlierVersion(atom, status) ? [`of version ${atom.flowVersion}`] : []),
    ]
      .filter((part) => part !== '')
      .join(', '),
    failure: failureOf(atom),
  };
}

/** True for what an earlier version of the flow has written: it may count for a task of another name now. */
function isOfEarlierVersion({ attempt, flowVersion }: AtomRecord, status: JobStatus): boolean {
  return attempt > 0 && flowVersion < (status.flowVersion ?? 0);
}

/** True for a pause or a wait for a signal that its attempt was ended for: nothing runs, nothing is cut off. */
function isWaiting(atom: AtomRecord, { phase, attempt, attempts }: JobStatus): boolean {
  if (atom.state !== 'running' || atom.attempt !== attempt) return false;
  const waits = ['waiting', 'scheduled', 'suspended'].includes(phase.kind);
  return waits && attempts.at(-1)?.end === 'released';
}

/** True for a task job that is known not to run now: it waits for a worker, or for its next try. */
function isQueued(id: JobId, taskJobs: TaskJobs | undefined): boolean {
  const status = taskJobs?.get(id);
  return status !== undefined && status.phase.kind !== 'running';
}

/**
 * When the attempt ended that a task's checkpoint was written by, where it says that the task is under
 * way: the next attempt takes it up, or nobody does. Undefined for a task that isn't cut off.
 */
function cutOffAt(atom: AtomRecord, status: JobStatus): number | undefined {
  if (atom.state !== 'running' && atom.state !== 'reverting') return undefined;
  if (status.phase.kind === 'running' && atom.attempt === status.attempt) return undefined;
  if (isWaiting(atom, status) || taskJobOf(atom, status)) return undefined;
  const attempt = status.attempts.find(({ number }) => number === atom.attempt);
  return attempt?.endedAtUnixMs ?? atom.startedAtUnixMs;
}

function elapsedOf(atom: AtomRecord, nowUnixMs: number): string {
  if (atom.startedAtUnixMs === undefined) return '';
  return formatElapsed((atom.finishedAtUnixMs ?? nowUnixMs) - atom.startedAtUnixMs);
}

/** States of a job in which what is to come will come by itself. */
const GOING_ON: ReadonlySet<string> = new Set(['scheduled', 'waiting', 'ready', 'running']);

function noteOf(
  atom: AtomRecord,
  { nowUnixMs, isGoingOn }: { readonly nowUnixMs: number; readonly isGoingOn: boolean },
): string {
  const { progress, progressMessage, executions, tries, revertTries, nextAtUnixMs, rounds } = atom;
  const parts: string[] = [];
  const isInFlight = atom.state === 'running' || atom.state === 'reverting';
  const isUndone = atom.state !== 'success' && progress > 0 && progress < 1;
  if (isInFlight && progress > 0) parts.push(`${Math.round(progress * 100)}%`);
  else if (isUndone) parts.push(`got to ${Math.round(progress * 100)}%`);
  if (isInFlight && progressMessage) parts.push(plainText(progressMessage));
  if (isGoingOn && nextAtUnixMs !== undefined && nextAtUnixMs > nowUnixMs) {
    const what = atom.state === 'running' ? 'goes on' : 'next try';
    parts.push(`${what} ${formatAge(nextAtUnixMs, nowUnixMs)}`);
  }
  if (executions > tries) parts.push(`ran ${executions} times`);
  if (revertTries > 1) parts.push(`revert ran ${revertTries} times`);
  if (rounds.length > 1) parts.push(`round ${rounds.length}`);
  const errors = atom.errors.length + atom.errorsDropped;
  if (errors > 0) parts.push(`${errors} non-fatal ${errors === 1 ? 'error' : 'errors'}`);
  return parts.join(', ');
}

function failureOf({ revertFailure, failure }: AtomRecord): string {
  const last = revertFailure ?? failure;
  return last ? plainText(`${last.type}: ${last.message}`) : '';
}
