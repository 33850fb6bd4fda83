// How an attempt ends: one commit, by its own worker, under its fence.
//
// Invariants:
//   A2. What the outside wants of the job, and what it has told it, is not overlooked: every end guards
//       on the control being as the end was decided under, and is decided anew where it isn't. An
//       acknowledged cancel wins over every other end; one with revert lets the job end only once it
//       was reverted; a suspend wins over every end that would let the job run again; a job doesn't
//       come to wait while there is a signal, or the end of a task job, that its attempt has not seen.
//   A3. When the answer to an end was lost, asking again finds out: an attempt that has ended otherwise
//       than by being lost was ended by its own worker.

import type { Guard, Write } from '@holdfast/coord';
import {
  type AtomRecord,
  type AttemptEnd,
  assert,
  ClaimLostError,
  encodeJson,
  type Failure,
  type JobEvent,
  type JobStatus,
  type Payload,
  type ReadyPosition,
  transitionJob,
  UnavailableError,
} from '@holdfast/core';
import { encodeJobOutcome } from '@holdfast/wire';
import { type AttemptParts, atomWrites, refused, writeSurplus } from './attempt-writes.ts';
import type { Claim } from './claim.ts';
import { controlWrite } from './job-decision.ts';
import { readControl, readStatus, type VersionedControl } from './job-reader.ts';
import type { JobControl } from './job-view.ts';
import { outcomeKey } from './keys.ts';
import { tellFinished } from './observer.ts';
import { MAX_PLACEMENT_TRIES, type Placement } from './ready-buckets.ts';
import { transitionWrites } from './transition.ts';

/** How an attempt ends, as the worker tells it. `atoms`: transitions not committed yet. */
export type AttemptEnding = { readonly atoms: readonly AtomRecord[] } & (
  | { readonly kind: 'succeed'; readonly output: Payload }
  | { readonly kind: 'fail'; readonly failure: Failure; readonly reason?: string | undefined }
  | {
      readonly kind: 'cancel';
      readonly reason: string;
      /** What kept the job from being reverted to the end. */
      readonly failure?: Failure | undefined;
    }
  | {
      readonly kind: 'retryLater';
      readonly runAtUnixMs: number;
      readonly reason: string;
      /** The run knows of the cancel with revert: it is a revert that is to be tried later. */
      readonly reverts?: boolean | undefined;
    }
  | {
      readonly kind: 'wait';
      /** Absent: however long it takes. */
      readonly untilUnixMs?: number | undefined;
      /** The number of the last signal that the run knew of; 0 for none. */
      readonly signalsSeen: number;
      /** What the control's count of ended task jobs was before the run last looked at its own. */
      readonly taskEndsSeen: number;
      readonly reason: string;
      /** The run knows of the cancel with revert: it is reverts elsewhere that it waits for. */
      readonly reverts?: boolean | undefined;
    }
  | {
      readonly kind: 'suspend';
      readonly reason: string;
      readonly runAtUnixMs?: number | undefined;
    }
  | { readonly kind: 'release'; readonly reason: string }
);

/** What became of the job: what was asked for, or what the outside wanted before (A2). */
export type AttemptEnded =
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'scheduled'
  | 'ready'
  | 'waiting'
  | 'suspended';

/** Ends the attempt. Throws ClaimLostError when the claim no longer holds. */
export async function endAttempt(
  parts: AttemptParts,
  claim: Claim,
  asked: AttemptEnding,
): Promise<AttemptEnded> {
  let atoms: readonly AtomRecord[];
  try {
    if (!(await parts.fences.settle(claim))) throw refused(parts, claim, 'its end');
    atoms = await writeSurplus(parts, claim, asked.atoms);
  } catch (error) {
    const echo = error instanceof ClaimLostError && (await recogniseEnd(parts, claim, asked.kind));
    if (!echo) throw error;
    return echo;
  }
  let known: VersionedControl = claim;
  for (let tries = 0; tries < MAX_PLACEMENT_TRIES; tries += 1) {
    const ending = endingUnder(known.control, { ...asked, atoms });
    const verdict = await tryToEnd(parts, claim, { ending, known });
    if (verdict === 'fenced') {
      const echo = await recogniseEnd(parts, claim, asked.kind);
      if (!echo) throw refused(parts, claim, 'its end');
      return echo;
    }
    if (verdict === 'told') known = await readControl(parts.coord, claim.spec.id);
    else if (verdict !== 'displaced') return ended(parts, claim, verdict);
  }
  throw new UnavailableError(`job ${claim.spec.id} is told things too fast; try again`, {
    ids: { jobId: claim.spec.id },
  });
}

/** The status that the attempt ended with, or which of the guards did not hold: fence, control, place. */
async function tryToEnd(
  parts: AttemptParts,
  claim: Claim,
  { ending, known }: { readonly ending: AttemptEnding; readonly known: VersionedControl },
): Promise<JobStatus | 'fenced' | 'told' | 'displaced'> {
  const { coord, clock, buckets, fences, observer } = parts;
  const placement = ending.kind === 'release' ? await buckets.place(claim, 'returned') : undefined;
  const after = transitionJob(
    claim.status,
    endingEvent(ending, clock.nowUnixMs(), placement?.position),
  );
  const fence = fences.guardOf(claim);
  const startedMs = clock.monotonicMs();
  const result = await coord.commit({
    when: endingGuards(fence, known, placement),
    write: [
      ...atomWrites(claim, ending.atoms),
      ...outcomeWrites(claim, ending),
      ...transitionWrites(claim.spec, claim.status, after),
      // The wish has taken effect.
      ...(ending.kind === 'suspend'
        ? [controlWrite(known, claim.spec.id, { wish: 'none', reason: '' })]
        : []),
    ],
  });
  observer.committed?.({ what: ending.kind, durationMs: clock.monotonicMs() - startedMs });
  if (result.committed) return after;
  const { failedGuard } = result;
  if (failedGuard.key === fence.key) return 'fenced';
  if (failedGuard.key === known.controlGuard.key) return 'told';
  if (placement) buckets.discard(placement.guard);
  return 'displaced';
}

function endingGuards(
  fence: Guard,
  { controlGuard }: VersionedControl,
  placement: Placement | undefined,
): readonly Guard[] {
  const guards = [fence, controlGuard]; // A1, A2
  if (placement) guards.push(placement.guard);
  return guards;
}

/** A2: what an end becomes under what is wanted of the job, and what it has been told. */
export function endingUnder(control: JobControl | undefined, ending: AttemptEnding): AttemptEnding {
  const wish = control?.wish ?? 'none';
  switch (wish) {
    case 'none':
      return endingUnasked(ending, control);
    case 'suspend':
      return endingSuspended(ending, control?.reason ?? '');
    case 'cancelWithRevert':
      return endingReverted(ending, control);
    case 'cancel':
      return ending.kind === 'cancel'
        ? ending
        : { kind: 'cancel', reason: CANCELLED, atoms: ending.atoms };
    default:
      return wish satisfies never;
  }
}

const CANCELLED = 'cancelled by request';

function endingUnasked(ending: AttemptEnding, control: JobControl | undefined): AttemptEnding {
  const { atoms } = ending;
  if (ending.kind === 'suspend') {
    return { kind: 'release', reason: 'resumed before it was suspended', atoms };
  }
  if (ending.kind === 'wait' && (control?.signals ?? 0) > ending.signalsSeen) {
    return { kind: 'release', reason: 'a signal arrived before it came to wait', atoms };
  }
  if (ending.kind === 'wait' && (control?.taskEnds ?? 0) > ending.taskEndsSeen) {
    return { kind: 'release', reason: 'a remote task ended before it came to wait', atoms };
  }
  return ending;
}

/** A job that is at its end has nothing to be suspended. */
function endingSuspended(ending: AttemptEnding, reason: string): AttemptEnding {
  if (ending.kind === 'succeed' || ending.kind === 'fail' || ending.kind === 'cancel')
    return ending;
  const runAtUnixMs = ending.kind === 'retryLater' ? ending.runAtUnixMs : undefined;
  return { kind: 'suspend', reason, runAtUnixMs, atoms: ending.atoms };
}

/** A flow that has failed has been reverted; any other is to be reverted by the next attempt. */
function endingReverted(ending: AttemptEnding, control: JobControl | undefined): AttemptEnding {
  const { kind, atoms } = ending;
  if (kind === 'cancel' || kind === 'release') return ending;
  if (kind === 'retryLater' && ending.reverts) return ending;
  if (kind === 'wait' && ending.reverts) return endingUnasked(ending, control);
  if (kind === 'fail') {
    return { kind: 'cancel', reason: CANCELLED, failure: ending.failure, atoms };
  }
  return { kind: 'release', reason: 'to be reverted', atoms };
}

const EMPTY_OUTPUT = encodeJson({}).data;

/** A job without output leaves no outcome record: the commonest job has one write less. */
function outcomeWrites(claim: Claim, ending: AttemptEnding): readonly Write[] {
  if (ending.kind !== 'succeed' || Buffer.compare(ending.output.data, EMPTY_OUTPUT) === 0)
    return [];
  const value = encodeJobOutcome({ output: ending.output });
  return [{ kind: 'put', key: outcomeKey(claim.spec.id), value }];
}

function endingEvent(
  ending: AttemptEnding,
  atUnixMs: number,
  position: ReadyPosition | undefined,
): JobEvent {
  switch (ending.kind) {
    case 'succeed':
      return { kind: 'finish', state: 'succeeded', atUnixMs };
    case 'fail': {
      const { failure, reason = failure.message } = ending;
      return { kind: 'finish', state: 'failed', atUnixMs, failure, reason };
    }
    case 'cancel': {
      const { failure, reason } = ending;
      return { kind: 'finish', state: 'cancelled', atUnixMs, failure, reason };
    }
    case 'retryLater': {
      const { runAtUnixMs, reason } = ending;
      return { kind: 'retryLater', atUnixMs, runAtUnixMs, reason };
    }
    case 'wait': {
      const { untilUnixMs, reason } = ending;
      return { kind: 'wait', atUnixMs, untilUnixMs, reason };
    }
    case 'suspend': {
      const { runAtUnixMs, reason } = ending;
      return { kind: 'suspend', atUnixMs, runAtUnixMs, reason };
    }
    case 'release':
      assert(position, 'a job that is handed back has a place in the ready index');
      return { kind: 'release', atUnixMs, reason: ending.reason, position };
    default:
      return ending satisfies never;
  }
}

function ended(parts: AttemptParts, claim: Claim, after: JobStatus): AttemptEnded {
  const { phase } = after;
  switch (phase.kind) {
    case 'succeeded':
    case 'failed':
    case 'cancelled':
      tellFinished(parts.observer, claim.spec, {
        state: phase.kind,
        atUnixMs: phase.finishedAtUnixMs,
      });
      return phase.kind;
    case 'scheduled':
    case 'ready':
    case 'waiting':
    case 'suspended':
      return phase.kind;
    case 'running':
    case 'dead':
      throw new ClaimLostError(claim.spec.id, `an end as ${phase.kind}`);
    default:
      return phase satisfies never;
  }
}

/** How a history says that an attempt ended which asked for this. */
const END_OF: Readonly<Record<AttemptEnding['kind'], AttemptEnd>> = {
  succeed: 'succeeded',
  fail: 'failed',
  cancel: 'cancelled',
  retryLater: 'released',
  wait: 'released',
  suspend: 'released',
  release: 'released',
};

/**
 * A3: is the refusal the echo of our own commit, whose answer was lost? Undefined when it isn't. What
 * was asked for may have become a cancel or a release (A2).
 */
async function recogniseEnd(
  parts: AttemptParts,
  claim: Claim,
  kind: AttemptEnding['kind'],
): Promise<AttemptEnded | undefined> {
  const now = await readStatus(parts.coord, claim.spec.id);
  const mine = now?.attempts.find((attempt) => attempt.number === claim.status.attempt);
  if (mine?.end === 'cancelled') return 'cancelled';
  if (now && mine?.end === 'released') return releasedAs(now, claim);
  if (mine?.end === undefined || mine.end !== END_OF[kind]) return undefined;
  return mine.end === 'failed' ? 'failed' : 'succeeded';
}

/** What an attempt that was released left the job as; where that is history, it was made ready since. */
function releasedAs({ phase, attempt }: JobStatus, claim: Claim): AttemptEnded {
  if (attempt !== claim.status.attempt) return 'ready';
  const { kind } = phase;
  return kind === 'scheduled' || kind === 'waiting' || kind === 'suspended' ? kind : 'ready';
}
