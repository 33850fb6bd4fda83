import type { JobHandle } from '@holdfast/client';
import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterStore } from '../support/cluster.ts';
import { judgeLedger, readLedger } from '../support/ledger.ts';
import type { ledgerSteps } from '../support/ledger-flows.ts';

const JOBS = 150;

describe('G1: acknowledged means durable', () => {
  it.each<ClusterStore>(['etcd', 'zookeeper'])(
    'every acknowledged job succeeds although server, worker and store are killed under load (%s)',
    async (store) => {
      await using cluster = await Cluster.open(store);
      const { process: server, client, port } = await cluster.startServer();
      await cluster.startWorker({ name: 'a', leaseTtlMs: 2000 });
      const victim = await cluster.startWorker({ name: 'b', leaseTtlMs: 2000 });
      const input = { ledger: cluster.ledger, gate: '' };
      const acknowledged: JobHandle<unknown>[] = [];
      const faults: Readonly<Record<number, () => Promise<void>>> = {
        30: async () => victim.signalChild('SIGKILL'),
        60: async () => {
          server.signal('SIGKILL');
          await server.ended();
          await cluster.startServer(port);
        },
        90: async () => {
          await cluster.server?.kill();
          await cluster.server?.restart();
        },
      };
      for (let posted = 0; posted < JOBS; posted += 1) {
        const fault = faults[posted]?.();
        acknowledged.push(
          await client.post<typeof ledgerSteps>('ledger-steps', input, { deadlineMs: 60_000 }),
        );
        await fault;
      }
      const outputs = await Promise.all(
        acknowledged.map((job) => job.result({ deadlineMs: 90_000 })),
      );
      expect(outputs).toHaveLength(JOBS);
      expect(new Set(acknowledged.map((job) => job.id)).size).toBe(JOBS);
      expect(judgeLedger(await readLedger(cluster.ledger))).toEqual([]);
      expect((await cluster.board.doctor({ repair: false })).problems).toEqual([]);
    },
  );
});
