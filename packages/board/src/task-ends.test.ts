import { encodeJson, OutcomeUnknownError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { Caretaker } from './caretaker.ts';
import {
  notes,
  parentOf,
  type RunningFamily,
  runningFamily,
  settle,
  succeed,
  WAIT,
  type Wrap,
} from './running-family.fixture.ts';
import { takeOverMember } from './takeover.ts';
import { TOLD_AT_ONCE, tellOfEndedTaskJobs } from './task-ends.ts';
import {
  beforeCommits,
  claimOne,
  divertingCommits,
  drive,
  serves,
  TestFleet,
} from './test-fleet.fixture.ts';

const output = encodeJson({});

/** A process that never gets to tell: every commit is its last that removes a note. */
const dyingBeforeItTells: Wrap = (coord) =>
  divertingCommits(coord, async (commit) => {
    const tells = commit.write.some(
      ({ kind, key }) => kind === 'remove' && key.startsWith('taskends/'),
    );
    if (tells) throw new OutcomeUnknownError('crashed');
    return await coord.commit(commit);
  });

describe('the end of a task job', () => {
  it('makes a parent ready that waits', async () => {
    await using fleet = new TestFleet();
    const family1 = await runningFamily(fleet, 2);
    const { holder, parent, runner, claims } = family1;
    expect(await holder.member.wait(parent, WAIT)).toBe('waiting');
    const job = await family1.board.getJob(parent.spec.id);
    expect(job?.waitingReason).toBe('for remote tasks to end, or a signal: remote tasks');
    if (claims[0]) await succeed(runner, claims[0]);
    expect(await parentOf(family1)).toEqual({ state: 'ready', taskEnds: 1 });
    const again = await claimOne(holder.member);
    expect(again.control?.taskEnds).toBe(1);
    expect(await notes(family1)).toBe(0);
  });

  it('leaves a message for the worker of a parent that runs, which comes not to wait unknowingly', async () => {
    await using fleet = new TestFleet();
    const family1 = await runningFamily(fleet, 1);
    const { holder, parent, runner, claims } = family1;
    if (claims[0]) await succeed(runner, claims[0]);
    const news: unknown[] = [];
    await holder.member.readInbox((inbox) => news.push(...inbox.news));
    expect(news).toMatchObject([{ jobId: parent.spec.id, attempt: 1 }]);
    expect((await holder.member.readNews(parent, { after: 0 })).control?.taskEnds).toBe(1);
    expect(await holder.member.wait(parent, { ...WAIT, taskEndsSeen: 0 })).toBe('ready');
  });

  it('keeps no parent from waiting that has seen it', async () => {
    await using fleet = new TestFleet();
    const { holder, parent, runner, claims } = await runningFamily(fleet, 1);
    if (claims[0]) await succeed(runner, claims[0]);
    expect(await holder.member.wait(parent, { ...WAIT, taskEndsSeen: 1 })).toBe('waiting');
  });

  it('lets a parent that is reverted by request wait for what runs elsewhere', async () => {
    await using fleet = new TestFleet();
    const family1 = await runningFamily(fleet, 2);
    const { board, holder, parent, runner, claims } = family1;
    await board.cancel(parent.spec.id, { reason: '', revert: true });
    expect(await holder.member.wait(parent, { ...WAIT, reverts: true })).toBe('waiting');
    if (claims[0]) await succeed(runner, claims[0]);
    const again = await claimOne(holder.member);
    if (claims[1]) await succeed(runner, claims[1]);
    const seenOne = { ...WAIT, taskEndsSeen: 1, reverts: true };
    expect(await holder.member.wait(again, seenOne)).toBe('ready');
  });

  it('refuses a claim of a ready parent that has not seen it', async () => {
    await using fleet = new TestFleet();
    const family1 = await runningFamily(fleet, 1);
    const { holder, parent, runner, claims } = family1;
    await holder.member.release(parent, { atoms: [], reason: 'handed back' });
    await holder.member.leave();
    const board = await fleet.openBoard({}, (coord) =>
      beforeCommits(coord, async ({ write }) => {
        const isClaim = write.some(({ key }) => key.startsWith('claims/'));
        if (isClaim && claims[0] && (await notes(family1)) === 0 && !isTold) {
          isTold = true;
          await succeed(runner, claims[0]);
        }
      }),
    );
    let isTold = false;
    const heir = await fleet.joinMember(board, serves({ remote: [] }));
    const early = await drive(fleet.clock, heir.member.claim({ limit: 1 }));
    expect(isTold).toBe(true);
    expect(early).toEqual([]);
    const [claim] = await drive(fleet.clock, heir.member.claim({ limit: 1 }));
    expect(claim?.control?.taskEnds).toBe(1);
  });

  it('is noted in the commit that ends it, whoever that is', async () => {
    await using fleet = new TestFleet();
    const family1 = await runningFamily(fleet, 3, { runner: dyingBeforeItTells });
    const { board, runner, claims, holder, parent } = family1;
    const [first, second, third] = claims;
    if (!first || !second || !third) throw new Error('not claimed');
    await succeed(runner, first);
    await runner.member.fail(second, {
      atoms: [],
      failure: { type: 'Error', message: 'no', stack: '', causes: [] },
    });
    expect(await notes(family1)).toBe(2);
    await board.cancel(third.spec.id, { reason: '' }); // It runs, so that only its worker's death ends it.
    await runner.die();
    await takeOverMember(runner.board.parts, runner.member.id);
    expect(await notes(family1)).toBe(3);
    expect(await parentOf(family1)).toEqual({ state: 'running', taskEnds: 0 });
    await tellOfEndedTaskJobs(board.parts);
    expect(await parentOf(family1)).toEqual({ state: 'running', taskEnds: 3 });
    expect(await holder.member.wait(parent, WAIT)).toBe('ready');
  });

  it('is told by the upkeep where its worker died before it could', async () => {
    await using fleet = new TestFleet();
    const family1 = await runningFamily(fleet, 1, { runner: dyingBeforeItTells });
    const { holder, parent, runner, claims } = family1;
    expect(await holder.member.wait(parent, WAIT)).toBe('waiting');
    if (claims[0]) await succeed(runner, claims[0]);
    expect(await parentOf(family1)).toEqual({ state: 'waiting', taskEnds: 0 });
    const caretaker = new Caretaker({ board: await fleet.openBoard() });
    await caretaker.start();
    await fleet.clock.advance(3000);
    expect((await parentOf(family1)).state).toBe('ready');
    await drive(fleet.clock, caretaker.stop());
    expect(await notes(family1)).toBe(0);
  });

  it('is forgotten where the parent is over', async () => {
    await using fleet = new TestFleet();
    const family1 = await runningFamily(fleet, 1);
    const { board, holder, parent, runner, claims } = family1;
    await holder.member.succeed(parent, { atoms: [], output });
    if (claims[0]) await succeed(runner, claims[0]).catch(() => undefined);
    expect(await notes(family1)).toBe(0);
    expect((await board.getJob(parent.spec.id))?.status.phase.kind).toBe('succeeded');
  });

  it('wakes no parent that is suspended, which finds it when it is resumed', async () => {
    await using fleet = new TestFleet();
    const family1 = await runningFamily(fleet, 1);
    const { board, holder, parent, runner, claims } = family1;
    await board.suspend(parent.spec.id, { reason: '' });
    await holder.member.suspended(parent, { atoms: [] });
    if (claims[0]) await succeed(runner, claims[0]);
    expect(await parentOf(family1)).toEqual({ state: 'suspended', taskEnds: 1 });
    await board.resume(parent.spec.id);
    expect((await claimOne(holder.member)).control?.taskEnds).toBe(1);
  });
});

describe('those who tell', () => {
  it('count each end once, however many tell at once', async () => {
    await using fleet = new TestFleet();
    const size = 5;
    const family1 = await runningFamily(fleet, size, { runner: dyingBeforeItTells });
    const { runner, claims, parent } = family1;
    for (const claim of claims) await succeed(runner, claim);
    const boards = await Promise.all([1, 2, 3, 4].map(() => fleet.openBoard()));
    await Promise.all(boards.map(({ parts }) => parts.teller.tell(parent.spec.id)));
    expect(await parentOf(family1)).toEqual({ state: 'running', taskEnds: size });
    expect(await notes(family1)).toBe(0);
  });

  it('tell of what is noted while they tell', async () => {
    await using fleet = new TestFleet();
    let second: Promise<void> | undefined;
    const family1: RunningFamily = await runningFamily(fleet, 2, {
      runner: (coord) =>
        new Proxy(coord, {
          get(target, name) {
            if (name === 'list') {
              const list: typeof coord.list = async (range, options) => {
                const page = await coord.list(range, options);
                if (!second && range.prefix.startsWith('taskends/')) {
                  const [, other] = family1.claims;
                  if (other) second = succeed(family1.runner, other);
                  while ((await notes(family1)) < 2) await settle();
                }
                return page;
              };
              return list;
            }
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        }),
    });
    if (family1.claims[0]) await succeed(family1.runner, family1.claims[0]);
    await second;
    expect(await parentOf(family1)).toEqual({ state: 'running', taskEnds: 2 });
    expect(await notes(family1)).toBe(0);
  });

  it('make few commits of many ends', async () => {
    await using fleet = new TestFleet();
    const size = 2 * TOLD_AT_ONCE;
    let tellings = 0;
    const family1 = await runningFamily(fleet, size, {
      runner: (coord) =>
        beforeCommits(coord, async ({ write }) => {
          if (write.some(({ key }) => key.startsWith('control/'))) tellings += 1;
        }),
    });
    const { holder, parent, runner, claims } = family1;
    await holder.member.wait(parent, WAIT);
    await Promise.all(claims.map((claim) => succeed(runner, claim)));
    expect(await parentOf(family1)).toEqual({ state: 'ready', taskEnds: size });
    expect(await notes(family1)).toBe(0);
    expect(tellings).toBeLessThan(10);
  });
});
