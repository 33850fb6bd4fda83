import { encodeJson } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { newJob, postedId, TestFleet } from './test-fleet.fixture.ts';

describe('posting', () => {
  it('an acknowledged job can be read back with all that was posted', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const input = encodeJson({ name: 'Ada' });
    const [result] = await board.post([newJob({ input, labels: { team: 'a' }, priority: 7 })]);
    const job = await board.getJob(postedId(result));
    expect(job?.spec).toMatchObject({ input, labels: { team: 'a' }, priority: 7, flow: 'flow' });
    expect(job?.status.phase.kind).toBe('ready');
    expect(job?.waitingReason).toBe('no live worker serves flow flow');
  });

  it('the same key with the same content is the same job (G6)', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const other = await fleet.openBoard();
    const job = newJob({ idempotencyKey: 'k', input: encodeJson(1) });
    const [first] = await board.post([job]);
    const [again] = await other.post([
      { ...job, trace: { traceparent: 'another', tracestate: '' } },
    ]);
    expect(again).toEqual({ kind: 'posted', id: postedId(first), created: false });
    expect((await board.listJobs({ pageSize: 10 })).jobs).toHaveLength(1);
  });

  it('the same key with other content is refused and changes nothing (G6)', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const job = newJob({ idempotencyKey: 'k', input: encodeJson(1) });
    const [first] = await board.post([job]);
    for (const changed of [
      { input: encodeJson(2) },
      { priority: 1 },
      { queue: 'other' },
      { flow: 'other' },
      { labels: { a: 'b' } },
      { deadlines: { totalMs: 5 } },
      { retentionMs: 1 },
      { maxAttempts: 1 },
      { runAtUnixMs: 1 },
    ]) {
      const [refused] = await board.post([{ ...job, ...changed }]);
      expect(refused).toMatchObject({ kind: 'refused', error: { code: 'ALREADY_EXISTS' } });
    }
    expect((await board.listJobs({ pageSize: 10 })).jobs.map(({ id }) => id)).toEqual([
      postedId(first),
    ]);
  });

  it('many posts of one key at once, from several processes, make one job', async () => {
    await using fleet = new TestFleet();
    const boards = await Promise.all([fleet.openBoard(), fleet.openBoard(), fleet.openBoard()]);
    const job = newJob({ idempotencyKey: 'k' });
    const results = (
      await Promise.all(boards.map((board) => board.post(Array(20).fill(job))))
    ).flat();
    expect(new Set(results.map(postedId)).size).toBe(1);
    expect(results.filter((result) => result.kind === 'posted' && result.created)).toHaveLength(1);
  });

  it('a thousand jobs of one post get buckets of bounded size and keep their order', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const results = await board.post(
      Array.from({ length: 1000 }, (_, n) => newJob({ input: encodeJson(n) })),
    );
    const { member } = await fleet.joinMember(board);
    const claims = [];
    for (;;) {
      const batch = await member.claim({ limit: 100 });
      if (batch.length === 0) break;
      claims.push(...batch);
    }
    expect(claims.map((claim) => claim.spec.id)).toEqual(results.map(postedId));
  });

  it('a delayed job is scheduled and says until when', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const runAtUnixMs = fleet.clock.nowUnixMs() + 60_000;
    const [result] = await board.post([newJob({ runAtUnixMs })]);
    const job = await board.getJob(postedId(result));
    expect(job?.status.phase).toMatchObject({ kind: 'scheduled', runAtUnixMs });
    expect(job?.waitingReason).toContain(new Date(runAtUnixMs).toISOString());
  });
});
