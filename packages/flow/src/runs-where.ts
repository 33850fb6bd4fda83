import {
  InvalidArgumentError,
  LIMITS,
  labelsText,
  parseWorkerLabels,
  type WorkerLabels,
} from '@holdfast/core';
import type { RunsWhere, TaskSpec } from './task.ts';

const ANY_WORKER: WorkerLabels = Object.freeze({});

/**
 * Returns where a task runs, frozen. Throws InvalidArgumentError naming `field` for anything else, and
 * for labels that are longer than `LIMITS.remoteLabelsLength` together.
 */
export function checkRuns(runs: RunsWhere | undefined, field: string): RunsWhere | undefined {
  if (runs === undefined || runs === 'here' || runs === 'anywhere') return runs;
  // Callers without types may hand in anything.
  const labels = typeof runs === 'object' ? (runs as { labels?: unknown } | null)?.labels : runs;
  if (typeof labels !== 'object' || labels === null) {
    throw new InvalidArgumentError(field, {
      value: typeof runs === 'string' ? runs : typeof runs,
      allowed: "'here', 'anywhere', or { labels } with what a worker has to have",
    });
  }
  const checked = parseWorkerLabels(labels as WorkerLabels, `${field}.labels`); // checks each of them
  const { length } = labelsText(checked);
  if (length > LIMITS.remoteLabelsLength) {
    throw new InvalidArgumentError(`${field}.labels`, {
      value: `${length} characters of names and values`,
      allowed: `up to ${LIMITS.remoteLabelsLength} together`,
    });
  }
  return Object.freeze({ labels: checked });
}

/**
 * What a worker has to have to run this plain task as a job of its own; undefined for a task that runs
 * where its flow does. `fallback` is what the flow says for tasks that don't say it themselves.
 */
export function labelsToRun(
  task: Pick<TaskSpec, 'runs'>,
  fallback: RunsWhere,
): WorkerLabels | undefined {
  const runs = task.runs ?? fallback;
  if (runs === 'here') return undefined;
  return runs === 'anywhere' ? ANY_WORKER : runs.labels;
}
