// What becomes of task jobs when their parent ends, and when it is removed; and what the doctor says.
import { encodeJson, OutcomeUnknownError, toFailure } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Claim } from './claim.ts';
import { taskJobsPrefix } from './keys.ts';
import { takeOverMember } from './takeover.ts';
import { expectHealthy, family, keysUnder, stateOf } from './task-family.fixture.ts';
import {
  beforeCommits,
  claimOne,
  divertingCommits,
  drive,
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

describe('when a job is over', () => {
  it.each(['succeed', 'fail', 'cancelled'] as const)(
    'by %s, its task jobs are cancelled',
    async (end) => {
      await using fleet = new TestFleet();
      const { board, member, parent } = await family(fleet);
      const waiting = await member.postTaskJob(parent, newTaskJob());
      const running = await member.postTaskJob(parent, newTaskJob({ atom: runningAtom('other') }));
      const claims = await member.claim({ limit: 2 });
      const mine = claims.find(({ spec }) => spec.id === running.id);
      const other = claims.find(({ spec }) => spec.id === waiting.id);
      if (other) await member.release(other, { atoms: [], reason: 'handed back' });
      const failure = toFailure(new Error('no'));
      await member[end](parent, { atoms: [], output, failure, reason: '' });
      expect(await stateOf(board, waiting.id)).toBe('cancelled');
      expect((await board.getJob(running.id))?.control?.wish).toBe('cancel');
      expect(mine && (await member.isOrphan(mine))).toBe(true);
      if (mine) await member.cancelled(mine, { atoms: [], ...OVER });
      expect(await keysUnder(board, 'taskends/')).toEqual([]);
      await expectHealthy(board);
    },
  );

  it('those that have ended are looked at many at once', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    for (let n = 0; n < 30; n += 1) {
      const { id } = await member.postTaskJob(parent, newTaskJob({ atom: runningAtom(`t${n}`) }));
      await member.cancelTaskJob(id, OVER);
    }
    const before = board.parts.coord.stats.reads;
    await member.succeed(parent, { atoms: [], output });
    expect(board.parts.coord.stats.reads - before).toBeLessThan(10);
  });

  it('by a cancel while it waits, its task jobs are cancelled', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    await member.wait(parent, { atoms: [], signalsSeen: 0, reason: 'remote tasks' });
    await board.cancel(parent.spec.id, { reason: '' });
    expect(await stateOf(board, id)).toBe('cancelled');
  });

  it('by its deadline, or because its workers died of it, its task jobs are cancelled', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob({ deadlines: { totalMs: 1000 } }), newJob({ maxAttempts: 1 })]);
    const holder = await fleet.joinMember(board, serves({ remote: [] }));
    const [a, b] = await holder.member.claim({ limit: 2 });
    if (!a || !b) throw new Error('not claimed');
    const ids = [];
    for (const claim of [a, b]) {
      ids.push((await holder.member.postTaskJob(claim, newTaskJob())).id);
    }
    const [poison, late] = a.spec.maxAttempts === 1 ? [a, b] : [b, a];
    await holder.member.wait(late, { atoms: [], signalsSeen: 0, reason: 'remote tasks' });
    await holder.die();
    await takeOverMember(board.parts, holder.member.id);
    expect(await stateOf(board, poison.spec.id)).toBe('dead');
    await fleet.clock.advance(1001);
    await expireWaitingJobs(board.parts, fleet.clock.nowUnixMs());
    expect(await stateOf(board, late.spec.id)).toBe('failed');
    for (const id of ids) expect(await stateOf(board, id)).toBe('cancelled');
    await expectHealthy(board);
  });

  it('or goes on with another version, its task jobs are orphans', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    const claim = await claimOne(member);
    expect(claim.spec.id).toBe(id);
    expect(await member.isOrphan(parent)).toBe(false);
    expect(await member.isOrphan(claim)).toBe(false);
    await member.release(parent, { atoms: [], reason: 'handed back' });
    expect(await member.isOrphan(claim)).toBe(false);
    const heir = await fleet.joinMember(board, serves({ version: 2, continues: [1], remote: [] }));
    const [heirs] = await drive(fleet.clock, heir.member.claim({ limit: 1 }));
    expect(heirs?.spec.id).toBe(parent.spec.id);
    expect(await member.isOrphan(claim)).toBe(true);
  });

  it('and is revived, a task that had ended has ended, and one that was cancelled is posted anew', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const done = await member.postTaskJob(parent, newTaskJob());
    await member.succeed(await claimOne(member), { atoms: [successAtom('task')], output });
    const other = newTaskJob({ atom: runningAtom('other') });
    const cut = await member.postTaskJob(parent, other);
    await member.cancelled(parent, { atoms: [], reason: '' });
    await board.revive(parent.spec.id);
    const again = await claimOne(member);
    expect(await member.postTaskJob(again, newTaskJob())).toMatchObject({
      id: done.id,
      created: false,
    });
    const anew = await member.postTaskJob(again, other);
    expect(anew.created).toBe(true);
    expect(anew.id).not.toBe(cut.id);
    await expectHealthy(board);
  });
});

describe('retention', () => {
  const FOREVER = Number.MAX_SAFE_INTEGER / 4;

  it('keeps a task job that has ended for as long as its parent is there', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    await member.succeed(await claimOne(member), { atoms: [successAtom('task')], output });
    await member.suspended(parent, { atoms: [] });
    await removeFinishedJobs(board.parts, FOREVER);
    const [state] = await member.readTaskJobs([{ id, task: 'task' }]);
    expect(state).toMatchObject({ state: 'succeeded', atom: { state: 'success' } });
  });

  it('removes task jobs with their parent, whatever their state, and leaves nothing behind', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    for (const name of ['a', 'b', 'c']) {
      await member.postTaskJob(parent, newTaskJob({ atom: runningAtom(name) }));
    }
    const [running, ended] = await member.claim({ limit: 2 });
    if (!running || !ended) throw new Error('not claimed');
    await member.checkpoint(running, [runningAtom('a')]);
    await member.succeed(ended, { atoms: [successAtom('b')], output });
    await member.succeed(parent, { atoms: [], output });
    await removeFinishedJobs(board.parts, FOREVER);
    for (const prefix of ['spec/', 'status/', 'atoms/', 'control/', 'claims/', 'ready/', 'done/'])
      expect(await keysUnder(board, prefix)).toEqual([]);
    for (const prefix of ['taskjobs/', 'taskends/', 'removed/'])
      expect(await keysUnder(board, prefix)).toEqual([]);
    // What still runs can write nothing more (G2).
    await expect(member.checkpoint(running, [successAtom('a')])).rejects.toMatchObject({
      code: 'CLAIM_LOST',
    });
    expect(await member.isOrphan(running)).toBe(true);
    expect(await keysUnder(board, 'atoms/')).toEqual([]);
  });

  it('leaves nothing of a task job that is claimed while it is removed (G7)', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    await fleet.clock.advance(1);
    const claimed: Claim[] = [];
    let isFirst = true;
    const remover = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async ({ write }) => {
        const isRemoval = write.some(({ kind, key }) => kind === 'remove' && key === `spec/${id}`);
        if (!isRemoval || !isFirst) return;
        isFirst = false;
        claimed.push(...(await member.claim({ limit: 1 })));
      }),
    );
    // Its parent ended without being able to cancel it.
    await board.parts.coord.commit({
      when: [],
      write: ['spec', 'status', 'control'].map((kind) => ({
        kind: 'remove',
        key: `${kind}/${parent.spec.id}`,
      })),
    });
    await board.doctor({ repair: true });
    await removeFinishedJobs(remover.parts, FOREVER);
    expect(claimed).toHaveLength(1);
    expect(await board.getJob(id)).toBeUndefined();
    expect(await keysUnder(board, 'claims/')).toEqual([]);
    await expectHealthy(board);
  });

  it('goes on with a removal that a crash cut off', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    for (const name of ['a', 'b', 'c']) {
      await member.postTaskJob(parent, newTaskJob({ atom: runningAtom(name) }));
    }
    await member.succeed(await claimOne(member), { atoms: [successAtom('a')], output });
    await member.succeed(parent, { atoms: [], output });
    // Each commit of the removal is the last one of its process.
    for (let allowed = 0; allowed < 20; allowed += 1) {
      let left = allowed;
      const dying = await fleet.openBoard({}, (coord) =>
        divertingCommits(coord, async (commit) => {
          left -= 1;
          if (left < 0) throw new OutcomeUnknownError('crashed');
          return await coord.commit(commit);
        }),
      );
      await removeFinishedJobs(dying.parts, FOREVER).catch(() => undefined);
    }
    await removeFinishedJobs(board.parts, FOREVER);
    for (const prefix of ['spec/', 'status/', 'atoms/', 'taskjobs/', 'taskends/', 'removed/'])
      expect(await keysUnder(board, prefix)).toEqual([]);
  });
});

describe('the doctor', () => {
  it('finds and repairs a key that leads to no task job', async () => {
    await using fleet = new TestFleet();
    const { board, parent } = await family(fleet);
    const key = `${taskJobsPrefix(parent.spec.id)}task~e1@1`;
    const value = new TextEncoder().encode('0'.repeat(26));
    await board.parts.coord.commit({ when: [], write: [{ kind: 'put', key, value }] });
    const { problems } = await board.doctor({ repair: true });
    expect(problems).toMatchObject([{ kind: 'stray-index-entry', key, repaired: true }]);
    await expectHealthy(board);
  });

  it('finds and repairs a task job that no key leads to', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    const [key = ''] = await keysUnder(board, 'taskjobs/');
    await board.parts.coord.commit({ when: [], write: [{ kind: 'remove', key }] });
    const { problems } = await board.doctor({ repair: true });
    expect(problems).toMatchObject([{ kind: 'missing-index-entry', jobId: id, repaired: true }]);
    await expectHealthy(board);
    await member.succeed(parent, { atoms: [], output });
    await removeFinishedJobs(board.parts, Number.MAX_SAFE_INTEGER / 4);
    expect(await board.getJob(id)).toBeUndefined();
  });

  it('finds and repairs task jobs whose parent is gone', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    await board.parts.coord.commit({
      when: [],
      write: ['spec', 'status', 'control'].map((kind) => ({
        kind: 'remove',
        key: `${kind}/${parent.spec.id}`,
      })),
    });
    const found = (await board.doctor({ repair: true })).problems;
    expect(found.map(({ kind, repaired }) => `${kind} ${repaired}`)).toContain(
      'task-job-without-parent true',
    );
    await removeFinishedJobs(board.parts, 0);
    expect(await board.getJob(id)).toBeUndefined();
    await expectHealthy(board);
  });

  it('finds and repairs notes of ends that were none', async () => {
    await using fleet = new TestFleet();
    const { board, member, parent } = await family(fleet);
    const { id } = await member.postTaskJob(parent, newTaskJob());
    const prefix = `taskends/${parent.spec.id}/`;
    const value = new Uint8Array(0);
    const keys = [`${prefix}${id}`, `${prefix}${'0'.repeat(26)}`];
    await board.parts.coord.commit({
      when: [],
      write: keys.map((key) => ({ kind: 'put', key, value })),
    });
    const { problems } = await board.doctor({ repair: true });
    expect(problems.map(({ key, repaired }) => `${key} ${repaired}`).toSorted()).toEqual(
      keys.map((key) => `${key} true`).toSorted(),
    );
    await expectHealthy(board);
  });
});
