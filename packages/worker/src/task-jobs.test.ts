// What becomes of task jobs when their job is suspended or cancelled, is over, or goes on with another version.
import { flow, linear } from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import { PARENT_RESYNC_MS, REMOTE_WAIT_MS } from './limits.ts';
import { remoteFlow, stepTask, taskJobOf } from './remote-flow.fixture.ts';
import { type Step, step, untilAborted } from './step-flow.fixture.ts';
import { TestFleet } from './test-fleet.fixture.ts';

describe('a job with tasks elsewhere that is suspended', () => {
  test('starts no other task, and finds the end of the one that ran on when it is resumed', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    const gate = Promise.withResolvers<void>();
    elsewhere.act = () => gate.promise;
    await fleet.startWorker({ flows: [remoteFlow(elsewhere, here)] });
    const id = await fleet.post('f');
    await fleet.until(() => elsewhere.calls.length === 1);
    const taskJob = await taskJobOf(fleet, id);
    const board = await fleet.producer;
    await board.suspend(id, { reason: '' });
    await fleet.clock.advance(1000);
    expect(elsewhere.calls[0]?.signal.aborted).toBe(false);
    gate.resolve();
    await fleet.untilState(id, 'suspended');
    await fleet.untilState(taskJob, 'succeeded');
    await fleet.clock.advance(60_000);
    expect(here.calls).toEqual([]);
    await board.resume(id);
    await fleet.untilState(id, 'succeeded');
    expect([elsewhere.calls.length, here.calls.length]).toEqual([1, 1]);
  });
});

describe('a job with tasks elsewhere that is cancelled', () => {
  test('has them stopped where they run', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    elsewhere.act = untilAborted;
    const flows = [remoteFlow(elsewhere, here)];
    await fleet.startWorker({ flows });
    await fleet.startWorker({ flows });
    const id = await fleet.post('f');
    await fleet.until(() => elsewhere.calls.length === 1);
    const taskJob = await taskJobOf(fleet, id);
    await (await fleet.producer).cancel(id, { reason: 'no' });
    await fleet.untilState(id, 'cancelled');
    await fleet.untilState(taskJob, 'cancelled');
    await fleet.until(() => elsewhere.calls[0]?.signal.aborted === true);
    expect(here.calls).toEqual([]);
  });

  test('with revert has them stopped, and what they did reverted', async () => {
    await using fleet = new TestFleet();
    const steps = { first: step(), second: step(), undo: step() };
    steps.second.act = untilAborted;
    const { undo } = steps;
    const body = linear(
      'main',
      stepTask('first', steps.first, { runs: 'anywhere', undo }),
      stepTask('second', steps.second, { runs: 'anywhere', undo }),
    );
    const flows = [flow({ name: 'f', body })];
    await fleet.startWorker({ flows });
    await fleet.startWorker({ flows });
    const id = await fleet.post('f');
    await fleet.until(() => steps.second.calls.length === 1);
    const taskJob = await taskJobOf(fleet, id, 'second');
    await (await fleet.producer).cancel(id, { reason: 'no', revert: true });
    const { atoms } = await fleet.untilState(id, 'cancelled');
    expect(atoms.find(({ name }) => name === 'first')?.state).toBe('reverted');
    expect(await fleet.stateOf(taskJob)).toBe('cancelled');
    expect(steps.second.calls[0]?.signal.aborted).toBe(true);
    expect(undo.calls.map((call) => call.task)).toContain('first');
  });

  test('with revert while it waits, holds no place for a long revert elsewhere', async () => {
    await using fleet = new TestFleet();
    const steps = { first: step(), second: step(), undo: step() };
    const gate = Promise.withResolvers<void>();
    steps.second.act = untilAborted;
    steps.undo.act = () => gate.promise;
    const body = linear(
      'main',
      stepTask('first', steps.first, { runs: 'anywhere', undo: steps.undo }),
      stepTask('second', steps.second, { runs: 'anywhere' }),
    );
    await fleet.startWorker({ flows: [flow({ name: 'f', body })] });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'waiting');
    await (await fleet.producer).cancel(id, { reason: 'no', revert: true });
    await fleet.until(() => steps.undo.calls.length === 1);
    await fleet.untilState(id, 'waiting');
    await fleet.clock.advance(60_000);
    const { attempt } = (await fleet.job(id)).status;
    await fleet.clock.advance(REMOTE_WAIT_MS - 120_000);
    expect((await fleet.job(id)).status).toMatchObject({ attempt, phase: { kind: 'waiting' } });
    gate.resolve();
    const { atoms } = await fleet.untilState(id, 'cancelled');
    expect(atoms.find(({ name }) => name === 'first')?.state).toBe('reverted');
    expect(steps.undo.calls).toHaveLength(1);
  });
});

describe('a task job whose job is over', () => {
  test('ends by itself when nobody could tell it', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    elsewhere.act = untilAborted;
    await fleet.startWorker({ flows: [remoteFlow(elsewhere, here)] });
    const id = await fleet.post('f');
    const { status } = await fleet.untilState(id, 'waiting');
    const taskJob = await taskJobOf(fleet, id);
    // As a crash right after the end of the job leaves it.
    const key = `status/${status.id}`;
    fleet.store.apply({ when: [], write: [{ kind: 'remove', key }] });
    await fleet.clock.advance(PARENT_RESYNC_MS * 1.2);
    const ended = await fleet.untilState(taskJob, 'cancelled');
    expect(ended.status.attempts).toMatchObject([{ end: 'cancelled', reason: 'its job is over' }]);
    expect(elsewhere.calls[0]?.signal.aborted).toBe(true);
  });

  test('calls no user code when it is over by the time of the claim', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    const runs = { labels: { gpu: 'a100' } };
    const body = linear(
      'main',
      stepTask('elsewhere', elsewhere, { runs }),
      stepTask('here', here, { runs: 'here' }),
    );
    const flows = [flow({ name: 'f', body })];
    await fleet.startWorker({ flows });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'waiting');
    const taskJob = await taskJobOf(fleet, id);
    fleet.store.apply({ when: [], write: [{ kind: 'remove', key: `status/${id}` }] });
    await fleet.startWorker({ flows, labels: runs.labels });
    await fleet.untilState(taskJob, 'cancelled');
    expect(elsewhere.calls).toEqual([]);
  });
});

describe('while two versions of a flow run side by side', () => {
  test('remote tasks of a job are run by workers of its own version alone', async () => {
    await using fleet = new TestFleet();
    const one = { elsewhere: step(), here: step() };
    const two = { elsewhere: step(), here: step() };
    const gate = Promise.withResolvers<void>();
    one.elsewhere.act = () => gate.promise;
    const old = remoteFlow(one.elsewhere, one.here, 1);
    // Its one place is the holder's, so the task has to wait for another worker.
    const holder = await fleet.startWorker({ flows: [old], concurrency: 1 });
    const id = await fleet.post('f');
    const taskJob = await taskJobOf(fleet, id);
    await fleet.startWorker({ flows: [remoteFlow(two.elsewhere, two.here, 2)] });
    await fleet.clock.advance(3000);
    expect(await fleet.stateOf(taskJob)).toBe('ready');
    expect(two.elsewhere.calls).toEqual([]);
    const peer = await fleet.startWorker({ flows: [old] });
    await fleet.until(() => one.elsewhere.calls.length === 1);
    expect([holder.worker.id, peer.worker.id]).toContain(
      (await fleet.job(taskJob)).status.attempts[0]?.worker,
    );
    gate.resolve();
    await fleet.untilState(id, 'succeeded');
    expect([one.elsewhere.calls.length, one.here.calls.length]).toEqual([1, 1]);
    expect(two.elsewhere.calls).toEqual([]);
  });

  test('a job that waits for a task of a version which nobody has any more goes on with a later one', async () => {
    await using fleet = new TestFleet();
    const [one, two, here] = [step(), step(), step()];
    const body = (what: Step) =>
      linear(
        'main',
        stepTask('elsewhere', what, { runs: { labels: { gpu: 'a100' } } }),
        stepTask('here', here, { runs: 'here' }),
      );
    const first = await fleet.startWorker({ flows: [flow({ name: 'f', body: body(one) })] });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'waiting');
    const taskJob = await taskJobOf(fleet, id);
    await fleet.drive(first.worker.stop());
    const labels = { gpu: 'a100' };
    const next = flow({ name: 'f', version: 2, migrations: { 1: {} }, body: body(two) });
    await fleet.startWorker({ flows: [next], labels });
    await fleet.clock.advance(REMOTE_WAIT_MS);
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(status.flowVersion).toBe(2);
    expect([one.calls.length, two.calls.length, here.calls.length]).toEqual([0, 1, 1]);
    await fleet.until(async () => (await fleet.stateOf(taskJob)) === 'cancelled');
  });
});
