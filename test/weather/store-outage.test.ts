// A store that is away for longer than every lease, and one that is full: what producers, health checks,
// workers and running tasks make of it, and that nothing is lost by it.

import { Board } from '@holdfast/board';
import { openStore } from '@holdfast/cli';
import { type Client, createClient } from '@holdfast/client';
import type { Coord } from '@holdfast/coord';
import {
  fromUnknown,
  type HoldfastError,
  silentLogger,
  systemClock,
  systemRandom,
} from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { ChaosStore } from '../chaos/chaos-store.ts';
import { startEtcdChaos } from '../chaos/etcd-chaos.ts';
import { Fleet } from '../chaos/fleet.ts';
import { LedgerService } from '../chaos/ledger-service.ts';
import { eventually } from '../support/cluster.ts';
import { callRaw } from '../support/raw-grpc.ts';

const LEASE_TTL_MS = 2000;
const OUTAGE_MS = 15_000;
const NOT_SERVING = 2;
const SERVING = 1;

/** One server, two workers and a ledger on an etcd of one member. */
async function openWorld(): Promise<World> {
  const resources = new AsyncDisposableStack();
  const store = resources.use(await startEtcdChaos({ size: 1 }));
  const ledger = resources.use(await LedgerService.open());
  const coord: Coord = resources.use(
    await openStore(store.url(store.members.map(({ endpoint }) => endpoint)), {
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    }),
  );
  const fleet = resources.use(
    await Fleet.open({ store, workers: 2, servers: 1, leaseTtlMs: LEASE_TTL_MS, concurrency: 8 }),
  );
  const [server] = fleet.servers;
  if (!server) throw new Error('the fleet has a server');
  const { address } = server;
  return {
    store,
    fleet,
    ledger,
    board: new Board({ coord }),
    address,
    /** Tells of the first failure, instead of trying again. */
    impatient: resources.use(createClient({ address, retry: { attempts: 1 } })),
    /** Tries for as long as the outage lasts. */
    patient: resources.use(createClient({ address, deadlineMs: 60_000, retry: { attempts: 200 } })),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

interface World extends AsyncDisposable {
  readonly store: ChaosStore;
  readonly fleet: Fleet;
  readonly ledger: LedgerService;
  readonly board: Board;
  readonly address: string;
  readonly impatient: Client;
  readonly patient: Client;
}

async function healthOf(address: string): Promise<number | undefined> {
  const { messages } = await callRaw({
    address,
    path: '/grpc.health.v1.Health/Check',
    requests: [Buffer.alloc(0)],
  });
  return messages[0]?.[1];
}

async function refusal(call: Promise<unknown>): Promise<HoldfastError> {
  return await call.then(
    () => {
      throw new Error('the call was expected to fail');
    },
    (error: unknown) => fromUnknown(error),
  );
}

async function startsOf({ ledger }: World, jobId: string): Promise<number> {
  return ledger.entries.filter((entry) => entry.jobId === jobId && entry.what === 'start').length;
}

describe('a store that is away for longer than every lease', () => {
  it('makes producers wait and tasks stop in time, and loses nothing', async () => {
    await using world = await openWorld();
    const { ledger, impatient, patient, fleet, address, board } = world;
    const input = { ledger: ledger.url, workMs: 6000 };
    const running = await impatient.post('chaos-fan', input);
    await eventually('its tasks run', async () => (await startsOf(world, running.id)) === 3);
    const waiting = await impatient.post('chaos-fan', { ...input, workMs: 10 }, { delayMs: 5000 });

    const cutMs = performance.now();
    const heals = [...fleet.workers, ...fleet.servers].map(({ wire }) =>
      wire.inject({ kind: 'cut' }),
    );
    const refused = await refusal(impatient.post('chaos-one', { ...input, workMs: 10 }));
    expect(refused.code).toBe('UNAVAILABLE');
    expect(refused.retryable).toBe(true);
    const patientPost = patient.post('chaos-fan', { ...input, workMs: 10 });
    await eventually('health says so', async () => (await healthOf(address)) === NOT_SERVING);
    const restMs = Math.max(0, cutMs + OUTAGE_MS - performance.now());
    await new Promise((resolve) => setTimeout(resolve, restMs));
    // What ran had four more seconds to go when its lease could no longer be trusted.
    expect(ledger.entries.filter(({ what }) => what === 'effect')).toEqual([]);
    for (const heal of heals) heal();

    const posted = await patientPost;
    await Promise.all([running, waiting, posted].map((job) => job.result({ deadlineMs: 60_000 })));
    const view = await board.getJob(running.id);
    expect(view?.status.attempts.map(({ end }) => end)).toEqual(['lost', 'succeeded']);
    await eventually('health is back', async () => (await healthOf(address)) === SERVING);
    await eventually('both workers are back', async () => {
      const { items } = await board.listWorkers({ pageSize: 100 });
      return items.filter(({ isLive }) => isLive).length === 2;
    });
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  }, 180_000);
});

describe('an etcd that is out of space', () => {
  it('is told with advice, shown by health, and goes on once space was made', async () => {
    await using world = await openWorld();
    const { store, ledger, impatient, patient, address, board } = world;
    const input = { ledger: ledger.url, workMs: 10 };
    const running = await impatient.post('chaos-fan', { ...input, workMs: 3000 });
    await eventually('its tasks run', async () => (await startsOf(world, running.id)) === 3);

    const outOfSpace = store.faults.find(({ kind }) => kind === 'store out of space');
    if (!outOfSpace) throw new Error('etcd can be filled');
    const recovered = outOfSpace.run({ holdMs: 5000, member: 0 });
    await eventually(
      'health says so',
      async () => (await healthOf(address)) === NOT_SERVING,
      60_000,
    );
    const refused = await refusal(impatient.post('chaos-one', input));
    expect(refused.code).toBe('RESOURCE_EXHAUSTED');
    expect(refused.retryable).toBe(true);
    expect(refused.message).toMatch(/database is full; compact and defragment it .*alarm disarm/);
    const patientPost = patient.post('chaos-fan', input);
    await recovered;

    await eventually('health is back', async () => (await healthOf(address)) === SERVING);
    const posted = await patientPost;
    await Promise.all([running, posted].map((job) => job.result({ deadlineMs: 60_000 })));
    const view = await board.getJob(running.id);
    // Keep-alives need no space, so the worker kept its job.
    expect(view?.status.attempts.map(({ end }) => end)).toEqual(['succeeded']);
    expect((await board.doctor({ repair: false })).problems).toEqual([]);
  }, 180_000);
});
