// How a task stands in the job that is drawn: a few words, and a colour for them.
import { type AtomRecord, decodeJson, type TaskState } from '@holdfast/core';

/** The state of what is drawn; a task that does nothing but wait, or sleep, has one of its own. */
export interface DrawnState {
  readonly text: string;
  readonly paint: Paint;
}

/** What a state is painted as. */
export type Paint = TaskState | 'waiting';

/** What is drawn of a task, as far as its state depends on it. */
export interface StatefulNode {
  readonly name: string;
  readonly kind?: string;
  readonly signal?: string;
}

/** The states of a job's tasks. */
export class DrawnStates {
  readonly #atoms: ReadonlyMap<string, AtomRecord>;
  /** The records of each task of a map's body, one for each item that has begun. */
  readonly #items: ReadonlyMap<string, readonly AtomRecord[]>;

  /** Whether the job is over, so that nothing of it runs or waits any more. */
  readonly #isOver: boolean;

  constructor(atoms: readonly AtomRecord[], isOver: boolean) {
    this.#isOver = isOver;
    this.#atoms = new Map(atoms.map((atom) => [atom.name, atom]));
    this.#items = Map.groupBy(atoms, ({ name }) => templateOf(name));
  }

  /** How a task of the flow stands. */
  of(node: StatefulNode): DrawnState {
    const atom = this.#atoms.get(node.name);
    const state = atom?.state ?? 'pending';
    if (this.#isOver && IN_FLIGHT.has(state)) return { text: 'interrupted', paint: 'pending' };
    if (state === 'running' && node.kind === 'event') {
      return { text: `waiting for signal ${node.signal ?? '?'}`, paint: 'waiting' };
    }
    if (state === 'running' && node.kind === 'sleep') {
      return { text: sleepText(atom?.nextAtUnixMs), paint: 'waiting' };
    }
    return { text: WORDS[state], paint: state };
  }

  /** How a task of the body of `map` stands, over all items: how many of them are in which state. */
  ofItems(node: StatefulNode, map: string): DrawnState {
    const begun = this.#items.get(node.name) ?? [];
    const waits = node.kind === 'event' || node.kind === 'sleep';
    const counts = new Map<Paint, number>();
    const add = (paint: Paint, count: number): void =>
      void counts.set(paint, (counts.get(paint) ?? 0) + count);
    for (const { state } of begun) add(waits && state === 'running' ? 'waiting' : state, 1);
    const items = this.#countItems(map);
    if (items === 0) return { text: 'no items', paint: 'ignore' };
    // What has no record yet is still to come.
    if (items !== undefined && items > begun.length) add('pending', items - begun.length);
    const present = BY_WEIGHT.filter((paint) => counts.has(paint));
    const text = BY_COURSE.filter((paint) => counts.has(paint))
      .map((paint) => `${counts.get(paint)} ${WORDS[paint]}`)
      .join(', ');
    return { text: text === '' ? WORDS.pending : text, paint: present[0] ?? 'pending' };
  }

  /** The items of a map, over all items of the maps around it; undefined while no list is known. */
  #countItems(map: string): number | undefined {
    const known = (this.#items.get(map) ?? []).flatMap(({ result }) => {
      // What a map checkpoints is how long its list is.
      const { count } = (result ? decodeJson(result) : {}) as { readonly count?: unknown };
      return typeof count === 'number' ? [count] : [];
    });
    return known.length === 0 ? undefined : known.reduce((sum, count) => sum + count, 0);
  }
}

const IN_FLIGHT: ReadonlySet<TaskState> = new Set(['running', 'reverting']);

/** `scan` of `scan[3]`, which is the task for one item of a map. */
function templateOf(name: string): string {
  return name.replace(/\[.*$/, '');
}

function sleepText(untilUnixMs: number | undefined): string {
  if (untilUnixMs === undefined) return 'sleeping';
  return `sleeping until ${new Date(untilUnixMs).toISOString().replace(/\.\d+/, '')}`;
}

const WORDS: Readonly<Record<Paint, string>> = {
  pending: 'pending',
  ignore: 'ignore',
  running: 'running',
  waiting: 'waiting',
  success: 'success',
  failure: 'failure',
  reverting: 'reverting',
  reverted: 'reverted',
  revertFailure: 'revert failure',
  retrying: 'retrying',
};

/** The order in which the states of items are told. */
const BY_COURSE: readonly Paint[] = [
  ...(['success', 'ignore', 'running', 'waiting', 'retrying', 'pending'] as const),
  ...(['failure', 'reverting', 'reverted', 'revertFailure'] as const),
];

/** Several items are painted as that one which somebody should see first. */
const BY_WEIGHT: readonly Paint[] = [
  ...(['revertFailure', 'failure', 'reverting', 'reverted'] as const),
  ...(['running', 'retrying', 'waiting', 'pending', 'success', 'ignore'] as const),
];

/** The colours of a state: dark text on `fill` is readable, in print and for the colour-blind too. */
export const STATE_PAINT: Readonly<
  Record<Paint, { readonly fill: string; readonly line: string }>
> = {
  pending: { fill: '#f4f4f4', line: '#8a8a8a' },
  ignore: { fill: '#ffffff', line: '#b5b5b5' },
  running: { fill: '#d3e9ff', line: '#1f6fb8' },
  waiting: { fill: '#e3f4f4', line: '#2b7a78' },
  success: { fill: '#d9f2dc', line: '#2c7a36' },
  failure: { fill: '#fbd7d5', line: '#b3261e' },
  reverting: { fill: '#fff0c9', line: '#96690b' },
  reverted: { fill: '#fff8e6', line: '#96690b' },
  revertFailure: { fill: '#f6b8b4', line: '#8c1d18' },
  retrying: { fill: '#ece0ff', line: '#6a3fb0' },
};
