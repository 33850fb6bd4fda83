import type { CommitResult } from '@holdfast/coord';
import {
  type AtomRecord,
  encodeJson,
  OutcomeUnknownError,
  pendingAtom,
  SessionLostError,
  toFailure,
} from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Claim } from './claim.ts';
import type { Member } from './member.ts';
import { takeOverMember } from './takeover.ts';
import {
  divertingCommits,
  drive,
  losingAnswers,
  newJob,
  postedId,
  successAtom,
  TestFleet,
} from './test-fleet.fixture.ts';

const output = encodeJson({ done: true });

async function claimOne(member: Member): Promise<Claim> {
  const [claim] = await member.claim({ limit: 1 });
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

/** Every way an attempt can write. */
function writesOf(member: Member, claim: Claim): Readonly<Record<string, () => Promise<unknown>>> {
  const atoms = [successAtom('late')];
  return {
    checkpoint: () => member.checkpoint(claim, atoms),
    succeed: () => member.succeed(claim, { atoms, output }),
    fail: () => member.fail(claim, { atoms, failure: toFailure(new Error('late')) }),
    cancelled: () => member.cancelled(claim, { atoms, reason: 'late' }),
    retryLater: () => member.retryLater(claim, { atoms, runAtUnixMs: 0, reason: 'late' }),
    release: () => member.release(claim, { atoms, reason: 'late' }),
  };
}

describe('claims', () => {
  it('the most urgent job is claimed first, then the oldest', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const ids = [];
    for (const priority of [5, 0, 9, 5]) {
      const [result] = await board.post([newJob({ priority })]);
      ids.push(postedId(result));
      await fleet.clock.advance(10);
    }
    const { member } = await fleet.joinMember(board);
    const claims = await member.claim({ limit: 10 });
    expect(claims.map((claim) => claim.spec.id)).toEqual([ids[2], ids[0], ids[3], ids[1]]);
  });

  it('only jobs of the member’s flows and queues are claimed', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob({ flow: 'other' }), newJob({ queue: 'other' })]);
    const [mine] = await board.post([newJob({ flow: 'a', queue: 'q' })]);
    const { member } = await fleet.joinMember(board, { flows: ['a'], queues: ['q'] });
    expect((await member.claim({ limit: 10 })).map((claim) => claim.spec.id)).toEqual([
      postedId(mine),
    ]);
  });

  it('two members never hold the same attempt, and share the work', async () => {
    await using fleet = new TestFleet();
    const boards = await Promise.all([fleet.openBoard(), fleet.openBoard()]);
    await boards[0]?.post(Array.from({ length: 200 }, () => newJob()));
    const members = await Promise.all(boards.map((board) => fleet.joinMember(board)));
    const rounds = await drive(
      fleet.clock,
      Promise.all(
        members.map(async ({ member }) => {
          const claims: Claim[] = [];
          for (let round = 0; round < 40; round += 1)
            claims.push(...(await member.claim({ limit: 10 })));
          return claims;
        }),
      ),
    );
    const ids = rounds.flat().map((claim) => claim.spec.id);
    expect(ids).toHaveLength(200);
    expect(new Set(ids).size).toBe(200);
    for (const claims of rounds) expect(claims.length).toBeGreaterThan(50);
  });

  it('a member whose session has ended can claim nothing', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob()]);
    const { member, die } = await fleet.joinMember(board);
    await die();
    await expect(member.claim({ limit: 1 })).rejects.toThrow(SessionLostError);
    expect((await board.listJobs({ states: ['ready'], pageSize: 10 })).jobs).toHaveLength(1);
  });

  it('a claim whose answer was lost is found and run', async () => {
    await using fleet = new TestFleet();
    const plain = await fleet.openBoard();
    await plain.post([newJob()]);
    let isLost = false;
    const board = await fleet.openBoard({}, (coord) =>
      losingAnswers(coord, (commit) => {
        const isClaim = commit.write.some((write) => write.key.startsWith('claims/'));
        if (!isClaim || isLost) return false;
        isLost = true;
        return true;
      }),
    );
    const { member } = await fleet.joinMember(board);
    expect(await member.claim({ limit: 1 })).toEqual([]);
    const claim = await claimOne(member);
    expect(await member.succeed(claim, { atoms: [], output })).toBe('succeeded');
  });

  it('a fence grows with each claim of the job (G4)', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob()]);
    const { member } = await fleet.joinMember(board);
    const first = await claimOne(member);
    await member.release(first, { atoms: [], reason: 'test' });
    const second = await claimOne(member);
    expect(second.fence).toBeGreaterThan(first.fence);
    expect(second.status.attempt).toBe(2);
  });
});

describe('an attempt', () => {
  it.each(['checkpoint', 'succeed', 'fail', 'cancelled', 'retryLater', 'release'])(
    'that was fenced off can not %s (G2)',
    async (what) => {
      await using fleet = new TestFleet();
      const rejected: string[] = [];
      const zombieBoard = await fleet.openBoard({
        fenceRejected: (write) => rejected.push(write.jobId),
      });
      const board = await fleet.openBoard();
      const [posted] = await board.post([newJob()]);
      const id = postedId(posted);
      const zombie = await fleet.joinMember(zombieBoard);
      const lost = await claimOne(zombie.member);
      await zombie.die();
      await takeOverMember(board.parts, zombie.member.id);
      const heir = await fleet.joinMember(board);
      const claim = await claimOne(heir.member);
      const before = await board.getJob(id);

      const write = writesOf(zombie.member, lost)[what];
      await expect(write?.()).rejects.toMatchObject({ code: 'CLAIM_LOST' });

      expect(await board.getJob(id)).toEqual(before);
      expect(rejected).toEqual([id]);
      expect(await heir.member.succeed(claim, { atoms: [], output })).toBe('succeeded');
      await expect(write?.()).rejects.toMatchObject({ code: 'CLAIM_LOST' });
    },
  );

  it('checkpoints are there for the next attempt', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob()]);
    const { member } = await fleet.joinMember(board);
    const claim = await claimOne(member);
    await member.checkpoint(claim, [successAtom('a'), successAtom('b')]);
    await member.release(claim, { atoms: [successAtom('c')], reason: 'test' });
    const again = await claimOne(member);
    expect(again.atoms.map((atom) => atom.name)).toEqual(['a', 'b', 'c']);
  });

  it('a checkpoint that was repeated for want of an answer undoes nothing when it happens after all', async () => {
    await using fleet = new TestFleet();
    const late: (() => Promise<CommitResult>)[] = [];
    const board = await fleet.openBoard({}, (coord) =>
      divertingCommits(coord, (commit) => {
        const isFirst = late.length === 0 && commit.write.some(({ key }) => key.endsWith('/step'));
        if (!isFirst) return coord.commit(commit);
        late.push(() => coord.commit(commit));
        return Promise.reject(new OutcomeUnknownError('the answer was lost'));
      }),
    );
    const [posted] = await board.post([newJob()]);
    const { member } = await fleet.joinMember(board);
    const claim = await claimOne(member);
    const running: AtomRecord = { ...pendingAtom('step'), state: 'running', tries: 1 };
    await expect(member.checkpoint(claim, [running])).rejects.toBeInstanceOf(OutcomeUnknownError);
    await member.checkpoint(claim, [running]);
    await member.checkpoint(claim, [successAtom('step')]);
    expect(await late[0]?.()).toMatchObject({ committed: false });
    const job = await board.getJob(postedId(posted));
    expect(job?.atoms).toMatchObject([{ name: 'step', state: 'success' }]);
    expect(await member.succeed(claim, { atoms: [], output })).toBe('succeeded');
  });

  it('an attempt that was taken over cannot win its claim back by repeating a checkpoint', async () => {
    await using fleet = new TestFleet();
    let lost = 0;
    const board = await fleet.openBoard({}, (coord) =>
      losingAnswers(coord, (commit) => {
        const isCheckpoint = commit.write.some(({ key }) => key.startsWith('atoms/'));
        if (isCheckpoint) lost += 1;
        return isCheckpoint && lost === 1;
      }),
    );
    await board.post([newJob()]);
    const first = await fleet.joinMember(board);
    const claim = await claimOne(first.member);
    const write = (): Promise<void> => first.member.checkpoint(claim, [successAtom('late')]);
    await expect(write()).rejects.toBeInstanceOf(OutcomeUnknownError);
    await first.die();
    await takeOverMember(board.parts, first.member.id);
    const heir = await fleet.joinMember(board);
    const again = await claimOne(heir.member);
    await expect(write()).rejects.toMatchObject({ code: 'CLAIM_LOST' });
    expect(await heir.member.succeed(again, { atoms: [], output })).toBe('succeeded');
  });

  it('many and large checkpoints are cut into commits that the store takes', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted] = await board.post([newJob()]);
    const { member } = await fleet.joinMember(board);
    const claim = await claimOne(member);
    const large = { contentType: 'application/json', data: new Uint8Array(500_000) };
    const atoms = [
      ...Array.from({ length: 300 }, (_, n) => successAtom(`small-${n}`)),
      ...Array.from({ length: 5 }, (_, n) => ({ ...successAtom(`large-${n}`), result: large })),
    ];
    await member.succeed(claim, { atoms, output: large });
    const job = await board.getJob(postedId(posted));
    expect(job?.atoms).toHaveLength(305);
    expect(job?.status.phase.kind).toBe('succeeded');
  });

  it.each(['succeed', 'fail', 'retryLater', 'release'])(
    'whose %s got no answer can say it again, and it counts once',
    async (what) => {
      await using fleet = new TestFleet();
      let lost = 0;
      const board = await fleet.openBoard({}, (coord) =>
        losingAnswers(coord, (commit) => {
          const isEnd = commit.write.some(
            (write) => write.kind === 'remove' && write.key.startsWith('claims/'),
          );
          if (isEnd) lost += 1;
          return isEnd && lost === 1;
        }),
      );
      await board.post([newJob()]);
      const { member } = await fleet.joinMember(board);
      const write = writesOf(member, await claimOne(member))[what];
      await expect(write?.()).rejects.toBeInstanceOf(OutcomeUnknownError);
      await expect(write?.()).resolves.toBeTypeOf('string');
      expect(lost).toBe(2);
    },
  );
});
