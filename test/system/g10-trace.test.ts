import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OtlpReceiver } from '@holdfast/telemetry/testing';
import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterStore, eventually } from '../support/cluster.ts';
import { readLedger } from '../support/ledger.ts';
import type { ledgerSteps } from '../support/ledger-flows.ts';

describe('G10: one trace', () => {
  it.each<ClusterStore>(['etcd', 'zookeeper'])(
    'from the producer’s post to the last task, with every attempt, across a takeover (%s)',
    async (store) => {
      await using receiver = new OtlpReceiver();
      await receiver.start();
      await using cluster = await Cluster.open(store);
      const env = receiver.environment();
      const { client } = await cluster.startServer();
      const victim = await cluster.startWorker({ name: 'victim', env });
      const gate = join(cluster.folder, 'gate');
      const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
      const producerSpan = '00f067aa0ba902b7';
      const trace = { traceparent: `00-${traceId}-${producerSpan}-01`, tracestate: '' };
      const job = await client.post<typeof ledgerSteps>(
        'ledger-steps',
        { ledger: cluster.ledger, gate },
        { trace },
      );
      await eventually('the second task runs', async () =>
        (await readLedger(cluster.ledger)).some((line) => line.task === 'two'),
      );
      await cluster.startWorker({ name: 'heir', env });
      victim.signalChild('SIGKILL');
      await eventually(
        'the second task runs again',
        async () =>
          (await readLedger(cluster.ledger)).filter(
            (line) => line.task === 'two' && line.what === 'start',
          ).length === 2,
      );
      await writeFile(gate, '');
      await job.result({ deadlineMs: 30_000 });

      const mine = () => receiver.spans.filter((span) => span.traceId === traceId);
      const attempts = () => mine().filter((span) => span.name === 'job.attempt');
      await eventually(
        'both attempts have been reported',
        async () =>
          attempts().length >= 2 &&
          mine().some((span) => span.attributes['holdfast.task'] === 'three'),
      );
      const [first, second] = (await cluster.board.getJob(job.id))?.status.attempts ?? [];
      expect(new Set(attempts().map((span) => span.spanId))).toEqual(
        new Set([first?.spanId, second?.spanId]),
      );
      const lost = attempts().find((span) => span.spanId === first?.spanId);
      const heir = attempts().find((span) => span.spanId === second?.spanId);
      expect(lost?.status.code).toBe('error');
      expect(heir?.links.map((link) => link.spanId)).toEqual([first?.spanId]);
      expect([lost?.parentSpanId, heir?.parentSpanId]).toEqual([producerSpan, producerSpan]);
      const tasks = mine().filter(
        (span) => span.name === 'task.execute' && span.parentSpanId === second?.spanId,
      );
      expect(new Set(tasks.map((span) => span.attributes['holdfast.task']))).toEqual(
        new Set(['two', 'three']),
      );
    },
  );
});
