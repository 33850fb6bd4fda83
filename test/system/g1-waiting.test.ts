import type { JobHandle } from '@holdfast/client';
import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterStore, eventually } from '../support/cluster.ts';
import { judgeLedger, readLedger } from '../support/ledger.ts';
import type { ledgerApproval } from '../support/ledger-flows.ts';

const JOBS = 20;
const SUSPENDED = 5;

describe('G1: what a waiting job was told is durable', () => {
  it.each<ClusterStore>(['etcd', 'zookeeper'])(
    'waits, signals and suspends survive the death of everything (%s)',
    async (store) => {
      await using cluster = await Cluster.open(store);
      const { process: server, client, port } = await cluster.startServer();
      const worker = await cluster.startWorker({ name: 'a', leaseTtlMs: 2000, concurrency: 4 });
      const input = { ledger: cluster.ledger, gate: '' };
      const jobs: JobHandle<{ first: number; second: number }>[] = [];
      for (let posted = 0; posted < JOBS; posted += 1)
        jobs.push(await client.post<typeof ledgerApproval>('ledger-approval', input));
      const states = async (): Promise<readonly string[]> =>
        await Promise.all(jobs.map(async (job) => (await job.status()).phase.kind));
      // More than the worker has places for.
      await eventually('all wait', async () => (await states()).every((is) => is === 'waiting'));
      await Promise.all(jobs.slice(0, SUSPENDED).map((job) => job.suspend({ reason: 'a test' })));
      const early = jobs.slice(0, SUSPENDED * 2);
      worker.signal('SIGKILL', true);
      await Promise.all(early.map((job) => job.signal('approved')));
      server.signal('SIGKILL');
      await server.ended();
      await cluster.server?.kill();
      await cluster.server?.restart();

      await cluster.startServer(port);
      const after = await states();
      expect(after.slice(0, SUSPENDED).every((is) => is === 'suspended')).toBe(true);
      expect(after.slice(SUSPENDED, SUSPENDED * 2).every((is) => is === 'ready')).toBe(true);
      expect(after.slice(SUSPENDED * 2).every((is) => is === 'waiting')).toBe(true);
      await cluster.startWorker({ name: 'b', leaseTtlMs: 2000 });
      await Promise.all(jobs.slice(SUSPENDED * 2).map((job) => job.signal('approved')));
      const free = jobs.slice(SUSPENDED);
      await Promise.all(free.map((job) => job.result({ deadlineMs: 60_000 })));
      expect((await states()).slice(0, SUSPENDED).every((is) => is === 'suspended')).toBe(true);
      await Promise.all(jobs.slice(0, SUSPENDED).map((job) => job.resume()));
      const outputs = await Promise.all(jobs.map((job) => job.result({ deadlineMs: 60_000 })));
      expect(outputs).toEqual(jobs.map(() => ({ first: 1, second: 2 })));
      expect(judgeLedger(await readLedger(cluster.ledger))).toEqual([]);
      expect((await cluster.board.doctor({ repair: false })).problems).toEqual([]);
    },
  );
});
