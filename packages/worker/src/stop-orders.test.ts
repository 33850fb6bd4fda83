import { describe, expect, test } from 'vitest';
import { step, stepFlow, untilAborted } from './step-flow.fixture.ts';
import { isClaim, TestFleet } from './test-fleet.fixture.ts';

describe('a cancelled job', () => {
  test("aborts its task's signal within a second and ends CANCELLED", async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = untilAborted;
    await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const id = await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    const cancelledMs = fleet.clock.monotonicMs();
    await (await fleet.producer).cancel(id, { reason: 'not wanted' });
    await fleet.until(() => only.calls[0]?.signal.aborted === true);
    expect(fleet.clock.monotonicMs() - cancelledMs).toBeLessThanOrEqual(1000);
    const { status } = await fleet.untilState(id, 'cancelled');
    expect(status.attempts).toMatchObject([{ end: 'cancelled' }]);
  });

  test('ends CANCELLED although its task ignores the signal', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = () => new Promise(() => undefined);
    await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const id = await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    await (await fleet.producer).cancel(id, { reason: 'not wanted' });
    await fleet.untilState(id, 'cancelled');
    expect(only.calls[0]?.signal.aborted).toBe(true);
  });

  test('ends CANCELLED although its flow was done a moment before', async () => {
    await using fleet = new TestFleet();
    const only = step();
    const gate = Promise.withResolvers<void>();
    only.act = () => gate.promise;
    await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const id = await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    await (await fleet.producer).cancel(id, { reason: 'not wanted' });
    gate.resolve(); // Before the worker has read its inbox.
    const { atoms } = await fleet.untilState(id, 'cancelled');
    expect(atoms).toMatchObject([{ state: 'success' }]);
  });

  test('is stopped although the cancel came before the answer to its claim', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = untilAborted;
    const { coord } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const answer = Promise.withResolvers<void>();
    coord.beforeAnswer = async (commit) => {
      if (isClaim(commit)) await answer.promise;
    };
    const id = await fleet.post('f');
    await fleet.until(async () => (await fleet.stateOf(id)) === 'running');
    await (await fleet.producer).cancel(id, { reason: 'not wanted' });
    await fleet.clock.advance(2000); // The message is read meanwhile.
    answer.resolve();
    await fleet.clock.advance(100);
    expect(await fleet.stateOf(id)).toBe('cancelled');
    expect(only.calls).toEqual([]);
  });

  test('is stopped although the message was lost, when its claim is looked up', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = untilAborted;
    const { coord } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    coord.beforeAnswer = async (commit) => {
      if (!isClaim(commit)) return;
      coord.answersToLose = 1;
      coord.isAway = true;
    };
    const id = await fleet.post('f');
    await fleet.until(() => coord.isAway);
    await (await fleet.producer).cancel(id, { reason: 'not wanted' });
    const [message] = fleet.store.list({ prefix: 'inbox/', limit: 1 }).entries;
    if (message) fleet.store.apply({ when: [], write: [{ kind: 'remove', key: message.key }] });
    coord.beforeAnswer = async () => undefined;
    coord.isAway = false;
    await fleet.untilState(id, 'cancelled');
    expect(only.calls).toEqual([]);
  });
});

describe('a job with a deadline', () => {
  test.each([
    ['attempt', { attemptMs: 3000 }],
    ['total', { totalMs: 3000 }],
  ])(
    'ends FAILED when its %s deadline passes, and its task is stopped',
    async (which, deadlines) => {
      await using fleet = new TestFleet();
      const only = step();
      only.act = untilAborted;
      await fleet.startWorker({ flows: [stepFlow('f', { only })] });
      const id = await fleet.post('f', { deadlines });
      await fleet.until(() => only.calls.length === 1);
      await fleet.clock.advance(2900);
      expect(await fleet.stateOf(id)).toBe('running');
      await fleet.clock.advance(200);
      const { status } = await fleet.untilState(id, 'failed');
      expect(status.phase).toMatchObject({
        failure: {
          type: 'DeadlineExceeded',
          message: `the ${which} deadline of 3000 ms has passed`,
        },
      });
      expect(only.calls).toHaveLength(1);
    },
  );

  test('is not stopped by a deadline that is longer than it takes', async () => {
    await using fleet = new TestFleet();
    const only = step();
    await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const id = await fleet.post('f', { deadlines: { attemptMs: 1000, totalMs: 1000 } });
    await fleet.untilState(id, 'succeeded');
    await fleet.clock.advance(5000);
    expect(await fleet.stateOf(id)).toBe('succeeded');
  });
});
