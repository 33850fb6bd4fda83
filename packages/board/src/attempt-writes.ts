// What an attempt may write: checkpoints, and its own end. Every commit here is guarded by the
// status record being unchanged since the claim (G2): an attempt that has lost its claim can write
// nothing, whatever its clock says and however long it was paused.
//
// Invariants:
//   A1. Every commit guards on the version that the claim's own write gave the status, or that this
//       attempt has moved it to since, so that a late checkpoint of its own is refused too
//       (attempt-fence.ts).
//   A2. An acknowledged cancel wins: an end other than "cancelled" guards on the absence of the
//       control record, and turns into "cancelled" where that guard fails.
//   A3. When the answer to an end was lost, asking again finds out: the same end by the same attempt
//       is success.

import type { Coord, CoordLimits, Guard, Write } from '@holdfast/coord';
import {
  type AtomRecord,
  type AttemptEnd,
  assert,
  ClaimLostError,
  type Clock,
  encodeJson,
  type Failure,
  type JobEvent,
  type JobStatus,
  LIMITS,
  type Payload,
  type ReadyPosition,
  transitionJob,
} from '@holdfast/core';
import { encodeAtom, encodeJobOutcome } from '@holdfast/wire';
import type { AttemptFences } from './attempt-fence.ts';
import type { Claim } from './claim.ts';
import { readStatus } from './job-reader.ts';
import { atomKey, controlKey, outcomeKey } from './keys.ts';
import type { BoardObserver } from './observer.ts';
import { MAX_PLACEMENT_TRIES, type ReadyBuckets } from './ready-buckets.ts';
import { transitionWrites } from './transition.ts';

export interface AttemptParts {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly buckets: ReadyBuckets;
  readonly observer: BoardObserver;
  readonly fences: AttemptFences;
}

/** How an attempt ends, as the worker tells it. `atoms`: transitions not committed yet. */
export type AttemptEnding = { readonly atoms: readonly AtomRecord[] } & (
  | { readonly kind: 'succeed'; readonly output: Payload }
  | { readonly kind: 'fail'; readonly failure: Failure; readonly reason?: string | undefined }
  | { readonly kind: 'cancel'; readonly reason: string }
  | { readonly kind: 'retryLater'; readonly runAtUnixMs: number; readonly reason: string }
  | { readonly kind: 'release'; readonly reason: string }
);

/** What became of the job: what was asked for, or "cancelled" where a cancel came first (A2). */
export type AttemptEnded = 'succeeded' | 'failed' | 'cancelled' | 'scheduled' | 'ready';

/** Writes checkpoints. Throws ClaimLostError when the claim no longer holds. */
export async function writeCheckpoint(
  parts: AttemptParts,
  claim: Claim,
  atoms: readonly AtomRecord[],
): Promise<void> {
  const { coord, fences } = parts;
  if (!(await fences.settle(claim))) throw refused(parts, claim, 'a checkpoint');
  for (const write of splitWrites(atomWrites(claim, atoms), coord.limits)) {
    const startedMs = parts.clock.monotonicMs();
    const result = await fences.watchOver(
      claim,
      () => coord.commit({ when: [fences.guardOf(claim)], write }), // A1
    );
    parts.observer.committed?.({
      what: 'checkpoint',
      durationMs: parts.clock.monotonicMs() - startedMs,
    });
    if (!result.committed) throw refused(parts, claim, 'a checkpoint');
  }
}

/** Ends the attempt. Throws ClaimLostError when the claim no longer holds. */
export async function endAttempt(
  parts: AttemptParts,
  claim: Claim,
  ending: AttemptEnding,
): Promise<AttemptEnded> {
  let atoms: readonly AtomRecord[];
  try {
    if (!(await parts.fences.settle(claim))) throw refused(parts, claim, 'its end');
    atoms = await writeSurplus(parts, claim, ending.atoms);
  } catch (error) {
    const echo = error instanceof ClaimLostError && (await recogniseEnd(parts, claim, ending.kind));
    if (!echo) throw error;
    return echo;
  }
  for (let tries = 0; tries < MAX_PLACEMENT_TRIES; tries += 1) {
    const placement =
      ending.kind === 'release' ? await parts.buckets.place(claim.spec, 'returned') : undefined;
    const event = endingEvent(ending, parts.clock.nowUnixMs(), placement?.position);
    const after = transitionJob(claim.status, event);
    const fence = parts.fences.guardOf(claim);
    const when: Guard[] = [fence]; // A1
    if (ending.kind !== 'cancel') when.push({ kind: 'absent', key: controlKey(claim.spec.id) }); // A2
    if (placement) when.push(placement.guard);
    const startedMs = parts.clock.monotonicMs();
    const result = await parts.coord.commit({
      when,
      write: [
        ...atomWrites(claim, atoms),
        ...outcomeWrites(claim, ending),
        ...transitionWrites(claim.spec, claim.status, after),
      ],
    });
    parts.observer.committed?.({
      what: ending.kind,
      durationMs: parts.clock.monotonicMs() - startedMs,
    });
    if (result.committed) return ended(parts, claim, after);
    const { failedGuard } = result;
    if (failedGuard.key === fence.key) {
      const echo = await recogniseEnd(parts, claim, ending.kind);
      if (!echo) throw refused(parts, claim, 'its end');
      return echo;
    }
    if (failedGuard.key === controlKey(claim.spec.id)) {
      return await endAttempt(parts, claim, {
        kind: 'cancel',
        reason: 'cancelled by request',
        atoms,
      });
    }
    if (placement) parts.buckets.discard(placement.guard);
  }
  throw refused(parts, claim, `${ending.kind}, for want of a place in the ready index,`);
}

/** Checkpoints what one commit can't hold besides the end itself; returns the rest. */
async function writeSurplus(
  parts: AttemptParts,
  claim: Claim,
  atoms: readonly AtomRecord[],
): Promise<readonly AtomRecord[]> {
  const { limits } = parts.coord;
  const writes = atomWrites(claim, atoms);
  const bytes = writes.reduce((sum, write) => sum + write.value.length + write.key.length, 0);
  const fits =
    writes.length <= limits.maxOpsPerCommit - RESERVED_OPS &&
    bytes <= limits.maxCommitBytes - RESERVED_BYTES;
  if (fits) return atoms;
  await writeCheckpoint(parts, claim, atoms);
  return [];
}

// What a piece leaves free for the end of an attempt that may travel with it: three guards, status,
// outcome and at most four index entries; and the bytes of an output and a failure.
const RESERVED_OPS = 9;
const RESERVED_BYTES =
  LIMITS.payloadBytes + LIMITS.failureStackLength + LIMITS.failureMessageLength;

/**
 * Cuts writes into pieces that one commit holds. Each checkpoint stands for itself, so the pieces
 * may be committed one after the other.
 */
function splitWrites(
  writes: readonly AtomWrite[],
  limits: CoordLimits,
): readonly (readonly Write[])[] {
  const pieces: Write[][] = [];
  let bytes = 0;
  for (const write of writes) {
    const piece = pieces.at(-1);
    bytes += write.value.length + write.key.length;
    const hasRoom =
      piece &&
      piece.length < limits.maxOpsPerCommit - RESERVED_OPS &&
      bytes <= limits.maxCommitBytes - RESERVED_BYTES;
    if (hasRoom) {
      piece.push(write);
    } else {
      pieces.push([write]);
      bytes = write.value.length + write.key.length;
    }
  }
  return pieces;
}

type AtomWrite = Write & { readonly kind: 'put' };

function atomWrites(claim: Claim, atoms: readonly AtomRecord[]): readonly AtomWrite[] {
  return atoms.map((atom) => ({
    kind: 'put',
    key: atomKey(claim.spec.id, atom.name),
    value: encodeAtom(atom),
  }));
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
    case 'fail':
      return {
        kind: 'finish',
        state: 'failed',
        atUnixMs,
        failure: ending.failure,
        reason: ending.reason ?? ending.failure.message,
      };
    case 'cancel':
      return { kind: 'finish', state: 'cancelled', atUnixMs, reason: ending.reason };
    case 'retryLater':
      return {
        kind: 'retryLater',
        atUnixMs,
        runAtUnixMs: ending.runAtUnixMs,
        reason: ending.reason,
      };
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
      parts.observer.finished?.({
        queue: claim.spec.queue,
        flow: claim.spec.flow,
        state: phase.kind,
        totalMs: phase.finishedAtUnixMs - claim.spec.postedAtUnixMs,
      });
      return phase.kind;
    case 'scheduled':
    case 'ready':
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
  release: 'released',
};

/** A3: is the refusal the echo of our own commit, whose answer was lost? Undefined when it isn't. */
async function recogniseEnd(
  parts: AttemptParts,
  claim: Claim,
  kind: AttemptEnding['kind'],
): Promise<AttemptEnded | undefined> {
  const now = await readStatus(parts.coord, claim.spec.id);
  const mine = now?.attempts.find((attempt) => attempt.number === claim.status.attempt);
  if (mine?.end === 'cancelled') return 'cancelled';
  if (mine?.end === undefined || mine.end !== END_OF[kind]) return undefined;
  if (kind === 'succeed') return 'succeeded';
  if (kind === 'fail') return 'failed';
  return kind === 'retryLater' ? 'scheduled' : 'ready';
}

function refused(parts: AttemptParts, claim: Claim, what: string): ClaimLostError {
  parts.observer.fenceRejected?.({ jobId: claim.spec.id, what });
  return new ClaimLostError(claim.spec.id, what);
}
