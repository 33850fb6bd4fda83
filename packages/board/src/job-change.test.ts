// Operators' changes against whatever else moves a stopped job, and their limits. What workers make of
// them is tested with workers.
import type { Commit } from '@holdfast/coord';
import {
  type AtomRecord,
  encodeJson,
  fromUnknown,
  type JobId,
  LIMITS,
  pendingAtom,
  type TaskChange,
  toFailure,
} from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Board } from './board.ts';
import type { FlowRecord } from './flow-record.ts';
import type { ChangeRequest } from './job-change.ts';
import { sweepForks } from './job-fork.ts';
import { listAll } from './job-reader.ts';
import {
  beforeCommits,
  claimOne,
  divertingCommits,
  newJob,
  postedId,
  successAtom,
  TestFleet,
} from './test-fleet.fixture.ts';
import { removeFinishedJobs } from './time-sweeps.ts';

const failure = toFailure(new Error('x'));

/** a → b, which needs a's value; nothing can be reverted. */
const FLOW: FlowRecord = {
  name: 'flow',
  description: '',
  inputSchemaJson: '',
  nodes: [
    { name: 'a', requires: [], provides: ['one'], path: [], hasRevert: false },
    { name: 'b', requires: ['one'], provides: [], path: [], hasRevert: false },
  ],
  edges: [{ from: 'a', to: 'b', values: ['one'] }],
  digest: 'd',
  registeredAtUnixMs: 0,
  registeredBy: 'w',
  version: 1,
};

const ATOMS: readonly AtomRecord[] = [
  { ...successAtom('a'), state: 'reverted', attempt: 1, result: encodeJson({ one: 1 }) },
  {
    ...pendingAtom('b'),
    state: 'reverted',
    tries: 1,
    failure: toFailure(new Error('b'), 'b'),
    attempt: 1,
  },
];

const REFUSED = 'FAILED_PRECONDITION';
const RETRY_B: TaskChange = { kind: 'retryFrom', task: 'b' };
const SET_A: TaskChange = { kind: 'setResult', task: 'a', values: encodeJson({ one: 2 }) };

function asked(changes: readonly TaskChange[], more: Partial<ChangeRequest> = {}): ChangeRequest {
  return { changes, by: 'ada', reason: 'why', resume: true, isDryRun: false, ...more };
}

/** A job that one attempt has failed at b, on a board of its own. */
async function failedJob(
  fleet: TestFleet,
  overrides: Parameters<typeof newJob>[0] = {},
): Promise<{ readonly board: Board; readonly id: JobId }> {
  const board = await fleet.openBoard();
  await board.registerFlow(FLOW);
  const [posted] = await board.post([newJob(overrides)]);
  const { member } = await fleet.joinMember(board);
  const claim = await claimOne(member);
  await member.fail(claim, { atoms: ATOMS, failure });
  return { board, id: postedId(posted) };
}

async function summaryOf(board: Board, id: JobId) {
  const view = await board.getJob(id);
  return {
    state: view?.status.phase.kind,
    tasks: view?.atoms.map(({ name, state }) => `${name} ${state}`),
    changes: view?.changes.length,
  };
}

describe('a change', () => {
  it('is one commit, which makes the job ready and says who and why', async () => {
    await using fleet = new TestFleet();
    const { id } = await failedJob(fleet);
    const commits: Commit[] = [];
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async (commit) => void commits.push(commit)),
    );
    const { change, status } = await board.change(id, asked([RETRY_B]));
    expect(commits.filter(({ when }) => when.length > 1)).toHaveLength(1);
    expect(status.phase.kind).toBe('ready');
    expect(change).toMatchObject({ seq: 1, by: 'ada', reason: 'why', attempts: 1, resumed: true });
    expect(await summaryOf(board, id)).toEqual({
      state: 'ready',
      tasks: ['a success', 'b pending'],
      changes: 1,
    });
    const { member } = await fleet.joinMember(board);
    const { atoms } = await claimOne(member);
    expect(atoms).toMatchObject([
      { name: 'a', state: 'success', result: encodeJson({ one: 1 }) },
      { name: 'b', state: 'pending', tries: 1, forgivenTries: 1 },
    ]);
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  });

  it('says what it would do, and does nothing, when that is all that is asked', async () => {
    await using fleet = new TestFleet();
    const { board, id } = await failedJob(fleet);
    const before = await board.getJob(id);
    const { change } = await board.change(id, asked([RETRY_B], { isDryRun: true }));
    expect(change.tasks).toHaveLength(2);
    expect(await board.getJob(id)).toEqual(before);
  });

  it.each([
    ['change', { state: 'ready', tasks: ['a success', 'b pending'], changes: 2 }, 'changed'],
    ['revival', { state: 'ready', tasks: ['a pending', 'b pending'], changes: 0 }, REFUSED],
    [
      'revival and a cancel',
      { state: 'ready', tasks: ['a pending', 'b pending'], changes: 0 },
      REFUSED,
    ],
  ])(
    'that another %s comes before is decided anew, and never half',
    async (rival, after, outcome) => {
      await using fleet = new TestFleet();
      const { board: other, id } = await failedJob(fleet);
      let isLate = true;
      const board = await fleet.openBoard({}, (coord) =>
        beforeCommits(coord, async ({ when }) => {
          if (when.length < 2 || !isLate) return;
          isLate = false;
          if (rival === 'change') await other.change(id, asked([SET_A], { resume: false }));
          else await other.revive(id);
          if (rival !== 'revival and a cancel') return;
          await other.cancel(id, { reason: '' });
          await other.revive(id);
        }),
      );
      const changed = board.change(id, asked([RETRY_B]));
      const codeOf = (thrown: unknown): string => fromUnknown(thrown).code;
      expect(await changed.then(() => 'changed', codeOf)).toBe(outcome);
      expect(await summaryOf(other, id)).toEqual(after);
    },
  );

  it('that a revival cut off by a crash comes before is decided anew', async () => {
    await using fleet = new TestFleet();
    const { id } = await failedJob(fleet);
    let commits = 0;
    const dying = await fleet.openBoard({}, (coord) =>
      divertingCommits(coord, async (commit) => {
        commits += 1;
        if (commits > 1) throw new Error('the process died');
        return await coord.commit(commit);
      }),
    );
    let isLate = true;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async ({ when }) => {
        if (when.length < 2 || !isLate) return;
        isLate = false;
        await expect(dying.revive(id)).rejects.toThrow('the process died');
      }),
    );
    await expect(board.change(id, asked([RETRY_B]))).rejects.toMatchObject({ code: REFUSED });
    expect(await summaryOf(board, id)).toEqual({
      state: 'failed',
      tasks: ['a pending', 'b pending'],
      changes: 0,
    });
  });

  it.each([1, 2])('comes before commit %i of a revival: what it says holds', async (nth) => {
    await using fleet = new TestFleet();
    const { board: other, id } = await failedJob(fleet);
    let commits = 0;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async ({ when }) => {
        if (when.length < 2) return;
        commits += 1;
        if (commits === nth) await other.change(id, asked([SET_A], { resume: false }));
      }),
    );
    await board.revive(id);
    const view = await board.getJob(id);
    expect(view?.atoms).toMatchObject([
      { name: 'a', state: 'success', result: encodeJson({ one: 2 }) },
      { name: 'b', state: 'pending' },
    ]);
  });

  it('is not in what a later attempt has written', async () => {
    await using fleet = new TestFleet();
    const { board, id } = await failedJob(fleet);
    await board.change(id, asked([RETRY_B]));
    const { member } = await fleet.joinMember(board);
    const claim = await claimOne(member);
    const b = { ...successAtom('b'), attempt: 2, tries: 2 };
    await member.fail(claim, { atoms: [b], failure });
    expect((await board.getJob(id))?.atoms).toMatchObject([
      { name: 'a', state: 'success' },
      { name: 'b', state: 'success', tries: 2 },
    ]);
  });

  it.each([
    ['a waiting job', 'READY', /suspend it first/],
    ['a job that has succeeded', 'SUCCEEDED', /has succeeded and can't be changed; fork it/],
    ['a flow that is not registered', 'UNREGISTERED', /its flow other is not registered/],
    [
      'another version of the flow',
      'VERSION',
      /version 1 of its flow, and version 2 is registered/,
    ],
    ['a total deadline that has passed', 'LATE', /total deadline of 5 ms has passed/],
  ])('is refused for %s', async (_what, situation, message) => {
    await using fleet = new TestFleet();
    const { board, id } = await situate(fleet, situation);
    await expect(board.change(id, asked([RETRY_B]))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(message) as string,
    });
    expect((await board.getJob(id))?.changes).toEqual([]);
  });

  it('is refused where going on and reverting are asked for at once', async () => {
    await using fleet = new TestFleet();
    const { board, id } = await failedJob(fleet);
    await expect(board.change(id, asked([RETRY_B, { kind: 'revert' }]))).rejects.toMatchObject({
      violations: [{ field: 'changes' }],
    });
    const alone = asked([{ kind: 'revert' }], { resume: false });
    await expect(board.change(id, alone)).rejects.toMatchObject({
      violations: [{ field: 'resume' }],
    });
  });

  it('is refused when the job was changed as often as it may be', async () => {
    await using fleet = new TestFleet();
    const { board, id } = await failedJob(fleet);
    for (let count = 0; count < LIMITS.changesPerJob; count += 1) {
      await board.change(id, asked([SET_A], { resume: false }));
    }
    await expect(board.change(id, asked([SET_A]))).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
    });
    expect((await summaryOf(board, id)).changes).toBe(LIMITS.changesPerJob);
  });

  it('goes with its job', async () => {
    await using fleet = new TestFleet();
    const { board, id } = await failedJob(fleet, { retentionMs: 1000 });
    await board.change(id, asked([SET_A], { resume: false }));
    await fleet.clock.advance(2000);
    await removeFinishedJobs(board.parts, fleet.clock.nowUnixMs());
    expect(await listAll(board.parts.coord, 'changes/')).toEqual([]);
    expect(await listAll(board.parts.coord, 'atoms/')).toEqual([]);
  });
});

/** A job that can't be changed, for this reason. */
async function situate(
  fleet: TestFleet,
  situation: string,
): Promise<{ readonly board: Board; readonly id: JobId }> {
  if (situation === 'LATE') {
    const failed = await failedJob(fleet, { deadlines: { totalMs: 5 } });
    await fleet.clock.advance(10);
    return failed;
  }
  if (situation === 'VERSION') {
    const failed = await failedJob(fleet);
    await failed.board.registerFlow({ ...FLOW, version: 2, digest: 'other' });
    return failed;
  }
  const board = await fleet.openBoard();
  await board.registerFlow(FLOW);
  const [posted] = await board.post([
    newJob({ flow: situation === 'UNREGISTERED' ? 'other' : 'flow' }),
  ]);
  const id = postedId(posted);
  if (situation === 'UNREGISTERED') await board.cancel(id, { reason: '' });
  if (situation === 'SUCCEEDED') {
    const { member } = await fleet.joinMember(board);
    await member.succeed(await claimOne(member), { atoms: [], output: encodeJson(1) });
  }
  return { board, id };
}

describe('a fork', () => {
  const FORK = { by: 'ada', reason: '', changes: [], fromTask: 'b' } as const;

  it('that a crash cuts off after any of its commits leaves nothing behind, or the job', async () => {
    for (let commits = 1; commits <= 3; commits += 1) {
      await using fleet = new TestFleet();
      const { board: other, id } = await failedJob(fleet);
      let left = commits;
      const board = await fleet.openBoard({}, (coord) =>
        divertingCommits(coord, async (commit) => {
          const isBucket = commit.write.some(({ key }) => key.startsWith('buckets/'));
          if (!isBucket && left === 0) throw new Error('the process died');
          if (!isBucket) left -= 1;
          return await coord.commit(commit);
        }),
      );
      const forked = await board.fork(id, FORK).catch(() => undefined);
      expect(forked?.kind).toBe(commits === 3 ? 'posted' : undefined);
      await sweepForks(other.parts.coord);
      expect(await listAll(other.parts.coord, 'forks/')).toEqual([]);
      const ids = new Set(
        (await listAll(other.parts.coord, 'atoms/')).map(({ key }) => key.split('/')[1]),
      );
      expect(ids).toEqual(new Set(forked ? [id, postedId(forked)] : [id]));
      expect((await other.doctor({ repair: false })).problems).toEqual([]);
    }
  });

  it('that the upkeep takes for one is begun anew, with all of its copies', async () => {
    await using fleet = new TestFleet();
    const { board: other, id } = await failedJob(fleet);
    for (const nth of [2, 3]) {
      let commits = 0;
      const board = await fleet.openBoard({}, (coord) =>
        beforeCommits(coord, async ({ write }) => {
          if (write.some(({ key }) => key.startsWith('buckets/'))) return;
          commits += 1;
          if (commits === nth) await sweepForks(other.parts.coord);
        }),
      );
      const forkId = postedId(await board.fork(id, FORK));
      expect((await board.getJob(forkId))?.atoms).toMatchObject([
        { name: 'a', state: 'success', attempt: 0, tries: 1, forgivenTries: 1 },
      ]);
    }
    expect(await listAll(other.parts.coord, 'forks/')).toEqual([]);
  });

  it('has all of its copies, also when whoever took it for cut off is slow', async () => {
    await using fleet = new TestFleet();
    const { id } = await failedJob(fleet);
    const [listed, forked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const sweeper = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async ({ write }) => {
        if (!write.some(({ kind }) => kind === 'remove')) return;
        listed.resolve();
        await forked.promise;
      }),
    );
    let sweeping: Promise<void> | undefined;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async ({ write }) => {
        if (sweeping || !write.some(({ key }) => key.startsWith('spec/'))) return;
        sweeping = sweepForks(sweeper.parts.coord);
        await listed.promise;
      }),
    );
    const forkId = postedId(await board.fork(id, FORK));
    forked.resolve();
    await sweeping;
    expect((await board.getJob(forkId))?.atoms).toMatchObject([{ name: 'a', state: 'success' }]);
  });

  it('of a job that moves meanwhile is of the job as it is then, or refused', async () => {
    await using fleet = new TestFleet();
    const { board: other, id } = await failedJob(fleet);
    let isFirst = true;
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async ({ write }) => {
        if (!isFirst || !write.some(({ key }) => key.startsWith('spec/'))) return;
        isFirst = false;
        await other.revive(id);
      }),
    );
    await expect(board.fork(id, FORK)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('suspend it first') as string,
    });
    expect(await listAll(other.parts.coord, 'forks/')).toEqual([]);
    const [only, ...others] = await listAll(other.parts.coord, 'spec/');
    expect(only?.key).toBe(`spec/${id}`);
    expect(others).toEqual([]);
  });

  it('with an idempotency key of another job is refused', async () => {
    await using fleet = new TestFleet();
    const { board, id } = await failedJob(fleet);
    await board.post([newJob({ idempotencyKey: 'k' })]);
    const result = await board.fork(id, { ...FORK, idempotencyKey: 'k' });
    expect(result).toMatchObject({ kind: 'refused', error: { code: 'ALREADY_EXISTS' } });
  });
});
