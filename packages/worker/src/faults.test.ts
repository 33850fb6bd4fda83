import { createWorkerId } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { step, stepFlow, untilAborted } from './step-flow.fixture.ts';
import { isClaim, PausedClock, TestFleet } from './test-fleet.fixture.ts';

describe('a worker whose store is away', () => {
  test('keeps its jobs, keeps trying, says so once, and ends them when the store is back', async () => {
    await using fleet = new TestFleet();
    const first = step();
    const second = step();
    const { coord, logged, worker } = await fleet.startWorker({
      flows: [stepFlow('f', { first, second })],
    });
    const gate = Promise.withResolvers<void>();
    first.act = () => gate.promise;
    const id = await fleet.post('f');
    await fleet.until(() => first.calls.length === 1);
    coord.isAway = true;
    gate.resolve();
    await fleet.clock.advance(8000);
    expect(second.calls).toHaveLength(0); // What isn't durable isn't built upon.
    expect(worker.jobs).toBe(1);
    coord.isAway = false;
    const { status } = await fleet.untilState(id, 'succeeded');
    expect([first.calls.length, second.calls.length]).toEqual([1, 1]);
    expect(status.attempts).toHaveLength(1);
    expect(logged('the store is away; this worker keeps its jobs and keeps trying')).toHaveLength(
      1,
    );
    expect(logged('the store is back')).toHaveLength(1);
  });

  test('runs the job of a claim whose answer was lost, also when it has no place left', async () => {
    await using fleet = new TestFleet();
    const [busy, lost] = [step(), step()];
    busy.act = untilAborted;
    const { coord } = await fleet.startWorker({
      flows: [stepFlow('busy', { busy }), stepFlow('lost', { lost })],
      concurrency: 1,
    });
    coord.beforeAnswer = async (commit) => {
      if (!isClaim(commit)) return;
      coord.beforeAnswer = async () => undefined;
      coord.answersToLose = 1;
      await fleet.post('busy', { priority: 9 });
    };
    const id = await fleet.post('lost');
    await fleet.untilState(id, 'succeeded');
    expect(lost.calls).toHaveLength(1);
  });

  test('joins once the store is there', async () => {
    await using fleet = new TestFleet();
    const opened = await fleet.openWorker({ flows: [stepFlow('f', { only: step() })] });
    opened.coord.isAway = true;
    const starting = opened.worker.start();
    await fleet.clock.advance(60_000);
    expect(opened.worker.id).toBeUndefined();
    opened.coord.isAway = false;
    await fleet.drive(starting);
    expect(opened.worker.id).toBeDefined();
  });

  test('can be stopped before it has joined', async () => {
    await using fleet = new TestFleet();
    const opened = await fleet.openWorker({ flows: [stepFlow('f', { only: step() })] });
    opened.coord.isAway = true;
    const starting = opened.worker.start();
    await fleet.clock.advance(5000);
    await fleet.drive(opened.worker.stop());
    await expect(starting).resolves.toBeUndefined();
  });

  test('does not wait for it for ever when it is to stop', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = untilAborted;
    const { coord, worker } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    coord.isAway = true;
    const stoppedMs = fleet.clock.monotonicMs();
    await fleet.drive(worker.stop({ immediately: true }));
    expect(fleet.clock.monotonicMs() - stoppedMs).toBeLessThan(10_000);
  });

  test.each(Array.from({ length: 12 }, (_, index) => index))(
    'runs each task once although the answers of 3 commits are lost after %i others',
    async (after) => {
      await using fleet = new TestFleet();
      const steps = { a: step(), b: step() };
      const opened = await fleet.startWorker({ flows: [stepFlow('f', steps)] });
      let commits = 0;
      opened.coord.onCommit = () => {
        commits += 1;
        if (commits === after) opened.coord.answersToLose = 3;
      };
      const ids = [await fleet.post('f'), await fleet.post('f')];
      for (const id of ids) {
        const { status } = await fleet.untilState(id, 'succeeded');
        expect(status.attempts).toMatchObject([{ end: 'succeeded' }]);
      }
      for (const { calls } of Object.values(steps)) expect(calls).toHaveLength(2);
    },
  );
});

describe('a worker whose session is lost', () => {
  test('aborts its jobs, writes nothing more, and serves again under a new id', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = async (context) => {
      if (only.calls.length === 1) await untilAborted(context);
    };
    const { coord, worker, logged } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const id = await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    const firstId = worker.id;
    const session = coord.sessions[0];
    if (session) fleet.store.endSession(session.id);
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(only.calls[0]?.signal.aborted).toBe(true);
    expect(worker.id).not.toBe(firstId);
    expect(status.attempts.map((attempt) => attempt.end)).toEqual(['lost', 'succeeded']);
    expect(status.attempts.map((attempt) => attempt.worker)).toEqual([firstId, worker.id]);
    expect(logged('attempt lost; nothing more is written about it')).toHaveLength(1);
    expect(only.calls.map((call) => call.idempotencyKey)).toEqual([`${id}/only/1`, `${id}/only/1`]);
    const [zombie, next] = only.calls.map((call) => call.fence);
    expect(next !== undefined && zombie !== undefined && next > zombie).toBe(true);
  });

  test('calls nothing when it wakes from a pause, though no timer has told it yet', async () => {
    await using fleet = new TestFleet();
    const clock = new PausedClock(fleet.clock);
    const [first, second] = [step(), step()];
    first.act = async () => {
      clock.pausedMs = 60_000;
    };
    await fleet.startWorker({ flows: [stepFlow('f', { first, second })], clock, leaseTtlMs: 4000 });
    const id = await fleet.post('f');
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(status.attempts.map((attempt) => attempt.end)).toEqual(['lost', 'succeeded']);
    expect(second.calls.map((call) => call.attempt)).toEqual([2]);
  });

  test('uses the id it was given once only', async () => {
    await using fleet = new TestFleet();
    const workerId = createWorkerId('given', fleet);
    const { coord, worker } = await fleet.startWorker({
      flows: [stepFlow('f', { only: step() })],
      workerId,
    });
    expect(worker.id).toBe(workerId);
    const session = coord.sessions[0];
    if (session) fleet.store.endSession(session.id);
    await fleet.until(() => worker.id !== workerId && worker.id !== undefined);
    expect(worker.id).toMatch(/^w-/);
  });

  test('fences itself off before the lease could be given away, when the store stays away', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = untilAborted;
    const { coord, worker } = await fleet.startWorker({
      flows: [stepFlow('f', { only })],
      leaseTtlMs: 4000,
    });
    await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    const cutMs = fleet.clock.monotonicMs();
    await coord.stop(); // No keep-alive is answered any more.
    await fleet.until(() => only.calls[0]?.signal.aborted === true);
    expect(fleet.clock.monotonicMs() - cutMs).toBeLessThan(4000);
    await fleet.until(() => worker.jobs === 0);
  });

  test('notices when the board has expelled it, and joins anew', async () => {
    await using fleet = new TestFleet();
    const only = step();
    const { worker, board } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const firstId = worker.id;
    if (firstId) await board.expel(firstId);
    const id = await fleet.post('f');
    await fleet.untilState(id, 'succeeded');
    expect(worker.id).not.toBe(firstId);
  });
});

describe('a job whose worker is gone', () => {
  test('goes on elsewhere where it stopped, and the zombie can write nothing', async () => {
    await using fleet = new TestFleet();
    const rejections: string[] = [];
    const steps = { first: step(), second: step() };
    const gate = Promise.withResolvers<void>();
    steps.second.act = async () => {
      if (steps.second.calls.length === 1) await gate.promise; // Deaf, like a process that is paused.
    };
    const theFlow = stepFlow('f', steps);
    const zombie = await fleet.startWorker({
      flows: [theFlow],
      concurrency: 1, // Else it would notice the expulsion by its next claim, and write nothing.
      observer: { fenceRejected: ({ what }) => void rejections.push(what) },
    });
    const id = await fleet.post('f');
    await fleet.until(() => steps.second.calls.length === 1);
    await fleet.startWorker({ flows: [theFlow] });
    const zombieId = zombie.worker.id;
    if (zombieId) await (await fleet.producer).expel(zombieId);
    const { status } = await fleet.untilState(id, 'succeeded');
    gate.resolve(); // It wakes, and has a result to write.
    await fleet.until(() => rejections.length > 0);
    expect(steps.first.calls).toHaveLength(1); // G3
    expect(steps.second.calls).toHaveLength(2); // G4
    expect(status.attempts.map((attempt) => attempt.end)).toEqual(['lost', 'succeeded']);
    expect((await fleet.job(id)).status).toEqual(status); // G2
    expect(zombie.logged('attempt lost; nothing more is written about it')).toMatchObject([
      { code: 'CLAIM_LOST', jobId: id },
    ]);
  });

  test('runs elsewhere within lease and a second when its machine vanishes', async () => {
    await using fleet = new TestFleet();
    const only = step();
    const theFlow = stepFlow('f', { only });
    only.act = async () => {
      if (only.calls.length === 1) await new Promise(() => undefined);
    };
    const dead = await fleet.startWorker({ flows: [theFlow], leaseTtlMs: 5000 });
    const id = await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    await fleet.startWorker({ flows: [theFlow] });
    const diedMs = fleet.clock.monotonicMs();
    await dead.kill();
    await fleet.until(() => only.calls.length === 2);
    expect(fleet.clock.monotonicMs() - diedMs).toBeLessThan(5000 + 1000);
    await fleet.untilState(id, 'succeeded');
  });

  test('is set aside as dead after as many losses as it may have', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = untilAborted;
    const { worker } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const id = await fleet.post('f', { maxAttempts: 3 });
    const producer = await fleet.producer;
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await fleet.until(() => only.calls.length === attempt);
      if (worker.id) await producer.expel(worker.id);
    }
    const { status } = await fleet.untilState(id, 'dead');
    expect(status.attempts.map((attempt) => attempt.end)).toEqual(['lost', 'lost', 'lost']);
  });
});
