import { encodeJson, type JobId, parseJobId, pendingAtom, toFailure } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Board } from './board.ts';
import type { Claim } from './claim.ts';
import { takeOverMember } from './takeover.ts';
import { newJob, postedId, successAtom, TestFleet, type TestMember } from './test-fleet.fixture.ts';

const output = encodeJson({ done: true });

async function runningJob(
  fleet: TestFleet,
): Promise<{ board: Board; id: JobId; claim: Claim } & TestMember> {
  const board = await fleet.openBoard();
  const [posted] = await board.post([newJob()]);
  const worker = await fleet.joinMember(board);
  const [claim] = await worker.member.claim({ limit: 1 });
  if (!claim) throw new Error('nothing to claim');
  return { ...worker, board, id: postedId(posted), claim };
}

describe('cancel', () => {
  it('a waiting job is cancelled at once, and again without harm', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    for (const job of [newJob(), newJob({ runAtUnixMs: fleet.clock.nowUnixMs() + 1000 })]) {
      const [posted] = await board.post([job]);
      const status = await board.cancel(postedId(posted), { reason: 'not needed' });
      expect(status.phase.kind).toBe('cancelled');
      expect(await board.cancel(postedId(posted), { reason: 'again' })).toEqual(status);
    }
    const { member } = await fleet.joinMember(board);
    expect(await member.claim({ limit: 10 })).toEqual([]);
  });

  it('a running job’s worker is told', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    let woken = false;
    const watch = member.watchInbox(() => {
      woken = true;
    });
    await watch.armed;
    expect((await board.cancel(id, { reason: 'stop' })).phase.kind).toBe('running');
    await fleet.clock.advance(1);
    expect(woken).toBe(true);
    const read: unknown[] = [];
    await member.readInbox((inbox) => read.push(inbox));
    await member.readInbox((inbox) => read.push(inbox));
    expect(read).toEqual([
      { cancel: [expect.objectContaining({ jobId: id, attempt: 1 })], drain: false },
    ]);
    // Asking again tells the worker again.
    await board.cancel(id, { reason: 'stop' });
    await member.readInbox((inbox) => read.push(inbox));
    expect(read).toHaveLength(2);
    expect(await member.cancelled(claim, { atoms: [], reason: 'stop' })).toBe('cancelled');
    await watch.close();
  });

  it.each(['succeed', 'fail', 'retryLater', 'release'] as const)(
    'an acknowledged cancel wins over a later %s',
    async (what) => {
      await using fleet = new TestFleet();
      const { board, member, id, claim } = await runningJob(fleet);
      await board.cancel(id, { reason: 'stop' });
      const atoms = [successAtom('a')];
      const ended = await {
        succeed: () => member.succeed(claim, { atoms, output }),
        fail: () => member.fail(claim, { atoms, failure: toFailure(new Error('x')) }),
        retryLater: () => member.retryLater(claim, { atoms, runAtUnixMs: 1, reason: 'x' }),
        release: () => member.release(claim, { atoms, reason: 'x' }),
      }[what]();
      expect(ended).toBe('cancelled');
      const job = await board.getJob(id);
      expect(job?.status.phase.kind).toBe('cancelled');
      expect(job?.atoms.map((atom) => atom.name)).toEqual(['a']);
    },
  );

  it('a running job whose worker dies ends cancelled', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, die } = await runningJob(fleet);
    await board.cancel(id, { reason: 'stop' });
    await die();
    await takeOverMember(board.parts, member.id);
    expect((await board.getJob(id))?.status.phase.kind).toBe('cancelled');
  });

  it('a finished or unknown job is refused with its id', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    await member.succeed(claim, { atoms: [], output });
    await expect(board.cancel(id, { reason: '' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining(id),
    });
    const unknown = parseJobId(`0${id.slice(1).replaceAll(/./g, '0')}`);
    await expect(board.cancel(unknown, { reason: '' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});

describe('revive', () => {
  it('a failed job runs again: results are kept, failed and reverted tasks start afresh', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    const failure = toFailure(new Error('broken'));
    const atoms = [
      successAtom('kept'),
      { ...successAtom('reverted'), state: 'reverted' as const, tries: 2 },
      { ...pendingAtom('failed'), state: 'failure' as const, tries: 3, failure },
    ];
    await member.fail(claim, { atoms, failure });
    expect((await board.revive(id)).phase.kind).toBe('ready');
    const [again] = await member.claim({ limit: 1 });
    expect(again?.status).toMatchObject({ attempt: 2, revivals: 1, lostAttempts: 0 });
    expect(
      again?.atoms.map(({ name, state, tries, forgivenTries }) => ({
        name,
        state,
        tries,
        forgivenTries,
      })),
    ).toEqual([
      { name: 'failed', state: 'pending', tries: 3, forgivenTries: 3 },
      { name: 'kept', state: 'success', tries: 1, forgivenTries: 0 },
      { name: 'reverted', state: 'pending', tries: 2, forgivenTries: 2 },
    ]);
  });

  it('a cancelled job that is revived can succeed', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    await board.cancel(id, { reason: 'stop' });
    await member.cancelled(claim, { atoms: [], reason: 'stop' });
    await board.revive(id);
    const [again] = await member.claim({ limit: 1 });
    if (!again) throw new Error('nothing to claim');
    expect(await member.succeed(again, { atoms: [], output })).toBe('succeeded');
  });

  it('a job that is not finished, or has succeeded, is refused', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    await expect(board.revive(id)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await member.succeed(claim, { atoms: [], output });
    await expect(board.revive(id)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});
