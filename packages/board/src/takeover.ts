// Taking over: what becomes of the jobs of a member whose session has ended (G5).
//
// Invariants:
//   T1. A job is taken from a worker only in a commit that guards on the status being as read and on
//       the worker's session key being absent. The status version moves, so the lost attempt's fence
//       holds nothing any more (G2).
//   T2. A job that has lost too many attempts is set aside as dead (G9); one that was to be cancelled
//       ends cancelled; one whose time is up ends failed; one that was to be suspended is. One that is
//       to be cancelled with revert goes on reverting, and ends cancelled where it can't.
//   T3. The commit guards on the job's control being as read: what is asked after that is honoured by
//       the next look at the job, not overlooked.

import type { Guard } from '@holdfast/coord';
import {
  assert,
  type Failure,
  type JobEvent,
  type JobId,
  type JobSpec,
  type JobStatus,
  type ReadyPosition,
  transitionJob,
  type WorkerId,
} from '@holdfast/core';
import type { BoardParts } from './board-parts.ts';
import { removeMember } from './fleet.ts';
import { controlWrite } from './job-decision.ts';
import { type JobRecords, readJobs } from './job-reader.ts';
import { claimsPrefix, lastPart, workerKey } from './keys.ts';
import { type BoardObserver, type Takeover, tellFinished } from './observer.ts';
import { actOnJob, passOver } from './one-by-one.ts';
import { settleEnd } from './parent-end.ts';
import { statusGuard, transitionWrites } from './transition.ts';

/** Jobs taken over side by side. */
const TAKEOVER_BATCH = 100;

/**
 * Takes over every job of one dead member, and removes the member once nothing is left. Any number
 * of processes may do this at the same time. Returns how many jobs this call took.
 */
export async function takeOverMember(parts: BoardParts, worker: WorkerId): Promise<number> {
  let taken = 0;
  let after: string | undefined;
  for (;;) {
    const page = await parts.coord.list({
      prefix: claimsPrefix(worker),
      after,
      limit: TAKEOVER_BATCH,
    });
    const ids = page.entries.map((entry) => lastPart(entry.key) as JobId); // written from a JobId
    const jobs = [...(await readJobs(parts.coord, ids, passOver(parts.logger))).values()];
    const verdicts = await Promise.all(
      jobs.map((job) => actOnJob(parts.logger, job.spec.id, () => takeOverJob(parts, job, worker))),
    );
    taken += verdicts.filter(Boolean).length;
    after = page.entries.at(-1)?.key;
    if (!page.more || after === undefined) break;
  }
  await removeMember(parts.coord, worker);
  return taken;
}

async function takeOverJob(parts: BoardParts, job: JobRecords, worker: WorkerId): Promise<boolean> {
  const { phase } = job.status;
  if (phase.kind !== 'running' || phase.worker !== worker) return false;
  const verdict = judgeLoss(job, parts.clock.nowUnixMs());
  const placement = verdict ? undefined : await parts.buckets.place(job, 'returned');
  const event = lossEvent(job, {
    atUnixMs: parts.clock.nowUnixMs(),
    verdict,
    position: placement?.position,
  });
  const after = transitionJob(job.status, event);
  const when: Guard[] = [
    statusGuard(job), // T1
    { kind: 'absent', key: workerKey(worker) },
    job.controlGuard, // T3
  ];
  if (placement) when.push(placement.guard);
  const write = [...transitionWrites(job.spec, job.status, after)];
  // The wish has taken effect.
  if (after.phase.kind === 'suspended')
    write.push(controlWrite(job, job.spec.id, { wish: 'none', reason: '' }));
  const result = await parts.coord.commit({ when, write });
  if (result.committed) {
    reportTakeover(parts.observer, job.spec, after);
    await settleEnd(parts, after);
    return true;
  }
  if (placement && result.failedGuard.key === placement.guard.key)
    parts.buckets.discard(placement.guard);
  return false;
}

interface FinalVerdict {
  readonly state: 'dead' | 'cancelled' | 'failed';
  readonly failure?: Failure | undefined;
}

type Verdict = FinalVerdict | { readonly state: 'suspended'; readonly suspendReason: string };

/** T2: why a lost job isn't to run again, or not yet; undefined when it is. */
function judgeLoss(job: JobRecords, nowUnixMs: number): Verdict | undefined {
  const { wish = 'none', reason = '' } = job.control ?? {};
  switch (wish) {
    case 'cancel':
      return { state: 'cancelled' };
    case 'cancelWithRevert': {
      const verdict = judgeWear(job, nowUnixMs);
      return verdict && { ...verdict, state: 'cancelled' };
    }
    case 'suspend':
      return judgeWear(job, nowUnixMs) ?? { state: 'suspended', suspendReason: reason };
    case 'none':
      return judgeWear(job, nowUnixMs);
    default:
      return wish satisfies never;
  }
}

/** Why a lost job can't run again, whatever is wanted of it. */
function judgeWear(job: JobRecords, nowUnixMs: number): FinalVerdict | undefined {
  const { totalMs } = job.spec.deadlines;
  if (totalMs !== undefined && nowUnixMs >= job.spec.postedAtUnixMs + totalMs) {
    return { state: 'failed', failure: deadlineFailure('total', totalMs) };
  }
  const lost = job.status.lostAttempts + 1;
  if (lost >= job.spec.maxAttempts) {
    const message = `${lost} attempts were lost with their workers, the limit is ${job.spec.maxAttempts}`;
    return {
      state: 'dead',
      failure: { type: 'AttemptsExhausted', message, stack: '', causes: [] },
    };
  }
  return undefined;
}

/** The failure of a job whose deadline has passed. */
export function deadlineFailure(which: 'queue' | 'attempt' | 'total', limitMs: number): Failure {
  return {
    type: 'DeadlineExceeded',
    message: `the ${which} deadline of ${limitMs} ms has passed`,
    stack: '',
    causes: [],
  };
}

function lossEvent(
  job: JobRecords,
  facts: {
    readonly atUnixMs: number;
    readonly verdict: Verdict | undefined;
    readonly position: ReadyPosition | undefined;
  },
): JobEvent {
  const reason = 'its worker crashed or lost its lease';
  const { atUnixMs, verdict, position } = facts;
  if (verdict?.state === 'suspended') {
    return { kind: 'loseSuspended', atUnixMs, reason, suspendReason: verdict.suspendReason };
  }
  if (verdict) return { kind: 'loseForGood', atUnixMs, reason, ...verdict };
  assert(position, `job ${job.spec.id} becomes ready, so it has a place`);
  return { kind: 'lose', atUnixMs, reason, position };
}

function reportTakeover(observer: BoardObserver, spec: JobSpec, after: JobStatus): void {
  const lostAttempt = after.attempts.at(-1);
  assert(lostAttempt, `job ${spec.id} was running, so it has an attempt`);
  const { phase } = after;
  const outcome =
    phase.kind === 'dead' ||
    phase.kind === 'cancelled' ||
    phase.kind === 'failed' ||
    phase.kind === 'suspended'
      ? phase.kind
      : 'ready';
  const takeover: Takeover = {
    jobId: spec.id,
    spec,
    lostAttempt,
    attempts: after.attempts,
    outcome,
  };
  observer.takenOver?.(takeover);
  if ('finishedAtUnixMs' in phase) {
    tellFinished(observer, spec, { state: phase.kind, atUnixMs: phase.finishedAtUnixMs });
  }
}
