// The distributed build of packages/examples over four worker processes, any of which is killed amid it.
import { fileURLToPath } from 'node:url';
import type { Client, JobHandle } from '@holdfast/client';
import type { AtomRecord, JobId, JobStatus } from '@holdfast/core';
import type { BuildInput, distributedBuild } from '@holdfast/examples';
import { describe, expect, it } from 'vitest';
import {
  Cluster,
  type ClusterStore,
  eventually,
  type LogLine,
  type WorkerProcess,
} from '../support/cluster.ts';

const FLOWS = fileURLToPath(
  new URL('../../packages/examples/src/distributed-build.ts', import.meta.url),
);
const WORKERS = 4;
const LEASE_TTL_MS = 2000;
const MODULES = 12;
const PACE_MS = 400;

const input: BuildInput = {
  // Each but the first imports the one before it.
  modules: Array.from({ length: MODULES }, (_, n) => ({
    name: `m${n}`,
    source: `${n === 0 ? '' : `import m${n - 1}\n`}step ${n}`,
  })),
  paceMs: PACE_MS,
};
const program = Array.from({ length: MODULES }, (_, n) => `step ${n}`).join('\n');

type Build = JobHandle<{ readonly program: string }>;

/** Four workers, two places each, two of them linkers: whichever dies, one is left. */
async function startFleet(cluster: Cluster): Promise<readonly WorkerProcess[]> {
  return await Promise.all(
    Array.from({ length: WORKERS }, (_, n) =>
      cluster.startWorker({
        name: `w${n}`,
        flows: FLOWS,
        labels: n < 2 ? { role: 'linker' } : {},
        leaseTtlMs: LEASE_TTL_MS,
        concurrency: 2,
      }),
    ),
  );
}

async function build(client: Client): Promise<Build> {
  return await client.post<typeof distributedBuild>('distributed-build', input);
}

async function atomsOf({ board }: Cluster, id: JobId): Promise<readonly AtomRecord[]> {
  return (await board.getJob(id))?.atoms ?? [];
}

async function statusOf({ board }: Cluster, id: JobId): Promise<JobStatus> {
  const view = await board.getJob(id);
  if (!view) throw new Error(`there is no job ${id}`);
  return view.status;
}

const isRemote = ({ name }: AtomRecord): boolean => /^(compile|test)\[|^link$/.test(name);

/** Waits until the build is amid: some of it is done, and tasks run on several workers. */
async function untilAmid(cluster: Cluster, job: Build): Promise<void> {
  await eventually('the build is amid', async () => {
    const atoms = (await atomsOf(cluster, job.id)).filter(isRemote);
    const done = atoms.filter(({ state }) => state === 'success').length;
    return done >= 2 && atoms.some(({ state, taskJob }) => state === 'running' && taskJob);
  });
}

/** Which task jobs each of the build's workers runs now, by the worker's name. */
async function runningBy(cluster: Cluster, job: Build): Promise<ReadonlyMap<string, JobId[]>> {
  const running = new Map<string, JobId[]>();
  for (const { state, taskJob } of await atomsOf(cluster, job.id)) {
    if (state !== 'running' || taskJob === undefined) continue;
    const { phase } = await statusOf(cluster, taskJob);
    if (phase.kind !== 'running') continue;
    const name = phase.worker.replace(/-[^-]+$/, '');
    running.set(name, [...(running.get(name) ?? []), taskJob]);
  }
  return running;
}

const lines = (workers: readonly WorkerProcess[], message: string): readonly LogLine[] =>
  workers.flatMap((worker) => worker.log).filter((line) => line.msg === message);

/** Tasks of the build that were started after their success had been committed, or that had it twice. */
function brokenSteps(workers: readonly WorkerProcess[], job: Build): readonly string[] {
  const isOurs = (line: LogLine): boolean =>
    line['parentId'] === job.id || line['jobId'] === job.id;
  const committed = lines(workers, 'task committed').filter(
    (line) => isOurs(line) && line['state'] === 'success' && line['parentId'] === job.id,
  );
  const at = new Map<unknown, number>();
  const broken: string[] = [];
  for (const line of committed) {
    if (at.has(line['task'])) broken.push(`${String(line['task'])} was committed twice`);
    at.set(line['task'], Number(line['time']));
  }
  for (const line of lines(workers, 'task started').filter(isOurs)) {
    const doneAt = at.get(line['task']) ?? Number.POSITIVE_INFINITY;
    if (Number(line['time']) > doneAt) broken.push(`${String(line['task'])} was started again`);
  }
  return broken;
}

/** How often each remote task was handed to user code, by the worker's logs. */
function startsOf(workers: readonly WorkerProcess[], job: Build): ReadonlyMap<string, number> {
  const starts = new Map<string, number>();
  for (const line of lines(workers, 'task started')) {
    if (line['parentId'] !== job.id) continue;
    const task = String(line['task']);
    starts.set(task, (starts.get(task) ?? 0) + 1);
  }
  return starts;
}

/** What has to hold of a build however it was disturbed. */
async function expectBuilt(cluster: Cluster, job: Build): Promise<readonly AtomRecord[]> {
  expect((await job.result({ deadlineMs: 60_000 })).program).toBe(program);
  const atoms = (await atomsOf(cluster, job.id)).filter(isRemote);
  expect(atoms).toHaveLength(2 * MODULES + 1);
  for (const atom of atoms) {
    expect(atom).toMatchObject({ state: 'success', tries: 1 });
    if (atom.taskJob === undefined) throw new Error(`${atom.name} ran where its flow did`);
    expect((await statusOf(cluster, atom.taskJob)).phase.kind).toBe('succeeded');
  }
  return atoms;
}

/**
 * A task was repeated only where its own task job lost an attempt, and that was the victim's. How many
 * task jobs did.
 */
async function expectRepeatsOf(
  cluster: Cluster,
  killing: {
    readonly workers: readonly WorkerProcess[];
    readonly job: Build;
    readonly atoms: readonly AtomRecord[];
    readonly victim: string;
  },
): Promise<number> {
  const { workers, job, atoms, victim } = killing;
  const starts = startsOf(workers, job);
  let lostAttempts = 0;
  for (const { name, taskJob, executions } of atoms) {
    if (taskJob === undefined) continue;
    const { attempts } = await statusOf(cluster, taskJob);
    const lost = attempts.filter(({ end }) => end === 'lost');
    for (const { worker } of lost) expect(worker).toMatch(new RegExp(`^${victim}-`));
    expect(starts.get(name) ?? 0, name).toBeLessThanOrEqual(1 + lost.length);
    expect(executions, name).toBeLessThanOrEqual(1 + lost.length);
    lostAttempts += lost.length;
  }
  return lostAttempts;
}

const nameOf = (workers: readonly WorkerProcess[], worker: WorkerProcess): string =>
  `w${workers.indexOf(worker)}`;

/** The worker that holds the build; it holds it for as long as tasks end one after the other. */
async function holderOf(
  cluster: Cluster,
  job: Build,
  workers: readonly WorkerProcess[],
): Promise<WorkerProcess> {
  let holder: WorkerProcess | undefined;
  await eventually('somebody holds the build', async () => {
    const { phase } = await statusOf(cluster, job.id);
    if (phase.kind !== 'running') return false;
    holder = workers[Number(/^w(\d)-/.exec(phase.worker)?.[1])];
    return holder !== undefined;
  });
  if (!holder) throw new Error('nobody holds the build');
  return holder;
}

describe.each<ClusterStore>(['sqlite', 'etcd', 'zookeeper'])(
  'a build over four workers on %s',
  (store) => {
    it('ends as it should whichever of them is killed, and only what the dead one ran is repeated', async () => {
      await using cluster = await Cluster.open(store);
      const { client } = await cluster.startServer();
      const workers = await startFleet(cluster);
      const killed: WorkerProcess[] = [];
      let takenOver = 0;
      while (killed.length < WORKERS) {
        const job = await build(client);
        await untilAmid(cluster, job);
        const holder = await holderOf(cluster, job, workers);
        const before = await runningBy(cluster, job);
        // The holder first; of the others those that run tasks of it now.
        const left = workers.filter((worker) => !killed.includes(worker));
        const busy = left.find(
          (worker) => worker !== holder && before.has(nameOf(workers, worker)),
        );
        const victim = killed.length === 0 ? holder : (busy ?? left[0] ?? holder);
        victim.signalChild('SIGKILL');
        killed.push(victim);
        const atoms = await expectBuilt(cluster, job);
        expect(brokenSteps(workers, job)).toEqual([]);

        const name = nameOf(workers, victim);
        takenOver += await expectRepeatsOf(cluster, { workers, job, atoms, victim: name });
        // What ran on the others when it died ran on.
        for (const [worker, taskJobs] of before) {
          if (worker === name) continue;
          for (const id of taskJobs) expect((await statusOf(cluster, id)).attempts).toHaveLength(1);
        }
        const { attempts } = await statusOf(cluster, job.id);
        const lost = attempts.filter(({ end }) => end === 'lost');
        expect(lost).toHaveLength(victim === holder ? 1 : 0);
        // Its successor has joined by the time of the next kill.
        await eventually(
          'all are back',
          async () => (await cluster.liveWorkers()).length === WORKERS,
        );
      }
      expect(takenOver).toBeGreaterThanOrEqual(1);
      console.log(`distributed build: ${WORKERS} workers killed, ${takenOver} tasks taken over`);
      expect((await cluster.board.doctor({ repair: false })).problems).toEqual([]);
    }, 90_000);

    it('goes on without its holder, whose late writes are refused when it wakes', async () => {
      await using cluster = await Cluster.open(store);
      const { client } = await cluster.startServer();
      const workers = await startFleet(cluster);
      const job = await build(client);
      await untilAmid(cluster, job);
      const holder = await holderOf(cluster, job, workers);
      await cluster.stopProcesses(holder);
      await expectBuilt(cluster, job);
      const { attempts } = await statusOf(cluster, job.id);
      expect(attempts[0]).toMatchObject({ number: 1, end: 'lost' });
      holder.signal('SIGCONT', true);
      await eventually('the former holder has noticed', async () =>
        holder.log.some((line) => line.msg.startsWith('attempt lost') && line['jobId'] === job.id),
      );
      const after = await statusOf(cluster, job.id);
      expect(after.phase.kind).toBe('succeeded');
      expect(brokenSteps(workers, job)).toEqual([]);
      expect((await cluster.board.doctor({ repair: false })).problems).toEqual([]);
    }, 60_000);
  },
);
