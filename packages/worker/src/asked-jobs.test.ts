// Jobs that wait for signals, are suspended, and are cancelled with revert: what the outside asks of a
// job and tells it, with workers that run, die and come.
import { encodeJson } from '@holdfast/core';
import { type AnyFlow, flow, linear, task, unordered, waitFor } from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import { type Step, step, stepFlow, untilAborted } from './step-flow.fixture.ts';
import { isClaim, TestFleet } from './test-fleet.fixture.ts';

const approval = { name: 'approved', payload: encodeJson({ by: 'ada' }) };

/** Runs `before`, waits for a signal, then runs `after`. */
function approvalFlow(before: Step, after: Step, timeoutMs?: number): AnyFlow {
  return flow({
    name: 'f',
    body: linear(
      'main',
      stepTask('before', before),
      waitFor('approval', { event: 'approved', timeoutMs, provides: 'approval' }),
      stepTask('after', after),
    ),
  });
}

/** Two tasks that can be reverted, one after the other. */
function sagaFlow(steps: Readonly<Record<'first' | 'second' | 'undo', Step>>): AnyFlow {
  return flow({
    name: 'f',
    body: linear(
      'main',
      stepTask('first', steps.first, steps.undo),
      stepTask('second', steps.second, steps.undo),
    ),
  });
}

function stepTask(name: string, what: Step, undo?: Step) {
  return task({
    name,
    retry: { attempts: 1 },
    execute: async (_values: object, context) => {
      what.calls.push(context);
      await what.act(context);
    },
    revert:
      undo &&
      (async (_values, context) => {
        undo.calls.push(context);
        await undo.act(context);
      }),
  });
}

describe('a job that waits for a signal', () => {
  test('holds no place on its worker, and goes on by the signal', async () => {
    await using fleet = new TestFleet();
    const [before, after] = [step(), step()];
    const { worker } = await fleet.startWorker({ flows: [approvalFlow(before, after)] });
    const id = await fleet.post('f');
    const waiting = await fleet.untilState(id, 'waiting');
    expect(waiting.waitingReason).toContain("task approval waits for signal 'approved'");
    await fleet.until(() => worker.jobs === 0);
    const board = await fleet.producer;
    await board.signal(id, { ...approval, name: 'other' });
    await fleet.untilState(id, 'waiting');
    await board.signal(id, approval);
    const { atoms } = await fleet.untilState(id, 'succeeded');
    expect(before.calls).toHaveLength(1);
    expect(after.calls).toHaveLength(1);
    expect(atoms.find(({ name }) => name === 'approval')?.signal).toBe(2);
  });

  test('survives the restart of everything', async () => {
    await using fleet = new TestFleet();
    const [before, after] = [step(), step()];
    const first = await fleet.startWorker({ flows: [approvalFlow(before, after)] });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'waiting');
    await first.kill();
    await fleet.clock.advance(3_600_000);
    expect(await fleet.stateOf(id)).toBe('waiting');
    await (await fleet.producer).signal(id, approval);
    await fleet.startWorker({ flows: [approvalFlow(before, after)] });
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(before.calls).toHaveLength(1);
    expect(status.lostAttempts).toBe(0);
  });

  test('needs no wait for a signal that came before it, or while it was scheduled', async () => {
    await using fleet = new TestFleet();
    const [before, after] = [step(), step()];
    const id = await fleet.post('f', { runAtUnixMs: fleet.clock.nowUnixMs() + 5000 });
    await (await fleet.producer).signal(id, approval);
    await fleet.startWorker({ flows: [approvalFlow(before, after)] });
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(status.attempt).toBe(1);
  });

  test('gets a signal while it runs', async () => {
    await using fleet = new TestFleet();
    const [beside, after] = [step(), step()];
    const gate = Promise.withResolvers<void>();
    beside.act = () => gate.promise;
    const body = linear(
      'main',
      unordered('both', stepTask('beside', beside), waitFor('approval', { event: 'approved' })),
      stepTask('after', after),
    );
    await fleet.startWorker({ flows: [flow({ name: 'f', body })] });
    const id = await fleet.post('f');
    await fleet.until(() => beside.calls.length === 1);
    await (await fleet.producer).signal(id, approval);
    await fleet.until(async () =>
      (await fleet.job(id)).atoms.some(({ signal }) => signal !== undefined),
    );
    gate.resolve();
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(status.attempt).toBe(1);
  });

  test('gets a signal that came before the answer to its claim', async () => {
    await using fleet = new TestFleet();
    const [before, after] = [step(), step()];
    const { coord } = await fleet.startWorker({ flows: [approvalFlow(before, after)] });
    const answer = Promise.withResolvers<void>();
    coord.beforeAnswer = async (commit) => {
      if (isClaim(commit)) await answer.promise;
    };
    const id = await fleet.post('f');
    await fleet.until(async () => (await fleet.stateOf(id)) === 'running');
    await (await fleet.producer).signal(id, approval);
    await fleet.clock.advance(2000); // The message is read meanwhile.
    answer.resolve();
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(status.attempt).toBe(1);
  });

  test('gets a signal although its message was lost', async () => {
    await using fleet = new TestFleet();
    const [before, after] = [step(), step()];
    const gate = Promise.withResolvers<void>();
    before.act = () => gate.promise;
    const { coord } = await fleet.startWorker({ flows: [approvalFlow(before, after)] });
    const id = await fleet.post('f');
    await fleet.until(() => before.calls.length === 1);
    coord.isAway = true;
    await (await fleet.producer).signal(id, approval);
    const [message] = fleet.store.list({ prefix: 'inbox/', limit: 1 }).entries;
    if (message) fleet.store.apply({ when: [], write: [{ kind: 'remove', key: message.key }] });
    coord.isAway = false;
    gate.resolve();
    await fleet.untilState(id, 'succeeded');
    expect(after.calls).toHaveLength(1);
  });

  test('fails when none comes in time', async () => {
    await using fleet = new TestFleet();
    const [before, after] = [step(), step()];
    await fleet.startWorker({ flows: [approvalFlow(before, after, 60_000)] });
    const id = await fleet.post('f');
    const { status } = await fleet.untilState(id, 'waiting');
    expect(status.phase).toMatchObject({ untilUnixMs: expect.any(Number) });
    await fleet.clock.advance(50_000);
    expect(await fleet.stateOf(id)).toBe('waiting');
    const failed = await fleet.untilState(id, 'failed');
    expect(failed.status.phase).toMatchObject({
      failure: { message: "wait approval: no signal 'approved' came within 60000 ms" },
    });
  });
});

describe('a suspended job', () => {
  test('lets its running task end, starts no other, and goes on when it is resumed', async () => {
    await using fleet = new TestFleet();
    const steps = { a: step(), b: step() };
    const gate = Promise.withResolvers<void>();
    steps.a.act = () => gate.promise;
    const { worker } = await fleet.startWorker({ flows: [stepFlow('f', steps)] });
    const id = await fleet.post('f');
    await fleet.until(() => steps.a.calls.length === 1);
    const board = await fleet.producer;
    await board.suspend(id, { reason: 'maintenance' });
    await fleet.clock.advance(5000);
    expect(await fleet.stateOf(id)).toBe('running');
    expect(steps.a.calls[0]?.signal.aborted).toBe(false);
    gate.resolve();
    const { atoms } = await fleet.untilState(id, 'suspended');
    expect(atoms.find(({ name }) => name === 'a')?.state).toBe('success');
    await fleet.until(() => worker.jobs === 0);
    await fleet.clock.advance(60_000);
    expect(steps.b.calls).toEqual([]);
    await board.resume(id);
    await fleet.untilState(id, 'succeeded');
    expect([steps.a.calls.length, steps.b.calls.length]).toEqual([1, 1]);
  });

  test('is suspended although its worker died before it had stopped', async () => {
    await using fleet = new TestFleet();
    const steps = { a: step(), b: step() };
    steps.a.act = () => new Promise(() => undefined);
    const first = await fleet.startWorker({ flows: [stepFlow('f', steps)] });
    const id = await fleet.post('f');
    await fleet.until(() => steps.a.calls.length === 1);
    const board = await fleet.producer;
    await board.suspend(id, { reason: '' });
    await first.kill();
    await fleet.startWorker({ flows: [stepFlow('f', steps)] });
    await fleet.untilState(id, 'suspended');
    await fleet.clock.advance(60_000);
    expect(steps.a.calls).toHaveLength(1);
    steps.a.act = async () => undefined;
    await board.resume(id);
    await fleet.untilState(id, 'succeeded');
  });

  test('stays so when its worker drains before it had stopped', async () => {
    await using fleet = new TestFleet();
    const steps = { a: step() };
    steps.a.act = untilAborted;
    const { worker } = await fleet.startWorker({ flows: [stepFlow('f', steps)] });
    const id = await fleet.post('f');
    await fleet.until(() => steps.a.calls.length === 1);
    await (await fleet.producer).suspend(id, { reason: '' });
    await fleet.drive(worker.stop({ immediately: true }));
    expect(await fleet.stateOf(id)).toBe('suspended');
  });

  test('goes on as a new attempt when it was resumed before it had stopped', async () => {
    await using fleet = new TestFleet();
    const steps = { a: step(), b: step() };
    const gate = Promise.withResolvers<void>();
    steps.a.act = () => gate.promise;
    await fleet.startWorker({ flows: [stepFlow('f', steps)] });
    const id = await fleet.post('f');
    await fleet.until(() => steps.a.calls.length === 1);
    const board = await fleet.producer;
    await board.suspend(id, { reason: '' });
    await fleet.clock.advance(2000);
    await board.resume(id);
    await fleet.clock.advance(2000);
    gate.resolve();
    await fleet.untilState(id, 'succeeded');
    expect([steps.a.calls.length, steps.b.calls.length]).toEqual([1, 1]);
  });
});

describe('a job that is cancelled with revert', () => {
  test('has its running task stopped, reverts what it did, and ends CANCELLED', async () => {
    await using fleet = new TestFleet();
    const steps = { first: step(), second: step(), undo: step() };
    steps.second.act = untilAborted;
    await fleet.startWorker({ flows: [sagaFlow(steps)] });
    const id = await fleet.post('f');
    await fleet.until(() => steps.second.calls.length === 1);
    await (await fleet.producer).cancel(id, { reason: 'no', revert: true });
    const { status, atoms } = await fleet.untilState(id, 'cancelled');
    expect(status.attempts).toMatchObject([{ end: 'cancelled', reason: 'cancelled by request' }]);
    expect(status.phase).toMatchObject({ failure: undefined });
    expect(atoms.find(({ name }) => name === 'first')?.state).toBe('reverted');
    expect(steps.undo.calls.map((call) => call.task)).toContain('first');
  });

  test('is reverted by another worker when its own dies meanwhile', async () => {
    await using fleet = new TestFleet();
    const steps = { first: step(), second: step(), undo: step() };
    steps.second.act = untilAborted;
    steps.undo.act = () => new Promise(() => undefined);
    const worker = await fleet.startWorker({ flows: [sagaFlow(steps)] });
    const id = await fleet.post('f');
    await fleet.until(() => steps.second.calls.length === 1);
    await (await fleet.producer).cancel(id, { reason: 'no', revert: true });
    await fleet.until(() => steps.undo.calls.length > 0);
    await worker.kill();
    steps.undo.act = async () => undefined;
    await fleet.startWorker({ flows: [sagaFlow(steps)] });
    const { status, atoms } = await fleet.untilState(id, 'cancelled');
    expect(status.attempts).toMatchObject([{ end: 'lost' }, { end: 'cancelled' }]);
    expect(atoms.find(({ name }) => name === 'first')?.state).toBe('reverted');
    expect(steps.first.calls).toHaveLength(1);
  });

  test('is reverted although it waits and nothing of it runs', async () => {
    await using fleet = new TestFleet();
    const [did, undo] = [step(), step()];
    const body = linear(
      'main',
      stepTask('did', did, undo),
      waitFor('approval', { event: 'approved' }),
    );
    await fleet.startWorker({ flows: [flow({ name: 'f', body })] });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'waiting');
    const board = await fleet.producer;
    expect((await board.cancel(id, { reason: 'no', revert: true })).phase.kind).toBe('ready');
    const { atoms } = await fleet.untilState(id, 'cancelled');
    expect(undo.calls).toHaveLength(1);
    expect(atoms.find(({ name }) => name === 'did')?.state).toBe('reverted');
  });

  test('ends CANCELLED with the failure of what could not be reverted', async () => {
    await using fleet = new TestFleet();
    const steps = { first: step(), second: step(), undo: step() };
    steps.second.act = untilAborted;
    steps.undo.act = async ({ task: name }) => {
      if (name === 'first') throw new Error('cannot be undone');
    };
    await fleet.startWorker({ flows: [sagaFlow(steps)] });
    const id = await fleet.post('f');
    await fleet.until(() => steps.second.calls.length === 1);
    await (await fleet.producer).cancel(id, { reason: 'no', revert: true });
    const { status } = await fleet.untilState(id, 'cancelled');
    expect(status.phase).toMatchObject({ failure: { message: 'cannot be undone' } });
  });

  test('stops reverting when it is cancelled without', async () => {
    await using fleet = new TestFleet();
    const steps = { first: step(), second: step(), undo: step() };
    steps.second.act = untilAborted;
    steps.undo.act = () => new Promise(() => undefined);
    await fleet.startWorker({ flows: [sagaFlow(steps)] });
    const id = await fleet.post('f');
    await fleet.until(() => steps.second.calls.length === 1);
    const board = await fleet.producer;
    await board.cancel(id, { reason: 'no', revert: true });
    await fleet.until(() => steps.undo.calls.length > 0);
    await board.cancel(id, { reason: 'enough' });
    const { atoms } = await fleet.untilState(id, 'cancelled');
    expect(atoms.some(({ state }) => state === 'reverting')).toBe(true);
  });
});
