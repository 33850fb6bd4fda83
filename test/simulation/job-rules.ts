// The rules of a job, restated from the promises rather than taken from the code that keeps them:
// which transitions there are, who may make them, and which index entries a status implies.
import type { AtomRecord, JobPhase, JobSpec, JobState, JobStatus, TaskState } from '@holdfast/core';

/** What was wanted of a job, as its control said before the commit that is judged. */
export type Wanted = 'nothing' | 'suspend' | 'revert' | 'cancel';

/** Who makes a transition, and what held at that moment. */
export interface TransitionFacts {
  /** The worker ids of the process that wrote. */
  readonly writerIds: ReadonlySet<string>;
  /** Whether this worker's session key is there. */
  readonly isLive: (worker: string) => boolean;
  /** What had been acknowledged to be wanted of the job. */
  readonly wanted: Wanted;
  /** Whether jobs of an earlier version of their flow may go on with a later one. */
  readonly continues: boolean;
}

/** Told of each rule that doesn't hold: the promise, and how it was broken. */
export type Complain = (promise: string, text: string) => void;

/** States from which a job runs again by itself. */
const GOING_ON: readonly JobState[] = ['scheduled', 'ready', 'waiting'];
const FINAL: readonly JobState[] = ['succeeded', 'failed', 'cancelled', 'dead'];

/** G1, G2, G9 and the state machine, for a job that goes from one status to the next. */
export function judgeTransition(
  [before, after]: readonly [JobStatus, JobStatus],
  spec: JobSpec,
  { facts, complain }: { readonly facts: TransitionFacts; readonly complain: Complain },
): void {
  const [from, to] = [before.phase, after.phase];
  const step = `job ${spec.id}: ${from.kind} (attempt ${before.attempt}) → ${to.kind} (attempt ${after.attempt})`;
  if (!isLegal(from.kind, to.kind)) complain('states', `${step} is no transition`);
  const isClaim = from.kind === 'ready' && to.kind === 'running';
  if (after.attempt !== before.attempt + (isClaim ? 1 : 0)) {
    complain('G2', `${step}: written from another attempt`);
  }
  if (after.flowVersion !== before.flowVersion && !(isClaim && mayBind([before, after], facts))) {
    const versions = `${before.flowVersion} to ${after.flowVersion}`;
    complain('states', `${step}: bound to another version of its flow, from ${versions}`);
  }
  if (isClaim && spec.remoteTask && after.flowVersion !== spec.remoteTask.flowVersion) {
    complain('states', `${step}: a remote task of another version of its flow`);
  }
  if (isClaim && (after.flowVersion === undefined || after.startedAtUnixMs === undefined)) {
    complain('states', `${step}: claimed without saying with which version, or when first`);
  }
  judgeHistory([before, after], step, complain);
  judgeLosses([before, after], { spec, step, complain });
  if (isClaim && to.kind === 'running') {
    if (!facts.writerIds.has(to.worker)) complain('G2', `${step}: claimed for another process`);
    if (!facts.isLive(to.worker)) complain('G2', `${step}: claimed without a session`);
    if (facts.wanted === 'suspend' || facts.wanted === 'cancel') {
      complain('states', `${step}: claimed although it was to ${facts.wanted}`);
    }
  }
  if (!FINAL.includes(from.kind)) judgeWish([from.kind, to.kind], { step, facts, complain });
  if (from.kind === 'running')
    judgeEnd([before, after], { worker: from.worker, step, facts, complain });
}

/** The first claim binds a job to a version; another one may only where a later version goes on with it. */
function mayBind(
  [{ flowVersion: from }, { flowVersion: to = 0 }]: readonly [JobStatus, JobStatus],
  { continues }: TransitionFacts,
): boolean {
  return from === undefined || (continues && to > from);
}

function judgeEnd(
  [before, after]: readonly [JobStatus, JobStatus],
  parts: {
    readonly worker: string;
    readonly step: string;
    readonly facts: TransitionFacts;
    readonly complain: Complain;
  },
): void {
  const { worker, step, facts, complain } = parts;
  const end = after.attempts.find((attempt) => attempt.number === before.attempt)?.end;
  if (end === undefined) complain('G2', `${step}: the attempt was left without an end`);
  if (end === 'lost' && facts.isLive(worker)) {
    complain('G2', `${step}: taken from a worker whose session lives`);
  }
  if (end !== 'lost' && !facts.writerIds.has(worker)) {
    complain('G2', `${step}: ended by a process that does not hold it`);
  }
}

/** What was acknowledged holds: whatever crashes, and whoever did not know of it. */
function judgeWish(
  [from, to]: readonly [JobState, JobState],
  parts: {
    readonly step: string;
    readonly facts: TransitionFacts;
    readonly complain: Complain;
  },
): void {
  const { step, facts, complain } = parts;
  const isEnd = FINAL.includes(to);
  if (facts.wanted === 'cancel' && to !== 'cancelled') {
    complain('states', `${step}: an acknowledged cancel was overlooked`);
  }
  if (facts.wanted === 'revert' && isEnd && to !== 'cancelled') {
    complain('states', `${step}: an acknowledged cancel with revert was overlooked`);
  }
  if (facts.wanted === 'suspend' && from === 'running' && GOING_ON.includes(to)) {
    complain('states', `${step}: an acknowledged suspend was overlooked`);
  }
}

/** What stands in the history stays there, but for the end of the attempt that runs. */
function judgeHistory(
  [before, after]: readonly [JobStatus, JobStatus],
  step: string,
  complain: Complain,
): void {
  for (const attempt of before.attempts) {
    const now = after.attempts.find((each) => each.number === attempt.number);
    if (!now) {
      if (after.attempts.length >= before.attempts.length) continue; // Dropped for its age.
      complain('G2', `${step}: attempt ${attempt.number} vanished from the history`);
    } else if (attempt.end !== undefined && attempt.end !== now.end) {
      complain('G2', `${step}: the end of attempt ${attempt.number} was changed`);
    }
  }
}

function judgeLosses(
  [before, after]: readonly [JobStatus, JobStatus],
  parts: { readonly spec: JobSpec; readonly step: string; readonly complain: Complain },
): void {
  const { spec, step, complain } = parts;
  const isRevival = FINAL.includes(before.phase.kind);
  const wasLost =
    before.phase.kind === 'running' &&
    after.attempts.find((attempt) => attempt.number === before.attempt)?.end === 'lost';
  const expected = isRevival ? 0 : before.lostAttempts + (wasLost ? 1 : 0);
  if (after.lostAttempts !== expected) complain('states', `${step}: lost attempts are miscounted`);
  if (after.revivals !== before.revivals + (isRevival ? 1 : 0)) {
    complain('states', `${step}: revivals are miscounted`);
  }
  const isWorn = wasLost && after.lostAttempts >= spec.maxAttempts;
  if (isWorn && GOING_ON.includes(after.phase.kind)) {
    complain('G9', `${step}: circles after ${after.lostAttempts} lost attempts`);
  }
  if (after.phase.kind === 'dead' && !isWorn) complain('G9', `${step}: dead too early`);
}

function isLegal(from: JobState, to: JobState): boolean {
  switch (from) {
    case 'scheduled':
    case 'waiting':
      return ['ready', 'suspended', 'failed', 'cancelled'].includes(to);
    case 'ready':
      return ['running', 'suspended', 'failed', 'cancelled'].includes(to);
    case 'suspended':
      return ['ready', 'scheduled', 'failed', 'cancelled'].includes(to);
    case 'running':
      return to !== 'running';
    case 'failed':
    case 'cancelled':
    case 'dead':
      return to === 'ready';
    case 'succeeded':
      return false;
    default:
      return from satisfies never;
  }
}

/** G2 and G3, for a checkpoint that is written while the job is in this status. */
export function judgeCheckpoint(
  [before, after]: readonly [AtomRecord | undefined, AtomRecord],
  status: JobStatus,
  { writerIds, complain }: { readonly writerIds: ReadonlySet<string>; readonly complain: Complain },
): void {
  const step = `job ${status.id}, task ${after.name}: ${before?.state ?? 'nothing'} → ${after.state}`;
  const { phase } = status;
  if (FINAL.includes(phase.kind)) {
    // A revival gives failed and reverted tasks a fresh start.
    if (after.state !== 'pending') complain('G2', `${step}, although the job is ${phase.kind}`);
    return;
  }
  if (phase.kind !== 'running') {
    complain('G2', `${step}, although the job is ${phase.kind} and nobody's`);
    return;
  }
  if (after.attempt !== status.attempt || after.worker !== phase.worker) {
    complain(
      'G2',
      `${step} by attempt ${after.attempt}, although attempt ${status.attempt} holds it`,
    );
  }
  if (!writerIds.has(phase.worker)) complain('G2', `${step} by a process that does not hold it`);
  if (before && !mayFollow(before, after)) complain('G3', `${step} undoes what was committed`);
  if (before && (after.tries < before.tries || after.executions < before.executions)) {
    complain('G4', `${step}: tries are counted backwards`);
  }
}

/**
 * A checkpoint may carry several steps at once, so this is what can be reached within an attempt. A
 * further round of a retry controller begins with everything under it reverted.
 */
function mayFollow(before: AtomRecord, after: AtomRecord): boolean {
  if (after.generation < before.generation) return false;
  const isFurtherRound = after.generation > before.generation;
  const isController = after.rounds.length > 0 || before.rounds.length > 0;
  switch (before.state) {
    case 'success':
      if (isController && ['retrying', 'failure'].includes(after.state)) return !isFurtherRound;
      return !isFurtherRound && STATES_AFTER_SUCCESS.includes(after.state);
    case 'failure':
    case 'reverting':
      return !isFurtherRound && STATES_AFTER_FAILURE.includes(after.state);
    case 'reverted':
      return isFurtherRound || after.state === 'reverted';
    case 'revertFailure':
      return after.state === 'revertFailure';
    case 'ignore':
    case 'pending':
    case 'running':
    case 'retrying':
      return true;
    default:
      return before.state satisfies never;
  }
}

const STATES_AFTER_SUCCESS: readonly TaskState[] = [
  'success',
  'reverting',
  'reverted',
  'revertFailure',
];
const STATES_AFTER_FAILURE: readonly TaskState[] = [
  'failure',
  'reverting',
  'reverted',
  'revertFailure',
];

/** G7: the index entries that a status implies, in order. */
export function impliedEntries(spec: JobSpec, status: JobStatus): readonly string[] {
  const { id } = spec;
  const { phase } = status;
  switch (phase.kind) {
    case 'scheduled':
      return [...deadlineEntry(spec, status), `due/${time(phase.runAtUnixMs)}-${id}`];
    case 'ready': {
      const { bucket, order } = phase.position;
      const ready = `${readyLane(spec, status)}${bucket}/${order}-${id}`;
      return [...deadlineEntry(spec, status), ready];
    }
    case 'running':
      return [`claims/${phase.worker}/${id}`];
    case 'waiting':
      return phase.untilUnixMs === undefined
        ? deadlineEntry(spec, status)
        : [...deadlineEntry(spec, status), `due/${time(phase.untilUnixMs)}-${id}`];
    case 'suspended':
      return deadlineEntry(spec, status);
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'dead':
      // A task job is kept for its parent, and goes with it.
      if (spec.remoteTask) return [];
      return [`done/${time(phase.finishedAtUnixMs + spec.retentionMs)}-${id}`];
    default:
      return phase satisfies never;
  }
}

/**
 * Where the ready entries of such a job start: one that was claimed is bound to the version of its flow,
 * a task job to just that and to labels from the beginning.
 */
export function readyLane(
  { queue, flow, remoteTask }: JobSpec,
  { flowVersion }: Pick<JobStatus, 'flowVersion'>,
): string {
  if (remoteTask) {
    const labels = Object.entries(remoteTask.labels).map(([name, value]) => `${name}=${value}`);
    return `ready/${queue}/${flow}@${remoteTask.flowVersion}+${labels.toSorted().join(',')}/`;
  }
  return `ready/${queue}/${flow}${flowVersion === undefined ? '' : `@${flowVersion}`}/`;
}

function deadlineEntry(spec: JobSpec, { phase, attempt }: JobStatus): readonly string[] {
  const { queueMs, totalMs } = spec.deadlines;
  const times = [
    ...(totalMs === undefined ? [] : [spec.postedAtUnixMs + totalMs]),
    ...(queueMs === undefined ? [] : firstWait(phase, attempt).map((since) => since + queueMs)),
  ];
  return times.length === 0 ? [] : [`deadline/${time(Math.min(...times))}-${spec.id}`];
}

function firstWait(phase: JobPhase, attempt: number): readonly number[] {
  return phase.kind === 'ready' && attempt === 0 ? [phase.readyAtUnixMs] : [];
}

function time(unixMs: number): string {
  return String(Math.max(0, Math.floor(unixMs))).padStart(14, '0');
}
