import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobHandle } from '@holdfast/client';
import { SIGNAL_ECHO_MS } from '@holdfast/worker';
import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterStore, eventually, type WorkerProcess } from '../support/cluster.ts';
import { readLedger } from '../support/ledger.ts';
import type { ledgerSteps } from '../support/ledger-flows.ts';

const LEASE_TTL_MS = 2000;
const STORES: readonly ClusterStore[] = ['etcd', 'sqlite', 'zookeeper'];

/** A job that waits in its second task on a first worker, with a second worker idle. */
async function holdJob(
  cluster: Cluster,
): Promise<{ victim: WorkerProcess; heir: WorkerProcess; job: JobHandle<unknown>; gate: string }> {
  const { client } = await cluster.startServer();
  const victim = await cluster.startWorker({ name: 'victim', leaseTtlMs: LEASE_TTL_MS });
  const gate = join(cluster.folder, 'gate');
  const job = await client.post<typeof ledgerSteps>('ledger-steps', {
    ledger: cluster.ledger,
    gate,
  });
  await eventually('the job is in its second task', async () =>
    secondTasks(cluster).then((starts) => starts.length === 1),
  );
  const heir = await cluster.startWorker({ name: 'heir', leaseTtlMs: LEASE_TTL_MS });
  return { victim, heir, job, gate };
}

async function secondTasks(cluster: Cluster): Promise<readonly number[]> {
  const lines = await readLedger(cluster.ledger);
  return lines
    .filter((line) => line.task === 'two' && line.what === 'start')
    .map((line) => line.atUnixMs);
}

/** Milliseconds from `sinceUnixMs` until the job's second task runs on the other worker. */
async function gapAfter(cluster: Cluster, sinceUnixMs: number): Promise<number> {
  await eventually('the job runs elsewhere', async () => (await secondTasks(cluster)).length === 2);
  return ((await secondTasks(cluster))[1] ?? Number.NaN) - sinceUnixMs;
}

describe('G5: bounded takeover', () => {
  it.each(STORES)('within a second when a worker process crashes (%s)', async (store) => {
    await using cluster = await Cluster.open(store);
    const { victim, job, gate } = await holdJob(cluster);
    const killedAt = Date.now();
    victim.signalChild('SIGKILL');
    expect(await gapAfter(cluster, killedAt)).toBeLessThan(1000);
    await writeFile(gate, '');
    await job.result({ deadlineMs: 30_000 });
    await eventually('the supervisor has started a fresh child', async () =>
      (await cluster.liveWorkers()).some((id) => id.startsWith('victim-')),
    );
  });

  it.each(STORES)('within the lease and a second when the machine is gone (%s)', async (store) => {
    await using cluster = await Cluster.open(store);
    const { victim, job, gate } = await holdJob(cluster);
    const killedAt = Date.now();
    victim.signal('SIGKILL', true);
    expect(await gapAfter(cluster, killedAt)).toBeLessThan(LEASE_TTL_MS + 1000);
    await writeFile(gate, '');
    await job.result({ deadlineMs: 30_000 });
  });

  it.each(STORES)('at once when the worker is told to leave at once (%s)', async (store) => {
    await using cluster = await Cluster.open(store);
    const { victim, job, gate } = await holdJob(cluster);
    victim.signal('SIGTERM');
    await eventually('the worker drains', async () =>
      victim.log.some((line) => /drain/i.test(line.msg)),
    );
    await delay(SIGNAL_ECHO_MS); // Sooner, the second signal would count as the first one's echo.
    const told = Date.now();
    victim.signal('SIGTERM');
    expect(await gapAfter(cluster, told)).toBeLessThan(1000);
    await writeFile(gate, '');
    await job.result({ deadlineMs: 30_000 });
    await victim.ended();
  });
});
