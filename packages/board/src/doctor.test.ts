import type { Write } from '@holdfast/coord';
import { encodeJson, type JobId, toFailure } from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Board } from './board.ts';
import type { Claim } from './claim.ts';
import { indexKeys } from './keys.ts';
import { takeOverMember } from './takeover.ts';
import {
  beforeCommits,
  drive,
  newJob,
  postedId,
  TestFleet,
  type TestMember,
} from './test-fleet.fixture.ts';
import { expireWaitingJobs, promoteDueJobs, removeFinishedJobs } from './time-sweeps.ts';

async function write(board: Board, writes: readonly Write[]): Promise<void> {
  await board.parts.coord.commit({ when: [], write: writes });
}

async function indexKeysOf(board: Board, id: JobId): Promise<readonly string[]> {
  const job = await board.getJob(id);
  if (!job) throw new Error(`no job ${id}`);
  return indexKeys(job.spec, job.status);
}

describe('the doctor', () => {
  it('finds nothing on a board that nobody tampered with', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([
      newJob(),
      newJob({ idempotencyKey: 'k' }),
      newJob({ runAtUnixMs: fleet.clock.nowUnixMs() + 5, deadlines: { totalMs: 50 } }),
    ]);
    const report = await board.doctor({ repair: true });
    expect(report).toEqual({ jobsChecked: 3, entriesChecked: 5, problems: [] });
  });

  it('finds and repairs an index entry that is missing', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted] = await board.post([newJob({ deadlines: { queueMs: 1000 } })]);
    for (const key of await indexKeysOf(board, postedId(posted))) {
      await write(board, [{ kind: 'remove', key }]);
      const found = await board.doctor({ repair: false });
      expect(found.problems).toMatchObject([{ kind: 'missing-index-entry', key, repaired: false }]);
      expect((await board.doctor({ repair: true })).problems).toMatchObject([
        { key, repaired: true },
      ]);
      expect((await board.doctor({ repair: false })).problems).toEqual([]);
    }
    const { member } = await fleet.joinMember(board);
    expect(await member.claim({ limit: 1 })).toHaveLength(1);
  });

  it('finds and repairs an entry that no status implies', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted] = await board.post([newJob()]);
    const id = postedId(posted);
    const keys = [
      `claims/w-1/${id}`,
      `due/00000000000001-${id}`,
      `done/00000000000001-${id.replace(/.$/, '0')}`,
      'keys/abc',
    ];
    await write(
      board,
      keys.map((key) => ({ kind: 'put', key, value: Buffer.from(id.replace(/.$/, '0')) })),
    );
    const repaired = await board.doctor({ repair: true });
    expect(repaired.problems.map(({ kind, key }) => ({ kind, key }))).toEqual(
      expect.arrayContaining(keys.map((key) => ({ kind: 'stray-index-entry', key }))),
    );
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
    expect((await board.getJob(id))?.status.phase.kind).toBe('ready');
  });

  it('repairs an idempotency key once: what came to it meanwhile is not taken', async () => {
    await using fleet = new TestFleet();
    const gone = 'j00000000000000000000000';
    const stray = (board: Board): Promise<void> =>
      write(board, [{ kind: 'put', key: 'keys/k', value: Buffer.from(gone) }]);
    const board = await fleet.openBoard();
    await stray(board);
    // Another doctor is faster, and the key is used again before this one's commit.
    const slow = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async (commit) => {
        if (!commit.write.some((one) => one.kind === 'remove' && one.key === 'keys/k')) return;
        await board.doctor({ repair: true });
        await board.post([newJob({ idempotencyKey: 'k' })]);
      }),
    );
    expect((await slow.doctor({ repair: true })).problems).toMatchObject([{ repaired: false }]);
    const [again] = await board.post([newJob({ idempotencyKey: 'k' })]);
    expect(again).toMatchObject({ kind: 'posted', created: false });
  });

  it('finds and repairs a bucket that is not listed, so that its jobs are found again', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob()]);
    const buckets = await board.parts.coord.list({ prefix: 'buckets/', limit: 10 });
    await write(
      board,
      buckets.entries.map(({ key }) => ({ kind: 'remove', key })),
    );
    expect((await board.doctor({ repair: true })).problems).toMatchObject([
      { kind: 'unlisted-bucket', repaired: true },
    ]);
    const { member } = await fleet.joinMember(board);
    expect(await member.claim({ limit: 1 })).toHaveLength(1);
  });

  it('finds and repairs a claim whose worker nobody would miss', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted] = await board.post([newJob()]);
    const { member, die } = await fleet.joinMember(board);
    await member.claim({ limit: 1 });
    await die();
    await write(board, [{ kind: 'remove', key: `members/${member.id}` }]);
    expect((await board.doctor({ repair: true })).problems).toMatchObject([
      { kind: 'claim-without-member', repaired: true },
    ]);
    await takeOverMember(board.parts, member.id);
    expect((await board.getJob(postedId(posted)))?.status.phase.kind).toBe('ready');
  });

  it('names a record it can not read, and goes on', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted, other] = await board.post([newJob(), newJob()]);
    await write(board, [
      { kind: 'put', key: `status/${postedId(posted)}`, value: Buffer.from('junk') },
      { kind: 'remove', key: `status/${postedId(other)}` },
    ]);
    const kinds = (await board.doctor({ repair: false })).problems.map(({ kind }) => kind);
    expect(kinds).toContain('unreadable-record');
    expect(kinds).toContain('missing-status');
  });

  it('finds nothing after any sequence of what boards do (G7)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 13 }), { maxLength: 60 }),
        fc.nat(),
        async (steps, seed) => {
          await using fleet = new TestFleet(seed);
          const world = await openWorld(fleet);
          for (const step of steps) await drive(fleet.clock, takeStep(world, step));
          const report = await world.board.doctor({ repair: false });
          expect(report.problems).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });
});

interface World {
  readonly fleet: TestFleet;
  readonly board: Board;
  readonly ids: JobId[];
  readonly workers: TestMember[];
  readonly held: { readonly worker: TestMember; readonly claim: Claim }[];
}

async function openWorld(fleet: TestFleet): Promise<World> {
  const board = await fleet.openBoard();
  return { fleet, board, ids: [], workers: [await fleet.joinMember(board)], held: [] };
}

/** One thing that happens on a board; what it refuses is part of the game. */
async function takeStep({ fleet, board, ids, workers, held }: World, step: number): Promise<void> {
  const { clock, random } = fleet;
  const pick = <Item>(items: readonly Item[]): Item | undefined =>
    items[Math.floor(random.next() * items.length)];
  const anyJob = pick(ids);
  const worker = pick(workers);
  const holding =
    held.length > 0 ? held.splice(Math.floor(random.next() * held.length), 1)[0] : undefined;
  const end = { atoms: [], reason: 'step' };
  const steps: readonly (() => Promise<unknown>)[] = [
    async () =>
      ids.push(
        ...(
          await board.post([
            newJob({ priority: Math.floor(random.next() * 10) }),
            newJob({ deadlines: { queueMs: 500 } }),
          ])
        ).map(postedId),
      ),
    async () =>
      ids.push(
        ...(
          await board.post([
            newJob({
              runAtUnixMs: clock.nowUnixMs() + 300,
              deadlines: { totalMs: 900 },
              maxAttempts: 1,
              retentionMs: 100,
            }),
          ])
        ).map(postedId),
      ),
    async () =>
      worker &&
      held.push(...(await worker.member.claim({ limit: 2 })).map((claim) => ({ worker, claim }))),
    async () =>
      holding?.worker.member.succeed(holding.claim, { atoms: [], output: encodeJson({ a: 1 }) }),
    async () =>
      holding?.worker.member.fail(holding.claim, {
        atoms: [],
        failure: toFailure(new Error('step')),
      }),
    async () => holding?.worker.member.release(holding.claim, end),
    async () =>
      holding?.worker.member.retryLater(holding.claim, {
        ...end,
        runAtUnixMs: clock.nowUnixMs() + 200,
      }),
    async () => anyJob && board.cancel(anyJob, { reason: 'step' }),
    async () => anyJob && board.revive(anyJob),
    async () => worker?.die(),
    async () => worker && takeOverMember(board.parts, worker.member.id),
    async () => workers.push(await fleet.joinMember(board)),
    async () => clock.nowUnixMs(),
    async () => {
      await promoteDueJobs(board.parts, clock.nowUnixMs());
      await expireWaitingJobs(board.parts, clock.nowUnixMs());
      await removeFinishedJobs(board.parts, clock.nowUnixMs());
    },
  ];
  try {
    await steps[step]?.();
  } catch (error) {
    const code = (error as { code?: unknown }).code; // whatever was thrown, only its code is looked at
    if (!['CLAIM_LOST', 'SESSION_LOST', 'FAILED_PRECONDITION', 'NOT_FOUND'].includes(String(code)))
      throw error;
  }
}
