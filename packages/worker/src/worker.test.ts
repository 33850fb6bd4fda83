import { readFileSync } from 'node:fs';
import { FailedPreconditionError, InvalidArgumentError, RetryLaterError } from '@holdfast/core';
import { flow, task } from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import { step, stepFlow, untilAborted } from './step-flow.fixture.ts';
import { isClaim, TestFleet } from './test-fleet.fixture.ts';
import { VERSION } from './version.ts';
import { defaultWorkerName } from './worker-parts.ts';

describe('a worker', () => {
  test('runs the jobs of its flows and queues to their end, and leaves the others alone', async () => {
    await using fleet = new TestFleet();
    const steps = { a: step(), b: step(), c: step() };
    const ids = await Promise.all(Array.from({ length: 20 }, () => fleet.post('three')));
    const other = await fleet.post('other');
    const elsewhere = await fleet.post('three', { queue: 'elsewhere' });
    await fleet.startWorker({ flows: [stepFlow('three', steps)] });
    for (const id of ids) {
      const view = await fleet.untilState(id, 'succeeded');
      expect(view.atoms.map((atom) => [atom.name, atom.state])).toEqual([
        ['a', 'success'],
        ['b', 'success'],
        ['c', 'success'],
      ]);
    }
    for (const { calls } of Object.values(steps)) expect(calls).toHaveLength(20);
    expect(await fleet.stateOf(other)).toBe('ready');
    expect(await fleet.stateOf(elsewhere)).toBe('ready');
  });

  test('starts a job when it is posted, not when it next looks', async () => {
    await using fleet = new TestFleet();
    const only = step();
    await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    await fleet.clock.advance(10_400); // Idle for long, and between two looks.
    const postedMs = fleet.clock.monotonicMs();
    await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    expect(fleet.clock.monotonicMs() - postedMs).toBeLessThan(50);
  });

  test('sees a job that was posted while it armed its watch', async () => {
    await using fleet = new TestFleet();
    const only = step();
    const opened = await fleet.openWorker({ flows: [stepFlow('f', { only })] });
    opened.coord.armDelayMs = 300;
    await fleet.drive(opened.worker.start());
    const startedMs = fleet.clock.monotonicMs();
    await fleet.clock.advance(100);
    await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    expect(fleet.clock.monotonicMs() - startedMs).toBeLessThan(400);
  });

  test('never runs more jobs at once than it has places, and fills them again as they end', async () => {
    await using fleet = new TestFleet();
    let running = 0;
    let most = 0;
    const busy = step();
    const gates: (() => void)[] = [];
    busy.act = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => gates.push(resolve));
      running -= 1;
    };
    const ids = await Promise.all(Array.from({ length: 9 }, () => fleet.post('f')));
    const { worker } = await fleet.startWorker({
      flows: [stepFlow('f', { busy })],
      concurrency: 4,
    });
    await fleet.until(() => running === 4);
    await fleet.clock.advance(3000);
    expect(worker.jobs).toBe(4);
    while (busy.calls.length < 9 || running > 0) {
      gates.shift()?.();
      await fleet.clock.advance(100);
    }
    for (const id of ids) await fleet.untilState(id, 'succeeded');
    expect(most).toBe(4);
  });

  test('ends a job FAILED when its task fails for good, with what the task threw', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = async () => {
      throw new TypeError('not a number');
    };
    await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const id = await fleet.post('f');
    const { status } = await fleet.untilState(id, 'failed');
    expect(status.phase).toMatchObject({
      failure: { type: 'TypeError', message: 'not a number', task: 'only' },
    });
    expect(status.attempts).toMatchObject([{ number: 1, end: 'failed' }]);
  });

  test('gives a job back while it waits long for its next try, and takes it up again', async () => {
    await using fleet = new TestFleet();
    let tries = 0;
    const patient = task({
      name: 'patient',
      execute: () => {
        tries += 1;
        if (tries === 1) throw new RetryLaterError('not yet', { afterMs: 60_000 });
      },
    });
    const { worker } = await fleet.startWorker({ flows: [flow({ name: 'f', body: patient })] });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'scheduled');
    expect(worker.jobs).toBe(0);
    await fleet.clock.advance(50_000);
    expect(tries).toBe(1);
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(tries).toBe(2);
    expect(status.attempts.map((attempt) => attempt.end)).toEqual(['released', 'succeeded']);
    expect(status.lostAttempts).toBe(0);
  });

  test('logs each execution before user code starts, and each record after its commit', async () => {
    await using fleet = new TestFleet();
    const only = step();
    const { lines, logged, worker } = await fleet.startWorker({
      flows: [stepFlow('f', { only })],
    });
    let linesAtCall = 0;
    only.act = async () => {
      linesAtCall = lines.length;
    };
    const id = await fleet.post('f');
    await fleet.untilState(id, 'succeeded');
    const [started] = logged('task started');
    expect(started).toEqual({
      level: 'debug',
      message: 'task started',
      worker: worker.id,
      jobId: id,
      task: 'only',
      try: 1,
      execution: 1,
      attempt: 1,
      fence: only.calls[0]?.fence.toString(),
    });
    expect(lines.slice(0, linesAtCall)).toContain(started);
    expect(logged('task committed').at(-1)).toMatchObject({
      level: 'debug',
      jobId: id,
      task: 'only',
      state: 'success',
      attempt: 1,
    });
  });

  test('shows the fleet what it is', async () => {
    await using fleet = new TestFleet();
    const { worker, board } = await fleet.startWorker({
      flows: [stepFlow('f', { only: step() })],
      queues: ['a', 'b'],
      concurrency: 3,
      leaseTtlMs: 5000,
    });
    const { items } = await board.listWorkers({ pageSize: 10 });
    expect(items).toMatchObject([
      {
        isLive: true,
        info: { id: worker.id, queues: ['a', 'b'], flows: ['f'], concurrency: 3, leaseTtlMs: 5000 },
      },
    ]);
    expect((await board.getFlow('f'))?.flow.nodes.map((node) => node.name)).toEqual(['only']);
  });

  test('has the version of its package', () => {
    const manifest = new URL('../package.json', import.meta.url);
    expect(JSON.parse(readFileSync(manifest, 'utf8'))).toMatchObject({ version: VERSION });
  });
});

describe('a draining worker', () => {
  test('takes no new jobs, finishes those that run, and leaves', async () => {
    await using fleet = new TestFleet();
    const only = step();
    const gate = Promise.withResolvers<void>();
    only.act = () => gate.promise;
    const { worker, board } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const running = await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    const drained = worker.drain();
    const late = await fleet.post('f');
    await fleet.clock.advance(5000);
    expect((await board.listWorkers({ pageSize: 10 })).items).toMatchObject([
      { info: { isDraining: true } },
    ]);
    gate.resolve();
    await fleet.drive(drained);
    expect(await fleet.stateOf(running)).toBe('succeeded');
    expect(await fleet.stateOf(late)).toBe('ready');
    expect((await board.listWorkers({ pageSize: 10 })).items).toEqual([]);
  });

  test('hands back what is not done in time, and another worker goes on from there at once', async () => {
    await using fleet = new TestFleet();
    const first = step();
    const second = step();
    const theFlow = stepFlow('f', { first, second });
    second.act = async (context) => {
      if (second.calls.length === 1) await untilAborted(context);
    };
    const { worker } = await fleet.startWorker({ flows: [theFlow], drainTimeoutMs: 2000 });
    const id = await fleet.post('f');
    await fleet.until(() => second.calls.length === 1);
    const drainedMs = fleet.clock.monotonicMs();
    const drained = worker.drain();
    await fleet.startWorker({ flows: [theFlow] });
    const { status } = await fleet.untilState(id, 'succeeded');
    await fleet.drive(drained);
    expect(fleet.clock.monotonicMs() - drainedMs).toBeLessThan(2000 + 1000);
    expect(first.calls).toHaveLength(1);
    expect(second.calls.map((call) => call.idempotencyKey)).toEqual([
      `${id}/second/1`,
      `${id}/second/1`,
    ]);
    expect(status.attempts.map((attempt) => attempt.end)).toEqual(['released', 'succeeded']);
    expect(status.lostAttempts).toBe(0);
  });

  test('hands back unstarted what a claim under way still brings', async () => {
    await using fleet = new TestFleet();
    const only = step();
    const { worker, coord } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const answer = Promise.withResolvers<void>();
    coord.beforeAnswer = async (commit) => {
      if (isClaim(commit)) await answer.promise;
    };
    const id = await fleet.post('f');
    await fleet.until(async () => (await fleet.stateOf(id)) === 'running');
    const drained = worker.drain();
    answer.resolve();
    await fleet.drive(drained);
    expect(await fleet.stateOf(id)).toBe('ready');
    expect(only.calls).toEqual([]);
  });

  test('looks up the claim whose answer was lost, and hands its job back unstarted', async () => {
    await using fleet = new TestFleet();
    const busy = step();
    busy.act = untilAborted;
    const lost = step();
    const { worker, coord } = await fleet.startWorker({
      flows: [stepFlow('busy', { busy }), stepFlow('lost', { lost })],
      drainTimeoutMs: 60_000,
    });
    await fleet.post('busy');
    await fleet.until(() => busy.calls.length === 1);
    coord.beforeAnswer = async (commit) => {
      if (!isClaim(commit)) return;
      void worker.drain();
      coord.answersToLose = 1;
    };
    const id = await fleet.post('lost');
    await fleet.until(async () => {
      const { attempts } = (await fleet.job(id)).status;
      return attempts.some((attempt) => attempt.end === 'released');
    });
    expect(coord.answersToLose).toBe(0);
    expect([worker.jobs, lost.calls.length]).toEqual([1, 0]);
  });

  test('hands everything back at once when it is stopped immediately', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = untilAborted;
    const { worker } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const ids = await Promise.all([fleet.post('f'), fleet.post('f')]);
    await fleet.until(() => only.calls.length === 2);
    const stoppedMs = fleet.clock.monotonicMs();
    const graceful = worker.stop();
    await fleet.drive(worker.stop({ immediately: true }));
    await graceful;
    expect(fleet.clock.monotonicMs() - stoppedMs).toBeLessThan(100);
    for (const id of ids) expect(await fleet.stateOf(id)).toBe('ready');
  });

  test('does not look for a claim whose answer was lost when it is stopped immediately', async () => {
    await using fleet = new TestFleet();
    const only = step();
    const theFlow = stepFlow('f', { only });
    const { worker, coord } = await fleet.startWorker({ flows: [theFlow] });
    let lookUps = 0;
    let stopped: Promise<void> | undefined;
    coord.beforeAnswer = async (commit) => {
      if (!isClaim(commit)) return;
      stopped = worker.stop({ immediately: true });
      coord.answersToLose = 1;
      // Leaving asks whether one claim is left, to know whether the fleet has to settle this worker.
      coord.onList = ({ prefix, limit }) => {
        if (prefix.startsWith(`claims/${worker.id}`) && limit > 1) lookUps += 1;
      };
    };
    const id = await fleet.post('f');
    await fleet.until(() => stopped !== undefined);
    await fleet.drive(worker.stop());
    expect(lookUps).toBe(0);
    await fleet.startWorker({ flows: [theFlow] });
    const { status } = await fleet.untilState(id, 'succeeded');
    expect(status.attempts.map((attempt) => attempt.end)).toEqual(['lost', 'succeeded']);
    expect(only.calls).toHaveLength(1);
  });

  test('leaves in time although a task ignores its signal', async () => {
    await using fleet = new TestFleet();
    const only = step();
    only.act = () => new Promise(() => undefined);
    const { worker } = await fleet.startWorker({ flows: [stepFlow('f', { only })] });
    const id = await fleet.post('f');
    await fleet.until(() => only.calls.length === 1);
    const stoppedMs = fleet.clock.monotonicMs();
    await fleet.drive(worker.stop({ immediately: true }));
    expect(fleet.clock.monotonicMs() - stoppedMs).toBeLessThan(5000);
    expect(await fleet.stateOf(id)).toBe('ready');
  });

  test('ends for good when an operator asked for the drain', async () => {
    await using fleet = new TestFleet();
    const { worker, board } = await fleet.startWorker({
      flows: [stepFlow('f', { only: step() })],
    });
    if (worker.id) await board.drainWorker(worker.id);
    await fleet.drive(worker.finished);
    expect((await board.listWorkers({ pageSize: 10 })).items).toEqual([]);
  });

  test('can be stopped many times, and is not started again', async () => {
    await using fleet = new TestFleet();
    const { worker } = await fleet.openWorker({ flows: [stepFlow('f', { only: step() })] });
    await fleet.drive(Promise.all([worker.start(), worker.start()]));
    await fleet.drive(Promise.all([worker.stop(), worker.drain(), worker.stop()]));
    await worker.stop();
    const never = await fleet.openWorker({ flows: [stepFlow('f', { only: step() })] });
    await never.worker.stop();
    await expect(never.worker.start()).rejects.toThrow(FailedPreconditionError);
  });
});

describe("a worker's options", () => {
  const flows = [stepFlow('f', { only: step() })];

  test.each([
    [{ flows: [] }, 'flows.length: 0 is not allowed; allowed: a whole number, 1 to 1000'],
    [{ flows: [...flows, ...flows] }, 'flows[1].name: "f" is not allowed'],
    [{ flows, queues: [] }, 'queues.length: 0'],
    [{ flows, queues: ['a', 'no/slash'] }, 'queues[1]: "no/slash"'],
    [{ flows, concurrency: 0 }, 'concurrency: 0 is not allowed; allowed: a whole number, 1 to'],
    [{ flows, concurrency: 1.5 }, 'concurrency: 1.5'],
    [{ flows, leaseTtlMs: 999 }, 'leaseTtlMs: 999 is not allowed; allowed: a whole number, 1000'],
    [{ flows, leaseTtlMs: 600_001 }, 'leaseTtlMs: 600001'],
    [{ flows, drainTimeoutMs: -1 }, 'drainTimeoutMs: -1'],
    [{ flows, name: 'Upper' }, 'worker.name: "Upper"'],
  ])('are refused by name, value and what is allowed (%#)', async (options, message) => {
    await using fleet = new TestFleet();
    const opening = fleet.openWorker(options);
    await expect(opening).rejects.toThrow(InvalidArgumentError);
    await expect(opening).rejects.toThrow(message);
  });

  test.each([
    ['build-7.example.org', 'build-7.example.org'],
    ["Anna's MacBook", 'anna-s-macbook'],
    ['--', 'worker'],
    [`${'x'.repeat(63)}-y`, 'x'.repeat(63)],
  ])('make a name of the host %s', (host, name) => {
    expect(defaultWorkerName(host)).toBe(name);
  });
});
