import { encodeJson, type JobId, LIMITS, toFailure } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Board } from './board.ts';
import type { Claim } from './claim.ts';
import type { NewSignal } from './job-signals.ts';
import { takeOverMember } from './takeover.ts';
import {
  beforeCommits,
  losingAnswers,
  newJob,
  postedId,
  TestFleet,
  type TestMember,
} from './test-fleet.fixture.ts';
import { promoteDueJobs, removeFinishedJobs } from './time-sweeps.ts';

const output = encodeJson({ done: true });

function signal(overrides: Partial<NewSignal> = {}): NewSignal {
  return { name: 'approved', payload: encodeJson({ by: 'ada' }), ...overrides };
}

async function stateOf(board: Board, id: JobId): Promise<string | undefined> {
  return (await board.getJob(id))?.status.phase.kind;
}

/** The next claim; fails the test when there is nothing to claim. */
async function claimOne({ member }: Pick<TestMember, 'member'>): Promise<Claim> {
  const [claim] = await member.claim({ limit: 1 });
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

interface Running extends TestMember {
  readonly id: JobId;
  readonly claim: Claim;
}

async function runningJob(fleet: TestFleet, worker?: TestMember): Promise<Running> {
  const holder = worker ?? (await fleet.joinMember(await fleet.openBoard()));
  const [posted] = await holder.board.post([newJob()]);
  return { ...holder, id: postedId(posted), claim: await claimOne(holder) };
}

async function waitingJob(fleet: TestFleet, untilUnixMs?: number): Promise<Running> {
  const job = await runningJob(fleet);
  const end = { atoms: [], untilUnixMs, signalsSeen: 0, reason: 'for an approval' };
  expect(await job.member.wait(job.claim, end)).toBe('waiting');
  return job;
}

describe('a waiting job', () => {
  it('holds no claim, is not claimed, and says what it waits for', async () => {
    await using fleet = new TestFleet();
    const { board, member, id } = await waitingJob(fleet);
    const job = await board.getJob(id);
    expect(job?.status.phase).toEqual({
      kind: 'waiting',
      untilUnixMs: undefined,
      reason: 'for an approval',
    });
    expect(job?.waitingReason).toBe('for a signal: for an approval');
    expect(job?.status.attempts).toMatchObject([{ end: 'released' }]);
    expect(fleet.store.list({ prefix: 'claims/', limit: 1 }).entries).toEqual([]);
    expect(await member.claim({ limit: 1 })).toEqual([]);
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  });

  it('is ready by a signal, and its next attempt gets that', async () => {
    await using fleet = new TestFleet();
    const job = await waitingJob(fleet);
    const sent = await job.board.signal(job.id, signal());
    expect(sent).toMatchObject({ seq: 1, created: true, status: { phase: { kind: 'ready' } } });
    expect((await claimOne(job)).signals).toEqual([
      {
        seq: 1,
        name: 'approved',
        payload: encodeJson({ by: 'ada' }),
        atUnixMs: fleet.clock.nowUnixMs(),
      },
    ]);
  });

  it('is ready when its time has come, and not before', async () => {
    await using fleet = new TestFleet();
    const untilUnixMs = fleet.clock.nowUnixMs() + 5000;
    const { board, id } = await waitingJob(fleet, untilUnixMs);
    await promoteDueJobs(board.parts, untilUnixMs - 1);
    expect(await stateOf(board, id)).toBe('waiting');
    await promoteDueJobs(board.parts, untilUnixMs);
    expect(await stateOf(board, id)).toBe('ready');
  });

  it('is missed by the doctor when the entry of its time is gone, and found again', async () => {
    await using fleet = new TestFleet();
    const { board } = await waitingJob(fleet, fleet.clock.nowUnixMs() + 5000);
    const [due] = fleet.store.list({ prefix: 'due/', limit: 1 }).entries;
    if (!due) throw new Error('no entry');
    fleet.store.apply({ when: [], write: [{ kind: 'remove', key: due.key }] });
    expect((await board.doctor({ repair: true })).problems).toMatchObject([
      { kind: 'missing-index-entry', key: due.key, repaired: true },
    ]);
  });

  it('is cancelled at once', async () => {
    await using fleet = new TestFleet();
    const { board, id } = await waitingJob(fleet);
    expect((await board.cancel(id, { reason: '' })).phase.kind).toBe('cancelled');
  });
});

describe('a signal', () => {
  it('waits for a job that was not claimed yet', async () => {
    await using fleet = new TestFleet();
    const worker = await fleet.joinMember(await fleet.openBoard());
    const [posted] = await worker.board.post([newJob()]);
    await worker.board.signal(postedId(posted), signal());
    await worker.board.signal(postedId(posted), signal({ name: 'second' }));
    const { signals } = await claimOne(worker);
    expect(signals.map(({ seq, name }) => [seq, name])).toEqual([
      [1, 'approved'],
      [2, 'second'],
    ]);
  });

  it('is kept for a scheduled job, which does not start earlier', async () => {
    await using fleet = new TestFleet();
    const worker = await fleet.joinMember(await fleet.openBoard());
    const runAtUnixMs = fleet.clock.nowUnixMs() + 5000;
    const [posted] = await worker.board.post([newJob({ runAtUnixMs })]);
    const { status } = await worker.board.signal(postedId(posted), signal());
    expect(status.phase.kind).toBe('scheduled');
    await promoteDueJobs(worker.board.parts, runAtUnixMs);
    expect((await claimOne(worker)).signals).toHaveLength(1);
  });

  it('reaches a running job through the inbox of its worker', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    await board.signal(id, signal());
    await board.signal(id, signal({ name: 'second' }));
    const news: unknown[] = [];
    await member.readInbox((inbox) => news.push(...inbox.news));
    expect(news).toMatchObject([
      { jobId: id, attempt: 1 },
      { jobId: id, attempt: 1 },
    ]);
    await member.readInbox((inbox) => news.push(...inbox.news));
    expect(news).toHaveLength(2);
    const first = await member.readNews(claim, { after: 0 });
    expect(first.signals.map(({ seq }) => seq)).toEqual([1, 2]);
    const rest = await member.readNews(claim, { after: 1 });
    expect(rest.signals.map(({ name }) => name)).toEqual(['second']);
  });

  it('that comes while the inbox is emptied leaves a message of its own', async () => {
    await using fleet = new TestFleet();
    let hook = async (): Promise<void> => undefined;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async (commit) => {
        if (commit.write.every(({ key, kind }) => kind === 'remove' && key.startsWith('inbox/')))
          await hook();
      }),
    );
    const { member, id } = await runningJob(fleet, await fleet.joinMember(board));
    await board.signal(id, signal());
    hook = async () => {
      hook = async () => undefined;
      await board.signal(id, signal({ name: 'second' }));
    };
    const news: unknown[] = [];
    await member.readInbox((inbox) => news.push(...inbox.news));
    await member.readInbox((inbox) => news.push(...inbox.news));
    expect(news).toHaveLength(2);
  });

  it('to a ready job is seen by the claim that it races with', async () => {
    await using fleet = new TestFleet();
    let hook = async (): Promise<void> => undefined;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async (commit) => {
        if (commit.write.some(({ key }) => key.startsWith('claims/'))) await hook();
      }),
    );
    const worker = await fleet.joinMember(board);
    const [posted] = await board.post([newJob()]);
    hook = async () => {
      hook = async () => undefined;
      await (await fleet.openBoard()).signal(postedId(posted), signal());
    };
    expect(await worker.member.claim({ limit: 1 })).toEqual([]);
    expect((await claimOne(worker)).signals).toHaveLength(1);
  });

  it('keeps a job from coming to wait that has not seen it', async () => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    await job.board.signal(job.id, signal());
    const end = { atoms: [], signalsSeen: 0, reason: 'for an approval' };
    expect(await job.member.wait(job.claim, end)).toBe('ready');
    const again = await claimOne(job);
    expect(again.signals).toHaveLength(1);
    expect(await job.member.wait(again, { ...end, signalsSeen: 1 })).toBe('waiting');
  });

  it('that comes right before the job comes to wait is not missed', async () => {
    await using fleet = new TestFleet();
    let hook = async (): Promise<void> => undefined;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async (commit) => {
        if (commit.write.some(({ key }) => key.startsWith('status/'))) await hook();
      }),
    );
    const { member, id, claim } = await runningJob(fleet, await fleet.joinMember(board));
    hook = async () => {
      hook = async () => undefined;
      await (await fleet.openBoard()).signal(id, signal());
    };
    const end = { atoms: [], signalsSeen: 0, reason: 'for an approval' };
    expect(await member.wait(claim, end)).toBe('ready');
  });

  it('to a job that comes to wait meanwhile makes that ready', async () => {
    await using fleet = new TestFleet();
    const { member, id, claim } = await runningJob(fleet);
    let isFirst = true;
    const sender = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async () => {
        if (!isFirst) return;
        isFirst = false;
        await member.wait(claim, { atoms: [], signalsSeen: 0, reason: 'for an approval' });
      }),
    );
    const sent = await sender.signal(id, signal());
    expect(sent).toMatchObject({ seq: 1, status: { phase: { kind: 'ready' } } });
  });

  it('survives the death of the worker', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, die } = await runningJob(fleet);
    await board.signal(id, signal());
    await die();
    await takeOverMember(board.parts, member.id);
    const heir = await fleet.joinMember(board);
    expect((await claimOne(heir)).signals).toHaveLength(1);
  });

  it('survives a revival', async () => {
    await using fleet = new TestFleet();
    const job = await runningJob(fleet);
    await job.board.signal(job.id, signal());
    await job.board.cancel(job.id, { reason: '' });
    await job.member.cancelled(job.claim, { atoms: [], reason: '' });
    await job.board.revive(job.id);
    const again = await claimOne(job);
    expect(again).toMatchObject({ signals: [{ seq: 1 }], control: { wish: 'none', signals: 1 } });
    expect(await job.member.succeed(again, { atoms: [], output })).toBe('succeeded');
  });

  it('goes with the job', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    await board.signal(id, signal({ idempotencyKey: 'k' }));
    await member.succeed(claim, { atoms: [], output });
    await fleet.clock.advance(LIMITS.retentionDefaultMs + 1);
    await removeFinishedJobs(board.parts, fleet.clock.nowUnixMs());
    for (const prefix of ['signals/', 'signalkeys/', 'control/', 'removed/', 'status/'])
      expect(fleet.store.list({ prefix, limit: 1 }).entries).toEqual([]);
  });

  it('sent again under its key is the same signal, also once the job has ended by it', async () => {
    await using fleet = new TestFleet();
    const job = await waitingJob(fleet);
    const keyed = signal({ idempotencyKey: 'k' });
    expect(await job.board.signal(job.id, keyed)).toMatchObject({ seq: 1, created: true });
    expect(await job.board.signal(job.id, keyed)).toMatchObject({ seq: 1, created: false });
    const claim = await claimOne(job);
    await job.member.succeed(claim, { atoms: [], output });
    expect(await job.board.signal(job.id, keyed)).toMatchObject({ seq: 1, created: false });
    await expect(job.board.signal(job.id, { ...keyed, name: 'other' })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });

  it('whose answer was lost counts once when it is sent again', async () => {
    await using fleet = new TestFleet();
    const { id } = await waitingJob(fleet);
    let lost = 0;
    const sender = await fleet.openBoard({}, (coord) =>
      losingAnswers(coord, (commit) => {
        if (!commit.write.some(({ key }) => key.startsWith('signals/'))) return false;
        lost += 1;
        return lost === 1;
      }),
    );
    const keyed = signal({ idempotencyKey: 'k' });
    await expect(sender.signal(id, keyed)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await sender.signal(id, keyed)).toMatchObject({ seq: 1, created: false });
    expect((await sender.getJob(id))?.signals).toHaveLength(1);
  });

  it('is refused by a final job, an unknown one, and one that is full', async () => {
    await using fleet = new TestFleet();
    const { board, member, id, claim } = await runningJob(fleet);
    const payload = { contentType: 'a/b', data: new Uint8Array(LIMITS.payloadBytes) };
    const fill = LIMITS.signalBytesPerJob / LIMITS.payloadBytes;
    for (let sent = 0; sent < fill; sent += 1) await board.signal(id, signal({ payload }));
    await expect(board.signal(id, signal())).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringContaining(id),
    });
    await member.fail(claim, { atoms: [], failure: toFailure(new Error('x')) });
    await expect(board.signal(id, signal())).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    const unknown = `0${id.slice(1).replaceAll(/./g, '0')}` as JobId; // an id of the right form
    await expect(board.signal(unknown, signal())).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('number 1,001 is refused', async () => {
    await using fleet = new TestFleet();
    const { board, id } = await runningJob(fleet);
    for (let sent = 0; sent < LIMITS.signalsPerJob; sent += 1) await board.signal(id, signal());
    await expect(board.signal(id, signal())).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect((await board.getJob(id))?.signals.at(-1)?.seq).toBe(LIMITS.signalsPerJob);
  });
});
