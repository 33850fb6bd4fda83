// A store for one bench, made from nothing and removed afterwards.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEtcd } from '../test/support/etcd-server.ts';
import { measureEtcd, measureSqlite, type RawLimit } from './raw-store.ts';

export type StoreName = 'etcd' | 'sqlite';

export interface BenchStore extends AsyncDisposable {
  readonly description: string;
  readonly raw: RawLimit;
  /** The URL of an empty board; each call gives another one. */
  freshUrl(): string;
}

/** Starts the store and measures what it can do alone. */
export async function openBenchStore(name: StoreName): Promise<BenchStore> {
  return name === 'etcd' ? await openEtcd() : await openSqlite();
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
