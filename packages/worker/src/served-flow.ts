import type { WorkerInfo } from '@holdfast/board';
import { hasLabels, labelsText, type WorkerLabels } from '@holdfast/core';
import { type AnyFlow, remoteLabelsOf } from '@holdfast/flow';

/**
 * A flow as a worker with these labels serves it: jobs of which versions it runs, and those remote tasks
 * that ask for nothing which it doesn't have.
 */
export function servedFlow(flow: AnyFlow, labels: WorkerLabels): WorkerInfo['served'][number] {
  const wanted = remoteLabelsOf(flow).filter((wants) => hasLabels(labels, wants));
  return {
    flow: flow.name,
    version: flow.version,
    continues: flow.continues,
    remote: wanted.map(labelsText),
  };
}
