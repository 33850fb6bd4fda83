// Watching one job: the watch only wakes, the records are read again, and what has changed is
// yielded. A reader that is slow gets fewer, newer states; the final one is never left out.

import type { Coord } from '@holdfast/coord';
import {
  type Clock,
  isFinal,
  type JobId,
  jitter,
  NotFoundError,
  type Random,
  sleep,
} from '@holdfast/core';
import { readJobView } from './job-reader.ts';
import type { JobView } from './job-view.ts';
import { atomsPrefix, controlKey, statusKey } from './keys.ts';

/** How often a watched job is read although nothing woke the watch, in milliseconds, ± a fifth. */
export const WATCH_RESYNC_MS = 2000;

export interface JobWatchParts {
  readonly coord: Coord;
  readonly clock: Clock;
  readonly random: Random;
}

/** Yields the job as it is, then after changes, and ends after its final state. */
export async function* watchJob(
  parts: JobWatchParts,
  id: JobId,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<JobView> {
  let wake = new AbortController();
  const watches = [statusKey(id), atomsPrefix(id), controlKey(id)].map((prefix) =>
    parts.coord.watch(prefix, () => wake.abort()),
  );
  const giveUp = (): void => wake.abort();
  options.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    await Promise.all(watches.map((watch) => watch.armed));
    let seen = '';
    while (!options.signal?.aborted) {
      // A fresh wake-up before the read: what changes after the read wakes the next round.
      wake = new AbortController();
      const read = await readJobView(parts.coord, id);
      if (!read) throw new NotFoundError(`there is no job ${id}`, { ids: { jobId: id } });
      if (read.signature !== seen) {
        seen = read.signature;
        yield read.view;
      }
      if (isFinal(read.view.status.phase.kind)) return;
      await sleep(parts.clock, jitter(parts.random, WATCH_RESYNC_MS), { signal: wake.signal });
    }
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
    await Promise.all(watches.map((watch) => watch.close()));
  }
}
