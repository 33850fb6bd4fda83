import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterStore, eventually } from '../support/cluster.ts';
import { readLedger, startsByTask } from '../support/ledger.ts';
import type { ledgerSteps } from '../support/ledger-flows.ts';

const JOBS = 6;

describe('G3 and G4: committed steps stay committed, the step in flight is repeated under its key', () => {
  it.each<ClusterStore>(['etcd', 'sqlite', 'zookeeper'])(
    'a worker killed in the middle of its tasks costs the tasks in flight and nothing else (%s)',
    async (store) => {
      await using cluster = await Cluster.open(store);
      const { client } = await cluster.startServer();
      const victim = await cluster.startWorker({ name: 'victim' });
      const gate = join(cluster.folder, 'gate');
      const input = { ledger: cluster.ledger, gate };
      const jobs = await Promise.all(
        Array.from({ length: JOBS }, () => client.post<typeof ledgerSteps>('ledger-steps', input)),
      );
      await eventually(
        'every job is in its second task',
        async () =>
          (await readLedger(cluster.ledger)).filter(
            (line) => line.task === 'two' && line.what === 'start',
          ).length === JOBS,
      );
      await cluster.startWorker({ name: 'heir' });
      victim.signalChild('SIGKILL');
      await eventually(
        'every job is in its second task again',
        async () =>
          (await readLedger(cluster.ledger)).filter(
            (line) => line.task === 'two' && line.what === 'start',
          ).length ===
          2 * JOBS,
      );
      await writeFile(gate, '');
      for (const job of jobs)
        expect(await job.result({ deadlineMs: 30_000 })).toEqual({ first: 1, second: 2, third: 3 });

      const lines = await readLedger(cluster.ledger);
      const starts = startsByTask(lines);
      for (const job of jobs) {
        // G3: the first task was committed, so it ran once; G4: the second was in flight, so it ran again.
        expect(['one', 'two', 'three'].map((task) => starts.get(`${job.id}/${task}`))).toEqual([
          1, 2, 1,
        ]);
        const repeats = lines.filter(
          (line) => line.jobId === job.id && line.task === 'two' && line.what === 'start',
        );
        expect(new Set(repeats.map((line) => line.key))).toEqual(new Set([`${job.id}/two/1`]));
        expect(BigInt(repeats[1]?.fence ?? 0)).toBeGreaterThan(BigInt(repeats[0]?.fence ?? 0));
        const atoms = (await cluster.board.getJob(job.id))?.atoms ?? [];
        expect(Object.fromEntries(atoms.map((atom) => [atom.name, atom.executions]))).toEqual({
          one: 1,
          two: 2,
          three: 1,
        });
      }
    },
  );
});
