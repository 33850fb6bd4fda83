// Tells jobs of the ends of their task jobs. The end of a task job is written on that job, and its parent
// is another, which may run, wait or be stopped at the time: so the end leaves a note, and the note
// becomes news of the parent in a commit of its own.
//
// Owns the notes under `taskends/<parent>/`. Doesn't say how a task job has ended: the parent's worker
// reads that.
//
// Invariants:
//   N1. Whatever makes a task job final writes its note in the same commit (transition.ts). So where a
//       note is, its task job is final, and will stay so (R4).
//   N2. Notes are removed only in a commit that counts them in the parent's control (job-decision.ts, W1
//       to W3), or finds the parent over. So none is lost, whoever crashes in between: the upkeep goes
//       through the notes that are left.
//   N3. A parent that waits becomes ready in the commit that counts; one that runs has a message left
//       for its worker, and can't come to wait without having seen the count (A2): no end is slept
//       through.
//   N4. One commit tells all that is noted about a parent by then. Who finds nothing noted is done: so
//       many that tell at once make few commits.
import type { Coord, Write } from '@holdfast/coord';
import { isFinal, type JobId, type Logger } from '@holdfast/core';
import {
  commitDecision,
  controlOf,
  controlWrite,
  type JobDecisionParts,
  wakeUp,
} from './job-decision.ts';
import { readJob } from './job-reader.ts';
import { parentOfKey, TASK_ENDS_PREFIX, taskEndsPrefix } from './keys.ts';
import { actOnJob } from './one-by-one.ts';

/** Ends that one commit tells a parent of. */
export const TOLD_AT_ONCE = 100;

/** How often a call tries to tell a parent that keeps moving; then the upkeep's next look does. */
const MAX_TRIES = 10;

/** One go at telling a parent, and the one that is to follow it. */
interface Round {
  readonly current: Promise<void>;
  next: Promise<void> | undefined;
}

/** Tells parents; one for each process, so that it tells each parent one thing after the other. */
export class ParentTeller {
  readonly #parts: JobDecisionParts;
  /** Those that are being told now. */
  readonly #rounds = new Map<JobId, Round>();

  constructor(parts: JobDecisionParts) {
    this.#parts = parts;
  }

  /**
   * Tells a job of all ends of its task jobs that were noted before the call. Harmless to repeat. May
   * leave notes of a job that moves all the time; the upkeep tells of those.
   */
  async tell(parent: JobId): Promise<void> {
    const round = this.#rounds.get(parent);
    if (!round) return await this.#begin(parent);
    // What was noted since the round began needs another one; one for all who have come since.
    const again = (): Promise<void> => this.#begin(parent);
    round.next ??= round.current.then(again, again);
    await round.next;
  }

  async #begin(parent: JobId): Promise<void> {
    const round: Round = { current: this.#tellAll(parent), next: undefined };
    this.#rounds.set(parent, round);
    try {
      await round.current;
    } finally {
      if (this.#rounds.get(parent) === round && !round.next) this.#rounds.delete(parent);
    }
  }

  async #tellAll(parent: JobId): Promise<void> {
    const { coord } = this.#parts;
    for (let tries = 0; tries < MAX_TRIES; ) {
      const page = await coord.list({ prefix: taskEndsPrefix(parent), limit: TOLD_AT_ONCE });
      if (page.entries.length === 0) return; // N4
      const notes = page.entries.map(({ key }): Write => ({ kind: 'remove', key }));
      if (!(await this.#tellOf(parent, notes))) tries += 1;
      else if (!page.more) return;
    }
  }

  /** N2, N3. False when the parent moved meanwhile. */
  async #tellOf(parent: JobId, notes: readonly Write[]): Promise<boolean> {
    const { coord } = this.#parts;
    const job = await readJob(coord, parent);
    if (!job || isFinal(job.status.phase.kind)) {
      // Unguarded: an attempt after a revival looks at its task jobs by itself, and these have ended.
      return (await coord.commit({ when: [], write: notes })).committed;
    }
    const { after, placement, write } = await wakeUp(this.#parts, job);
    const taskEnds = controlOf(job).taskEnds + notes.length;
    const told = await commitDecision(this.#parts, job, {
      after,
      placement,
      write: [...write, ...notes, controlWrite(job, parent, { taskEnds })],
    });
    return told !== undefined;
  }
}

/** Tells every parent that was not told yet. The upkeep's look, for what a crash has left (N2). */
export async function tellOfEndedTaskJobs(parts: {
  readonly coord: Coord;
  readonly logger: Logger;
  readonly teller: ParentTeller;
}): Promise<void> {
  const { coord, logger, teller } = parts;
  let after: string | undefined;
  for (;;) {
    const page = await coord.list({ prefix: TASK_ENDS_PREFIX, after, limit: 1 });
    const first = page.entries[0];
    if (!first) return;
    const parent = parentOfKey(first.key);
    await actOnJob(logger, parent, async () => {
      await teller.tell(parent);
      return true;
    });
    after = `${taskEndsPrefix(parent)}~`; // Behind every id.
  }
}
