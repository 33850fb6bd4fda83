import { encodeJson, LIMITS } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { Caretaker } from './caretaker.ts';
import type { Takeover } from './observer.ts';
import { drive, newJob, postedId, successAtom, TestFleet } from './test-fleet.fixture.ts';
import { REMOVALS_AT_ONCE, removeFinishedJobs } from './time-sweeps.ts';

describe('the caretaker', () => {
  it('takes over the jobs of a member whose session ended, checkpoints and all (G5)', async () => {
    await using fleet = new TestFleet();
    const takeovers: Takeover[] = [];
    const board = await fleet.openBoard({ takenOver: (takeover) => takeovers.push(takeover) });
    await using caretaker = new Caretaker({ board });
    await caretaker.start();
    await board.post([newJob(), newJob()]);
    const { member, die } = await fleet.joinMember(await fleet.openBoard());
    const claims = await member.claim({ limit: 2 });
    for (const claim of claims) await member.checkpoint(claim, [successAtom('a')]);
    await fleet.clock.advance(20);
    await die();
    await fleet.clock.advance(1000);
    expect(takeovers.map(({ jobId, outcome }) => ({ jobId, outcome }))).toEqual(
      expect.arrayContaining(claims.map((claim) => ({ jobId: claim.spec.id, outcome: 'ready' }))),
    );
    expect(takeovers).toHaveLength(2);
    const heir = await fleet.joinMember(board);
    const again = await heir.member.claim({ limit: 2 });
    expect(
      again.map(({ status, atoms }) => [status.attempt, status.lostAttempts, atoms.length]),
    ).toEqual([
      [2, 1, 1],
      [2, 1, 1],
    ]);
    expect((await board.listWorkers({ pageSize: 10 })).items.map(({ info }) => info.id)).toEqual([
      heir.member.id,
    ]);
    await drive(fleet.clock, caretaker.stop());
  });

  it('sets a job aside as dead that keeps losing its workers, and revives it on request (G9)', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await using caretaker = new Caretaker({ board });
    await caretaker.start();
    const [posted] = await board.post([newJob({ maxAttempts: 3 })]);
    const id = postedId(posted);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const { member, die } = await fleet.joinMember(board);
      expect(await member.claim({ limit: 1 })).toHaveLength(1);
      await die();
      await fleet.clock.advance(1000);
    }
    const job = await board.getJob(id);
    expect(job?.status).toMatchObject({
      phase: { kind: 'dead', failure: { type: 'AttemptsExhausted' } },
      attempt: 3,
      lostAttempts: 3,
    });
    expect(job?.status.attempts.map(({ number, end }) => [number, end])).toEqual([
      [1, 'lost'],
      [2, 'lost'],
      [3, 'lost'],
    ]);
    expect((await board.revive(id)).lostAttempts).toBe(0);
    const { member } = await fleet.joinMember(board);
    const [claim] = await member.claim({ limit: 1 });
    expect(claim?.status.attempt).toBe(4);
    await drive(fleet.clock, caretaker.stop());
  });

  it('makes delayed jobs ready when their time comes, not before', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await using caretaker = new Caretaker({ board });
    await caretaker.start();
    await fleet.clock.advance(1000);
    const [posted] = await board.post([newJob({ runAtUnixMs: fleet.clock.nowUnixMs() + 60_000 })]);
    await fleet.clock.advance(59_900);
    expect((await board.getJob(postedId(posted)))?.status.phase.kind).toBe('scheduled');
    await fleet.clock.advance(150);
    expect((await board.getJob(postedId(posted)))?.status.phase.kind).toBe('ready');
    await drive(fleet.clock, caretaker.stop());
  });

  it('fails waiting jobs whose queue or total deadline has passed', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await using caretaker = new Caretaker({ board });
    await caretaker.start();
    await fleet.clock.advance(1000);
    const results = await board.post([
      newJob({ deadlines: { queueMs: 5000 } }),
      newJob({ deadlines: { totalMs: 5000 }, runAtUnixMs: fleet.clock.nowUnixMs() + 60_000 }),
      newJob({ deadlines: { queueMs: 7000, totalMs: 9000 } }),
    ]);
    const phases = async (): Promise<readonly unknown[]> =>
      await Promise.all(
        results.map(async (result) => {
          const phase = (await board.getJob(postedId(result)))?.status.phase;
          return phase?.kind === 'failed' ? phase.failure?.message : phase?.kind;
        }),
      );
    await fleet.clock.advance(4900);
    expect(await phases()).toEqual(['ready', 'scheduled', 'ready']);
    await fleet.clock.advance(500);
    expect(await phases()).toEqual([
      'the queue deadline of 5000 ms has passed',
      'the total deadline of 5000 ms has passed',
      'ready',
    ]);
    await fleet.clock.advance(2000);
    expect((await phases())[2]).toBe('the queue deadline of 7000 ms has passed');
    await drive(fleet.clock, caretaker.stop());
  });

  it('removes finished jobs when their retention has passed, and frees their key', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await using caretaker = new Caretaker({ board });
    await caretaker.start();
    const job = newJob({ retentionMs: 60_000, idempotencyKey: 'k' });
    const [posted] = await board.post([job]);
    const { member } = await fleet.joinMember(board);
    const [claim] = await member.claim({ limit: 1 });
    if (!claim) throw new Error('nothing to claim');
    const atoms = Array.from({ length: 200 }, (_, n) => successAtom(`t${n}`));
    await member.succeed(claim, { atoms, output: encodeJson({ a: 1 }) });
    await fleet.clock.advance(50_000);
    expect(await board.getJob(postedId(posted))).toBeDefined();
    await fleet.clock.advance(30_000);
    expect(await board.getJob(postedId(posted))).toBeUndefined();
    const { coord } = board.parts;
    for (const prefix of [
      'spec/',
      'status/',
      'atoms/',
      'outcome/',
      'control/',
      'done/',
      'keys/',
      'ready/',
      'claims/',
    ]) {
      expect((await coord.list({ prefix, limit: 1 })).entries).toEqual([]);
    }
    const [again] = await board.post([job]);
    expect(again).toMatchObject({ created: true });
    await drive(fleet.clock, caretaker.stop());
  });

  it('removes so many finished jobs at once, so that nothing waits long for that', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const jobs = Array.from({ length: REMOVALS_AT_ONCE + 200 }, () =>
      newJob({ retentionMs: 60_000 }),
    );
    for (const posted of await board.post(jobs))
      await board.cancel(postedId(posted), { reason: 'x' });
    const dueUnixMs = fleet.clock.nowUnixMs() + 60_000;
    const seen = await removeFinishedJobs(board.parts, dueUnixMs);
    expect(seen).toBe(REMOVALS_AT_ONCE);
    expect(await removeFinishedJobs(board.parts, dueUnixMs)).toBe(200);
  });

  it('goes on without its leader: followers do what is left undone', async () => {
    await using fleet = new TestFleet();
    const boards = await Promise.all([fleet.openBoard(), fleet.openBoard()]);
    const caretakers = boards.map((board) => new Caretaker({ board }));
    for (const caretaker of caretakers) await caretaker.start();
    await fleet.clock.advance(2000);
    const [leader] = boards;
    // The process that leads vanishes without a word.
    await leader?.parts.coord.stop();
    const board = boards[1];
    if (!board) throw new Error('no second board');
    const [posted] = await board.post([newJob({ runAtUnixMs: fleet.clock.nowUnixMs() + 100 })]);
    await fleet.clock.advance(2400);
    expect((await board.getJob(postedId(posted)))?.status.phase.kind).toBe('ready');
    await drive(fleet.clock, Promise.all(caretakers.map((caretaker) => caretaker.stop())));
  });

  it('clears empty buckets away and counts what is ready', async () => {
    await using fleet = new TestFleet();
    const counts: unknown[] = [];
    const board = await fleet.openBoard({ ready: (count) => counts.push(count) });
    await using caretaker = new Caretaker({ board });
    await board.post(Array.from({ length: 600 }, () => newJob()));
    const { member } = await fleet.joinMember(board);
    for (let left = 600; left > 0; ) {
      const claims = await member.claim({ limit: LIMITS.pageSizeMax });
      left -= claims.length;
      for (const claim of claims)
        await member.succeed(claim, { atoms: [], output: encodeJson({}) });
    }
    await board.post([newJob()]);
    await fleet.clock.advance(10_000);
    await caretaker.start();
    await fleet.clock.advance(15_000);
    expect(counts[0]).toMatchObject({ queue: 'default', jobs: 1 });
    expect((await board.parts.coord.list({ prefix: 'buckets/', limit: 10 })).entries).toHaveLength(
      1,
    );
    await drive(fleet.clock, caretaker.stop());
  });
});
