import {
  encodeJson,
  type JobId,
  OutcomeUnknownError,
  pendingAtom,
  toFailure,
} from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Claim } from './claim.ts';
import { takeOverMember } from './takeover.ts';
import { expectHealthy, family, keysUnder } from './task-family.fixture.ts';
import {
  claimOne,
  divertingCommits,
  losingAnswers,
  newJob,
  newTaskJob,
  runningAtom,
  serves,
  successAtom,
  TestFleet,
} from './test-fleet.fixture.ts';
import { expireWaitingJobs, removeFinishedJobs } from './time-sweeps.ts';

const OVER = { reason: 'its job is over' };
const output = encodeJson({});

describe('a task job', () => {
  it('is posted together with the record of its task, and takes after its parent', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const args = encodeJson({ n: 1 });
    const task = newTaskJob({ args, labels: { gpu: 'yes' }, startTimeoutMs: 500 });
    const { id, created } = await member.postTaskJob(parent, task);
    expect(created).toBe(true);
    const job = await board.getJob(id);
    expect(job?.spec).toMatchObject({
      flow: 'flow',
      queue: 'default',
      priority: 7,
      labels: { team: 'a' },
      input: args,
      deadlines: { queueMs: 500 },
      remoteTask: {
        parentId: parent.spec.id,
        task: 'task',
        intention: 'execute',
        flowVersion: 1,
        labels: { gpu: 'yes' },
      },
    });
    expect(job?.status.parentId).toBe(parent.spec.id);
    const atoms = (await board.getJob(parent.spec.id))?.atoms;
    expect(atoms).toMatchObject([{ name: 'task', state: 'running', taskJob: id }]);
    await expectHealthy(board);
  });

  it('is one for each try, intention and version, whoever asks, and is given to all who do', async () => {
    await using fleet = new TestFleet();
    const { board, member, die, parent } = await family(fleet);
    const first = await member.postTaskJob(parent, newTaskJob());
    expect(await member.postTaskJob(parent, newTaskJob())).toEqual({
      id: first.id,
      created: false,
      isStopping: false,
    });
    const next = await member.postTaskJob(parent, newTaskJob({ atom: runningAtom('task', 2) }));
    const revert = newTaskJob({
      intention: 'revert',
      atom: { ...successAtom('task'), state: 'reverting', revertTries: 1 },
    });
    const undone = await member.postTaskJob(parent, revert);
    expect(new Set([first.id, next.id, undone.id]).size).toBe(3);

    await die();
    await takeOverMember(board.parts, member.id);
    const heir = await fleet.joinMember(board, serves());
    const claims = await heir.member.claim({ limit: 8 });
    const again = claims.find(({ spec }) => spec.id === parent.spec.id);
    expect(again?.atoms).toMatchObject([{ taskJob: undone.id }]);
    const known = { ...newTaskJob(), atom: { ...runningAtom('task'), taskJob: first.id } };
    const found = again && (await heir.member.postTaskJob(again, known));
    expect(found).toMatchObject({ id: first.id, created: false });
    await expectHealthy(board);
  });

  it('is posted by nobody who has lost the claim of its parent (G2)', async () => {
    await using fleet = new TestFleet();
    const { board, member, die, parent } = await family(fleet);
    await die();
    await takeOverMember(board.parts, member.id);
    await expect(member.postTaskJob(parent, newTaskJob())).rejects.toMatchObject({
      code: 'CLAIM_LOST',
    });
    expect(await keysUnder(board, 'taskjobs/')).toEqual([]);
    expect((await board.listJobs({ pageSize: 10, taskJobs: true })).jobs).toHaveLength(1);
  });

  it('is posted once where the answer was lost', async () => {
    await using fleet = new TestFleet();
    let isLost = true;
    const board = await fleet.openBoard({}, (coord) =>
      losingAnswers(coord, ({ write }) => {
        const loses = isLost && write.some(({ key }) => key.startsWith('taskjobs/'));
        if (loses) isLost = false;
        return loses;
      }),
    );
    const { member, parent } = await family(fleet, board);
    await expect(member.postTaskJob(parent, newTaskJob())).rejects.toBeInstanceOf(
      OutcomeUnknownError,
    );
    const { created } = await member.postTaskJob(parent, newTaskJob());
    expect(created).toBe(false);
    expect((await board.listJobs({ pageSize: 10, taskJobs: true })).jobs).toHaveLength(2);
    await member.succeed(parent, { atoms: [], output });
    await expectHealthy(board);
  });

  it('whose post comes late, after it was repeated, is refused', async () => {
    await using fleet = new TestFleet();
    let late: (() => Promise<unknown>) | undefined;
    const board = await fleet.openBoard({}, (coord) =>
      divertingCommits(coord, async (commit) => {
        const isPost = commit.write.some(({ key }) => key.startsWith('taskjobs/'));
        if (!isPost || late) return await coord.commit(commit);
        late = () => coord.commit(commit);
        throw new OutcomeUnknownError('the answer was lost');
      }),
    );
    const { member, parent } = await family(fleet, board);
    await expect(member.postTaskJob(parent, newTaskJob())).rejects.toBeInstanceOf(
      OutcomeUnknownError,
    );
    const { id } = await member.postTaskJob(parent, newTaskJob());
    await member.checkpoint(parent, [{ ...successAtom('task'), taskJob: id }]);
    expect(await late?.()).toMatchObject({ committed: false });
    expect((await board.getJob(parent.spec.id))?.atoms).toMatchObject([{ state: 'success' }]);
    await expectHealthy(board);
  });

  it('whose post comes late, after its task has ended otherwise, is refused (G3)', async () => {
    await using fleet = new TestFleet();
    let late: (() => Promise<unknown>) | undefined;
    const board = await fleet.openBoard({}, (coord) =>
      divertingCommits(coord, async (commit) => {
        if (!commit.write.some(({ key }) => key.startsWith('taskjobs/')))
          return await coord.commit(commit);
        late = () => coord.commit(commit);
        throw new OutcomeUnknownError('the answer was lost');
      }),
    );
    const { member, parent } = await family(fleet, board);
    await expect(member.postTaskJob(parent, newTaskJob())).rejects.toBeInstanceOf(
      OutcomeUnknownError,
    );
    await member.checkpoint(parent, [{ ...runningAtom('task'), state: 'failure' }]);
    expect(await late?.()).toMatchObject({ committed: false });
    expect((await board.getJob(parent.spec.id))?.atoms).toMatchObject([{ state: 'failure' }]);
  });

  it('that was cancelled is replaced, and both go with their parent', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const first = await member.postTaskJob(parent, newTaskJob());
    await member.cancelTaskJob(first.id, OVER);
    const named = { ...runningAtom('task'), taskJob: first.id };
    const kept = newTaskJob({ atom: named, replaceCancelled: false });
    expect(await member.postTaskJob(parent, kept)).toMatchObject({ id: first.id, created: false });
    const second = await member.postTaskJob(parent, newTaskJob({ atom: named }));
    expect(second.created).toBe(true);
    expect(second.id).not.toBe(first.id);
    await expectHealthy(board);
    await member.succeed(parent, { atoms: [], output });
    await removeFinishedJobs(board.parts, Number.MAX_SAFE_INTEGER / 4);
    expect((await board.listJobs({ pageSize: 10, taskJobs: true })).jobs).toEqual([]);
    expect(await keysUnder(board, 'taskjobs/')).toEqual([]);
  });

  it('that was cancelled when its task had come to an end is not replaced (G3)', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    const taskJob = await claimOne(member);
    await member.cancelTaskJob(id, OVER);
    await member.cancelled(taskJob, { atoms: [successAtom('task')], reason: 'it was told to' });
    const named = { ...runningAtom('task'), taskJob: id };
    expect(await member.postTaskJob(parent, newTaskJob({ atom: named }))).toEqual({
      id,
      created: false,
      isStopping: false,
    });
    expect(await member.readTaskJobs([{ id, task: 'task' }])).toMatchObject([
      { state: 'cancelled', atom: { state: 'success' } },
    ]);
    await expectHealthy(board);
  });

  it('that is told to stop says so to who asks for it', async () => {
    await using fleet = new TestFleet();
    const { member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    expect((await claimOne(member)).spec.id).toBe(id);
    await member.cancelTaskJob(id, OVER);
    expect(await member.postTaskJob(parent, newTaskJob())).toEqual({
      id,
      created: false,
      isStopping: true,
    });
  });

  it('is for workers with just its version and its labels', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob({ labels: { gpu: 'yes' } }));
    expect(await member.claim({ limit: 8 })).toEqual([]);
    await member.setDraining();
    for (const wrong of [
      { version: 2, continues: [1], remote: ['', 'gpu=yes'] },
      { version: 1, continues: [], remote: ['', 'os=linux'] },
    ]) {
      const other = await fleet.joinMember(board, serves(wrong));
      expect(await other.member.claim({ limit: 8 })).toEqual([]);
      await other.member.leave();
    }
    const fit = await fleet.joinMember(board, serves({ remote: ['gpu=yes'] }));
    const claim = await claimOne(fit.member);
    expect(claim.spec.id).toBe(id);
    expect(claim.status).toMatchObject({ flowVersion: 1, parentId: parent.spec.id });
  });

  it('goes ahead of jobs that are newly posted', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    await board.post([newJob({ priority: 7 })]);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    expect((await claimOne(member)).spec.id).toBe(id);
  });

  it('fails when nobody claims it in time', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob({ startTimeoutMs: 100 }));
    await fleet.clock.advance(101);
    await expireWaitingJobs(board.parts, fleet.clock.nowUnixMs());
    const [state] = await member.readTaskJobs([{ id, task: 'task' }]);
    expect(state).toMatchObject({ state: 'failed', failure: { type: 'DeadlineExceeded' } });
    expect(state?.atom).toBeUndefined();
    // Its parent was told of it.
    expect((await member.readNews(parent, { after: 0 })).control?.taskEnds).toBe(1);
  });
});

describe('how task jobs stand', () => {
  it('says who runs them, and once they have ended how and with what', async () => {
    await using fleet = new TestFleet();
    const { member, parent } = await family(fleet);
    const ids: JobId[] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      const atom = runningAtom(name);
      ids.push((await member.postTaskJob(parent, newTaskJob({ atom }))).id);
    }
    const claims = await member.claim({ limit: 4 });
    const claimOf = (index: number): Claim => {
      const claim = claims.find(({ spec }) => spec.id === ids[index]);
      if (!claim) throw new Error('not claimed');
      return claim;
    };
    await member.succeed(claimOf(0), { atoms: [successAtom('a')], output });
    const failure = toFailure(new Error('no'));
    const failed = { ...pendingAtom('b'), state: 'failure', failure } as const;
    await member.fail(claimOf(1), { atoms: [failed], failure });
    await member.checkpoint(claimOf(2), [runningAtom('c')]);
    const names = [...ids, '0'.repeat(26) as JobId]; // a job that is not there
    const states = await member.readTaskJobs(
      names.map((id, index) => ({ id, task: 'abcde'.charAt(index) })),
    );
    expect(states).toMatchObject([
      { state: 'succeeded', atom: { name: 'a', state: 'success' } },
      { state: 'failed', failure: { message: 'no' }, atom: { name: 'b', state: 'failure' } },
      { state: 'running', worker: member.id },
      { state: 'running' },
      { state: 'missing' },
    ]);
    expect(states.map(({ atom }) => atom?.name)).toEqual([
      'a',
      'b',
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('what is asked of a task job', () => {
  it('is a cancel, and nothing else', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    const refused = {
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining(parent.spec.id),
    };
    await expect(board.suspend(id, { reason: '' })).rejects.toMatchObject(refused);
    await expect(board.cancel(id, { reason: '', revert: true })).rejects.toMatchObject(refused);
    const signal = { name: 'go', payload: encodeJson(1) };
    await expect(board.signal(id, signal)).rejects.toMatchObject(refused);
    expect((await board.cancel(id, { reason: 'stuck' })).phase.kind).toBe('cancelled');
    await expect(board.revive(id)).rejects.toMatchObject(refused);
    // The parent is told, and decides.
    expect((await member.readNews(parent, { after: 0 })).control?.taskEnds).toBe(1);
  });
});

describe('a listing', () => {
  it('leaves task jobs out unless they are asked for', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    const list = async (taskJobs?: boolean): Promise<readonly JobId[]> =>
      (await board.listJobs({ pageSize: 10, taskJobs })).jobs.map((job) => job.id);
    expect(await list()).toEqual([parent.spec.id]);
    expect((await list(true)).toSorted()).toEqual([parent.spec.id, id].toSorted());
  });
});
