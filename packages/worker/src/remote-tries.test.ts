// What a job makes of task jobs that ended, or were told to stop, for another reason than its own: nothing that
// is done is done again, and no number of a try is used for two.
import { type JobId, LIMITS, PayloadTooLargeError } from '@holdfast/core';
import { flow, linear, task, type } from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import { remoteFlow, stepTask, taskJobOf } from './remote-flow.fixture.ts';
import { type Step, step, untilAborted } from './step-flow.fixture.ts';
import { TestFleet } from './test-fleet.fixture.ts';

const fails = task({
  name: 'fails',
  execute: () => {
    throw new Error('no');
  },
});

const keysOf = ({ calls }: Step): readonly string[] =>
  calls.map(({ idempotencyKey }) => idempotencyKey);

describe('a job that is revived after its task jobs were cancelled', () => {
  test('goes on under the numbers that these have come to', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = async (context) => {
      if (only.calls.length === 1) throw new Error('not yet');
      if (only.calls.length === 2) await untilAborted(context);
    };
    const body = stepTask('elsewhere', only, { runs: 'anywhere', attempts: 5 });
    await fleet.startWorker({ flows: [flow({ name: 'f', body })] });
    const id = await fleet.post('f');
    await fleet.until(() => only.calls.length === 2);
    const taskJob = await taskJobOf(fleet, id);
    const board = await fleet.producer;
    await board.cancel(id, { reason: 'no' });
    await fleet.untilState(taskJob, 'cancelled');
    await fleet.untilState(id, 'cancelled');
    await board.revive(id);
    const { atoms } = await fleet.untilState(id, 'succeeded');
    const key = `${id}/elsewhere`;
    // The second try was cut off, so it is repeated.
    expect(keysOf(only)).toEqual([`${key}/1`, `${key}/2`, `${key}/2`]);
    expect(atoms).toMatchObject([{ tries: 2, executions: 3 }]);
    // Stores whose versions start again with each key have nothing else to tell the repeat from the zombie by.
    const second = await fleet.job(await taskJobOf(fleet, id));
    const { fenceBase = 0n } = second.spec.remoteTask ?? {};
    const [, cutOff, repeat] = only.calls.map(({ fence }) => fence);
    expect(second.spec.id).not.toBe(taskJob);
    expect(fenceBase).toBeGreaterThanOrEqual(cutOff ?? 0n);
    expect(repeat).toBeGreaterThan(fenceBase);
  });

  test('is not failed by who has cancelled them since, because it was over once', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    const gate = Promise.withResolvers<void>();
    elsewhere.act = (context) => Promise.race([gate.promise, untilAborted(context)]);
    const flows = [remoteFlow(elsewhere, here)];
    const { board } = await fleet.startWorker({ flows });
    const id = await fleet.post('f');
    await fleet.until(() => elsewhere.calls.length === 1);
    const first = await taskJobOf(fleet, id);
    // As a process does that was paused after it had ended the job's life before.
    await board.cancel(first, { reason: 'its job is over' });
    await fleet.until(() => elsewhere.calls.length === 2);
    gate.resolve();
    await fleet.untilState(id, 'succeeded');
    expect(keysOf(elsewhere)).toEqual([`${id}/elsewhere/1`, `${id}/elsewhere/1`]);
  });
});

describe('what a task elsewhere has made', () => {
  test('may be as large as any result, and is there for its revert', async () => {
    await using fleet = new TestFleet();
    const undone: number[] = [];
    const text = 'x'.repeat(LIMITS.payloadBytes - 100);
    const far = task({
      name: 'far',
      runs: 'anywhere',
      provides: { made: type<string>() },
      execute: () => ({ made: text }),
      revert: (_args, { result }) => {
        undone.push(result?.made.length ?? 0);
      },
    });
    await fleet.startWorker({ flows: [flow({ name: 'f', body: linear('main', far, fails) })] });
    const id = await fleet.post('f');
    const { atoms } = await fleet.untilState(id, 'failed');
    expect(undone).toEqual([text.length]);
    const atom = atoms.find(({ name }) => name === 'far');
    expect(atom).toMatchObject({ state: 'reverted' });
    if (!atom?.taskJob) throw new Error('it was reverted elsewhere');
    const { spec } = await fleet.job(atom.taskJob);
    // Twice in one commit would be more than some stores take.
    expect(spec.remoteTask).toMatchObject({ intention: 'revert', atom: { result: undefined } });
  });
});

describe('a task that cannot be sent elsewhere', () => {
  test('fails alone, and the job ends as it does when a task fails', async () => {
    await using fleet = new TestFleet();
    const undone: string[] = [];
    const near = task({
      name: 'near',
      execute: () => undefined,
      revert: () => void undone.push('near'),
    });
    const far = stepTask('far', step(), { runs: 'anywhere' });
    const flows = [flow({ name: 'f', body: linear('main', near, far) })];
    const { coord } = await fleet.startWorker({ flows });
    coord.onCommit = ({ write }) => {
      const isPost = write.some(({ key }) => key.startsWith('taskjobs/'));
      if (isPost) throw new PayloadTooLargeError('commit', { sizeBytes: 2, limitBytes: 1 });
    };
    const { status, atoms } = await fleet.untilState(await fleet.post('f'), 'failed');
    expect(status.phase).toMatchObject({ failure: { task: 'far' } });
    expect(atoms.find(({ name }) => name === 'far')?.failure?.message).toContain("can't be sent");
    expect(undone).toEqual(['near']);
  });
});

interface Parts {
  readonly elsewhere: Step;
  readonly here: Step;
  readonly undo?: Step;
}

describe('a job that goes on with a later version of its flow', () => {
  const flowOf = (version: number, { elsewhere, here, undo }: Parts) =>
    flow({
      name: 'f',
      version,
      ...(version === 1 ? {} : { migrations: { 1: {} } }),
      body: linear(
        'main',
        stepTask('elsewhere', elsewhere, { runs: { labels: { gpu: 'a' } }, undo }),
        stepTask('here', here, { runs: 'here' }),
      ),
    });

  test('takes what a task of the earlier one has come to elsewhere', async () => {
    await using fleet = new TestFleet();
    const [one, two, here] = [step(), step(), step()];
    const gate = Promise.withResolvers<void>();
    one.act = () => gate.promise;
    const labels = { gpu: 'a' };
    const holder = await fleet.startWorker({ flows: [flowOf(1, { elsewhere: one, here })] });
    const other = await fleet.startWorker({
      flows: [flowOf(1, { elsewhere: one, here })],
      labels,
      concurrency: 1,
    });
    const id: JobId = await fleet.post('f');
    await fleet.untilState(id, 'waiting');
    const taskJob = await taskJobOf(fleet, id);
    await fleet.until(() => one.calls.length === 1);
    await fleet.drive(holder.worker.stop());
    const stopped = other.worker.stop(); // Takes nothing more.
    await fleet.clock.advance(100);
    gate.resolve();
    await fleet.untilState(taskJob, 'succeeded');
    await fleet.drive(stopped);
    await fleet.startWorker({ flows: [flowOf(2, { elsewhere: two, here })], labels });
    const { status, atoms } = await fleet.untilState(id, 'succeeded');
    expect(status.flowVersion).toBe(2);
    expect([one.calls.length, two.calls.length, here.calls.length]).toEqual([1, 0, 1]);
    expect(atoms.map(({ state }) => state)).toEqual(['success', 'success']);
  });

  test('reverts no task that still runs elsewhere under the earlier one', async () => {
    await using fleet = new TestFleet();
    const [one, two, here, undo] = [step(), step(), step(), step()];
    const log: string[] = [];
    one.act = async (context) => {
      await untilAborted(context).catch(() => undefined);
      log.push('stopped');
      throw context.signal.reason;
    };
    undo.act = async () => void log.push('undone');
    const labels = { gpu: 'a' };
    const holder = await fleet.startWorker({ flows: [flowOf(1, { elsewhere: one, here, undo })] });
    await fleet.startWorker({
      flows: [flowOf(1, { elsewhere: one, here, undo })],
      labels,
      concurrency: 1,
    });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'waiting');
    await fleet.until(() => one.calls.length === 1);
    await fleet.drive(holder.worker.stop());
    const next = [flowOf(2, { elsewhere: two, here, undo })];
    await fleet.startWorker({ flows: next, labels });
    await (await fleet.producer).cancel(id, { reason: 'no', revert: true });
    await fleet.untilState(id, 'cancelled');
    expect(log).toEqual(['stopped', 'undone']);
  });
});
