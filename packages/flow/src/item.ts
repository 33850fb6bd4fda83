import type { Choice } from './choice.ts';
import type { EventWait } from './event-wait.ts';
import type { MapItem } from './map.ts';
import type { Pattern } from './pattern.ts';
import type { Controlled } from './retry-controller.ts';
import type { Sleep } from './sleep.ts';
import type { Task } from './task.ts';

/** Whatever may stand in a flow. */
export type AnyItem = Task | Pattern | Controlled | Choice | MapItem | Sleep | EventWait;

/** What tells an item of a kind from anything else that says it is one. */
const PARTS: Readonly<Record<AnyItem['kind'], readonly string[]>> = {
  task: ['spec'],
  linear: ['items', 'links'],
  unordered: ['items', 'links'],
  graph: ['items', 'links'],
  retry: ['spec', 'retry', 'item'],
  choice: ['spec', 'choice', 'cases'],
  map: ['spec', 'over', 'body'],
  sleep: ['spec', 'sleep'],
  event: ['spec', 'event'],
};

/** True for a task, a pattern, and anything else that this package makes to stand in a flow. */
export function isItem(value: unknown): value is AnyItem {
  if (typeof value !== 'object' || value === null) return false;
  if (!('kind' in value) || typeof value.kind !== 'string') return false;
  if (!('name' in value) || typeof value.name !== 'string') return false;
  return isKind(value.kind) && PARTS[value.kind].every((part) => part in value);
}

function isKind(kind: string): kind is AnyItem['kind'] {
  return Object.hasOwn(PARTS, kind);
}
