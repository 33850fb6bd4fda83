// A store for one bench, made from nothing and removed afterwards.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEtcd } from '../test/support/etcd-server.ts';
import { startZooKeeper } from '../test/support/zookeeper-server.ts';
import { measureEtcd, measureSqlite, measureZooKeeper, type RawLimit } from './raw-store.ts';

export type StoreName = 'etcd' | 'sqlite' | 'zookeeper';

export interface BenchStore extends AsyncDisposable {
  readonly description: string;
  readonly raw: RawLimit;
  /** The URL of an empty board; each call gives another one. */
  freshUrl(): string;
}

/** Starts the store and measures what it can do alone. */
export async function openBenchStore(name: StoreName): Promise<BenchStore> {
  switch (name) {
    case 'etcd':
      return await openEtcd();
    case 'sqlite':
      return await openSqlite();
    case 'zookeeper':
      return await openZooKeeper();
    default:
      return name satisfies never;
  }
}

async function openEtcd(): Promise<BenchStore> {
  const server = await startEtcd();
  let boards = 0;
  return {
    description: 'etcd 3.4, one member, fsync on',
    raw: await measureEtcd(server.endpoint),
    freshUrl: () => {
      boards += 1;
      return `etcd://${server.endpoint}/bench-${boards}`;
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

async function openZooKeeper(): Promise<BenchStore> {
  // As it comes: sessions are kept by its default tick, and the tick is what their TTL rests on.
  const server = await startZooKeeper({ tickTimeMs: 2000, heapMb: 1024 });
  let boards = 0;
  return {
    description: 'ZooKeeper 3.8, one server, fsync on',
    raw: await measureZooKeeper(server.endpoint),
    freshUrl: () => {
      boards += 1;
      return `zk://${server.endpoint}/bench-${boards}`;
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

async function openSqlite(): Promise<BenchStore> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  let boards = 0;
  return {
    description: 'SQLite, WAL, synchronous = FULL',
    raw: await measureSqlite(),
    freshUrl: () => {
      boards += 1;
      return `sqlite:${join(folder, `bench-${boards}.db`)}`;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
