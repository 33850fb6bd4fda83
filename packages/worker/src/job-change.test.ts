// Operators' surgery on stopped jobs, with workers that go on with what was changed.
import { decodeJson, encodeJson, type JobId } from '@holdfast/core';
import { flow, linear, times, unordered, waitFor, withRetry } from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import {
  type Bench,
  bench,
  chain,
  chainTask,
  change,
  failedJob,
  mapFlow,
  states,
} from './changed-job.fixture.ts';
import { TestFleet } from './test-fleet.fixture.ts';

describe('retry from a task', () => {
  test('does again what comes after, under fresh keys, and nothing that comes before', async () => {
    await using fleet = new TestFleet();
    const on = bench('c');
    const id = await failedJob(fleet, chain(on));
    on.failing.clear();
    const { change: made } = await change(fleet, id, [{ kind: 'retryFrom', task: 'c' }]);
    expect(made.tasks).toEqual([
      { task: 'a', before: 'reverted', after: 'success' },
      { task: 'b', before: 'reverted', after: 'success' },
      { task: 'c', before: 'reverted', after: 'pending' },
    ]);
    const job = await fleet.untilState(id, 'succeeded');
    expect(on.calls.names).toEqual(['a', 'b', 'c', 'c']);
    expect(on.calls.keys.slice(2)).toEqual([`${id}/c/1`, `${id}/c/2`]);
    expect(job.output && decodeJson(job.output)).toMatchObject({ three: 3 });
    expect(job.changes).toMatchObject([{ seq: 1, by: 'ada', reason: 'because', resumed: true }]);
  });

  test('is refused where what comes before was undone, and names it', async () => {
    await using fleet = new TestFleet();
    const on = bench('c');
    const id = await failedJob(fleet, chain(on, ['a']));
    const before = await fleet.job(id);
    await expect(change(fleet, id, [{ kind: 'retryFrom', task: 'c' }])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('task a, which comes before c, is reverted') as string,
    });
    expect(await fleet.job(id)).toEqual(before);
    on.failing.clear();
    await change(fleet, id, [{ kind: 'retryFrom', task: 'a' }]);
    await fleet.untilState(id, 'succeeded');
    expect(on.calls.names).toEqual(['a', 'b', 'c', '~a', 'a', 'b', 'c']);
  });

  test('of a suspended job does again what had succeeded', async () => {
    await using fleet = new TestFleet();
    const on = bench();
    const waits = flow({
      name: 'waits',
      body: linear(
        'main',
        chainTask(on, 'first'),
        waitFor('go', { event: 'go' }),
        chainTask(on, 'last'),
      ),
    });
    await fleet.startWorker({ flows: [waits] });
    const id = await fleet.post('waits');
    await fleet.untilState(id, 'waiting');
    const board = await fleet.producer;
    await expect(change(fleet, id, [{ kind: 'skip', task: 'go' }])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('suspend it first') as string,
    });
    await board.suspend(id, { reason: '' });
    await change(fleet, id, [
      { kind: 'retryFrom', task: 'first' },
      { kind: 'skip', task: 'go' },
    ]);
    await fleet.untilState(id, 'succeeded');
    expect(on.calls.names).toEqual(['first', 'first', 'last']);
  });

  test('begins at one item of a map, and keeps the others', async () => {
    await using fleet = new TestFleet();
    const on = bench('each:2');
    const id = await failedJob(fleet, mapFlow(on));
    on.failing.clear();
    await change(fleet, id, [{ kind: 'retryFrom', task: 'each[1]' }]);
    const job = await fleet.untilState(id, 'succeeded');
    expect(on.calls.names).toEqual(['list', 'each:1', 'each:2', 'each:3', 'each:2', 'sum']);
    expect(job.output && decodeJson(job.output)).toMatchObject({ total: 6 });
  });

  test('lets the round of a controller that gave up go on', async () => {
    await using fleet = new TestFleet();
    const on = bench('inner');
    const body = linear('pair', chainTask(on, 'outer'), chainTask(on, 'inner'));
    const id = await failedJob(
      fleet,
      flow({ name: 'rounds', body: withRetry(times({ name: 'again', attempts: 2 }), body) }),
    );
    on.calls.names.length = 0;
    on.failing.clear();
    await change(fleet, id, [{ kind: 'retryFrom', task: 'inner' }]);
    await fleet.untilState(id, 'succeeded');
    expect(on.calls.names).toEqual(['inner']);
  });

  test('from a controller starts its rounds anew', async () => {
    await using fleet = new TestFleet();
    const on = bench('inner');
    const body = linear('pair', chainTask(on, 'outer'), chainTask(on, 'inner'));
    const id = await failedJob(
      fleet,
      flow({ name: 'rounds', body: withRetry(times({ name: 'again', attempts: 2 }), body) }),
    );
    on.calls.names.length = 0;
    await change(fleet, id, [{ kind: 'retryFrom', task: 'again' }]);
    await fleet.untilState(id, 'failed');
    expect(on.calls.names).toEqual(['outer', 'inner', 'outer', 'inner']);
  });
});

describe('values of an operator', () => {
  test('take the place of a result, and what follows runs with them', async () => {
    await using fleet = new TestFleet();
    const on = bench('c');
    const id = await failedJob(fleet, chain(on));
    on.failing.clear();
    const values = encodeJson({ two: 40 });
    const set = await change(fleet, id, [{ kind: 'setResult', task: 'b', values }], {
      resume: false,
    });
    expect(set.status.phase.kind).toBe('failed');
    expect(await states(fleet, id)).toEqual({ a: 'reverted', b: 'success', c: 'reverted' });
    await change(fleet, id, [{ kind: 'retryFrom', task: 'c' }]);
    const job = await fleet.untilState(id, 'succeeded');
    expect(on.calls.names).toEqual(['a', 'b', 'c', 'c']);
    expect(job.output && decodeJson(job.output)).toMatchObject({ one: 1, two: 40, three: 41 });
    expect(job.changes).toHaveLength(2);
  });

  test('stand in for a task that failed, and a later attempt still has them', async () => {
    await using fleet = new TestFleet();
    const on = bench('b');
    const id = await failedJob(fleet, chain(on));
    on.failing.add('c');
    const values = encodeJson({ two: 4 });
    await change(fleet, id, [{ kind: 'skip', task: 'b', values }]);
    await fleet.until(async () => (await fleet.job(id)).status.attempt === 2);
    await fleet.untilState(id, 'failed');
    on.failing.clear();
    await change(fleet, id, [{ kind: 'retryFrom', task: 'c' }]);
    const job = await fleet.untilState(id, 'succeeded');
    expect(on.calls.names).toEqual(['a', 'b', 'c', 'c']);
    expect(job.output && decodeJson(job.output)).toMatchObject({ three: 5 });
  });

  test('are refused by every name that is wrong, and nothing changes', async () => {
    await using fleet = new TestFleet();
    const on = bench('c');
    const id = await failedJob(fleet, chain(on));
    const before = await fleet.job(id);
    const asked = change(fleet, id, [
      { kind: 'setResult', task: 'b', values: encodeJson({ tow: 2 }) },
      { kind: 'skip', task: 'd' },
    ]);
    await expect(asked).rejects.toMatchObject({
      violations: [
        {
          field: 'changes[1].skip.task',
          description: '"d" is no task of flow chain; it has a, b, c',
        },
      ],
    });
    const wrong = change(fleet, id, [
      { kind: 'setResult', task: 'c', values: encodeJson({ tow: 2 }) },
      { kind: 'skip', task: 'b' },
    ]);
    await expect(wrong).rejects.toMatchObject({
      violations: [
        { field: 'changes[0].set_result.values.three', description: expect.anything() as string },
        { field: 'changes[0].set_result.values.tow', description: expect.anything() as string },
      ],
    });
    await expect(change(fleet, id, [{ kind: 'skip', task: 'b' }])).rejects.toMatchObject({
      violations: [
        { field: 'changes[0].skip.values', description: 'task c needs two of b; give it' },
      ],
    });
    expect(await fleet.job(id)).toEqual(before);
  });

  test('nobody needs of a task that is skipped', async () => {
    await using fleet = new TestFleet();
    const on = bench('one');
    const both = flow({
      name: 'both',
      body: linear(
        'main',
        unordered('two', chainTask(on, 'one'), chainTask(on, 'other')),
        chainTask(on, 'end'),
      ),
    });
    const id = await failedJob(fleet, both);
    await change(fleet, id, [{ kind: 'skip', task: 'one' }]);
    await fleet.untilState(id, 'succeeded');
    expect(await states(fleet, id)).toEqual({ one: 'ignore', other: 'success', end: 'success' });
    expect(on.calls.names.filter((name) => name === 'one')).toHaveLength(1);
  });
});

describe('a revert that failed', () => {
  /** a and b succeeded, c failed, and b's revert did too: a is not reverted. */
  async function halfReverted(
    fleet: TestFleet,
  ): Promise<{ readonly on: Bench; readonly id: JobId }> {
    const on = bench('c', '~b');
    const id = await failedJob(fleet, chain(on, ['a', 'b']));
    expect(await states(fleet, id)).toEqual({ a: 'success', b: 'revertFailure', c: 'reverted' });
    on.calls.names.length = 0;
    on.calls.keys.length = 0;
    return { on, id };
  }

  test('is tried again under a fresh key, and what it held up follows', async () => {
    await using fleet = new TestFleet();
    const { on, id } = await halfReverted(fleet);
    on.failing.delete('~b');
    await change(fleet, id, [{ kind: 'retryRevert', task: 'b' }]);
    await fleet.untilState(id, 'failed');
    expect(await states(fleet, id)).toEqual({ a: 'reverted', b: 'reverted', c: 'reverted' });
    expect(on.calls.names).toEqual(['~b', '~a']);
    expect(on.calls.keys[0]).toMatch(/2$/);
  });

  test('that fails again is one more failure, with its tries counted anew', async () => {
    await using fleet = new TestFleet();
    const { on, id } = await halfReverted(fleet);
    await change(fleet, id, [{ kind: 'retryRevert', task: 'b' }]);
    await fleet.untilState(id, 'failed');
    expect(await states(fleet, id)).toMatchObject({ a: 'success', b: 'revertFailure' });
    expect(on.calls.names).toEqual(['~b']);
  });

  test('is resolved by hand, and the rest reverted', async () => {
    await using fleet = new TestFleet();
    const { on, id } = await halfReverted(fleet);
    await change(fleet, id, [{ kind: 'resolveRevert', task: 'b' }]);
    await fleet.untilState(id, 'failed');
    expect(on.calls.names).toEqual(['~a']);
    expect(await states(fleet, id)).toEqual({ a: 'reverted', b: 'reverted', c: 'reverted' });
  });

  test('is resolved and retried from: what was not undone is not done again', async () => {
    await using fleet = new TestFleet();
    const { on, id } = await halfReverted(fleet);
    on.failing.clear();
    await change(fleet, id, [{ kind: 'resolveRevert', task: 'b' }], { resume: false });
    expect(await fleet.stateOf(id)).toBe('failed');
    await change(fleet, id, [{ kind: 'retryFrom', task: 'b' }]);
    await fleet.untilState(id, 'succeeded');
    expect(on.calls.names).toEqual(['b', 'c']);
  });

  test('stays resolved when the job is revived, and counts as pending then', async () => {
    await using fleet = new TestFleet();
    const { on, id } = await halfReverted(fleet);
    on.failing.clear();
    await change(fleet, id, [{ kind: 'resolveRevert', task: 'b' }], { resume: false });
    await (await fleet.producer).revive(id);
    await fleet.untilState(id, 'succeeded');
    expect(on.calls.names).toEqual(['b', 'c']);
  });

  test('keeps a job from going on past it, unless something is said of it', async () => {
    await using fleet = new TestFleet();
    const { id } = await halfReverted(fleet);
    await expect(change(fleet, id, [{ kind: 'retryFrom', task: 'c' }])).rejects.toMatchObject({
      message: expect.stringContaining('the revert of task b failed') as string,
    });
    await expect(change(fleet, id, [{ kind: 'resolveRevert', task: 'a' }])).rejects.toMatchObject({
      message: expect.stringContaining('no revert of task a has failed: it is done') as string,
    });
  });

  test('and all the rest are reverted when an operator forces it, and the job ends cancelled', async () => {
    await using fleet = new TestFleet();
    const { on, id } = await halfReverted(fleet);
    on.failing.delete('~b');
    await change(fleet, id, [{ kind: 'revert' }]);
    await fleet.untilState(id, 'cancelled');
    expect(on.calls.names).toEqual(['~b', '~a']);
    await expect(change(fleet, id, [{ kind: 'revert' }])).rejects.toMatchObject({
      message: expect.stringContaining('nothing is left of it to revert') as string,
    });
  });
});
