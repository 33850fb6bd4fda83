import { encodeJson, type JobId, parseJobId, pendingAtom, toFailure } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Board } from './board.ts';
import type { Claim } from './claim.ts';
import { takeOverMember } from './takeover.ts';
import {
  beforeCommits,
  newJob,
  postedId,
  successAtom,
  TestFleet,
  type TestMember,
} from './test-fleet.fixture.ts';
import { expireWaitingJobs } from './time-sweeps.ts';

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
      { news: [expect.objectContaining({ jobId: id, attempt: 1 })], drain: false },
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

describe('cancel with revert', () => {
  it('a job that never began is cancelled at once', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted] = await board.post([newJob()]);
    const status = await board.cancel(postedId(posted), { reason: 'no', revert: true });
    expect(status.phase.kind).toBe('cancelled');
    expect(await board.cancel(postedId(posted), { reason: 'no', revert: true })).toEqual(status);
  });

  it('a running job’s worker is told, and its job ends cancelled once it was reverted', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    expect((await board.cancel(id, { reason: 'no', revert: true })).phase.kind).toBe('running');
    const { control } = await member.readNews(claim, { after: 0 });
    expect(control).toMatchObject({ wish: 'cancelWithRevert', reason: 'no' });
    const failure = toFailure(new Error('could not be undone'));
    expect(await member.cancelled(claim, { atoms: [], reason: 'no', failure })).toBe('cancelled');
    expect((await board.getJob(id))?.status.phase).toMatchObject({ kind: 'cancelled', failure });
  });

  it.each(['succeed', 'wait', 'suspended', 'release', 'retryLater'] as const)(
    'an attempt that did not know of it ends by handing the job on: %s',
    async (what) => {
      await using fleet = new TestFleet();
      const { board, member, id, claim } = await runningJob(fleet);
      await board.cancel(id, { reason: 'no', revert: true });
      const atoms = [successAtom('a')];
      const ended = await {
        succeed: () => member.succeed(claim, { atoms, output }),
        wait: () => member.wait(claim, { atoms, signalsSeen: 0, reason: 'x' }),
        suspended: () => member.suspended(claim, { atoms }),
        release: () => member.release(claim, { atoms, reason: 'x' }),
        retryLater: () => member.retryLater(claim, { atoms, runAtUnixMs: 9e12, reason: 'x' }),
      }[what]();
      expect(ended).toBe('ready');
      const [again] = await member.claim({ limit: 1 });
      expect(again).toMatchObject({
        control: { wish: 'cancelWithRevert' },
        atoms: [{ name: 'a' }],
      });
    },
  );

  it('a flow that failed by itself meanwhile has been reverted, so its job is cancelled', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    await board.cancel(id, { reason: 'no', revert: true });
    const failure = toFailure(new Error('x'));
    expect(await member.fail(claim, { atoms: [], failure })).toBe('cancelled');
  });

  it('a revert that is to be tried later is', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    await board.cancel(id, { reason: 'no', revert: true });
    const end = { atoms: [], runAtUnixMs: 9e12, reason: 'x', reverts: true };
    expect(await member.retryLater(claim, end)).toBe('scheduled');
    expect((await board.cancel(id, { reason: 'no', revert: true })).phase.kind).toBe('scheduled');
  });

  it.each(['ready', 'waiting', 'scheduled', 'suspended'] as const)(
    'a job that is %s and has done something is put up for a worker to revert it',
    async (state) => {
      await using fleet = new TestFleet();
      const { board, member, id, claim } = await runningJob(fleet);
      const atoms = [successAtom('a')];
      if (state === 'ready') await member.release(claim, { atoms, reason: 'x' });
      if (state === 'waiting') await member.wait(claim, { atoms, signalsSeen: 0, reason: 'x' });
      if (state === 'scheduled')
        await member.retryLater(claim, { atoms, runAtUnixMs: 9e12, reason: 'x' });
      if (state === 'suspended') {
        await board.suspend(id, { reason: '' });
        await member.suspended(claim, { atoms });
      }
      expect((await board.getJob(id))?.status.phase.kind).toBe(state);
      const status = await board.cancel(id, { reason: 'no', revert: true });
      expect(status.phase.kind).toBe('ready');
      expect(await board.cancel(id, { reason: 'no', revert: true })).toEqual(status);
      await expect(board.suspend(id, { reason: '' })).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
      });
      const [again] = await member.claim({ limit: 1 });
      expect(again?.control?.wish).toBe('cancelWithRevert');
      expect((await board.doctor({ repair: false })).problems).toEqual([]);
    },
  );

  it('a ready job is not claimed by who has not seen it', async () => {
    await using fleet = new TestFleet();
    let hook = async (): Promise<void> => undefined;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async (commit) => {
        if (commit.write.some(({ key }) => key.startsWith('claims/'))) await hook();
      }),
    );
    const [posted] = await board.post([newJob()]);
    const { member } = await fleet.joinMember(board);
    const [claim] = await member.claim({ limit: 1 });
    if (!claim) throw new Error('nothing to claim');
    await member.release(claim, { atoms: [successAtom('a')], reason: 'x' });
    hook = async () => {
      hook = async () => undefined;
      await board.cancel(postedId(posted), { reason: 'no', revert: true });
    };
    expect(await member.claim({ limit: 1 })).toEqual([]);
    expect((await member.claim({ limit: 1 }))[0]?.control?.wish).toBe('cancelWithRevert');
  });

  it('the next attempt goes on with it when the worker dies', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, die } = await runningJob(fleet);
    await board.cancel(id, { reason: 'no', revert: true });
    await die();
    await takeOverMember(board.parts, member.id);
    const heir = await fleet.joinMember(board);
    const [again] = await heir.member.claim({ limit: 1 });
    expect(again).toMatchObject({ control: { wish: 'cancelWithRevert' }, status: { attempt: 2 } });
  });

  it('a job that takes down its workers while it is reverted ends cancelled, with that failure', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted] = await board.post([newJob({ maxAttempts: 1 })]);
    const { member, die } = await fleet.joinMember(board);
    await member.claim({ limit: 1 });
    await board.cancel(postedId(posted), { reason: 'no', revert: true });
    await die();
    await takeOverMember(board.parts, member.id);
    expect((await board.getJob(postedId(posted)))?.status.phase).toMatchObject({
      kind: 'cancelled',
      failure: { type: 'AttemptsExhausted' },
    });
  });

  it('a job whose total deadline passes before it was reverted ends cancelled, with that failure', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted] = await board.post([newJob({ deadlines: { totalMs: 1000 } })]);
    const { member } = await fleet.joinMember(board);
    const [claim] = await member.claim({ limit: 1 });
    if (!claim) throw new Error('nothing to claim');
    await member.release(claim, { atoms: [successAtom('a')], reason: 'x' });
    await board.cancel(postedId(posted), { reason: 'no', revert: true });
    await fleet.clock.advance(1000);
    await expireWaitingJobs(board.parts, fleet.clock.nowUnixMs());
    expect((await board.getJob(postedId(posted)))?.status.phase).toMatchObject({
      kind: 'cancelled',
      failure: { type: 'DeadlineExceeded' },
    });
  });

  it('a cancel without revert stops one with it, and not the other way round', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    await board.cancel(id, { reason: 'no', revert: true });
    await board.cancel(id, { reason: 'enough' });
    const refused = { code: 'FAILED_PRECONDITION', message: expect.stringContaining(id) };
    await expect(board.cancel(id, { reason: 'no', revert: true })).rejects.toMatchObject(refused);
    expect(await member.release(claim, { atoms: [], reason: 'x' })).toBe('cancelled');
    await expect(board.cancel(id, { reason: 'no', revert: true })).rejects.toMatchObject(refused);
    expect((await board.cancel(id, { reason: 'again' })).phase.kind).toBe('cancelled');
  });
});

describe('revive', () => {
  it('a failed job runs again: results are kept, failed and reverted tasks start afresh', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    const failure = toFailure(new Error('broken'));
    const atoms = [
      successAtom('kept'),
      { ...successAtom('reverted'), state: 'reverted' as const, tries: 2, revertTries: 4 },
      {
        ...pendingAtom('failed'),
        state: 'failure' as const,
        intention: 'revert' as const,
        tries: 3,
        failure,
      },
    ];
    await member.fail(claim, { atoms, failure });
    expect((await board.revive(id)).phase.kind).toBe('ready');
    const [again] = await member.claim({ limit: 1 });
    expect(again?.status).toMatchObject({ attempt: 2, revivals: 1, lostAttempts: 0 });
    expect(
      again?.atoms.map(({ name, state, tries, forgivenTries, forgivenRevertTries }) => ({
        name,
        state,
        tries,
        forgivenTries,
        forgivenRevertTries,
      })),
    ).toEqual([
      { name: 'failed', state: 'pending', tries: 3, forgivenTries: 3, forgivenRevertTries: 0 },
      { name: 'kept', state: 'success', tries: 1, forgivenTries: 0, forgivenRevertTries: 0 },
      { name: 'reverted', state: 'pending', tries: 2, forgivenTries: 2, forgivenRevertTries: 4 },
    ]);
  });

  it('a flow that has a task of its own name is revived like any other', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    const failure = toFailure(new Error('broken'));
    const failed = { ...pendingAtom('failed'), intention: 'revert' as const, failure };
    const atoms = [successAtom(claim.spec.flow), { ...failed, state: 'failure' as const }];
    await member.fail(claim, { atoms, failure });
    await board.revive(id);
    const [again] = await member.claim({ limit: 1 });
    expect(again?.atoms.map(({ name, state }) => [name, state])).toContainEqual([
      'failed',
      'pending',
    ]);
  });

  it('a durable function that was left as it is keeps the failures that it caught', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    const failure = toFailure(new Error('caught'));
    const atoms = [
      { ...pendingAtom(claim.spec.flow), state: 'running' as const, tries: 1 },
      { ...pendingAtom('step'), state: 'failure' as const, tries: 3, failure },
    ];
    await member.fail(claim, { atoms, failure });
    await board.revive(id);
    const [again] = await member.claim({ limit: 1 });
    expect(again?.atoms.map(({ name, state }) => [name, state])).toContainEqual([
      'step',
      'failure',
    ]);
  });

  it('a retry controller that gave up starts anew', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    const failure = toFailure(new Error('broken'));
    const rounds = [{ startedAtUnixMs: 1, failures: [failure], decision: 'revert' as const }];
    const controller = { ...successAtom('controller'), intention: 'revert' as const, rounds };
    await member.fail(claim, { atoms: [controller], failure });
    await board.revive(id);
    const [again] = await member.claim({ limit: 1 });
    expect(again?.atoms).toMatchObject([{ name: 'controller', state: 'pending', rounds: [] }]);
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
