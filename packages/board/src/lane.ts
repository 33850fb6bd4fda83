// Lanes of the ready index: which jobs wait in the same order for the same workers. The lane of a job
// says which version of its flow it is bound to, so a worker reads only what it can run, and a job that
// nobody here can continue is never in the way of another.
//
//   <flow>                        not claimed yet: any version may run it
//   <flow>@<version>              bound to a version; a worker with that one, or one that continues it
//   <flow>@<version>+<labels>     a task job: a worker with just that version, and these labels
//
// Invariants:
//   V1. The lane of a job follows from its spec and its status alone (G7).
//   V2. Only a claim binds a job to a version (core, J5), so a job that becomes ready has the lane of the
//       status that it becomes ready from.
//   V3. A member claims what a lane of its own holds, and nothing else, whatever it was found by.
import { createHash } from 'node:crypto';
import { type JobSpec, type JobStatus, labelsText } from '@holdfast/core';
import type { WorkerInfo } from './worker-view.ts';

/** A lane of the ready index. `@` and `+` are in no name, so its texts are unambiguous. */
export interface Lane {
  readonly queue: string;
  /** What follows the queue in the keys: the flow, and what of it may run the job. */
  readonly flowPart: string;
}

/** What the lane of a job follows from. */
export interface JobInLane {
  readonly spec: Pick<JobSpec, 'queue' | 'flow' | 'remoteTask'>;
  /** Absent for a job that is being posted. */
  readonly status?: Pick<JobStatus, 'flowVersion'> | undefined;
}

/** How one worker serves one flow. */
export type ServedFlow = WorkerInfo['served'][number];

/**
 * Characters of a labels text that are spelled in a key; a longer one is hashed, so that every key
 * fits every store. No text of labels looks like a hash: each has an `=`.
 */
const LABELS_SPELLED_MAX = 64;

/** V1: the lane in which the job is, or would be, ready. */
export function laneOf({ spec, status }: JobInLane): Lane {
  const { queue, flow, remoteTask } = spec;
  if (remoteTask) {
    const { flowVersion, labels } = remoteTask;
    return { queue, flowPart: remotePart(flow, flowVersion, labelsText(labels)) };
  }
  return { queue, flowPart: flowPart(flow, status?.flowVersion) };
}

/** How a worker serves a flow; undefined when it doesn't. One that says no more than its name has version 1. */
export function servedBy(info: WorkerInfo, flow: string): ServedFlow | undefined {
  if (!info.flows.includes(flow)) return undefined;
  const served = info.served.find((each) => each.flow === flow);
  return served ?? { flow, version: 1, continues: [], remote: [] };
}

/**
 * V3: the version of its flow with which this worker may claim a ready job; undefined when it may not.
 */
export function versionToClaim(info: WorkerInfo, job: JobInLane): number | undefined {
  const served = servedBy(info, job.spec.flow);
  if (!served || !info.queues.includes(job.spec.queue)) return undefined;
  return partsOf(served).includes(laneOf(job).flowPart) ? served.version : undefined;
}

/** Every lane that a worker claims from. */
export function lanesOf(info: WorkerInfo): readonly Lane[] {
  const parts = info.flows.flatMap((flow) => {
    const served = servedBy(info, flow);
    return served ? partsOf(served) : [];
  });
  const distinct = [...new Set(parts)];
  return [...new Set(info.queues)].flatMap((queue) =>
    distinct.map((part) => ({ queue, flowPart: part })),
  );
}

/** One text for each lane; for maps. */
export function laneName({ queue, flowPart: part }: Lane): string {
  return `${queue}/${part}`;
}

function partsOf({ flow, version, continues, remote }: ServedFlow): readonly string[] {
  return [
    flowPart(flow, undefined),
    flowPart(flow, version),
    ...continues.map((earlier) => flowPart(flow, earlier)),
    ...remote.map((labels) => remotePart(flow, version, labels)),
  ];
}

function flowPart(flow: string, version: number | undefined): string {
  return version === undefined ? flow : `${flow}@${version}`;
}

function remotePart(flow: string, version: number, labels: string): string {
  const isLong = labels.length > LABELS_SPELLED_MAX;
  const text = isLong ? createHash('sha256').update(labels).digest('hex') : labels;
  return `${flow}@${version}+${text}`;
}
