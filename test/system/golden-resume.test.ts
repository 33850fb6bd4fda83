// A job whose worker dies after each of its commits in turn ends exactly as one that nobody disturbed.
import type { Claim, Member } from '@holdfast/board';
import type { Session } from '@holdfast/coord';
import {
  createWorkerId,
  decodeJson,
  encodeJson,
  type JobId,
  LIMITS,
  silentLogger,
  systemClock,
  systemRandom,
} from '@holdfast/core';
import { runFlow } from '@holdfast/flow';
import { Worker } from '@holdfast/worker';
import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterStore, eventually } from '../support/cluster.ts';
import { golden } from '../support/golden-flow.ts';

const LEASE_TTL_MS = 10_000;
const SOURCE = { clock: systemClock, random: systemRandom };

class Death extends Error {}

/** A worker that dies after so many checkpoints; its session ends with it, once `bury` is called. */
class Mortal {
  readonly #member: Member;
  readonly #session: Session;

  private constructor(member: Member, session: Session) {
    this.#member = member;
    this.#session = session;
  }

  static async join(cluster: Cluster): Promise<Mortal> {
    const session = await cluster.board.parts.coord.openSession({ ttlMs: LEASE_TTL_MS });
    const info = {
      id: createWorkerId('mortal', SOURCE),
      host: 'test',
      pid: 1,
      queues: ['default'],
      flows: [golden.name],
      concurrency: 1,
      startedAtUnixMs: systemClock.nowUnixMs(),
      leaseTtlMs: LEASE_TTL_MS,
      version: '0.0.0',
      isDraining: false,
      labels: {},
      served: [],
    };
    return new Mortal(await cluster.board.join(info, session), session);
  }

  /** Runs the one job that is ready; false when it got to its end before it could die. */
  async dieAfter(checkpoints: number): Promise<boolean> {
    const claim = await this.#claim();
    let written = 0;
    try {
      await runFlow({
        flow: golden,
        input: claim.spec.input,
        identity: {
          jobId: claim.spec.id,
          attempt: claim.status.attempt,
          worker: this.#member.id,
          fence: claim.fence,
        },
        atoms: claim.atoms,
        checkpoint: async (atoms) => {
          await this.#member.checkpoint(claim, atoms);
          written += 1;
          if (written === checkpoints) throw new Death('it dies');
        },
        signal: new AbortController().signal,
        concurrency: 1,
        ...SOURCE,
        logger: silentLogger,
      });
      return false;
    } catch (error) {
      if (error instanceof Death) return true;
      throw error;
    }
  }

  async bury(): Promise<void> {
    await this.#session.close();
  }

  async #claim(): Promise<Claim> {
    let claim: Claim | undefined;
    await eventually('the job is claimed', async () => {
      [claim] = await this.#member.claim({ limit: 1 });
      return claim !== undefined;
    });
    if (!claim) throw new Error('there is no job to claim');
    return claim;
  }
}

/** What has to be the same: how the job ended, with what, and where each task stands. */
async function endOf(cluster: Cluster, id: JobId): Promise<unknown> {
  const job = await cluster.board.getJob(id);
  const failed =
    job?.status.phase.kind === 'failed' ? job.status.phase.failure?.message : undefined;
  return {
    state: job?.status.phase.kind,
    failure: failed,
    output: job?.output && decodeJson(job.output),
    tasks: job?.atoms.map(
      ({ name, state, generation }) => `${name}: ${state} in round ${generation}`,
    ),
  };
}

describe('a job whose worker dies after each of its commits', () => {
  it.each(
    (['sqlite', 'etcd', 'zookeeper'] satisfies ClusterStore[]).flatMap((store) => [
      { store, sizes: [1, 2, 3], ends: 'succeeded' },
      { store, sizes: [1, 0], ends: 'failed' },
    ]),
  )('ends exactly as if nothing had happened: $ends, on $store', async ({ store, sizes, ends }) => {
    await using cluster = await Cluster.open(store as ClusterStore);
    const { board } = cluster;
    const post = async (): Promise<JobId> => {
      const [posted] = await board.post([
        {
          flow: golden.name,
          input: encodeJson({ sizes }),
          queue: 'default',
          priority: LIMITS.priorityDefault,
          maxAttempts: LIMITS.maxAttemptsDefault,
          deadlines: {},
          retentionMs: LIMITS.retentionDefaultMs,
          labels: {},
        },
      ]);
      if (posted?.kind !== 'posted') throw new Error('the job was not posted');
      return posted.id;
    };
    const jobs: JobId[] = [];
    const dead: Mortal[] = [];
    for (let checkpoints = 1; ; checkpoints += 1) {
      const mortal = await Mortal.join(cluster);
      jobs.push(await post());
      dead.push(mortal);
      if (!(await mortal.dieAfter(checkpoints))) break;
    }
    // The last one ended without dying, and its end was never told: it is taken over too.
    for (const mortal of dead) await mortal.bury();
    jobs.push(await post());
    await using worker = new Worker({
      board,
      coord: board.parts.coord,
      flows: [golden],
      concurrency: 8,
    });
    await worker.start();
    const finals = ['succeeded', 'failed'];
    await eventually('every job has ended', async () => {
      const views = await Promise.all(jobs.map((id) => board.getJob(id)));
      return views.every((view) => view && finals.includes(view.status.phase.kind));
    });
    const all = await Promise.all(jobs.map((id) => endOf(cluster, id)));
    const calm = all.at(-1);
    expect(calm).toMatchObject({ state: ends });
    expect(jobs.length).toBeGreaterThan(6);
    for (const end of all) expect(end).toEqual(calm);
  });
});
