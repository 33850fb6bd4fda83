// The layout of the board's keys, in one place. `/` separates parts; names, ids and encoded times
// never contain one (core's names.ts and ids.ts see to that), so prefixes are unambiguous.
import { createHash } from 'node:crypto';
import type {
  JobId,
  JobSpec,
  JobStatus,
  ReadyPosition,
  RemoteTask,
  WorkerId,
} from '@holdfast/core';
import { HoldfastError } from '@holdfast/core';
import { type Lane, laneOf } from './lane.ts';

/** Digits of a time in a key: milliseconds, zero-padded, good until the year 5138. */
const TIME_DIGITS = 14;

export const specKey = (id: JobId): string => `spec/${id}`;
export const statusKey = (id: JobId): string => `status/${id}`;
export const outcomeKey = (id: JobId): string => `outcome/${id}`;
export const controlKey = (id: JobId): string => `control/${id}`;
export const atomsPrefix = (id: JobId): string => `atoms/${id}/`;
export const atomKey = (id: JobId, name: string): string => `atoms/${id}/${name}`;

/** Digits of the number of a signal or a change in a key: more than `LIMITS.signalsPerJob` needs. */
const SIGNAL_DIGITS = 6;
export const signalsPrefix = (id: JobId): string => `signals/${id}/`;
export const signalKey = (id: JobId, seq: number): string =>
  `${signalsPrefix(id)}${String(seq).padStart(SIGNAL_DIGITS, '0')}`;
export const signalKeysPrefix = (id: JobId): string => `signalkeys/${id}/`;

/** What operators have changed about a job, by number. */
export const changesPrefix = (id: JobId): string => `changes/${id}/`;
export const changeKey = (id: JobId, seq: number): string =>
  `${changesPrefix(id)}${String(seq).padStart(SIGNAL_DIGITS, '0')}`;
/** Jobs that are being forked: whose checkpoints are there before they are. */
export const FORKS_PREFIX = 'forks/';
export const forkKey = (id: JobId): string => `${FORKS_PREFIX}${id}`;

/** Where an idempotency key leads to its signal. Hashed, since a user's key may hold anything. */
export function signalIndexKey(id: JobId, idempotencyKey: string): string {
  return `${signalKeysPrefix(id)}${hashOf(idempotencyKey)}`;
}

/** Where an idempotency key leads to its job. Hashed, since a user's key may hold anything. */
export function idempotencyIndexKey(idempotencyKey: string): string {
  return `keys/${hashOf(idempotencyKey)}`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export const readyQueuePrefix = (queue: string): string => `ready/${queue}/`;
export const bucketsPrefix = (lane: Lane): string => `buckets/${lane.queue}/${lane.flowPart}/`;
export const bucketKey = (lane: Lane, bucket: string): string => `${bucketsPrefix(lane)}${bucket}`;
export const readyBucketPrefix = (lane: Lane, bucket: string): string =>
  `ready/${lane.queue}/${lane.flowPart}/${bucket}/`;
export const readyKey = (lane: Lane, position: ReadyPosition, id: JobId): string =>
  `${readyBucketPrefix(lane, position.bucket)}${position.order}-${id}`;

/** Task jobs of a job, by the try that each was posted for. */
export const TASK_JOBS_PREFIX = 'taskjobs/';
export const taskJobsPrefix = (parent: JobId): string => `${TASK_JOBS_PREFIX}${parent}/`;
/** Where a try of a remote task leads to its task job: so that there is one, whoever asks again. */
export function taskJobKey(
  parent: JobId,
  posted: Pick<RemoteTask, 'task' | 'intention' | 'flowVersion' | 'atom'>,
): string {
  const { task, intention, flowVersion, atom } = posted;
  const number = intention === 'execute' ? atom.tries : atom.revertTries;
  return `${taskJobsPrefix(parent)}${task}~${intention.charAt(0)}${number}@${flowVersion}`;
}
/** Task jobs that have ended, and whose parent has not been told. */
export const TASK_ENDS_PREFIX = 'taskends/';
export const taskEndsPrefix = (parent: JobId): string => `${TASK_ENDS_PREFIX}${parent}/`;
export const taskEndKey = (parent: JobId, id: JobId): string => `${taskEndsPrefix(parent)}${id}`;
/** The parent in a key of task jobs, or of their ends. */
export const parentOfKey = (key: string): JobId => key.split('/', 2)[1] as JobId; // written from a JobId

export const DUE_PREFIX = 'due/';
export const DEADLINE_PREFIX = 'deadline/';
export const DONE_PREFIX = 'done/';
export const STATUS_PREFIX = 'status/';
export const READY_PREFIX = 'ready/';
export const BUCKETS_PREFIX = 'buckets/';
export const CLAIMS_PREFIX = 'claims/';
export const WORKERS_PREFIX = 'workers/';
export const MEMBERS_PREFIX = 'members/';
export const FLOWS_PREFIX = 'flows/';
export const KEYS_PREFIX = 'keys/';
/** Jobs that are gone, and whose checkpoints are to go. */
export const REMOVED_PREFIX = 'removed/';
export const removedKey = (id: JobId): string => `${REMOVED_PREFIX}${id}`;
/** A mark that stays: the idempotency key of a job that was not there has been repaired. */
export const repairedKey = (id: JobId): string => `repaired/${id}`;
export const LEADER_KEY = 'leader/caretaker';
/** Written to see whether the store takes writes; means nothing. */
export const PROBE_KEY = 'probe';

export const timedKey = (prefix: string, unixMs: number, id: JobId): string =>
  `${prefix}${encodeTime(unixMs)}-${id}`;
/** The exclusive upper bound of a range over a time index that ends with `unixMs`, inclusive. */
export const timedBound = (prefix: string, unixMs: number): string =>
  `${prefix}${encodeTime(unixMs + 1)}`;
/** The time in a key of a time index. */
export const timeOfTimedKey = (prefix: string, key: string): number =>
  Number(key.slice(prefix.length, prefix.length + TIME_DIGITS));

export const claimsPrefix = (worker: string): string => `${CLAIMS_PREFIX}${worker}/`;
export const claimKey = (worker: WorkerId, id: JobId): string => `${claimsPrefix(worker)}${id}`;
/** Tied to the worker's session: it exists as long as the worker may claim. */
export const workerKey = (worker: string): string => `${WORKERS_PREFIX}${worker}`;
/** Outlives the session, until the worker's jobs are settled: how a dead worker is found. */
export const memberKey = (worker: string): string => `${MEMBERS_PREFIX}${worker}`;
export const inboxPrefix = (worker: string): string => `inbox/${worker}/`;
/** `message` is unique, so that removing what was read never removes what has come since. */
export const inboxNewsKey = (
  worker: string,
  job: { readonly id: JobId; readonly attempt: number },
  message: string,
): string => `inbox/${worker}/news-${job.attempt}-${message}-${job.id}`;
export const inboxDrainKey = (worker: string): string => `inbox/${worker}/drain`;
/** What a key of an inbox says. */
export type InboxMessage =
  /** The job's control record says something new. */
  | { readonly kind: 'news'; readonly jobId: JobId; readonly attempt: number }
  | { readonly kind: 'drain' };

export function parseInboxKey(key: string): InboxMessage {
  const [kind, attempt] = lastPart(key).split('-');
  if (kind === 'drain') return { kind };
  return { kind: 'news', jobId: idAfterDash(key), attempt: Number(attempt) };
}

export const flowKey = (name: string): string => `${FLOWS_PREFIX}${name}`;

/** The last part of a key: the id in `status/<id>`, `claims/<worker>/<id>` and their like. */
export function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** The job id at the end of a key of the form `…<time or order>-<id>`. */
export function idAfterDash(key: string): JobId {
  return key.slice(key.lastIndexOf('-') + 1) as JobId; // written by this file from a JobId
}

/** What a ready key says: the lane, the position and the job. */
export function parseReadyKey(key: string): {
  readonly lane: Lane;
  readonly position: ReadyPosition;
  readonly id: JobId;
} {
  const [, queue, flowPart, bucket, tail, ...rest] = key.split('/');
  const dash = tail?.lastIndexOf('-') ?? -1;
  if (!queue || !flowPart || !bucket || !tail || dash < 1 || rest.length > 0) {
    throw new HoldfastError('INTERNAL', `${key} is not a key of the ready index`);
  }
  return {
    lane: { queue, flowPart },
    position: { bucket, order: tail.slice(0, dash) },
    id: idAfterDash(tail),
  };
}

/**
 * Every index key that a status implies, besides records that stand by themselves. The board writes
 * the difference between two of these sets with each transition, and the doctor compares this set
 * with what the store holds: G7 rests on this one function.
 */
export function indexKeys(spec: JobSpec, status: JobStatus): readonly string[] {
  const { phase } = status;
  switch (phase.kind) {
    case 'scheduled':
      return [timedKey(DUE_PREFIX, phase.runAtUnixMs, spec.id), ...deadlineKeys(spec, status)];
    case 'ready':
      return [
        readyKey(laneOf({ spec, status }), phase.position, spec.id),
        ...deadlineKeys(spec, status),
      ];
    case 'running':
      return [claimKey(phase.worker, spec.id)];
    case 'waiting':
      return phase.untilUnixMs === undefined
        ? deadlineKeys(spec, status)
        : [timedKey(DUE_PREFIX, phase.untilUnixMs, spec.id), ...deadlineKeys(spec, status)];
    case 'suspended':
      return deadlineKeys(spec, status);
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'dead':
      // A task job goes with its parent, which may ask for its result at any time before.
      if (spec.remoteTask) return [];
      return [timedKey(DONE_PREFIX, phase.finishedAtUnixMs + spec.retentionMs, spec.id)];
    default:
      throw new HoldfastError('INTERNAL', `unknown phase ${JSON.stringify(phase satisfies never)}`);
  }
}

/**
 * When a job that isn't running is given up: the total deadline, or the queue deadline while it waits
 * for its first claim. Undefined when it may wait for ever.
 */
export function waitingDeadlineUnixMs(spec: JobSpec, status: JobStatus): number | undefined {
  const { queueMs, totalMs } = spec.deadlines;
  const limits: number[] = [];
  if (totalMs !== undefined) limits.push(spec.postedAtUnixMs + totalMs);
  if (queueMs !== undefined && status.phase.kind === 'ready' && status.attempt === 0) {
    limits.push(status.phase.readyAtUnixMs + queueMs);
  }
  return limits.length === 0 ? undefined : Math.min(...limits);
}

function deadlineKeys(spec: JobSpec, status: JobStatus): readonly string[] {
  const unixMs = waitingDeadlineUnixMs(spec, status);
  return unixMs === undefined ? [] : [timedKey(DEADLINE_PREFIX, unixMs, spec.id)];
}

function encodeTime(unixMs: number): string {
  return String(Math.max(0, Math.floor(unixMs))).padStart(TIME_DIGITS, '0');
}
