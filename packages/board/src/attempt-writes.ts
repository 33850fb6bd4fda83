// What an attempt writes while it runs: checkpoints. Every commit here is guarded by the status record
// being unchanged since the claim (G2): an attempt that has lost its claim can write nothing, whatever
// its clock says and however long it was paused.
//
// Invariants:
//   A1. Every commit of an attempt guards on the version that the claim's own write gave the status, or
//       that this attempt has moved it to since, so that a late checkpoint of its own is refused too
//       (attempt-fence.ts).

import type { Coord, CoordLimits, Write } from '@holdfast/coord';
import { type AtomRecord, ClaimLostError, type Clock, LIMITS } from '@holdfast/core';
import { encodeAtom } from '@holdfast/wire';
import type { AttemptFences } from './attempt-fence.ts';
import type { Claim } from './claim.ts';
import { atomKey } from './keys.ts';
import type { BoardObserver } from './observer.ts';
import type { ReadyBuckets } from './ready-buckets.ts';

export interface AttemptParts {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly buckets: ReadyBuckets;
  readonly observer: BoardObserver;
  readonly fences: AttemptFences;
}

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

/** Checkpoints what one commit can't hold besides the end itself; returns the rest. */
export async function writeSurplus(
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
// outcome, control and at most four index entries; and the bytes of an output and a failure.
const RESERVED_OPS = 10;
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

/** The write of one checkpoint. */
export type AtomWrite = Write & { readonly kind: 'put' };

export function atomWrites(claim: Claim, atoms: readonly AtomRecord[]): readonly AtomWrite[] {
  return atoms.map((atom) => ({
    kind: 'put',
    key: atomKey(claim.spec.id, atom.name),
    value: encodeAtom(atom),
  }));
}

/** The error of a write that was refused because the claim no longer holds. */
export function refused(parts: AttemptParts, claim: Claim, what: string): ClaimLostError {
  parts.observer.fenceRejected?.({ jobId: claim.spec.id, what });
  return new ClaimLostError(claim.spec.id, what);
}
