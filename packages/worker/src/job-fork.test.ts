// Jobs that begin with the results of others, with workers that run them; and what can't be changed.
import { decodeJson, encodeJson } from '@holdfast/core';
import { type AnyFlow, workflow } from '@holdfast/flow';
import { describe, expect, test } from 'vitest';
import {
  type Bench,
  bench,
  chain,
  change,
  failedJob,
  ONCE,
  states,
} from './changed-job.fixture.ts';
import { TestFleet } from './test-fleet.fixture.ts';

describe('a fork', () => {
  test('begins with the results of the other job, under keys of its own', async () => {
    await using fleet = new TestFleet();
    const on = bench('c');
    const id = await failedJob(fleet, chain(on, ['a', 'b']));
    on.failing.clear();
    await change(fleet, id, [{ kind: 'retryFrom', task: 'a' }]);
    await fleet.untilState(id, 'succeeded');
    on.calls.names.length = 0;
    on.calls.keys.length = 0;
    const board = await fleet.producer;
    const asked = { by: 'ada', reason: 'try 5', idempotencyKey: 'k', fromTask: 'c' };
    const changes = [{ kind: 'setResult', task: 'b', values: encodeJson({ two: 5 }) }] as const;
    const result = await board.fork(id, { ...asked, changes });
    if (result.kind !== 'posted') throw result.error;
    const job = await fleet.untilState(result.id, 'succeeded');
    expect(on.calls.keys).toEqual([`${result.id}/c/1`]);
    expect(job.output && decodeJson(job.output)).toMatchObject({ one: 1, two: 5, three: 6 });
    expect(job.spec.forkedFrom).toBe(id);
    expect(job.changes).toMatchObject([{ by: 'ada', fork: { jobId: id, fromTask: 'c' } }]);
    expect(await board.fork(id, { ...asked, changes })).toEqual({ ...result, created: false });
    expect(await board.fork(id, { ...asked, changes: [] })).toMatchObject({ kind: 'refused' });
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  });

  test('never reverts what it took over', async () => {
    await using fleet = new TestFleet();
    const on = bench();
    await fleet.startWorker({ flows: [chain(on, ['a', 'b'])] });
    const id = await fleet.post('chain');
    await fleet.untilState(id, 'succeeded');
    on.failing.add('c');
    on.calls.names.length = 0;
    const board = await fleet.producer;
    const result = await board.fork(id, { by: 'ada', reason: '', changes: [], fromTask: 'b' });
    if (result.kind !== 'posted') throw result.error;
    await fleet.untilState(result.id, 'failed');
    expect(on.calls.names).toEqual(['b', 'c', '~b']);
    expect(await fleet.stateOf(id)).toBe('succeeded');
  });
});

describe('a durable function', () => {
  test('is revived, not changed nor forked', async () => {
    await using fleet = new TestFleet();
    const durable = workflow('durable', async (context) => {
      const fail = (): never => {
        throw new Error('no');
      };
      await context.step('one', fail, { retry: ONCE });
    });
    const id = await failedJob(fleet, durable);
    await expect(change(fleet, id, [{ kind: 'retryFrom', task: 'one' }])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('durable is a durable function') as string,
    });
    const board = await fleet.producer;
    await expect(board.fork(id, { by: 'ada', reason: '', changes: [] })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });

  test.each([
    ['retryRevert', ['~two', '~one']],
    ['resolveRevert', ['~one']],
  ] as const)('goes on with a revert that failed: %s', async (kind, called) => {
    await using fleet = new TestFleet();
    const on = bench('three', '~two');
    const id = await failedJob(fleet, saga(on));
    expect(await states(fleet, id)).toMatchObject({ one: 'success', two: 'revertFailure' });
    on.failing.delete('~two');
    on.calls.names.length = 0;
    await change(fleet, id, [{ kind, task: 'two' }]);
    await fleet.untilState(id, 'failed');
    expect(on.calls.names).toEqual(called);
    expect(new Set(Object.values(await states(fleet, id)))).toEqual(new Set(['reverted']));
  });

  test('is reverted as a whole, and ends cancelled', async () => {
    await using fleet = new TestFleet();
    const on = bench('three', '~two');
    const id = await failedJob(fleet, saga(on));
    on.failing.delete('~two');
    await change(fleet, id, [{ kind: 'revert' }]);
    await fleet.untilState(id, 'cancelled');
    expect(new Set(Object.values(await states(fleet, id)))).toEqual(new Set(['reverted']));
  });
});

/** Three steps, of which the first two can be reverted. */
function saga(on: Bench): AnyFlow {
  return workflow('saga', async (context) => {
    for (const name of ['one', 'two', 'three']) {
      await context.step(name, (call) => on.call(name, call), {
        retry: ONCE,
        revert: (call) => on.call(`~${name}`, call),
      });
    }
  });
}
