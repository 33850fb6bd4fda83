import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseWorkerId } from '@holdfast/core';
import { METRICS } from '@holdfast/telemetry';
import { OtlpReceiver } from '@holdfast/telemetry/testing';
import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterStore, eventually, type LogLine } from '../support/cluster.ts';
import { readLedger } from '../support/ledger.ts';
import type { ledgerDeaf } from '../support/ledger-flows.ts';

describe('G2: one writer', () => {
  it.each<ClusterStore>(['etcd', 'sqlite', 'zookeeper'])(
    'a worker that was stopped past its lease and wakes can write nothing, and its late write is counted (%s)',
    async (store) => {
      await using cluster = await Cluster.open(store);
      const { client } = await cluster.startServer();
      const zombie = await cluster.startWorker({ name: 'zombie', leaseTtlMs: 1500 });
      const gate = join(cluster.folder, 'gate');
      const job = await client.post<typeof ledgerDeaf>('ledger-deaf', {
        ledger: cluster.ledger,
        gate,
      });
      await eventually(
        'the task has started',
        async () => (await readLedger(cluster.ledger)).length > 0,
      );

      await cluster.stopProcesses(zombie);
      await cluster.startWorker({ name: 'heir', leaseTtlMs: 1500 });
      await eventually('the job is taken over', async () => (await job.get()).status.attempt === 2);
      await writeFile(gate, '');
      expect(await job.result({ deadlineMs: 30_000 })).toEqual({ done: true });
      const after = await cluster.board.getJob(job.id);
      expect(after?.status.phase.kind).toBe('succeeded');

      zombie.signal('SIGCONT', true);
      await eventually('the zombie has noticed', async () =>
        zombie.log.some((line) => line.msg.startsWith('attempt lost')),
      );
      // It had its result in hand when it woke, or was told to stop first: either way nothing changed.
      expect(await cluster.board.getJob(job.id)).toEqual(after);
      expect(after?.status.attempts.map(({ number, end }) => [number, end])).toEqual([
        [1, 'lost'],
        [2, 'succeeded'],
      ]);
      const fences = (await readLedger(cluster.ledger))
        .filter((line) => line.what === 'start')
        .map((line) => BigInt(line.fence));
      expect(fences).toHaveLength(2);
      expect(fences[1]).toBeGreaterThan(fences[0] ?? 0n);
      await eventually(
        'the zombie joins again as another worker',
        async () =>
          (await cluster.liveWorkers()).filter((id) => id.startsWith('zombie-')).length === 1,
      );
    },
  );

  it.each<ClusterStore>(['etcd', 'sqlite', 'zookeeper'])(
    'a worker that does not know it was expelled has its write refused by the fence, and counted (%s)',
    async (store) => {
      await using receiver = new OtlpReceiver();
      await receiver.start();
      await using cluster = await Cluster.open(store);
      const { client } = await cluster.startServer();
      // It has no room for another job: a claim would tell it that it is no member any more.
      const env = receiver.environment();
      const zombie = await cluster.startWorker({ name: 'zombie', concurrency: 1, env });
      const gate = join(cluster.folder, 'gate');
      const input = { ledger: cluster.ledger, gate };
      const job = await client.post<typeof ledgerDeaf>('ledger-deaf', input);
      await eventually(
        'the task has started',
        async () => (await readLedger(cluster.ledger)).length > 0,
      );

      // Its lease is good and it is well: nothing but the fence stands between it and the job.
      const [id = ''] = await cluster.liveWorkers();
      expect(await cluster.board.expel(parseWorkerId(id))).toBe(true);
      await cluster.startWorker({ name: 'heir' });
      await eventually('another attempt runs', async () => (await job.get()).status.attempt === 2);
      await writeFile(gate, '');
      expect(await job.result({ deadlineMs: 30_000 })).toEqual({ done: true });

      const isRefusal = (line: LogLine): boolean =>
        line.msg.startsWith('attempt lost') && line['code'] === 'CLAIM_LOST';
      await eventually('the write was refused', async () => zombie.log.some(isRefusal));
      await eventually('and counted', async () =>
        receiver.points.some(
          (point) => point.name === METRICS.fenceRejections.name && point.value >= 1,
        ),
      );
      const attempts = (await job.get()).status.attempts;
      expect(attempts.map(({ number, end }) => [number, end])).toEqual([
        [1, 'lost'],
        [2, 'succeeded'],
      ]);
      const effects = (await readLedger(cluster.ledger)).filter((line) => line.what === 'effect');
      expect(effects).toHaveLength(2);
      expect(new Set(effects.map((line) => line.key)).size).toBe(1);
    },
  );
});
