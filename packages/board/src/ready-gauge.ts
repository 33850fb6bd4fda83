// Counts what waits, and clears empty buckets away on the walk.
import type { BoardParts } from './board-parts.ts';
import { listPages } from './job-reader.ts';
import { BUCKETS_PREFIX, parseReadyKey, readyBucketPrefix } from './keys.ts';
import type { Lane } from './lane.ts';
import {
  BUCKET_CAPACITY,
  isOutOfUse,
  orderTimeUnixMs,
  removeEmptyBucket,
} from './ready-buckets.ts';

/** Buckets of one queue that are counted. */
const BUCKETS_COUNTED = 64;

/** Ready jobs of one queue are counted exactly up to this number; above it, at least this many wait. */
export const READY_COUNT_LIMIT: number = BUCKETS_COUNTED * BUCKET_CAPACITY;

interface Count {
  jobs: number;
  buckets: number;
  oldestUnixMs: number;
}

/** Tells the observer how many jobs are ready in each queue, and since when the oldest has been. */
export async function gaugeReadyJobs(parts: BoardParts): Promise<void> {
  const counts = new Map<string, Count>();
  for await (const entries of listPages(parts.coord, BUCKETS_PREFIX)) {
    for (const entry of entries) {
      const [, queue = '', flowPart = '', bucket = ''] = entry.key.split('/');
      const count = counts.get(queue) ?? {
        jobs: 0,
        buckets: 0,
        oldestUnixMs: Number.POSITIVE_INFINITY,
      };
      counts.set(queue, count);
      if (count.buckets < BUCKETS_COUNTED)
        await countBucket(parts, { queue, flowPart }, { bucket, count });
    }
  }
  const nowUnixMs = parts.clock.nowUnixMs();
  for (const [queue, { jobs, oldestUnixMs }] of counts) {
    parts.observer.ready?.({
      queue,
      jobs,
      oldestAgeMs: jobs === 0 ? 0 : Math.max(0, nowUnixMs - oldestUnixMs),
    });
  }
}

async function countBucket(
  parts: BoardParts,
  lane: Lane,
  { bucket, count }: { readonly bucket: string; readonly count: Count },
): Promise<void> {
  const page = await parts.coord.list({
    prefix: readyBucketPrefix(lane, bucket),
    limit: BUCKET_CAPACITY,
  });
  const first = page.entries[0];
  if (!first) {
    if (isOutOfUse(bucket, parts.clock.nowUnixMs()))
      await removeEmptyBucket(parts.coord, lane, bucket);
    return;
  }
  count.buckets += 1;
  count.jobs += page.entries.length;
  count.oldestUnixMs = Math.min(
    count.oldestUnixMs,
    orderTimeUnixMs(parseReadyKey(first.key).position.order),
  );
}
