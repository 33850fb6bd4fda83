// Listing jobs, newest first, over stores that list oldest first and whose ranges cost what lies in
// them: job ids start with the time of the post, so the listing walks back through windows of time,
// each a bounded range, growing while they are empty and shrinking while they are crowded.

import type { Coord } from '@holdfast/coord';
import {
  type Clock,
  type JobStatus,
  jobIdFloor,
  jobIdTimeUnixMs,
  parseJobId,
} from '@holdfast/core';
import { decodeJobStatus } from '@holdfast/wire';
import type { JobPage, JobQuery } from './job-view.ts';
import { STATUS_PREFIX } from './keys.ts';
import { decodePageToken, encodePageToken } from './page.ts';

/** Statuses looked at for one page; a filter that few jobs pass gives short pages, not slow ones. */
export const MAX_VISITED_PER_PAGE = 5000;

const FIRST_WINDOW_MS = 60_000;
const MIN_WINDOW_MS = 1;
/** Servers' clocks may be ahead of ours: the walk starts this much in the future. */
const CLOCK_SLACK_MS = 3_600_000;

interface Walk {
  /** Only jobs with smaller ids are still to come. */
  before: string;
  windowMs: number;
  visited: number;
  readonly found: JobStatus[];
}

/** One page of `query`. Throws InvalidArgumentError for a page token that no listing gave out. */
export async function listJobs(
  parts: { readonly coord: Coord; readonly clock: Clock },
  query: JobQuery,
): Promise<JobPage> {
  const newest = parts.clock.nowUnixMs() + CLOCK_SLACK_MS;
  const walk: Walk = {
    before: startOfWalk(query, newest),
    windowMs: FIRST_WINDOW_MS,
    visited: 0,
    found: [],
  };
  const floor = jobIdFloor(query.postedAfterUnixMs ?? 0);
  while (walk.before > floor) {
    if (walk.found.length >= query.pageSize || walk.visited >= MAX_VISITED_PER_PAGE) {
      return { jobs: walk.found, nextPageToken: encodePageToken(walk.before) };
    }
    await walkWindow(parts.coord, query, { walk, floor });
  }
  return { jobs: walk.found };
}

/** Looks at one window of time; takes all of it, or narrows it when it holds too many. */
async function walkWindow(
  coord: Coord,
  query: JobQuery,
  where: { readonly walk: Walk; readonly floor: string },
): Promise<void> {
  const { walk, floor } = where;
  const endMs = timeOf(walk.before);
  const from = maxText(floor, jobIdFloor(endMs - walk.windowMs));
  const limit = Math.min(coord.limits.maxPageEntries, MAX_VISITED_PER_PAGE);
  const page = await coord.list({
    prefix: STATUS_PREFIX,
    after: STATUS_PREFIX + justBelow(from),
    before: STATUS_PREFIX + walk.before,
    limit,
  });
  if (page.more && walk.windowMs > MIN_WINDOW_MS) {
    walk.windowMs = Math.max(MIN_WINDOW_MS, Math.floor(walk.windowMs / 8));
    return;
  }
  const entries = page.more ? await restOfWindow(coord, walk.before, from) : page.entries;
  for (const entry of [...entries].reverse()) {
    if (walk.found.length >= query.pageSize) return;
    walk.visited += 1;
    const status = decodeJobStatus(entry.value);
    walk.before = status.id;
    if (matches(status, query)) walk.found.push(status);
  }
  walk.before = from;
  walk.windowMs = Math.min(endMs + 1, walk.windowMs * 8);
}

/** All jobs of a window that can't be narrowed: one millisecond of a very busy board. */
async function restOfWindow(
  coord: Coord,
  before: string,
  from: string,
): Promise<readonly { readonly value: Uint8Array }[]> {
  const all: { readonly value: Uint8Array }[] = [];
  let after = STATUS_PREFIX + justBelow(from);
  for (;;) {
    const page = await coord.list({
      prefix: STATUS_PREFIX,
      after,
      before: STATUS_PREFIX + before,
      limit: coord.limits.maxPageEntries,
    });
    all.push(...page.entries);
    const last = page.entries.at(-1);
    if (!page.more || !last) return all;
    after = last.key;
  }
}

function matches(status: JobStatus, query: JobQuery): boolean {
  const worker = status.phase.kind === 'running' ? status.phase.worker : undefined;
  return (
    (query.taskJobs === true || status.parentId === undefined) &&
    (query.states === undefined ||
      query.states.length === 0 ||
      query.states.includes(status.phase.kind)) &&
    (query.flow === undefined || status.flow === query.flow) &&
    (query.queue === undefined || status.queue === query.queue) &&
    (query.worker === undefined || worker === query.worker)
  );
}

function startOfWalk(query: JobQuery, newestUnixMs: number): string {
  const bound = jobIdFloor(Math.min(newestUnixMs, query.postedBeforeUnixMs ?? newestUnixMs));
  if (query.pageToken === undefined) return bound;
  const id = parseJobId(decodePageToken(query.pageToken), 'page_token');
  return id < bound ? id : bound;
}

function timeOf(id: string): number {
  return jobIdTimeUnixMs(parseJobId(id, 'id'));
}

/** A key below `id` and above everything smaller: ranges exclude their lower bound. */
function justBelow(id: string): string {
  return `${id.slice(0, -1)}${String.fromCharCode(id.charCodeAt(id.length - 1) - 1)}~`;
}

function maxText(a: string, b: string): string {
  return a > b ? a : b;
}
