// Task jobs on every real store: their keys hold characters that no other key has, and their commits touch
// two jobs at once.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Board, Caretaker, type Claim, type Member } from '@holdfast/board';
import type { Coord } from '@holdfast/coord';
import { openEtcdCoord } from '@holdfast/coord-etcd';
import { openSqliteCoord } from '@holdfast/coord-sqlite';
import { openZooKeeperCoord } from '@holdfast/coord-zookeeper';
import {
  type AtomRecord,
  createWorkerId,
  encodeJson,
  type JobId,
  LIMITS,
  pendingAtom,
  systemClock,
  systemRandom,
} from '@holdfast/core';
import { afterAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/cluster.ts';
import { startEtcd } from '../support/etcd-server.ts';
import { startZooKeeper } from '../support/zookeeper-server.ts';

const SOURCE = { clock: systemClock, random: systemRandom };
/** As long as names may be: the keys of task jobs are the longest that the board has. */
const LONGEST = 'n'.repeat(LIMITS.nameLength);
const LABELS = { gpu: 'yes', 'disk.type': 'nvme' };
const LABELS_TEXT = 'disk.type=nvme,gpu=yes';

interface Store {
  readonly open: () => Coord;
  readonly close: () => Promise<void>;
}

const STORES: Readonly<Record<string, () => Promise<Store>>> = {
  sqlite: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-task-jobs-'));
    return {
      open: () => openSqliteCoord({ path: join(folder, 'board.db') }),
      close: () => rm(folder, { recursive: true }),
    };
  },
  etcd: async () => {
    const server = await startEtcd();
    const options = { endpoints: [server.endpoint], prefix: '/test', ...SOURCE };
    return { open: () => openEtcdCoord(options), close: () => server.stop() };
  },
  zookeeper: async () => {
    const server = await startZooKeeper();
    const options = {
      servers: [server.endpoint],
      prefix: '/test',
      tickTimeMs: server.tickTimeMs,
      ...SOURCE,
    };
    return { open: () => openZooKeeperCoord(options), close: () => server.stop() };
  },
};

const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closing.toReversed()) await close();
});

async function openBoard(store: Store): Promise<Board> {
  const coord = store.open();
  await coord.start();
  closing.push(() => coord.stop());
  return new Board({ coord });
}

/** A worker that serves the flow with version 2, and runs remote tasks of it. */
async function joinFleet(board: Board): Promise<Member> {
  const session = await board.parts.coord.openSession({ ttlMs: 10_000 });
  const info = {
    id: createWorkerId('w', SOURCE),
    host: 'test',
    pid: 1,
    queues: [LONGEST],
    flows: [LONGEST],
    concurrency: 8,
    startedAtUnixMs: systemClock.nowUnixMs(),
    leaseTtlMs: 10_000,
    version: '0',
    isDraining: false,
    labels: LABELS,
    served: [{ flow: LONGEST, version: 2, continues: [1], remote: ['', LABELS_TEXT] }],
  };
  return await board.join(info, session);
}

async function claim(member: Member, wanted?: JobId): Promise<Claim> {
  for (let tries = 0; tries < 200; tries += 1) {
    const [found] = await member.claim({ limit: 1 });
    if (found && (wanted === undefined || found.spec.id === wanted)) return found;
  }
  throw new Error('nothing to claim');
}

function atomOf(name: string, state: 'running' | 'success'): AtomRecord {
  return { ...pendingAtom(name), state, tries: 1, executions: 1 };
}

describe.each(Object.keys(STORES))('on %s', (name) => {
  it('a task job is posted once, claimed by its labels, ends, is told of, and goes with its parent', async () => {
    const store = await STORES[name]?.();
    if (!store) throw new Error(`no store ${name}`);
    closing.push(store.close);
    const board = await openBoard(store);
    const elsewhere = await openBoard(store);
    const [posted] = await board.post([
      {
        flow: LONGEST,
        input: encodeJson({}),
        queue: LONGEST,
        priority: LIMITS.priorityDefault,
        maxAttempts: 3,
        deadlines: {},
        retentionMs: 0,
        labels: {},
      },
    ]);
    expect(posted?.kind).toBe('posted');
    const holder = await joinFleet(board);
    const parent = await claim(holder);
    const task = `${LONGEST}[12345]`;
    const call = {
      intention: 'execute' as const,
      args: encodeJson({}),
      atom: atomOf(task, 'running'),
    };
    const first = await holder.postTaskJob(parent, { ...call, labels: LABELS });
    expect(await holder.postTaskJob(parent, { ...call, labels: LABELS })).toMatchObject({
      id: first.id,
      created: false,
    });
    expect(await holder.wait(parent, { atoms: [], signalsSeen: 0, reason: 'it runs' })).toBe(
      'waiting',
    );
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
    await holder.leave();

    const runner = await joinFleet(elsewhere);
    const running = await claim(runner, first.id);
    await runner.succeed(running, { atoms: [atomOf(task, 'success')], output: encodeJson({}) });
    const again = await claim(runner, parent.spec.id);
    expect(again.control?.taskEnds).toBe(1);
    const states = await runner.readTaskJobs([{ id: first.id, task }]);
    expect(states).toMatchObject([{ state: 'succeeded', atom: { name: task, state: 'success' } }]);
    await runner.succeed(again, { atoms: [], output: encodeJson({}) });
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
    await runner.leave();
    await using caretaker = new Caretaker({ board });
    await caretaker.start();
    await eventually('both jobs are gone', async () => {
      const { jobs } = await board.listJobs({ pageSize: 10, taskJobs: true });
      return jobs.length === 0;
    });
    expect(await board.doctor({ repair: false })).toMatchObject({
      entriesChecked: 0,
      problems: [],
    });
  });
});
