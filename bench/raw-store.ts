// What the stores themselves can do from Node on this machine: the yardstick of every other figure.
// Nothing of Holdfast runs here.
import { type EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Etcd3 } from 'etcd3';

/** Commits a second of the store alone, three puts of 300 bytes each. */
export interface RawLimit {
  /** One after the other. */
  readonly single: number;
  /** 64 at a time, each a transaction of its own (etcd, ZooKeeper); as single on SQLite. */
  readonly concurrent: number;
  /** 32 to one transaction, nested (etcd), in turn (SQLite) or in one multi (ZooKeeper), 8 such transactions at a time. */
  readonly grouped: number;
}

const VALUE = Buffer.alloc(300, 'x');
const PUTS = 3;
const GROUP = 32;

interface Puts {
  readonly request_put: { readonly key: Buffer; readonly value: Buffer };
}

/** Measures an etcd. */
export async function measureEtcd(endpoint: string): Promise<RawLimit> {
  const client = new Etcd3({ hosts: `http://${endpoint}` });
  let sequence = 0;
  const puts = (): Puts[] =>
    Array.from({ length: PUTS }, () => {
      sequence += 1;
      return { request_put: { key: Buffer.from(`raw/${sequence}`), value: VALUE } };
    });
  const one = async (): Promise<unknown> => await client.kv.txn({ success: puts() });
  const group = async (): Promise<unknown> =>
    await client.kv.txn({
      success: Array.from({ length: GROUP }, () => ({ request_txn: { success: puts() } })) as never, // etcd3's types stop at one level
    });
  try {
    return {
      single: await rate({ calls: 1500, atOnce: 1, perCall: 1, run: one }),
      concurrent: await rate({ calls: 10_000, atOnce: 64, perCall: 1, run: one }),
      grouped: await rate({ calls: 1500, atOnce: 8, perCall: GROUP, run: group }),
    };
  } finally {
    await client.delete().prefix('raw/');
    client.close();
  }
}

/** The part of ZooKeeper's client that is used here; it is the driver's dependency and has no types. */
interface Client extends EventEmitter {
  connect(): void;
  close(): void;
  create(path: string, done: (error: Error | null | undefined) => void): void;
  transaction(): {
    create(path: string, data?: Buffer): unknown;
    commit(done: (error: Error | null | undefined) => void): void;
  };
}

const requireOfDriver = createRequire(
  new URL('../packages/coord-zookeeper/package.json', import.meta.url),
);
const zookeeper = requireOfDriver('node-zookeeper-client') as {
  createClient(servers: string, options: { sessionTimeout: number; retries: number }): Client;
};

/** Measures a ZooKeeper, through its own client: transactions of three new nodes each. */
export async function measureZooKeeper(endpoint: string): Promise<RawLimit> {
  const client = zookeeper.createClient(endpoint, { sessionTimeout: 30_000, retries: 0 });
  const connected = once(client, 'connected');
  client.connect();
  await connected;
  await create(client, '/raw');
  let sequence = 0;
  const commit = (commits: number) => async (): Promise<void> => {
    const transaction = client.transaction();
    for (let puts = 0; puts < commits * PUTS; puts += 1) {
      sequence += 1;
      // Directories of a thousand: the children of one node are one list.
      if (sequence % 1000 === 1) transaction.create(`/raw/${Math.floor(sequence / 1000)}`);
      transaction.create(`/raw/${Math.floor((sequence - 1) / 1000)}/${sequence}`, VALUE);
    }
    await new Promise<void>((resolve, reject) => {
      transaction.commit((error) => (error ? reject(error) : resolve()));
    });
  };
  try {
    return {
      single: await rate({ calls: 1500, atOnce: 1, perCall: 1, run: commit(1) }),
      concurrent: await rate({ calls: 10_000, atOnce: 64, perCall: 1, run: commit(1) }),
      grouped: await rate({ calls: 1500, atOnce: 8, perCall: GROUP, run: commit(GROUP) }),
    };
  } finally {
    client.close();
  }
}

function create(client: Client, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.create(path, (error) => (error ? reject(error) : resolve()));
  });
}

/** Measures SQLite with the settings that Holdfast uses: WAL, synchronous = FULL. */
export async function measureSqlite(): Promise<RawLimit> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  const database = new DatabaseSync(join(folder, 'raw.db'));
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec('CREATE TABLE raw (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID, STRICT');
    const put = database.prepare('INSERT INTO raw VALUES (?, ?)');
    let sequence = 0;
    const commit = (commits: number) => async (): Promise<void> => {
      database.exec('BEGIN IMMEDIATE');
      for (let puts = 0; puts < commits * PUTS; puts += 1) {
        sequence += 1;
        put.run(Buffer.from(`raw/${sequence}`), VALUE);
      }
      database.exec('COMMIT');
    };
    const single = await rate({ calls: 5000, atOnce: 1, perCall: 1, run: commit(1) });
    const grouped = await rate({ calls: 1500, atOnce: 1, perCall: GROUP, run: commit(GROUP) });
    return { single, concurrent: single, grouped };
  } finally {
    database.close();
    await rm(folder, { recursive: true });
  }
}

/** Runs `calls` calls, `atOnce` side by side; how many units a second that was. */
export async function rate(work: {
  readonly calls: number;
  readonly atOnce: number;
  readonly perCall: number;
  readonly run: () => Promise<unknown>;
}): Promise<number> {
  let left = work.calls;
  const started = performance.now();
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await work.run();
    }
  };
  await Promise.all(Array.from({ length: work.atOnce }, lane));
  return (work.calls * work.perCall * 1000) / (performance.now() - started);
}
