import { Board, type Claim, type Member } from '@holdfast/board';
import type { Coord } from '@holdfast/coord';
import { openZooKeeperCoord } from '@holdfast/coord-zookeeper';
import {
  createWorkerId,
  encodeJson,
  LIMITS,
  systemClock,
  systemRandom,
  VirtualClock,
} from '@holdfast/core';
import { expect, test } from 'vitest';
import { eventually } from '../support/cluster.ts';
import { startZooKeeper } from '../support/zookeeper-server.ts';

const MEMBERS = 50;

/**
 * Reads that one post may cost a member that gets nothing. It is woken by the post: which buckets its
 * two lanes have (new jobs, and those of its version), the head of the one, who is in the fleet. After the
 * pause in which the preferred member goes first: the head, the buckets and the head again. And it is woken
 * by the claim: those four once more.
 */
const READS_OF_A_LOSER = 12;

/** Of the one that claims: the first four, the job, and the four after its own claim has woken it. */
const READS_OF_THE_WINNER = 9;

/** Longer than what members know of buckets and fleet is good for, shorter than they go without looking. */
const IDLE_MS = 3000;
/** As long as the longest pause in which the preferred member goes first. */
const YIELDED_MS = 30;

/** A member that claims one job whenever it is woken, as an idle worker does. */
interface IdleMember {
  readonly coord: Coord;
  readonly claims: readonly Claim[];
  readonly isIdle: boolean;
}

test('one post to a queue of 50 idle members costs each of them a few reads, and one a claim', async () => {
  await using resources = new AsyncDisposableStack();
  const server = resources.use(await startZooKeeper());
  // Members go by a clock that stands still, so that nothing but what wakes them makes them read.
  const clock = new VirtualClock();
  const openBoard = async (): Promise<Board> => {
    const source = { clock: systemClock, random: systemRandom };
    const servers = [server.endpoint];
    const coord = openZooKeeperCoord({ ...source, servers, prefix: '/herd', resyncMs: 600_000 });
    resources.use(coord);
    await coord.start();
    return new Board({ coord, clock });
  };
  const producer = await openBoard();
  const members = await Promise.all(
    Array.from({ length: MEMBERS }, async (_, n) => idleMember(await openBoard(), n)),
  );
  /** ZooKeeper tells a client of a change before it shows it, so what was done before has woken all. */
  const allAreWoken = async (): Promise<void> => {
    await Promise.all(members.map(({ coord }) => coord.get(['barrier'])));
  };
  const allAreIdle = async (): Promise<void> => {
    await eventually('all claims have settled', async () => {
      if (clock.pendingTimers > 0) await clock.advance(YIELDED_MS); // The pause is all they wait for.
      return members.every(({ isIdle }) => isIdle);
    });
  };
  const claimed = (): readonly Claim[] => members.flatMap(({ claims }) => claims);
  await allAreWoken();
  await allAreIdle();
  await clock.advance(IDLE_MS);

  const before = members.map(({ coord }) => coord.stats.reads);
  const [posted] = await producer.post([
    {
      flow: 'nothing',
      input: encodeJson({}),
      queue: 'default',
      priority: LIMITS.priorityDefault,
      maxAttempts: LIMITS.maxAttemptsDefault,
      deadlines: {},
      retentionMs: LIMITS.retentionDefaultMs,
      labels: {},
    },
  ]);
  expect(posted?.kind).toBe('posted');
  await eventually('the preferred member has it', async () => claimed().length > 0);
  await allAreWoken();
  await allAreIdle();
  await allAreWoken();
  await allAreIdle();

  const barriers = 2;
  const reads = members.map(({ coord }, n) => coord.stats.reads - (before[n] ?? 0) - barriers);
  const winner = members.findIndex(({ claims }) => claims.length > 0);
  console.log(`herd: ${reads.join(' ')} reads; member ${winner} has claimed`);
  expect(claimed()).toHaveLength(1);
  for (const [n, count] of reads.entries()) {
    expect(count).toBeLessThanOrEqual(n === winner ? READS_OF_THE_WINNER : READS_OF_A_LOSER);
  }
});

/** Joins the fleet; resolves once it watches and has looked for the first time. */
async function idleMember(board: Board, n: number): Promise<IdleMember> {
  const { coord, clock, random } = board.parts;
  const session = await coord.openSession({ ttlMs: 30_000 });
  const member: Member = await board.join(
    {
      id: createWorkerId(`m${n}`, { clock, random }),
      host: 'test',
      pid: 1,
      queues: ['default'],
      flows: ['nothing'],
      concurrency: 1,
      startedAtUnixMs: clock.nowUnixMs(),
      leaseTtlMs: session.ttlMs,
      version: '0.1.0',
      isDraining: false,
      labels: {},
      served: [],
    },
    session,
  );
  const claims: Claim[] = [];
  let isWoken = false;
  let claiming: Promise<void> | undefined;
  const claim = async (): Promise<void> => {
    while (isWoken) {
      isWoken = false;
      claims.push(...(await member.claim({ limit: 1 })));
    }
    claiming = undefined;
  };
  const wake = (): void => {
    isWoken = true;
    claiming ??= claim();
  };
  await member.watchReady(wake).armed;
  wake();
  await claiming;
  return {
    coord,
    claims,
    get isIdle() {
      return claiming === undefined;
    },
  };
}
