import { encodeJson, LIMITS } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Board } from './board.ts';
import type { Claim } from './claim.ts';
import { indexKeys, parseReadyKey, readyKey } from './keys.ts';
import { type Lane, laneOf, lanesOf } from './lane.ts';
import {
  claimOne,
  newJob,
  newTaskJob,
  postedId,
  serves,
  successAtom,
  TestFleet,
} from './test-fleet.fixture.ts';

async function laneInStore(board: Board): Promise<readonly Lane[]> {
  const page = await board.parts.coord.list({ prefix: 'ready/', limit: 10 });
  return page.entries.map(({ key }) => parseReadyKey(key).lane);
}

describe('the lane of a job', () => {
  it('is the flow before its first claim, and the flow with its version after it', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob()]);
    expect(await laneInStore(board)).toEqual([{ queue: 'default', flowPart: 'flow' }]);
    const { member } = await fleet.joinMember(board, serves({ version: 3 }));
    const claim = await claimOne(member);
    expect(claim.status.flowVersion).toBe(3);
    await member.release(claim, { atoms: [], reason: 'handed back' });
    expect(await laneInStore(board)).toEqual([{ queue: 'default', flowPart: 'flow@3' }]);
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  });

  it('names the version and the labels of a task job, hashed where they are long', () => {
    const spec = (labels: Readonly<Record<string, string>>) => ({
      queue: 'q',
      flow: 'f',
      remoteTask: { flowVersion: 2, labels } as never, // what the lane reads of it
    });
    expect(laneOf({ spec: spec({}) }).flowPart).toBe('f@2+');
    expect(laneOf({ spec: spec({ os: 'linux', gpu: 'yes' }) }).flowPart).toBe(
      'f@2+gpu=yes,os=linux',
    );
    expect(laneOf({ spec: spec({ gpu: 'y'.repeat(100) }) }).flowPart).toMatch(
      /^f@2\+[0-9a-f]{64}$/,
    );
  });

  it('makes a key that fits every store, whatever the names', () => {
    const longest = 'n'.repeat(LIMITS.nameLength);
    const spec = {
      queue: longest,
      flow: longest,
      remoteTask: { flowVersion: 999_999, labels: { [longest]: longest } } as never, // see above
    };
    const position = { bucket: `00${'0'.repeat(15)}${'0'.repeat(26)}`, order: '0'.repeat(15) };
    const key = readyKey(laneOf({ spec }), position, '0'.repeat(26) as never); // as long as a JobId
    expect(key.length).toBeLessThanOrEqual(512); // ZooKeeper takes the shortest.
  });

  it('of each kind is claimed from by a worker that serves it', () => {
    const served = [{ flow: 'f', version: 3, continues: [1, 2], remote: ['', 'gpu=yes'] }];
    const info = { queues: ['q'], flows: ['f', 'g'], served } as never; // what the lanes follow from
    expect(lanesOf(info).map(({ flowPart }) => flowPart)).toEqual([
      'f',
      'f@3',
      'f@1',
      'f@2',
      'f@3+',
      'f@3+gpu=yes',
      'g',
      'g@1',
    ]);
  });
});

describe('a claim', () => {
  it('says with which version it is, and when the job was claimed first', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const id = postedId((await board.post([newJob()]))[0]);
    const { member } = await fleet.joinMember(board, serves({ version: 2, continues: [1] }));
    const first = await claimOne(member);
    const startedAtUnixMs = fleet.clock.nowUnixMs();
    expect(first.status).toMatchObject({ flowVersion: 2, startedAtUnixMs });
    await fleet.clock.advance(50);
    await member.release(first, { atoms: [], reason: 'handed back' });
    const second = await claimOne(member);
    expect(second.status).toMatchObject({ flowVersion: 2, startedAtUnixMs });
    await member.fail(second, {
      atoms: [],
      failure: { type: 'Error', message: 'no', stack: '', causes: [] },
    });
    // A revived job is of the same version, and starts anew.
    const revived = await board.revive(id);
    expect(revived).toMatchObject({ flowVersion: 2, startedAtUnixMs: undefined });
    expect((await claimOne(member)).status.startedAtUnixMs).toBe(fleet.clock.nowUnixMs());
  });

  it('is only made by a worker that has the version of the job, or continues it', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const id = postedId((await board.post([newJob()]))[0]);
    const old = await fleet.joinMember(board, serves({ version: 1 }));
    const claim = await claimOne(old.member);
    await old.member.release(claim, { atoms: [], reason: 'handed back' });
    await old.member.leave();

    const stranger = await fleet.joinMember(board, serves({ version: 2 }));
    expect(await stranger.member.claim({ limit: 1 })).toEqual([]);
    expect((await board.getJob(id))?.waitingReason).toBe(
      'it is of version 1 of flow flow, which no live worker continues on queue default; ' +
        'there, workers have version 2',
    );
    const heir = await fleet.joinMember(board, serves({ version: 3, continues: [1, 2] }));
    expect((await claimOne(heir.member)).status).toMatchObject({ attempt: 2, flowVersion: 3 });
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  });

  it('is judged by the status that it guards on, not by where the job was found', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob()]);
    const old = await fleet.joinMember(board, serves({ version: 1 }));
    const { coord } = board.parts;
    const ready = (await coord.list({ prefix: 'ready/', limit: 1 })).entries[0];
    await old.member.release(await claimOne(old.member), { atoms: [], reason: 'handed back' });
    await old.member.leave();
    // A stray entry leads to it from the lane of jobs that anybody may claim.
    await coord.commit({
      when: [],
      write: [{ kind: 'put', key: ready?.key ?? '', value: ready?.value ?? new Uint8Array(0) }],
    });
    const stranger = await fleet.joinMember(board, serves({ version: 2 }));
    expect(await stranger.member.claim({ limit: 1 })).toEqual([]);
  });

  it('costs the same with a thousand jobs in front that nobody here continues (G8)', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    const old = await fleet.joinMember(board, serves({ version: 1 }));
    await board.post(Array.from({ length: 1000 }, () => newJob({ priority: 9 })));
    const held: Claim[] = [];
    while (held.length < 1000) held.push(...(await old.member.claim({ limit: 250 })));
    const end = { atoms: [], reason: 'handed back' };
    await Promise.all(held.map((claim) => old.member.release(claim, end)));
    await old.member.leave();
    const mine = postedId((await board.post([newJob({ priority: 0 })]))[0]);

    const reads = { lists: 0, entries: 0 };
    const counting = await fleet.openBoard({}, (coord) => {
      const list: typeof coord.list = async (range, options) => {
        const page = await coord.list(range, options);
        if (range.prefix.startsWith('ready/') || range.prefix.startsWith('buckets/')) {
          reads.lists += 1;
          reads.entries += page.entries.length;
        }
        return page;
      };
      return new Proxy(coord, {
        get(target, name) {
          if (name === 'list') return list;
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    });
    const worker = await fleet.joinMember(counting, serves({ version: 2 }));
    expect((await claimOne(worker.member)).spec.id).toBe(mine);
    expect(reads.entries).toBeLessThan(10);
    expect(reads.lists).toBeLessThan(20);
  });
});

describe('what a job waits for, in words', () => {
  it('says which version or which labels a task job wants', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.post([newJob()]);
    const holder = await fleet.joinMember(board, serves({ version: 2, remote: [] }));
    const claim = await claimOne(holder.member);
    const plain = await holder.member.postTaskJob(claim, newTaskJob());
    const gpu = await holder.member.postTaskJob(
      claim,
      newTaskJob({ atom: successAtom('other'), labels: { gpu: 'yes' }, args: encodeJson([]) }),
    );
    const reasonOf = async (id: typeof plain.id): Promise<string | undefined> =>
      (await board.getJob(id))?.waitingReason;
    expect(await reasonOf(gpu.id)).toBe(
      'no live worker that serves version 2 of flow flow on queue default has the labels gpu=yes',
    );
    expect(await reasonOf(plain.id)).toContain('runs tasks of version 2 of flow flow');
    await holder.member.leave();
    await fleet.joinMember(board, serves({ version: 3 }));
    expect(await reasonOf(gpu.id)).toBe(
      'it runs task other of version 2 of flow flow, which no live worker serves on queue default; ' +
        'there, workers have version 3',
    );
    await fleet.joinMember(board, serves({ version: 2, remote: ['', 'gpu=yes'] }));
    expect(await reasonOf(gpu.id)).toBe('waits for its turn in queue default');
  });
});

describe('the registry of flows', () => {
  const flow = {
    name: 'flow',
    description: '',
    inputSchemaJson: '',
    nodes: [],
    edges: [],
    digest: 'd',
    registeredAtUnixMs: 0,
    registeredBy: 'w',
    version: 2,
  };

  it('keeps the record of the highest version, whoever registers last', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    await board.registerFlow(flow);
    await board.registerFlow({ ...flow, version: 1, digest: 'old' });
    expect((await board.getFlow('flow'))?.flow).toEqual(flow);
    await board.registerFlow({ ...flow, digest: 'other' });
    expect((await board.getFlow('flow'))?.flow.digest).toBe('other');
    await board.registerFlow({ ...flow, version: 3 });
    expect((await board.getFlow('flow'))?.flow.version).toBe(3);
  });

  it('takes nothing back when a worker of the old version was slow', async () => {
    await using fleet = new TestFleet();
    const board = await fleet.openBoard();
    let isFirst = true;
    const slow = await fleet.openBoard(
      {},
      (coord) =>
        new Proxy(coord, {
          get(target, name) {
            if (name === 'commit') {
              const commit: typeof coord.commit = async (sent) => {
                if (isFirst) await board.registerFlow(flow);
                isFirst = false;
                return await coord.commit(sent);
              };
              return commit;
            }
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        }),
    );
    await slow.registerFlow({ ...flow, version: 1, digest: 'old' });
    expect((await board.getFlow('flow'))?.flow).toEqual(flow);
  });
});

it('every index entry of a job follows from its spec and status, task jobs included (G7)', async () => {
  await using fleet = new TestFleet();
  const board = await fleet.openBoard();
  await board.post([newJob()]);
  const { member } = await fleet.joinMember(board, serves({ version: 4 }));
  const { id } = await member.postTaskJob(await claimOne(member), newTaskJob());
  const job = await board.getJob(id);
  const keys = job ? indexKeys(job.spec, job.status) : [];
  expect(keys.map((key) => key.split('/').slice(0, 3).join('/'))).toEqual([
    'ready/default/flow@4+',
  ]);
  expect(await laneInStore(board)).toEqual([{ queue: 'default', flowPart: 'flow@4+' }]);
});
