// How an attempt ends whose tasks run elsewhere, whenever their ends come: before the run has come to wait, as it
// does, or after.
import type { Claim, Member } from '@holdfast/board';
import { createWorkerId, encodeJson, pendingAtom } from '@holdfast/core';
import { flow, type RemoteEnd, type RunResult, task } from '@holdfast/flow';
import { createInstruments } from '@holdfast/telemetry';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import { describe, expect, test } from 'vitest';
import { writeResult } from './attempt-result.ts';
import { Patience } from './patience.ts';
import { AttemptRemoteTasks } from './remote-tasks.ts';
import { RunReport } from './run-report.ts';
import { TestFleet } from './test-fleet.fixture.ts';

const FLOWS = [
  flow({ name: 'f', body: task({ name: 't', runs: 'anywhere', execute: () => undefined }) }),
];

const WAITING: RunResult = {
  kind: 'waiting',
  untilUnixMs: undefined,
  waitsForSignal: false,
  remoteTasks: 1,
  signalsSeen: 0,
  reason: 'task t runs elsewhere',
  uncommitted: [],
};

/** A job that a member holds, and of which it runs one task elsewhere. */
interface Held extends AsyncDisposable {
  readonly fleet: TestFleet;
  readonly member: Member;
  readonly claim: Claim;
  readonly remote: AttemptRemoteTasks;
  /** What came of the task, once the run was told. */
  readonly ends: readonly RemoteEnd[];
  /** Runs the task to its end, as its worker does; resolves when the job was told. */
  readonly endTask: () => Promise<void>;
  readonly write: () => Promise<string>;
}

async function hold(): Promise<Held> {
  const fleet = new TestFleet();
  const { clock, random } = fleet;
  const { board, coord } = await fleet.openWorker({ flows: FLOWS });
  const info = {
    id: createWorkerId('w', fleet),
    host: 'h',
    pid: 1,
    queues: ['default'],
    flows: ['f'],
    concurrency: 2,
    startedAtUnixMs: clock.nowUnixMs(),
    leaseTtlMs: 10_000,
    version: '0',
    isDraining: false,
    labels: {},
    served: [{ flow: 'f', version: 1, continues: [], remote: [''] }],
  };
  const member = await board.join(info, await coord.openSession({ ttlMs: 10_000 }));
  const id = await fleet.post('f');
  const claim = await claimOne(fleet, member);
  const { logger } = board.parts;
  const patience = new Patience({ clock, random, logger });
  const lost = new AbortController().signal;
  const remote = new AttemptRemoteTasks({ member, claim, patience, logger, lost });
  const ends: RemoteEnd[] = [];
  const atom = { ...pendingAtom('t'), state: 'running' as const, tries: 1, executions: 1 };
  const posted = Promise.withResolvers<unknown>();
  void remote
    .run(
      { intention: 'execute', labels: {}, args: encodeJson({}), atom },
      { cancel: new AbortController().signal, posted: posted.resolve },
    )
    .then((end) => ends.push(end));
  await fleet.drive(posted.promise);
  const report = new RunReport({
    claim,
    context: ROOT_CONTEXT,
    clock,
    logger,
    metrics: createInstruments().worker,
  });
  return {
    fleet,
    member,
    claim,
    remote,
    ends,
    endTask: async () => {
      const taskJob = await claimOne(fleet, member);
      const done = { ...atom, state: 'success' as const, result: encodeJson({}) };
      await fleet.drive(member.succeed(taskJob, { atoms: [done], output: encodeJson({}) }));
      await fleet.until(async () => ((await fleet.job(id)).control?.taskEnds ?? 0) === 1);
    },
    write: async () => {
      const parts = { member, claim, clock, report, remote, order: undefined, isReverting: false };
      return await fleet.drive(writeResult(parts, WAITING));
    },
    [Symbol.asyncDispose]: async () => {
      await remote.settled();
      await fleet[Symbol.asyncDispose]();
    },
  };
}

async function claimOne(fleet: TestFleet, member: Member): Promise<Claim> {
  let claims: readonly Claim[] = [];
  await fleet.until(async () => {
    claims = await member.claim({ limit: 1 });
    return claims.length > 0;
  });
  const [claim] = claims;
  if (!claim) throw new Error('nothing was claimed');
  return claim;
}

describe('an attempt that comes to wait for a task elsewhere', () => {
  test('waits where that has not ended', async () => {
    await using held = await hold();
    held.remote.close();
    expect(await held.write()).toBe('waiting');
    await held.endTask();
    expect(await held.fleet.stateOf(held.claim.spec.id)).toBe('ready');
  });

  test('does not where the task has ended without its knowing', async () => {
    await using held = await hold();
    await held.endTask();
    held.remote.close();
    expect(await held.write()).toBe('ready');
  });

  test('does not where the end was handed to a run that had come to wait by then (T3)', async () => {
    await using held = await hold();
    await held.endTask();
    held.remote.told(1);
    await held.fleet.until(() => held.ends.length > 0);
    held.remote.close();
    expect(held.remote.waiting).toBe(0);
    expect(await held.write()).toBe('ready');
  });

  test('hands no end to the run once that is over (T4)', async () => {
    await using held = await hold();
    await held.endTask();
    held.remote.told(1); // The read is under way when the run is over.
    held.remote.close();
    await held.fleet.clock.advance(1000);
    expect(held.ends).toEqual([]);
    expect([held.remote.waiting, held.remote.taskEndsSeen]).toEqual([1, 0]);
    expect(await held.write()).toBe('ready');
  });
});
