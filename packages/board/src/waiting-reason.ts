// Why a job isn't running, in words. Pure.
import {
  type AtomRecord,
  type JobSpec,
  type JobStatus,
  labelsText,
  type RemoteTask,
} from '@holdfast/core';
import type { JobView } from './job-view.ts';
import { servedBy, versionToClaim } from './lane.ts';
import type { WorkerInfo } from './worker-view.ts';

/** Empty when the job runs or is final. `live`: the members whose session lives. */
export function waitingReason(
  { spec, status, atoms }: Pick<JobView, 'spec' | 'status' | 'atoms'>,
  live: readonly WorkerInfo[],
): string {
  const { phase } = status;
  if (phase.kind === 'scheduled') {
    return `not before ${new Date(phase.runAtUnixMs).toISOString()}: ${phase.reason}`;
  }
  if (phase.kind === 'waiting') {
    const until =
      phase.untilUnixMs === undefined
        ? ''
        : `, until ${new Date(phase.untilUnixMs).toISOString()} at the latest`;
    const cause = atoms.some(runsElsewhere)
      ? 'for remote tasks to end, or a signal'
      : 'for a signal';
    return `${cause}${until}: ${phase.reason}`;
  }
  if (phase.kind === 'suspended') {
    return `until it is resumed${phase.reason === '' ? '' : `: ${phase.reason}`}`;
  }
  if (phase.kind !== 'ready') return '';
  const serving = live.filter((worker) => versionToClaim(worker, { spec, status }) !== undefined);
  if (serving.length === 0) return nobodyServes(spec, status, live);
  if (serving.every((worker) => worker.isDraining)) {
    return `every live worker that serves flow ${spec.flow} on queue ${spec.queue} is draining`;
  }
  return `waits for its turn in queue ${spec.queue}`;
}

function runsElsewhere({ state, taskJob }: AtomRecord): boolean {
  return taskJob !== undefined && (state === 'running' || state === 'reverting');
}

function nobodyServes(spec: JobSpec, status: JobStatus, live: readonly WorkerInfo[]): string {
  const { flow, queue, remoteTask } = spec;
  const withFlow = live.filter((worker) => worker.flows.includes(flow));
  if (withFlow.length === 0) return `no live worker serves flow ${flow}`;
  const here = withFlow.filter((worker) => worker.queues.includes(queue));
  if (here.length === 0) {
    const queues = new Set(withFlow.flatMap((worker) => worker.queues));
    return `no live worker serves flow ${flow} on queue ${queue}; it is served on: ${[...queues].sort().join(', ')}`;
  }
  return remoteTask
    ? nobodyRunsTask(remoteTask, { flow, queue }, here)
    : nobodyContinues(status.flowVersion, { flow, queue }, here);
}

/** Of the workers that serve the flow on the job's queue. */
function nobodyContinues(
  version: number | undefined,
  { flow, queue }: Served,
  here: readonly WorkerInfo[],
): string {
  return (
    `it is of version ${version} of flow ${flow}, which no live worker continues on queue ${queue}; ` +
    `there, workers have version ${versionsOf(flow, here)}`
  );
}

function nobodyRunsTask(
  { task, flowVersion, labels }: RemoteTask,
  { flow, queue }: Served,
  here: readonly WorkerInfo[],
): string {
  const sameVersion = here.filter((worker) => servedBy(worker, flow)?.version === flowVersion);
  if (sameVersion.length === 0) {
    return (
      `it runs task ${task} of version ${flowVersion} of flow ${flow}, which no live worker serves on ` +
      `queue ${queue}; there, workers have version ${versionsOf(flow, here)}`
    );
  }
  const wanted = labelsText(labels);
  return wanted === ''
    ? `no live worker on queue ${queue} runs tasks of version ${flowVersion} of flow ${flow} as jobs of their own`
    : `no live worker that serves version ${flowVersion} of flow ${flow} on queue ${queue} has the labels ${wanted}`;
}

interface Served {
  readonly flow: string;
  readonly queue: string;
}

function versionsOf(flow: string, workers: readonly WorkerInfo[]): string {
  const versions = workers.flatMap((worker) => servedBy(worker, flow)?.version ?? []);
  return [...new Set(versions)].sort((a, b) => a - b).join(', ');
}
