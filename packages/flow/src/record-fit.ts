// Whether the records of a job can be read as what its flow has under their names. A step that was
// recorded as one kind and is another now would be misread, or bring the run down.
import { type AtomRecord, decodeJson } from '@holdfast/core';
import type { PlanRole } from './flow-plan.ts';
import { type RecordedNode, taskNameOf } from './migration.ts';
import type { Values } from './run-values.ts';

/** What is wrong with the first record that doesn't fit, in words; undefined when all do. */
export function findMisfit(
  atoms: Iterable<AtomRecord>,
  nodes: ReadonlyMap<string, RecordedNode>,
): string | undefined {
  for (const atom of atoms) {
    const found = nodes.get(taskNameOf(atom.name));
    // One that stands elsewhere among maps than it did is another task, of which there is no record.
    if (!found || atom.name.split('[').length - 1 !== found.depth) continue;
    const problem = problemOf(atom, found.node.role);
    if (problem !== undefined) return `${problem}, and is ${KIND_WORDS[found.node.role.kind]} now`;
  }
  return undefined;
}

const KIND_WORDS: Readonly<Record<PlanRole['kind'], string>> = {
  task: 'a task',
  join: 'a point in the order',
  retry: 'a retry controller',
  choice: 'a choice',
  sleep: 'a sleep',
  event: 'a wait',
  fork: 'a map',
  gather: 'the end of a map',
};

function problemOf(atom: AtomRecord, role: PlanRole): string | undefined {
  const { name, state, result, rounds } = atom;
  if (role.kind === 'retry') {
    return state === 'success' && rounds.length === 0
      ? `'${name}' was recorded without the rounds of a retry controller`
      : undefined;
  }
  if (state === 'retrying') return `'${name}' was recorded as a retry controller`;
  if (state === 'success' && !result) return `'${name}' was recorded without a result`;
  if (!result) return undefined;
  if (role.kind === 'fork') {
    const count = onlyValue(decodeJson(result), 'count');
    const isCount = typeof count === 'number' && Number.isInteger(count) && count >= 0;
    return isCount ? undefined : `'${name}' was recorded without the length of a list`;
  }
  if (role.kind !== 'choice' || state !== 'success') return undefined;
  const chosen = onlyValue(decodeJson(result), 'case');
  if (chosen === null || role.cases.some((each) => each.name === chosen)) return undefined;
  return typeof chosen === 'string'
    ? `'${name}' was recorded as a choice of the case '${chosen}', which there is no more`
    : `'${name}' was recorded without the case of a choice`;
}

/** The value of an object that has no other. */
function onlyValue(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const values = value as Values; // as was just checked
  return Object.keys(values).join() === name ? values[name] : undefined;
}
