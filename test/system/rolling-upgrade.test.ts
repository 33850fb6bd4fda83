// Workers of three versions of the same flows come and go. Jobs of the first, amid flight, are continued by
// the second, which has a migration from it, and never touched by the third, which has none.
import { encodeJson, type JobId, LIMITS, RetryLaterError } from '@holdfast/core';
import { type AnyFlow, flow, linear, sleep, task, waitFor } from '@holdfast/flow';
import { Worker } from '@holdfast/worker';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Cluster, type ClusterStore, eventually } from '../support/cluster.ts';

/** Longer than a run sits out a pause, so that the job is scheduled. */
const PAUSE_MS = 6000;
const JOBS_OF_EACH = 3;
const KINDS = ['signalled', 'sleeping', 'retried'] as const;
type Kind = (typeof KINDS)[number];

/** What tasks did: `<key> by <version>`. */
type Calls = string[];

/**
 * A first task, something that the job waits for, a task that says who ran it, a wait for the end. The
 * first and the third are called something else in the second version.
 */
function build(kind: Kind, version: number, calls: Calls): AnyFlow {
  const isFirst = version === 1;
  const noting = (name: string) =>
    task({
      name,
      provides: { [isFirst ? name : oldName(name)]: z.number() },
      execute: (_args, ctx) => {
        calls.push(`${ctx.idempotencyKey} by ${version}`);
        return { [isFirst ? name : oldName(name)]: version };
      },
    });
  const fetch = task({
    name: 'fetch',
    execute: (_args, ctx) => {
      calls.push(`${ctx.idempotencyKey} by ${version}`);
      if (ctx.try === 1) throw new RetryLaterError('not yet', { afterMs: PAUSE_MS });
    },
  });
  const middle = {
    signalled: waitFor('ask', { event: 'go' }),
    sleeping: sleep('rest', { ms: PAUSE_MS }),
    retried: fetch,
  }[kind];
  const [first, third] = isFirst ? ['gather', 'mark'] : ['collect', 'label'];
  return flow({
    name: kind,
    version,
    migrations: version === 2 ? { 1: { rename: { gather: 'collect', mark: 'label' } } } : undefined,
    body: linear('main', noting(first), middle, noting(third), waitFor('close', { event: 'done' })),
  });
}

function oldName(name: string): string {
  return name === 'collect' ? 'gather' : 'mark';
}

/** A cluster with the workers of this test. */
class Upgrade {
  readonly calls: Calls = [];
  readonly jobs: { readonly id: JobId; readonly kind: Kind }[] = [];
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** A worker of this version; it has joined. */
  async worker(version: number): Promise<Worker> {
    const { board } = this.#cluster;
    const flows = KINDS.map((kind) => build(kind, version, this.calls));
    const worker = new Worker({ board, coord: board.parts.coord, flows, concurrency: 20 });
    await worker.start();
    return worker;
  }

  async post(kind: Kind): Promise<JobId> {
    const [posted] = await this.#cluster.board.post([
      {
        flow: kind,
        input: encodeJson({}),
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
  }

  async postAll(): Promise<void> {
    for (let each = 0; each < JOBS_OF_EACH; each += 1) {
      for (const kind of KINDS) this.jobs.push({ id: await this.post(kind), kind });
    }
  }

  async signal(event: string, isFor: (kind: Kind) => boolean = () => true): Promise<void> {
    const payload = encodeJson(null);
    for (const { id, kind } of this.jobs) {
      if (isFor(kind)) await this.#cluster.board.signal(id, { name: event, payload });
    }
  }

  async views() {
    return await Promise.all(
      this.jobs.map(async ({ id, kind }) => {
        const view = await this.#cluster.board.getJob(id);
        if (!view) throw new Error(`job ${id} is gone`);
        return { id, kind, view, state: view.status.phase.kind };
      }),
    );
  }

  async allAre(state: (kind: Kind) => string): Promise<void> {
    await eventually('all jobs are as they are to be', async () =>
      (await this.views()).every((each) => each.state === state(each.kind)),
    );
  }
}

describe('a rolling upgrade', () => {
  it.each(['sqlite', 'etcd'] satisfies ClusterStore[])(
    'continues the jobs that a migration leads to, and leaves all others to who can continue them (%s)',
    async (store) => {
      await using cluster = await Cluster.open(store as ClusterStore);
      const upgrade = new Upgrade(cluster);
      const waitsFor = (kind: Kind): string => (kind === 'signalled' ? 'waiting' : 'scheduled');

      const one = await upgrade.worker(1);
      await upgrade.postAll();
      await upgrade.allAre(waitsFor);
      const begun = [...upgrade.calls];
      expect(begun.every((call) => call.endsWith('by 1'))).toBe(true);

      // The third version is here before the second. It never touches what the first has begun.
      const three = await upgrade.worker(3);
      await one.stop();
      await upgrade.signal('go', (kind) => kind === 'signalled');
      await upgrade.allAre(() => 'ready');
      const fresh = await upgrade.post('signalled');
      await eventually('the third version takes a new job', async () => {
        return (await cluster.board.getJob(fresh))?.status.flowVersion === 3;
      });
      for (const { view, kind } of await upgrade.views()) {
        expect(view.status).toMatchObject({ flowVersion: 1, attempt: 1 });
        expect(view.waitingReason).toBe(
          `it is of version 1 of flow ${kind}, which no live worker continues on queue default; ` +
            'there, workers have version 3',
        );
      }
      const ofThree = upgrade.calls.filter((call) => call.endsWith('by 3'));
      expect(ofThree.every((call) => call.startsWith(`${fresh}/`))).toBe(true);

      // The second goes on with them, and does nothing again that was committed.
      const two = await upgrade.worker(2);
      await upgrade.allAre(() => 'waiting');
      const ofTwo = upgrade.calls.filter((call) => call.endsWith('by 2')).toSorted();
      expect(ofTwo).toEqual(
        upgrade.jobs
          .flatMap(({ id, kind }) => [
            `${id}/label/1 by 2`,
            ...(kind === 'retried' ? [`${id}/fetch/2 by 2`] : []),
          ])
          .toSorted(),
      );

      // A worker of the first version never claims what the second has touched.
      await two.stop();
      const again = await upgrade.worker(1);
      await upgrade.signal('done');
      await upgrade.allAre(() => 'ready');
      const old = await upgrade.post('signalled');
      await eventually('the first or the third version takes a new job', async () => {
        return (await cluster.board.getJob(old))?.status.flowVersion !== undefined;
      });
      for (const { view } of await upgrade.views()) {
        expect(view.status.flowVersion).toBe(2);
        expect(view.waitingReason).toContain('there, workers have version 1, 3');
      }

      const last = await upgrade.worker(2);
      await upgrade.allAre(() => 'succeeded');
      for (const { view } of await upgrade.views()) {
        const versions = view.atoms.map(({ name, flowVersion }) => `${name} of ${flowVersion}`);
        expect(versions).toContain('gather of 1');
        expect(versions).toContain('label of 2');
        expect(versions).toContain('close of 2');
        expect(versions).not.toContain('collect of 2');
      }
      // The first version may have taken the new job.
      const ofOld = upgrade.calls.filter((call) => !call.startsWith(`${old}/`));
      expect(ofOld.filter((call) => call.includes('/gather/'))).toEqual(
        begun.filter((call) => call.includes('/gather/')),
      );
      await Promise.all([three.stop(), again.stop(), last.stop()]);
      expect((await cluster.board.doctor({ repair: false })).problems).toEqual([]);
    },
  );
});
