// Why a job isn't running, in words. Pure.
import type { JobSpec, JobStatus } from '@holdfast/core';
import type { WorkerInfo } from './worker-view.ts';

/** Empty when the job runs or is final. `live`: the members whose session lives. */
export function waitingReason(
  spec: JobSpec,
  status: JobStatus,
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
    return `for a signal${until}: ${phase.reason}`;
  }
  if (phase.kind === 'suspended') {
    return `until it is resumed${phase.reason === '' ? '' : `: ${phase.reason}`}`;
  }
  if (phase.kind !== 'ready') return '';
  const serving = live.filter(
    (worker) => worker.flows.includes(spec.flow) && worker.queues.includes(spec.queue),
  );
  if (serving.length === 0) return nobodyServes(spec, live);
  if (serving.every((worker) => worker.isDraining)) {
    return `every live worker that serves flow ${spec.flow} on queue ${spec.queue} is draining`;
  }
  return `waits for its turn in queue ${spec.queue}`;
}

function nobodyServes(spec: JobSpec, live: readonly WorkerInfo[]): string {
  const queues = new Set(
    live.filter((worker) => worker.flows.includes(spec.flow)).flatMap((worker) => worker.queues),
  );
  if (queues.size > 0) {
    return `no live worker serves flow ${spec.flow} on queue ${spec.queue}; it is served on: ${[...queues].sort().join(', ')}`;
  }
  return `no live worker serves flow ${spec.flow}`;
}
