import { InvalidArgumentError } from './errors.ts';
import { LIMITS } from './limits.ts';
import { parseName } from './names.ts';

/** What a worker says of itself, and a remote task asks for: names with values that are names too. */
export type WorkerLabels = Readonly<Record<string, string>>;

/**
 * Returns the labels when all names and values are names, and there are at most `LIMITS.labelsPerJob`;
 * else throws {@link InvalidArgumentError} naming `field`.
 */
export function parseWorkerLabels(labels: WorkerLabels, field: string): WorkerLabels {
  const entries = Object.entries(labels);
  if (entries.length > LIMITS.labelsPerJob) {
    const allowed = `up to ${LIMITS.labelsPerJob} labels`;
    throw new InvalidArgumentError(field, { value: `${entries.length} labels`, allowed });
  }
  for (const [name, value] of entries) {
    parseName(name, field);
    parseName(value, `${field}.${name}`);
  }
  return Object.freeze({ ...labels });
}

/** True when a worker with the labels `has` may run what asks for `wants`. */
export function hasLabels(has: WorkerLabels, wants: WorkerLabels): boolean {
  return Object.entries(wants).every(
    ([name, value]) => Object.hasOwn(has, name) && has[name] === value,
  );
}

/** The labels as one text: `name=value` separated by commas, in the order of the names; empty for none. */
export function labelsText(labels: WorkerLabels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(',');
}
