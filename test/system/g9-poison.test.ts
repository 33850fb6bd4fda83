import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterStore, eventually } from '../support/cluster.ts';
import type { ledgerSteps, poison } from '../support/ledger-flows.ts';

describe('G9: bad input never gets in, a poison job never circles', () => {
  it.each<ClusterStore>(['etcd', 'sqlite', 'zookeeper'])(
    'a job that kills its workers is set aside as dead, the others go on (%s)',
    async (store) => {
      await using cluster = await Cluster.open(store);
      const { client } = await cluster.startServer();
      await cluster.startWorker({ name: 'a', concurrency: 1 });
      await cluster.startWorker({ name: 'b', concurrency: 1 });
      const job = await client.post<typeof poison>('poison', {}, { maxAttempts: 3 });
      await expect(job.result({ deadlineMs: 60_000 })).rejects.toMatchObject({
        code: 'JOB_FAILED',
      });
      const { status } = await job.get();
      expect(status.phase.kind).toBe('dead');
      expect(status.attempts.map(({ number, end }) => [number, end])).toEqual([
        [1, 'lost'],
        [2, 'lost'],
        [3, 'lost'],
      ]);
      const healthy = await client.post<typeof ledgerSteps>('ledger-steps', {
        ledger: cluster.ledger,
        gate: '',
      });
      await healthy.result({ deadlineMs: 60_000 });
      await client.revive(job.id);
      await eventually(
        'the revived job is dead again',
        async () =>
          (await job.get()).status.attempt === 6 && (await job.get()).status.phase.kind === 'dead',
        60_000,
      );
    },
  );

  it('every wrong field is named, and nothing is stored', async () => {
    await using cluster = await Cluster.open('sqlite');
    const { client } = await cluster.startServer();
    await cluster.startWorker({ name: 'a' });
    const refused = client.post(
      'ledger-steps',
      { ledger: 7 },
      {
        priority: 11,
        queue: 'no spaces please',
        maxAttempts: 0,
        deadlines: { totalMs: -1 },
        labels: { '': 'x' },
      },
    );
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: expect.arrayContaining(
        [
          'job.priority',
          'job.queue',
          'job.max_attempts',
          'job.deadlines.total_ms',
          'job.input.ledger',
          'job.input',
        ].map((field) => expect.objectContaining({ field: expect.stringContaining(field) })),
      ),
    });
    await expect(client.post('no-such-flow', {})).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('ledger-steps'),
    });
    const big = { ledger: 'x'.repeat(600_000), gate: '' };
    await expect(client.post('ledger-steps', big)).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      message: expect.stringMatching(/6000\d\d bytes, the limit is 524288/),
    });
    expect((await cluster.board.listJobs({ pageSize: 10 })).jobs).toEqual([]);
    expect((await cluster.board.doctor({ repair: false })).entriesChecked).toBe(0);
  });
});
