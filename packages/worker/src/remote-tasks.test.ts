// Tasks that run as jobs of their own, with real workers on one store: who runs them, what becomes of them when
// workers die, and that no end is missed.
import { flow, linear, unordered } from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import { REMOTE_WAIT_MS } from './limits.ts';
import {
  holderOf,
  remoteFlow,
  sleeps,
  stepTask,
  taskJobOf,
  workersOf,
} from './remote-flow.fixture.ts';
import { step } from './step-flow.fixture.ts';
import { TestFleet } from './test-fleet.fixture.ts';

describe('a task that may run anywhere', () => {
  test('is run once, as a job of its own, and its result is that of its flow', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    await fleet.startWorker({ flows: [remoteFlow(elsewhere, here)] });
    await fleet.startWorker({ flows: [remoteFlow(elsewhere, here)] });
    const id = await fleet.post('f');
    const { atoms } = await fleet.untilState(id, 'succeeded');
    expect([elsewhere.calls.length, here.calls.length]).toEqual([1, 1]);
    const atom = atoms.find(({ name }) => name === 'elsewhere');
    expect(atom).toMatchObject({ state: 'success', tries: 1, executions: 1 });
    const taskJob = await fleet.job(await taskJobOf(fleet, id));
    expect(taskJob.spec.remoteTask).toMatchObject({ parentId: id, task: 'elsewhere' });
    expect(taskJob.status.phase.kind).toBe('succeeded');
    // It is called as it would be where its flow runs.
    expect(elsewhere.calls[0]).toMatchObject({
      jobId: id,
      task: 'elsewhere',
      idempotencyKey: `${id}/elsewhere/1`,
    });
  });

  test('does not count as a job that was posted and has finished', async () => {
    await using fleet = new TestFleet();
    const told: string[] = [];
    await fleet.startWorker({
      flows: [remoteFlow(step(), step())],
      observer: {
        posted: () => void told.push('posted'),
        finished: ({ state }) => void told.push(state),
      },
    });
    await fleet.untilState(await fleet.post('f'), 'succeeded');
    expect(told).toEqual(['succeeded']); // It was posted by another process.
  });

  test('runs beside others on a worker that has no place for the flow itself', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    const flows = [remoteFlow(elsewhere, here)];
    const gate = Promise.withResolvers<void>();
    elsewhere.act = () => gate.promise;
    const workers = [
      await fleet.startWorker({ flows, concurrency: 1 }),
      await fleet.startWorker({ flows, concurrency: 1 }),
    ];
    const id = await fleet.post('f');
    await fleet.until(() => elsewhere.calls.length === 1);
    const holder = holderOf(workers, (await fleet.job(id)).status);
    const taskJob = await fleet.job(await taskJobOf(fleet, id));
    expect(workersOf(taskJob.status)).not.toContain(holder.worker.id);
    gate.resolve();
    await fleet.untilState(id, 'succeeded');
  });

  test('waits for a worker that has the labels it asks for', async () => {
    await using fleet = new TestFleet();
    const only = step();
    const wants = { labels: { gpu: 'a100' } } as const;
    const flows = [flow({ name: 'f', body: stepTask('train', only, { runs: wants }) })];
    await fleet.startWorker({ flows });
    await fleet.startWorker({ flows, labels: { gpu: 'h100' } });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'waiting');
    expect(only.calls).toEqual([]);
    const { worker } = await fleet.startWorker({ flows, labels: { gpu: 'a100', zone: 'east' } });
    await fleet.untilState(id, 'succeeded');
    const { status } = await fleet.job(await taskJobOf(fleet, id, 'train'));
    expect(workersOf(status)).toEqual([worker.id]);
  });

  test('has failed when nobody has begun it in time', async () => {
    await using fleet = new TestFleet();
    const runs = { labels: { gpu: 'a100' } };
    const only = stepTask('train', step(), { runs, startTimeoutMs: 20_000 });
    await fleet.startWorker({ flows: [flow({ name: 'f', body: only })] });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'waiting');
    await fleet.clock.advance(10_000);
    expect(await fleet.stateOf(id)).toBe('waiting');
    const { status } = await fleet.untilState(id, 'failed');
    expect(status.phase).toMatchObject({
      failure: { message: expect.stringContaining('20000 ms') },
    });
  });

  test('is tried again there, under the numbers that its flow counts', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = async () => {
      if (only.calls.length < 3) throw new Error('not yet');
    };
    const body = stepTask('elsewhere', only, { runs: 'anywhere', attempts: 5 });
    await fleet.startWorker({ flows: [flow({ name: 'f', body })] });
    const id = await fleet.post('f');
    const { atoms } = await fleet.untilState(id, 'succeeded');
    expect(atoms).toMatchObject([{ tries: 3, executions: 3, errors: [] }]);
    expect(only.calls.map(({ idempotencyKey }) => idempotencyKey)).toEqual(
      [1, 2, 3].map((number) => `${id}/elsewhere/${number}`),
    );
  });

  test('fails its flow with what it threw, and what was done before it is reverted', async () => {
    await using fleet = new TestFleet();
    const [first, undo, second] = [step(), step(), step()];
    second.act = () => Promise.reject(new TypeError('no such module'));
    const body = linear(
      'main',
      stepTask('first', first, { runs: 'anywhere', undo }),
      stepTask('second', second, { runs: 'anywhere' }),
    );
    await fleet.startWorker({ flows: [flow({ name: 'f', body })] });
    const id = await fleet.post('f');
    const { status, atoms } = await fleet.untilState(id, 'failed');
    expect(status.phase).toMatchObject({
      failure: { type: 'TypeError', message: 'no such module', task: 'second' },
    });
    expect(atoms.find(({ name }) => name === 'first')?.state).toBe('reverted');
    expect(undo.calls).toMatchObject([{ jobId: id, idempotencyKey: `${id}/first/revert/1` }]);
  });

  test('has failed when it killed every worker that took it up', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = sleeps;
    const body = stepTask('elsewhere', only, { runs: 'anywhere' });
    const flows = [flow({ name: 'f', body })];
    const holder = await fleet.startWorker({ flows, concurrency: 1 });
    const id = await fleet.post('f', { maxAttempts: 2 });
    const taskJob = await taskJobOf(fleet, id);
    for (let killed = 1; killed <= 2; killed += 1) {
      const victim = await fleet.startWorker({ flows, leaseTtlMs: 1000 });
      await fleet.until(() => only.calls.length === killed);
      await victim.kill();
    }
    const { status } = await fleet.untilState(id, 'failed');
    expect(await fleet.stateOf(taskJob)).toBe('dead');
    expect(status.lostAttempts).toBe(0);
    expect(holder.worker.jobs).toBe(0);
  });
});

describe('the holder of a flow whose tasks run elsewhere', () => {
  test('gives up its place when nothing else is to do, and the job goes on by the end of a task', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    const gate = Promise.withResolvers<void>();
    elsewhere.act = () => gate.promise;
    const flows = [remoteFlow(elsewhere, here)];
    const workers = [await fleet.startWorker({ flows }), await fleet.startWorker({ flows })];
    const id = await fleet.post('f');
    const waiting = await fleet.untilState(id, 'waiting');
    expect(waiting.waitingReason).toContain('elsewhere');
    expect(workers.reduce((sum, { worker }) => sum + worker.jobs, 0)).toBe(1); // The task alone.
    await fleet.clock.advance(REMOTE_WAIT_MS - 60_000);
    expect(await fleet.stateOf(id)).toBe('waiting');
    gate.resolve();
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(status.attempt).toBe(2);
    expect(elsewhere.calls).toHaveLength(1);
  });

  test('may die: the tasks run on, and whoever holds the job next finds their ends', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    const gate = Promise.withResolvers<void>();
    elsewhere.act = () => gate.promise;
    const flows = [remoteFlow(elsewhere, here)];
    const workers = [
      await fleet.startWorker({ flows, concurrency: 1, leaseTtlMs: 2000 }),
      await fleet.startWorker({ flows, concurrency: 1, leaseTtlMs: 2000 }),
    ];
    const id = await fleet.post('f');
    await fleet.until(() => elsewhere.calls.length === 1);
    const holder = holderOf(workers, (await fleet.job(id)).status);
    await holder.kill();
    await fleet.clock.advance(1000);
    gate.resolve(); // It ends while nobody holds the flow.
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(status.attempts.map(({ end }) => end)).toEqual(['lost', 'succeeded']);
    expect([elsewhere.calls.length, here.calls.length]).toEqual([1, 1]);
    const taskJob = await fleet.job(await taskJobOf(fleet, id));
    expect(taskJob.status.attempts).toHaveLength(1);
  });

  test('hears of an end although its message was lost', async () => {
    await using fleet = new TestFleet();
    const [elsewhere, here] = [step(), step()];
    const gate = Promise.withResolvers<void>();
    elsewhere.act = () => gate.promise;
    const flows = [remoteFlow(elsewhere, here)];
    const workers = [
      await fleet.startWorker({ flows, concurrency: 1 }),
      await fleet.startWorker({ flows, concurrency: 1 }),
    ];
    const id = await fleet.post('f');
    await fleet.until(() => elsewhere.calls.length === 1);
    const holder = holderOf(workers, (await fleet.job(id)).status);
    const taskJob = await taskJobOf(fleet, id);
    holder.coord.isAway = true;
    gate.resolve();
    await fleet.untilState(taskJob, 'succeeded');
    await fleet.until(async () => ((await fleet.job(id)).control?.taskEnds ?? 0) > 0);
    for (const { key } of fleet.store.list({ prefix: 'inbox/', limit: 10 }).entries) {
      fleet.store.apply({ when: [], write: [{ kind: 'remove', key }] });
    }
    holder.coord.isAway = false;
    await fleet.untilState(id, 'succeeded');
    expect(elsewhere.calls).toHaveLength(1);
  });

  test('runs as many at once as the fleet has room for', async () => {
    await using fleet = new TestFleet();
    const steps = Array.from({ length: 12 }, step);
    const gate = Promise.withResolvers<void>();
    for (const each of steps) each.act = () => gate.promise;
    const body = unordered(
      'all',
      ...(steps.map((each, n) => stepTask(`t${n}`, each, { runs: 'anywhere' })) as [
        ReturnType<typeof stepTask>,
      ]),
    );
    const flows = [flow({ name: 'f', body })];
    for (let n = 0; n < 3; n += 1) await fleet.startWorker({ flows, concurrency: 5 });
    const id = await fleet.post('f');
    await fleet.until(() => steps.every(({ calls }) => calls.length === 1));
    gate.resolve();
    const { atoms } = await fleet.untilState(id, 'succeeded');
    expect(atoms.map(({ executions }) => executions)).toEqual(steps.map(() => 1));
  });
});
