// Listeners of a worker: told of every attempt that runs there, and never in its way.
import { type FlowEvent, type FlowListener, flow, task } from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import { step, stepFlow } from './step-flow.fixture.ts';
import { TestFleet } from './test-fleet.fixture.ts';

function listening(events: FlowEvent[]): FlowListener {
  return { name: 'test', onEvent: (event) => void events.push(event) };
}

describe('the listeners of a worker', () => {
  test('are told of each attempt, with its job and its end, before the worker has stopped', async () => {
    await using fleet = new TestFleet();
    const events: FlowEvent[] = [];
    const listeners = [listening(events)];
    const { worker } = await fleet.startWorker({
      flows: [stepFlow('f', { only: step() })],
      listeners,
    });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'succeeded');
    await fleet.drive(worker.stop());
    expect(events[0]).toMatchObject({ kind: 'started', flow: 'f', jobId: id, attempt: 1 });
    expect(events.at(-1)).toMatchObject({ kind: 'ended', end: 'succeeded', jobId: id });
    expect(events.filter(({ kind }) => kind === 'transition')).not.toEqual([]);
  });

  test('are told of a task that runs elsewhere as of a job of its own, which names the other', async () => {
    await using fleet = new TestFleet();
    const [held, ran]: [FlowEvent[], FlowEvent[]] = [[], []];
    const only = task({ name: 'only', runs: { labels: { gpu: 'a' } }, execute: () => undefined });
    const flows = [flow({ name: 'f', body: only })];
    const holder = await fleet.startWorker({ flows, listeners: [listening(held)] });
    const id = await fleet.post('f');
    await fleet.until(() => held.length > 0);
    const labels = { gpu: 'a' };
    const other = await fleet.startWorker({ flows, labels, listeners: [listening(ran)] });
    const { atoms } = await fleet.untilState(id, 'succeeded');
    await fleet.drive(Promise.all([holder.worker.stop(), other.worker.stop()]));
    const taskJob = atoms[0]?.taskJob;
    const ofTaskJob = ran.filter(({ jobId }) => jobId === taskJob);
    expect(new Set(ofTaskJob.map(({ parentId }) => parentId))).toEqual(new Set([id]));
    expect(ofTaskJob.map(({ kind }) => kind)).toContain('ended');
    expect(held.filter(({ parentId }) => parentId !== undefined)).toEqual([]);
    const states = held.flatMap((event) => (event.kind === 'transition' ? [event.to] : []));
    expect(states).toEqual(['running', 'success']);
  });

  test('that never answer keep no job from its end, and the worker not from stopping', async () => {
    await using fleet = new TestFleet();
    const stuck: FlowListener = { name: 'stuck', onEvent: () => new Promise(() => undefined) };
    const { worker } = await fleet.startWorker({
      flows: [stepFlow('f', { only: step() })],
      listeners: [stuck],
    });
    const id = await fleet.post('f');
    await fleet.untilState(id, 'succeeded');
    await fleet.drive(worker.stop());
    expect(worker.id).toBeUndefined();
  });
});
