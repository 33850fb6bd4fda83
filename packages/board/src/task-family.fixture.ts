// A parent that runs, for the tests of task jobs.
import type { JobId } from '@holdfast/core';
import { expect } from 'vitest';
import type { Board } from './board.ts';
import type { Claim } from './claim.ts';
import { claimOne, newJob, serves, type TestFleet, type TestMember } from './test-fleet.fixture.ts';

export interface Family extends TestMember {
  readonly parent: Claim;
}

/** A worker, and a parent that it runs. */
export async function family(fleet: TestFleet, board?: Board): Promise<Family> {
  const holder = await fleet.joinMember(board ?? (await fleet.openBoard()), serves());
  await holder.board.post([newJob({ queue: 'default', labels: { team: 'a' }, priority: 7 })]);
  return { ...holder, parent: await claimOne(holder.member) };
}

export async function stateOf(board: Board, id: JobId): Promise<string | undefined> {
  return (await board.getJob(id))?.status.phase.kind;
}

export async function keysUnder(board: Board, prefix: string): Promise<readonly string[]> {
  const page = await board.parts.coord.list({ prefix, limit: 100 });
  return page.entries.map(({ key }) => key);
}

/** Fails the test where the doctor finds anything. */
export async function expectHealthy(board: Board): Promise<void> {
  expect((await board.doctor({ repair: false })).problems).toEqual([]);
}
