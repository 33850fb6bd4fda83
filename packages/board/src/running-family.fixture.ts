// A parent whose task jobs all run, on another worker, for the tests of their ends.
import type { Coord } from '@holdfast/coord';
import { encodeJson, type JobId } from '@holdfast/core';
import type { Board } from './board.ts';
import type { Claim } from './claim.ts';
import { controlOf } from './job-decision.ts';
import { readJob } from './job-reader.ts';
import {
  claimOne,
  newJob,
  newTaskJob,
  runningAtom,
  serves,
  successAtom,
  type TestFleet,
  type TestMember,
} from './test-fleet.fixture.ts';

const output = encodeJson({});

export interface RunningFamily {
  readonly fleet: TestFleet;
  readonly board: Board;
  /** Holds the parent. */
  readonly holder: TestMember;
  readonly parent: Claim;
  readonly taskJobs: readonly JobId[];
  /** Runs the task jobs. */
  readonly runner: TestMember;
  readonly claims: readonly Claim[];
}

/** A parent with so many task jobs, which all run elsewhere. */
export async function runningFamily(
  fleet: TestFleet,
  size: number,
  wrap: { readonly holder?: Wrap; readonly runner?: Wrap } = {},
): Promise<RunningFamily> {
  const board = await fleet.openBoard({}, wrap.holder);
  const holder = await fleet.joinMember(board, serves({ remote: [] }));
  await board.post([newJob({ maxAttempts: 100 })]);
  const parent = await claimOne(holder.member);
  const taskJobs: JobId[] = [];
  for (let index = 0; index < size; index += 1) {
    const task = newTaskJob({ atom: runningAtom(`task-${index}`) });
    taskJobs.push((await holder.member.postTaskJob(parent, task)).id);
  }
  const elsewhere = await fleet.openBoard({}, wrap.runner);
  const runner = await fleet.joinMember(elsewhere, { ...serves(), queues: ['default'] });
  const claims: Claim[] = [];
  while (claims.length < size) claims.push(...(await runner.member.claim({ limit: 256 })));
  return { fleet, board, holder, parent, taskJobs, runner, claims };
}

/** Puts something between a board and its store. */
export type Wrap = (coord: Coord) => Coord;

/** Ends a task job as its worker does. */
export async function succeed({ member }: TestMember, claim: Claim): Promise<void> {
  const task = claim.spec.remoteTask?.task ?? '';
  await member.succeed(claim, { atoms: [successAtom(task)], output });
}

/** The state of the parent, and how many ends it was told of. */
export async function parentOf({
  board,
  parent,
}: RunningFamily): Promise<{ readonly state: string; readonly taskEnds: number }> {
  const job = await readJob(board.parts.coord, parent.spec.id);
  if (!job) throw new Error('the parent is gone');
  return { state: job.status.phase.kind, taskEnds: controlOf(job).taskEnds };
}

/** Ends that nobody has told of. */
export async function notes({ board }: RunningFamily): Promise<number> {
  return (await board.parts.coord.list({ prefix: 'taskends/', limit: 500 })).entries.length;
}

/** What a parent says that waits for its task jobs. */
export const WAIT = { atoms: [], signalsSeen: 0, reason: 'remote tasks' } as const;

/** Lets everything go on that can. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}
