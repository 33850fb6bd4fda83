// The state machine of a job, pure: what a status becomes when something happens to it. The board
// writes the result together with every index entry it implies, in one commit (G7).
//
//   post ──▶ scheduled ──▶ ready ──claim──▶ running ──▶ succeeded | failed | cancelled | dead
//                 ▲          ▲                 │                       │
//                 └─retryLater──release, lose──┘◀──────── revive ──────┘ (to ready)
//                            ▲                 │
//                            └──── waiting ◀───┘   a signal has arrived, or the time has come
//
//   scheduled | ready | running | waiting ──suspend──▶ suspended ──resume──▶ ready | scheduled
//
// Invariants:
//   J1. `attempt` never goes down, and goes up by one with each claim and with nothing else.
//   J2. A final state is left by a revival only, and never `succeeded`.
//   J3. Only an attempt that was lost counts towards `lostAttempts`.
//   J4. A waiting or suspended job has no running attempt, and becomes running by way of ready only.
//   J5. `flowVersion` changes with a claim and with nothing else, so a job that becomes ready is in the
//       lane of the version that it was claimed with last. A fork has its source's from the start.
import { AssertionError, assert } from './assert.ts';
import { shorten } from './failure.ts';
import type {
  AttemptEnd,
  AttemptRecord,
  JobEvent,
  JobPhase,
  JobSpec,
  JobState,
  JobStatus,
  ReadyPosition,
} from './job.ts';
import { canTransitionJob } from './job.ts';
import { LIMITS } from './limits.ts';

/** The status of a job that is being posted: ready at `position`, or scheduled where it has none. */
export function initialStatus(spec: JobSpec, position: ReadyPosition | undefined): JobStatus {
  const phase: JobPhase = position
    ? { kind: 'ready', readyAtUnixMs: spec.postedAtUnixMs, position }
    : {
        kind: 'scheduled',
        runAtUnixMs: spec.runAtUnixMs ?? spec.postedAtUnixMs,
        reason: 'delayed by its post',
      };
  return {
    id: spec.id,
    flow: spec.flow,
    queue: spec.queue,
    priority: spec.priority,
    phase,
    attempt: 0,
    lostAttempts: 0,
    revivals: 0,
    attempts: [],
    attemptsDropped: 0,
    updatedAtUnixMs: spec.postedAtUnixMs,
    parentId: spec.remoteTask?.parentId,
  };
}

/**
 * The status after `event`. Whoever calls this has checked that the event is possible now; one that
 * isn't is a defect of the caller and throws an AssertionError.
 */
export function transitionJob(status: JobStatus, event: JobEvent): JobStatus {
  switch (event.kind) {
    case 'makeReady':
      return withPhase(status, event, ready(event));
    case 'claim':
      return claimed(status, event);
    case 'finish':
      return withPhase(
        endAttempt(status, event.state === 'dead' ? 'failed' : event.state, event),
        event,
        {
          kind: event.state,
          finishedAtUnixMs: event.atUnixMs,
          failure: event.failure,
        },
      );
    case 'release':
      return withPhase(endAttempt(status, 'released', event), event, ready(event));
    case 'retryLater':
      return withPhase(endAttempt(status, 'released', event), event, scheduled(event));
    case 'wait':
      return waiting(status, event);
    case 'suspend':
      return suspended(
        endAttempt(status, 'released', { ...event, reason: 'the job was suspended' }),
        event,
      );
    case 'reschedule':
      return withPhase(status, event, scheduled(event));
    case 'lose':
      return withPhase(lost(status, event), event, ready(event));
    case 'loseSuspended':
      return suspended(lost(status, event), { ...event, reason: event.suspendReason });
    case 'loseForGood':
      return withPhase(lost(status, event), event, {
        kind: event.state,
        finishedAtUnixMs: event.atUnixMs,
        failure: event.failure,
      });
    case 'revive':
      return {
        ...withPhase(status, event, ready(event)),
        lostAttempts: 0,
        revivals: status.revivals + 1,
        startedAtUnixMs: undefined, // Its flow's total time counts from its next claim.
      };
    default:
      throw new AssertionError(`unknown job event ${JSON.stringify(event satisfies never)}`);
  }
}

function ready(event: { readonly position: ReadyPosition; readonly atUnixMs: number }): JobPhase {
  return { kind: 'ready', readyAtUnixMs: event.atUnixMs, position: event.position };
}

function scheduled(event: { readonly runAtUnixMs: number; readonly reason: string }): JobPhase {
  return { kind: 'scheduled', runAtUnixMs: event.runAtUnixMs, reason: event.reason };
}

function waiting(status: JobStatus, event: JobEvent & { readonly kind: 'wait' }): JobStatus {
  const { untilUnixMs, reason } = event;
  const phase: JobPhase = { kind: 'waiting', untilUnixMs, reason };
  return withPhase(endAttempt(status, 'released', event), event, phase);
}

/** Suspends a job; one that was scheduled keeps its time. */
function suspended(
  status: JobStatus,
  event: JobEvent & { readonly kind: 'suspend' | 'loseSuspended' },
): JobStatus {
  const { phase } = status;
  const asked = event.kind === 'suspend' ? event.runAtUnixMs : undefined;
  return withPhase(status, event, {
    kind: 'suspended',
    suspendedAtUnixMs: event.atUnixMs,
    reason: event.reason,
    runAtUnixMs: phase.kind === 'scheduled' ? phase.runAtUnixMs : asked,
  });
}

function claimed(status: JobStatus, event: JobEvent & { readonly kind: 'claim' }): JobStatus {
  const attempt: AttemptRecord = {
    number: status.attempt + 1, // J1
    worker: event.worker,
    claimedAtUnixMs: event.atUnixMs,
    spanId: event.spanId,
  };
  const attempts = [...status.attempts, attempt];
  const surplus = Math.max(0, attempts.length - LIMITS.attemptsInHistory);
  return {
    ...withPhase(status, event, {
      kind: 'running',
      worker: event.worker,
      claimedAtUnixMs: event.atUnixMs,
    }),
    attempt: attempt.number,
    attempts: attempts.slice(surplus),
    attemptsDropped: status.attemptsDropped + surplus,
    flowVersion: event.flowVersion,
    startedAtUnixMs: status.startedAtUnixMs ?? event.atUnixMs,
  };
}

function lost(
  status: JobStatus,
  event: { readonly atUnixMs: number; readonly reason: string },
): JobStatus {
  return { ...endAttempt(status, 'lost', event), lostAttempts: status.lostAttempts + 1 }; // J3
}

/** Closes the attempt that runs, if one does. */
function endAttempt(
  status: JobStatus,
  end: AttemptEnd,
  event: { readonly atUnixMs: number; readonly reason?: string | undefined },
): JobStatus {
  if (status.phase.kind !== 'running') return status;
  const attempts = status.attempts.map((attempt) =>
    attempt.number === status.attempt
      ? {
          ...attempt,
          end,
          endedAtUnixMs: event.atUnixMs,
          reason: event.reason && shorten(event.reason, LIMITS.reasonLength),
        }
      : attempt,
  );
  return { ...status, attempts };
}

/** In which states an event can happen. */
const POSSIBLE_IN: Readonly<Record<JobEvent['kind'], readonly JobState[]>> = {
  makeReady: ['scheduled', 'waiting', 'suspended'],
  claim: ['ready'],
  finish: ['scheduled', 'ready', 'running', 'waiting', 'suspended'],
  release: ['running'],
  retryLater: ['running'],
  wait: ['running'],
  suspend: ['scheduled', 'ready', 'running', 'waiting'],
  reschedule: ['suspended'],
  lose: ['running'],
  loseSuspended: ['running'],
  loseForGood: ['running'],
  revive: ['failed', 'cancelled', 'dead'], // J2
};

function withPhase(status: JobStatus, event: JobEvent, phase: JobPhase): JobStatus {
  const from = status.phase.kind;
  assert(
    POSSIBLE_IN[event.kind].includes(from) && canTransitionJob(from, phase.kind),
    `job ${status.id}: ${event.kind} can't lead from ${from} to ${phase.kind}`,
  );
  return { ...status, phase, updatedAtUnixMs: event.atUnixMs };
}
