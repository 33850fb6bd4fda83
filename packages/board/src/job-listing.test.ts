import type { JobId, JobState } from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Board } from './board.ts';
import type { JobQuery } from './job-view.ts';
import { newJob, postedId, TestFleet } from './test-fleet.fixture.ts';

async function listAllJobs(board: Board, query: Omit<JobQuery, 'pageToken'>): Promise<JobId[]> {
  const ids: JobId[] = [];
  let pageToken: string | undefined;
  do {
    const page = await board.listJobs({ ...query, pageToken });
    expect(page.jobs.length).toBeLessThanOrEqual(query.pageSize);
    ids.push(...page.jobs.map((job) => job.id));
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  return ids;
}

describe('listing jobs', () => {
  it('gives every job once, newest first, whatever the gaps between posts and the page size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            gapMs: fc.constantFrom(0, 1, 500, 90_000, 9_000_000, 9_000_000_000),
            count: fc.integer({ min: 1, max: 5 }),
          }),
          { maxLength: 12 },
        ),
        fc.integer({ min: 1, max: 7 }),
        async (posts, pageSize) => {
          await using fleet = new TestFleet();
          const board = await fleet.openBoard();
          const ids: JobId[] = [];
          for (const { gapMs, count } of posts) {
            await fleet.clock.advance(gapMs);
            ids.push(
              ...(await board.post(Array.from({ length: count }, () => newJob()))).map(postedId),
            );
          }
          expect(await listAllJobs(board, { pageSize })).toEqual([...ids].sort().reverse());
        },
      ),
      { numRuns: 40 },
    );
  });

  it('filters by state, flow, queue and time of post', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [a] = await board.post([newJob({ flow: 'a' })]);
    await fleet.clock.advance(1000);
    const middle = fleet.clock.nowUnixMs();
    const [b] = await board.post([newJob({ queue: 'b' })]);
    await board.cancel(postedId(b), { reason: '' });
    const list = (query: Partial<JobQuery>): Promise<JobId[]> =>
      listAllJobs(board, { pageSize: 10, ...query });
    expect(await list({ flow: 'a' })).toEqual([postedId(a)]);
    expect(await list({ queue: 'b' })).toEqual([postedId(b)]);
    const states: readonly JobState[] = ['cancelled', 'dead'];
    expect(await list({ states })).toEqual([postedId(b)]);
    expect(await list({ postedAfterUnixMs: middle })).toEqual([postedId(b)]);
    expect(await list({ postedBeforeUnixMs: middle })).toEqual([postedId(a)]);
  });

  it('refuses a page token that no listing gave out', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    for (const pageToken of ['x', '!!', Buffer.from('nonsense').toString('base64url')]) {
      await expect(board.listJobs({ pageSize: 1, pageToken })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('page_token'),
      });
    }
  });
});
