import { encodeJson, type JobId, toFailure } from '@holdfast/core';
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
import { expireWaitingJobs, promoteDueJobs } from './time-sweeps.ts';

const output = encodeJson({ done: true });
const reason = 'the database is moved';

interface Running extends TestMember {
  readonly id: JobId;
  readonly claim: Claim;
}

async function runningJob(
  fleet: TestFleet,
  overrides: Parameters<typeof newJob>[0] = {},
): Promise<Running> {
  const board = await fleet.openBoard();
  const [posted] = await board.post([newJob(overrides)]);
  const worker = await fleet.joinMember(board);
  const [claim] = await worker.member.claim({ limit: 1 });
  if (!claim) throw new Error('nothing to claim');
  return { ...worker, id: postedId(posted), claim };
}

async function stateOf(board: Board, id: JobId): Promise<string | undefined> {
  return (await board.getJob(id))?.status.phase.kind;
}

const failure = toFailure(new Error('x'));
const ENDS: Readonly<Record<string, (job: Running) => Promise<string>>> = {
  succeed: ({ member, claim }) => member.succeed(claim, { atoms: [], output }),
  fail: ({ member, claim }) => member.fail(claim, { atoms: [], failure }),
  retryLater: ({ member, claim }) =>
    member.retryLater(claim, { atoms: [], runAtUnixMs: 9e12, reason: 'x' }),
  wait: ({ member, claim }) => member.wait(claim, { atoms: [], signalsSeen: 0, reason: 'x' }),
  suspended: ({ member, claim }) => member.suspended(claim, { atoms: [] }),
  release: ({ member, claim }) => member.release(claim, { atoms: [], reason: 'x' }),
};

describe('suspend', () => {
  it('a job that does not run is suspended at once, and again without harm', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    for (const job of [newJob(), newJob({ runAtUnixMs: fleet.clock.nowUnixMs() + 1000 })]) {
      const [posted] = await board.post([job]);
      const status = await board.suspend(postedId(posted), { reason });
      expect(status.phase).toMatchObject({ kind: 'suspended', reason });
      expect(await board.suspend(postedId(posted), { reason: 'again' })).toEqual(status);
      expect((await board.getJob(postedId(posted)))?.waitingReason).toBe(
        `until it is resumed: ${reason}`,
      );
    }
    await fleet.clock.advance(2000);
    await promoteDueJobs(board.parts, fleet.clock.nowUnixMs());
    const { member } = await fleet.joinMember(board);
    expect(await member.claim({ limit: 10 })).toEqual([]);
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  });

  it('a job that waits for a signal is suspended at once; a signal is kept and wakes nothing', async () => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    await ENDS['wait']?.(job);
    expect((await job.board.suspend(job.id, { reason })).phase.kind).toBe('suspended');
    const sent = await job.board.signal(job.id, { name: 's', payload: encodeJson(1) });
    expect(sent.status.phase.kind).toBe('suspended');
    expect((await job.board.resume(job.id)).phase.kind).toBe('ready');
    const [again] = await job.member.claim({ limit: 1 });
    expect(again?.signals).toHaveLength(1);
  });

  it.each([
    ['succeed', 'succeeded'],
    ['fail', 'failed'],
    ['retryLater', 'suspended'],
    ['wait', 'suspended'],
    ['suspended', 'suspended'],
    ['release', 'suspended'],
  ])('a running job is suspended by its end, unless that is final: %s', async (what, state) => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    expect((await job.board.suspend(job.id, { reason })).phase.kind).toBe('running');
    expect(await ENDS[what]?.(job)).toBe(state);
    expect(await stateOf(job.board, job.id)).toBe(state);
    expect(await job.member.claim({ limit: 1 })).toEqual([]);
    expect((await job.board.doctor({ repair: false })).problems).toEqual([]);
  });

  it('a running job whose worker dies is suspended by the takeover, with that attempt lost', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, die } = await runningJob(fleet);
    await board.suspend(id, { reason });
    await die();
    await takeOverMember(board.parts, member.id);
    const job = await board.getJob(id);
    expect(job?.status).toMatchObject({
      phase: { kind: 'suspended', reason },
      lostAttempts: 1,
      attempts: [{ end: 'lost' }],
    });
    expect(job?.control?.wish).toBe('none');
  });

  it('a takeover that it races with does not overlook it', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, die } = await runningJob(fleet);
    await die();
    let isFirst = true;
    const heir = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async (commit) => {
        if (!isFirst || !commit.write.some(({ key }) => key.startsWith('status/'))) return;
        isFirst = false;
        expect((await board.suspend(id, { reason })).phase.kind).toBe('running');
      }),
    );
    expect(await takeOverMember(heir.parts, member.id)).toBe(0);
    expect(await takeOverMember(heir.parts, member.id)).toBe(1);
    expect(await stateOf(board, id)).toBe('suspended');
  });

  it('a job that was worn out with its worker is dead all the same', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, die } = await runningJob(fleet, { maxAttempts: 1 });
    await board.suspend(id, { reason });
    await die();
    await takeOverMember(board.parts, member.id);
    expect(await stateOf(board, id)).toBe('dead');
  });

  it('a cancel beats it, before and after', async () => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    await job.board.suspend(job.id, { reason });
    await job.board.cancel(job.id, { reason: '' });
    await expect(job.board.suspend(job.id, { reason })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    expect(await ENDS['suspended']?.(job)).toBe('cancelled');
  });

  it('a suspended job can be cancelled', async () => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    await job.board.suspend(job.id, { reason });
    await ENDS['suspended']?.(job);
    expect((await job.board.cancel(job.id, { reason: '' })).phase.kind).toBe('cancelled');
  });

  it('a suspended job fails when its total deadline passes', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const [posted] = await board.post([newJob({ deadlines: { totalMs: 5000, queueMs: 1000 } })]);
    await board.suspend(postedId(posted), { reason });
    await fleet.clock.advance(4999);
    await expireWaitingJobs(board.parts, fleet.clock.nowUnixMs());
    expect(await stateOf(board, postedId(posted))).toBe('suspended');
    await fleet.clock.advance(1);
    await expireWaitingJobs(board.parts, fleet.clock.nowUnixMs());
    expect((await board.getJob(postedId(posted)))?.status.phase).toMatchObject({
      kind: 'failed',
      failure: { message: 'the total deadline of 5000 ms has passed' },
    });
  });

  it('a final job is refused, and can not be resumed either', async () => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    await ENDS['succeed']?.(job);
    const refused = { code: 'FAILED_PRECONDITION', message: expect.stringContaining(job.id) };
    await expect(job.board.suspend(job.id, { reason })).rejects.toMatchObject(refused);
    await expect(job.board.resume(job.id)).rejects.toMatchObject(refused);
  });
});

describe('resume', () => {
  it('a suspended job is ready and keeps what it did', async () => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    await job.board.suspend(job.id, { reason });
    await job.member.suspended(job.claim, { atoms: [successAtom('a')] });
    expect((await job.board.resume(job.id)).phase.kind).toBe('ready');
    expect((await job.board.resume(job.id)).phase.kind).toBe('ready');
    const [again] = await job.member.claim({ limit: 1 });
    expect(again?.atoms.map(({ name }) => name)).toEqual(['a']);
    expect(again?.control?.wish).toBe('none');
  });

  it('a scheduled job has its time back, unless that has passed', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const runAtUnixMs = fleet.clock.nowUnixMs() + 1000;
    const [posted] = await board.post([newJob({ runAtUnixMs })]);
    const id = postedId(posted);
    await board.suspend(id, { reason });
    expect((await board.resume(id)).phase).toMatchObject({ kind: 'scheduled', runAtUnixMs });
    await board.suspend(id, { reason });
    await fleet.clock.advance(1000);
    expect((await board.resume(id)).phase.kind).toBe('ready');
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  });

  it('a job whose attempt ended with a later try in view has that time back', async () => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    await job.board.suspend(job.id, { reason });
    await ENDS['retryLater']?.(job);
    expect((await job.board.resume(job.id)).phase).toMatchObject({
      kind: 'scheduled',
      runAtUnixMs: 9e12,
    });
  });

  it('a job that has not stopped yet goes on, and one that has is ready at once', async () => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    await job.board.suspend(job.id, { reason });
    expect((await job.board.resume(job.id)).phase.kind).toBe('running');
    expect(await ENDS['suspended']?.(job)).toBe('ready');
    const [again] = await job.member.claim({ limit: 1 });
    if (!again) throw new Error('nothing to claim');
    expect(await job.member.succeed(again, { atoms: [], output })).toBe('succeeded');
  });
});
