// The version of the status that guards what an attempt writes: the one that its claim made, until
// the answer to a checkpoint is lost.
//
// Such a checkpoint may happen yet, long after it was repeated and others have followed it, and would
// then put back what it says: a committed step would be running again (G3). So before anything else is
// written about the claim, the status is written again as it stands. That moves its version, and what
// may be on its way still is refused.
//
// Invariants:
//   F1. After a checkpoint without an answer, nothing of the attempt is written under the same version.
//   F2. A status is only ever written again while it says that this very attempt runs, and under a
//       guard on what was read: so this takes a claim from nobody.
import type { Coord, Guard, Version } from '@holdfast/coord';
import { type JobStatus, OutcomeUnknownError, UnavailableError } from '@holdfast/core';
import { decodeJobStatus } from '@holdfast/wire';
import type { Claim } from './claim.ts';
import { statusKey } from './keys.ts';

/** How often a version is moved that others of the same attempt's late writes have moved meanwhile. */
const MAX_RENEWALS = 20;

/** The fences of one member's claims; see the head of this file. */
export class AttemptFences {
  readonly #coord: Coord;
  readonly #versions = new WeakMap<Claim, Version>();
  readonly #doubtful = new WeakSet<Claim>();

  constructor(coord: Coord) {
    this.#coord = coord;
  }

  /** The guard for a write of this attempt (A1). Ask {@link settle} before. */
  guardOf(claim: Claim): Guard {
    const version = this.#versions.get(claim) ?? claim.fence;
    return { kind: 'unchanged', key: statusKey(claim.spec.id), version };
  }

  /** Runs the commit of a checkpoint, and notes when its answer is lost. */
  async watchOver<Result>(claim: Claim, commit: () => Promise<Result>): Promise<Result> {
    try {
      return await commit();
    } catch (error) {
      if (error instanceof OutcomeUnknownError) this.#doubtful.add(claim);
      throw error;
    }
  }

  /** F1. False when the claim no longer holds; throws like a commit. Harmless to repeat. */
  async settle(claim: Claim): Promise<boolean> {
    const key = statusKey(claim.spec.id);
    for (let tries = 0; this.#doubtful.has(claim); tries += 1) {
      if (tries === MAX_RENEWALS) throw new UnavailableError(`${key} changes too fast; try again`);
      const entry = (await this.#coord.get([key])).get(key);
      if (!entry || !isHeldBy(decodeJobStatus(entry.value), claim)) return false;
      const result = await this.#coord.commit({
        when: [{ kind: 'unchanged', key, version: entry.version }], // F2
        write: [{ kind: 'put', key, value: entry.value }],
      });
      if (!result.committed) continue; // The next read says whether it was a late write of our own.
      this.#versions.set(claim, result.versionOf(key));
      this.#doubtful.delete(claim);
    }
    return true;
  }
}

function isHeldBy({ phase, attempt }: JobStatus, claim: Claim): boolean {
  const claimed = claim.status.phase;
  if (phase.kind !== 'running' || claimed.kind !== 'running') return false;
  return phase.worker === claimed.worker && attempt === claim.status.attempt;
}
