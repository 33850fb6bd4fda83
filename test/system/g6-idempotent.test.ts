import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterStore } from '../support/cluster.ts';
import { readLedger, startsByTask } from '../support/ledger.ts';
import type { ledgerSteps } from '../support/ledger-flows.ts';

describe('G6: posting is idempotent', () => {
  it.each<ClusterStore>(['etcd', 'sqlite', 'zookeeper'])(
    'through two servers at once, and with other content it is refused (%s)',
    async (store) => {
      await using cluster = await Cluster.open(store);
      const servers = await Promise.all([cluster.startServer(), cluster.startServer()]);
      await cluster.startWorker({ name: 'a' });
      const input = { ledger: cluster.ledger, gate: '' };
      const jobs = await Promise.all(
        Array.from({ length: 40 }, (_, n) =>
          (servers[n % 2] ?? servers[0]).client.post<typeof ledgerSteps>('ledger-steps', input, {
            idempotencyKey: 'once',
          }),
        ),
      );
      expect(new Set(jobs.map((job) => job.id)).size).toBe(1);
      expect(jobs.filter((job) => job.created)).toHaveLength(1);
      await jobs[0]?.result();
      const before = await cluster.board.getJob(jobs[0]?.id ?? ('' as never)); // there is one, see above
      await expect(
        servers[0].client.post<typeof ledgerSteps>(
          'ledger-steps',
          { ...input, gate: 'other' },
          { idempotencyKey: 'once' },
        ),
      ).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
      expect(await cluster.board.getJob(jobs[0]?.id ?? ('' as never))).toEqual(before);
      expect([...startsByTask(await readLedger(cluster.ledger)).values()]).toEqual([1, 1, 1]);
    },
  );
});
