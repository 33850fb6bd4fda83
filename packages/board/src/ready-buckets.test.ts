import { LIMITS } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { listAll } from './job-reader.ts';
import { bucketKey, lastPart } from './keys.ts';
import { BUCKET_CAPACITY, OPEN_MS, removeEmptyBucket } from './ready-buckets.ts';
import { takeOverMember } from './takeover.ts';
import { beforeCommits, newJob, postedId, TestFleet } from './test-fleet.fixture.ts';

const lane = { queue: 'default', flowPart: 'flow' };

describe('buckets of the ready index', () => {
  it('a bucket that holds a job is sealed at the most, never removed', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob()]);
    const [bucket] = await listAll(board.parts.coord, 'buckets/');
    const name = lastPart(bucket?.key ?? '');
    expect(await removeEmptyBucket(board.parts.coord, lane, name)).toBe(false);
    expect(await removeEmptyBucket(board.parts.coord, lane, name)).toBe(false);
    const { member } = await fleet.joinMember(board);
    expect(await member.claim({ limit: 1 })).toHaveLength(1);
    expect(await removeEmptyBucket(board.parts.coord, lane, name)).toBe(true);
    expect((await board.parts.coord.get([bucketKey(lane, name)])).size).toBe(0);
  });

  it('no job is lost when its bucket is removed between its placement and its commit', async () => {
    await using fleet = new TestFleet();
    const sweeper = await fleet.openBoard();
    const sweep = async (): Promise<void> => {
      for (const { key } of await listAll(sweeper.parts.coord, 'buckets/')) {
        await removeEmptyBucket(sweeper.parts.coord, lane, lastPart(key));
      }
    };
    let sweepsLeft = 3;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async (commit) => {
        if (!commit.write.some((write) => write.key.startsWith('ready/')) || sweepsLeft === 0)
          return;
        sweepsLeft -= 1;
        await sweep();
      }),
    );
    const id = postedId((await board.post([newJob()]))[0]);
    expect(sweepsLeft).toBe(0);
    const { member } = await fleet.joinMember(board);
    expect((await member.claim({ limit: 1 })).map((claim) => claim.spec.id)).toEqual([id]);
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  });

  it('a bucket takes so many entries, and for so long', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post(Array.from({ length: BUCKET_CAPACITY + 1 }, () => newJob()));
    expect(await listAll(board.parts.coord, 'buckets/')).toHaveLength(2);
    await fleet.clock.advance(OPEN_MS);
    await board.post([newJob()]);
    expect(await listAll(board.parts.coord, 'buckets/')).toHaveLength(3);
  });

  it('a process forgets a bucket whose time is over, even one whose opening hangs, and keeps the others', async () => {
    await using fleet = new TestFleet();
    let toHang = 1;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async () => {
        toHang -= 1;
        if (toHang >= 0) await new Promise(() => undefined);
      }),
    );
    const bucketOf = async (flow: string): Promise<string> => {
      const spec = { queue: 'default', flow, priority: LIMITS.priorityDefault };
      return (await board.parts.buckets.place({ spec }, 'posted')).position.bucket;
    };
    void bucketOf('slow'); // Its answer never comes.
    await fleet.clock.advance(OPEN_MS / 2);
    const young = await bucketOf('young');
    await fleet.clock.advance(OPEN_MS / 2);
    const other = await bucketOf('other'); // Opening a bucket clears out what is too old.
    await bucketOf('slow');
    expect(await bucketOf('young')).toBe(young);
    expect(await bucketOf('other')).toBe(other);
  });
});

describe('takeover', () => {
  it('a living member’s jobs are not taken, whoever says that it is dead', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted] = await board.post([newJob()]);
    const { member } = await fleet.joinMember(board);
    await member.claim({ limit: 1 });
    expect(await takeOverMember(board.parts, member.id)).toBe(0);
    expect((await board.getJob(postedId(posted)))?.status.phase).toMatchObject({
      kind: 'running',
      worker: member.id,
    });
    expect((await board.listWorkers({ pageSize: 1 })).items).toMatchObject([
      { isLive: true, claims: 1 },
    ]);
  });
});
