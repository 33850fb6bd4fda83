// What the board's tests stand on: boards and members as separate processes on one store in memory,
// with a virtual clock.

import {
  type Commit,
  type Coord,
  createMemoryStore,
  type MemoryStore,
  openMemoryCoord,
  type Session,
} from '@holdfast/coord';
import type { AtomRecord, JobId, WorkerId } from '@holdfast/core';
import {
  createSeededRandom,
  createWorkerId,
  encodeJson,
  LIMITS,
  OutcomeUnknownError,
  pendingAtom,
  silentLogger,
  VirtualClock,
} from '@holdfast/core';
import { Board } from './board.ts';
import type { Claim } from './claim.ts';
import type { ServedFlow } from './lane.ts';
import type { Member } from './member.ts';
import type { NewJob, PostResult } from './new-job.ts';
import type { BoardObserver } from './observer.ts';
import type { NewTaskJob } from './task-jobs.ts';
import type { WorkerInfo } from './worker-view.ts';

/** A job with defaults; `overrides` say what a test is about. */
export function newJob(overrides: Partial<NewJob> = {}): NewJob {
  return {
    flow: 'flow',
    input: encodeJson({}),
    queue: 'default',
    priority: LIMITS.priorityDefault,
    maxAttempts: LIMITS.maxAttemptsDefault,
    deadlines: {},
    retentionMs: LIMITS.retentionDefaultMs,
    labels: {},
    ...overrides,
  };
}

/** The id of a job that was posted; fails the test when it was refused. */
export function postedId(result: PostResult | undefined): JobId {
  if (result?.kind !== 'posted') throw new Error(`not posted: ${JSON.stringify(result)}`);
  return result.id;
}

/** A checkpoint of a task that has succeeded. */
export function successAtom(name: string): AtomRecord {
  return {
    ...pendingAtom(name),
    state: 'success',
    tries: 1,
    executions: 1,
    result: encodeJson({}),
  };
}

/** A checkpoint of a task whose try has begun. */
export function runningAtom(name: string, tries = 1): AtomRecord {
  return { ...pendingAtom(name), state: 'running', tries, executions: tries };
}

/** A remote task with defaults; `overrides` say what a test is about. */
export function newTaskJob(overrides: Partial<NewTaskJob> = {}): NewTaskJob {
  return {
    intention: 'execute',
    labels: {},
    args: encodeJson({}),
    atom: runningAtom('task'),
    ...overrides,
  };
}

/** How a worker serves the flow of {@link newJob}; any worker may run its remote tasks by default. */
export function serves(overrides: Partial<ServedFlow> = {}): {
  readonly served: readonly ServedFlow[];
} {
  return { served: [{ flow: 'flow', version: 1, continues: [], remote: [''], ...overrides }] };
}

/** The next claim; fails the test when there is nothing to claim. */
export async function claimOne(member: Member): Promise<Claim> {
  const [claim] = await member.claim({ limit: 1 });
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

export interface TestMember {
  readonly member: Member;
  readonly session: Session;
  readonly board: Board;
  /** Ends the session as the store would when the process has died. */
  readonly die: () => Promise<void>;
}

/** A store and the processes on it. */
export class TestFleet implements AsyncDisposable {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: ReturnType<typeof createSeededRandom>;
  readonly store: MemoryStore = createMemoryStore({ clock: this.clock });
  readonly #coords: Coord[] = [];

  constructor(seed = 1) {
    this.random = createSeededRandom(seed);
  }

  /** A board in a process of its own. `wrap` may put a fault in its way to the store. */
  async openBoard(
    observer: BoardObserver = {},
    wrap: (coord: Coord) => Coord = (coord) => coord,
  ): Promise<Board> {
    const coord = openMemoryCoord(this.store, { clock: this.clock, random: this.random });
    await coord.start();
    this.#coords.push(coord);
    return new Board({
      coord: wrap(coord),
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
      observer,
    });
  }

  async joinMember(
    board: Board,
    options: Partial<Pick<WorkerInfo, 'queues' | 'flows' | 'served'>> = {},
  ): Promise<TestMember> {
    const { coord } = board.parts;
    const session = await coord.openSession({ ttlMs: 10_000 });
    const id: WorkerId = createWorkerId('w', { clock: this.clock, random: this.random });
    const info = {
      id,
      host: 'test',
      pid: 1,
      queues: options.queues ?? ['default'],
      flows: options.flows ?? ['flow'],
      concurrency: 8,
      startedAtUnixMs: this.clock.nowUnixMs(),
      leaseTtlMs: 10_000,
      version: '0',
      isDraining: false,
      labels: {},
      served: options.served ?? [],
    };
    const member = await board.join(info, session);
    return { member, session, board, die: () => session.close() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#coords.map((coord) => coord.stop()));
  }
}

/** Runs `work`, moving the clock whenever it waits for a timer. */
export async function drive<Result>(clock: VirtualClock, work: Promise<Result>): Promise<Result> {
  let settled = false;
  const done = work.finally(() => {
    settled = true;
  });
  done.catch(() => undefined); // The caller gets the rejection from `done` below.
  await clock.advance(0);
  while (!settled) await clock.advance(5);
  return await done;
}

/** A store with something happening right before each commit is sent. */
export function beforeCommits(coord: Coord, before: (commit: Commit) => Promise<void>): Coord {
  return divertingCommits(coord, async (commit) => {
    await before(commit);
    return await coord.commit(commit);
  });
}

/** A store that loses the answers of some commits: they happen, and nobody is told. */
export function losingAnswers(coord: Coord, loses: (commit: Commit) => boolean): Coord {
  return divertingCommits(coord, async (commit) => {
    const result = await coord.commit(commit);
    if (loses(commit)) throw new OutcomeUnknownError('the answer was lost');
    return result;
  });
}

/** A store whose commits go another way. */
export function divertingCommits(coord: Coord, commitInstead: Coord['commit']): Coord {
  return new Proxy(coord, {
    get(target, name) {
      if (name === 'commit') return commitInstead;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
