// What the etcd driver does with answers to its watches that no etcd should give.
import { openEtcdCoord } from '@holdfast/coord-etcd';
import { type Logger, silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { expect, test } from 'vitest';
import { eventually } from '../support/cluster.ts';
import { startEtcd } from '../support/etcd-server.ts';
import { GrpcRelay } from '../support/grpc-relay.ts';

test('one that cannot be read makes the driver open its stream anew, and all watches go on', async () => {
  await using server = await startEtcd();
  await using relay = await GrpcRelay.open(server.endpoint);
  const warnings: unknown[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (fields) => void warnings.push(fields['error']),
    child: () => logger,
  };
  await using coord = openEtcdCoord({
    endpoints: [relay.endpoint],
    clock: systemClock,
    random: systemRandom,
    logger,
    resyncMs: 600_000,
  });
  await coord.start();
  const wakes = { left: 0, right: 0 };
  const wokenAfter = (before: typeof wakes) => async (): Promise<boolean> =>
    wakes.left > before.left && wakes.right > before.right;
  const watches = [
    coord.watch('left/', () => (wakes.left += 1)),
    coord.watch('right/', () => (wakes.right += 1)),
  ];
  await Promise.all(watches.map(({ armed }) => armed));
  await eventually('both know that they are armed', wokenAfter({ left: 0, right: 0 }));
  expect(warnings).toEqual([]);

  const before = { ...wakes };
  relay.inject('/etcdserverpb.Watch/Watch', Uint8Array.of(0xff, 0xff));
  // What the lost answer would have said is unknown, so the new stream wakes everybody.
  await eventually('both were woken', wokenAfter(before));
  expect(warnings).toEqual(['etcd sent bytes that are no answer to a watch']);

  const armedAnew = { ...wakes };
  const value = new TextEncoder().encode('x');
  await coord.commit({
    when: [],
    write: ['left/x', 'right/x'].map((key) => ({ kind: 'put', key, value })),
  });
  await eventually('both see a change', wokenAfter(armedAnew));
  expect(warnings).toHaveLength(1);
});
