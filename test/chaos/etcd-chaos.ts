// etcd as a chaos campaign has it: three members whose links to each other run through fault proxies.
//
// Each member is reached by the others through one proxy in front of it. Raft's requests name the
// member that sends them (`X-Server-From`), so one link can be made bad and the other left alone.
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type EtcdCluster, type EtcdServer, startEtcdCluster } from '../support/etcd-server.ts';
import type { ChaosStore, StoreFault } from './chaos-store.ts';
import { FaultProxy, type LinkFault } from './fault-proxy.ts';
import { dataFolders, diskFaults, mountSmallDisk, type SmallDisk } from './full-disk.ts';
import { makeTemporaryFolder } from './temporary-folder.ts';

const MIB = 1_048_576;
/** Small enough to be filled within seconds, large enough for what a campaign stores. */
const QUOTA_BYTES = 48 * MIB;
/** etcd allocates 64 MiB at a time for its log, and keeps up to five such files. */
const DISK_MIB = 1024;
const FILLER_PREFIX = '/chaos-filler/';
const FILLERS_MAX = 400;
const STATUS_TIMEOUT_MS = 1000;
const MAINTENANCE_TIMEOUT_MS = 20_000;
const ALARM_TIMEOUT_MS = 20_000;
const SOURCE_HEADER = /^x-server-from: ([0-9a-f]+)\r$/im;

/** Starts etcd for a campaign; `size` 1 is for tests that need no cluster. */
export async function startEtcdChaos(
  options: { readonly size?: number } = {},
): Promise<ChaosStore> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await makeTemporaryFolder('etcd'));
  const disk = await mountSmallDisk(DISK_MIB);
  if (typeof disk !== 'string') stack.use(disk);
  const doors: FaultProxy[] = [];
  const cluster = await startEtcdCluster({
    size: options.size,
    args: ['--quota-backend-bytes', String(QUOTA_BYTES)],
    advertisePeers: async (listening) => {
      for (const target of listening) {
        doors.push(stack.use(await FaultProxy.open({ target, sourceOf })));
      }
      return doors.map((door) => door.address);
    },
    dataFolder: dataFolders(disk, folder.path),
  });
  stack.use(cluster);
  const version = await readVersion();
  const ids = await readMemberIds(cluster);
  const held = stack.move();
  return new EtcdChaos({ cluster, doors, disk, ids, version, close: () => held.disposeAsync() });
}

function sourceOf(head: Buffer): string | undefined {
  return SOURCE_HEADER.exec(head.toString('latin1'))?.[1]?.toLowerCase();
}

interface EtcdChaosParts {
  readonly cluster: EtcdCluster;
  readonly doors: readonly FaultProxy[];
  readonly disk: SmallDisk | string;
  /** Hexadecimal ids of the members, in their order. */
  readonly ids: readonly string[];
  readonly version: string;
  readonly close: () => Promise<void>;
}

class EtcdChaos implements ChaosStore {
  readonly kind = 'etcd';
  readonly version: string;
  readonly members: readonly EtcdServer[];
  readonly missing: readonly string[];
  readonly faults: readonly StoreFault[];
  readonly #parts: EtcdChaosParts;

  constructor(parts: EtcdChaosParts) {
    const { disk } = parts;
    this.#parts = parts;
    this.version = parts.version;
    this.members = parts.cluster.members;
    const onDisk = diskFaults(disk, this.members);
    this.missing = onDisk.missing;
    this.faults = [
      { kind: 'store compacted', run: () => this.#compact() },
      { kind: 'store defragmented', run: ({ member }) => this.#defragment(member) },
      { kind: 'store out of space', run: ({ holdMs }) => this.#runOutOfSpace(holdMs) },
      ...onDisk.faults,
    ];
  }

  url(endpoints: readonly string[]): string {
    return `etcd://${endpoints.join(',')}/chaos`;
  }

  async leader(): Promise<number | undefined> {
    const answers = await Promise.all(
      this.members.map((member) => this.#status(member).catch(() => undefined)),
    );
    const newest = answers
      .filter((answer) => answer !== undefined && answer.leader !== undefined)
      .toSorted((a, b) => Number(a?.raftTerm) - Number(b?.raftTerm))
      .at(-1);
    if (newest?.leader === undefined) return undefined;
    const index = this.#parts.ids.indexOf(BigInt(newest.leader).toString(16));
    return index < 0 ? undefined : index;
  }

  breakLink(a: number, b: number, fault: LinkFault): () => void {
    const { doors, ids } = this.#parts;
    const heals = [doors[a]?.inject(fault, ids[b]), doors[b]?.inject(fault, ids[a])];
    return () => {
      for (const heal of heals) heal?.();
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.close();
  }

  async #compact(): Promise<void> {
    const { header } = await this.#insist<{ header: { revision: string } }>('/v3/kv/range', {
      key: encode('\0'),
      limit: '1',
    });
    try {
      await this.#ask('/v3/kv/compaction', { revision: header.revision, physical: true });
    } catch (error) {
      // The driver has compacted beyond this revision meanwhile.
      if (!String(error).includes('compacted')) throw error;
    }
  }

  /** Blocks the member while it lasts. */
  async #defragment(member: number): Promise<void> {
    const server = this.members[member];
    if (server) await within(MAINTENANCE_TIMEOUT_MS, server.call('/v3/maintenance/defragment', {}));
  }

  async #runOutOfSpace(holdMs: number): Promise<void> {
    try {
      await this.#fillQuota();
      await delay(holdMs);
    } finally {
      await this.#recoverSpace();
    }
  }

  async #fillQuota(): Promise<void> {
    const value = Buffer.alloc(MIB, 'x').toString('base64');
    for (let n = 0; n < FILLERS_MAX; n += 1) {
      try {
        await this.#ask('/v3/kv/put', { key: encode(`${FILLER_PREFIX}${n}`), value });
      } catch (error) {
        if (String(error).includes('space exceeded')) return;
        await delay(200); // An election, or another fault that overlaps.
      }
    }
    throw new Error(`etcd took ${FILLERS_MAX} MiB without raising its alarm`);
  }

  /** What coord-etcd's README tells an operator to do. */
  async #recoverSpace(): Promise<void> {
    const end = Buffer.from(FILLER_PREFIX);
    end[end.length - 1] = (end.at(-1) ?? 0) + 1;
    await this.#insist('/v3/kv/deleterange', {
      key: encode(FILLER_PREFIX),
      range_end: end.toString('base64'),
    });
    await this.#compact();
    for (let member = 0; member < this.members.length; member += 1) {
      await this.#defragment(member);
    }
    const endMs = performance.now() + ALARM_TIMEOUT_MS;
    for (;;) {
      const { alarms = [] } = await this.#insist<{
        alarms?: readonly { memberID: string; alarm: string }[];
      }>('/v3/maintenance/alarm', { action: 'GET' });
      if (alarms.length === 0) return;
      if (performance.now() > endMs) throw new Error('etcd keeps its alarm');
      for (const { memberID, alarm } of alarms) {
        await this.#insist('/v3/maintenance/alarm', { action: 'DEACTIVATE', memberID, alarm });
      }
    }
  }

  /** Asks one member after the other. */
  async #ask<Answer>(path: string, body: unknown): Promise<Answer> {
    let failure: unknown;
    for (const member of this.members) {
      try {
        // The gateway's own form.
        return (await within(MAINTENANCE_TIMEOUT_MS, member.call(path, body))) as Answer;
      } catch (error) {
        failure = error;
        if (String(error).includes('refused /v3')) throw error;
      }
    }
    throw failure;
  }

  /** Asks again for as long as a fault that overlaps may last. */
  async #insist<Answer>(path: string, body: unknown): Promise<Answer> {
    const endMs = performance.now() + MAINTENANCE_TIMEOUT_MS;
    for (;;) {
      try {
        return await this.#ask<Answer>(path, body);
      } catch (error) {
        if (performance.now() > endMs) throw error;
        await delay(200);
      }
    }
  }

  async #status(member: EtcdServer): Promise<{ leader?: string; raftTerm?: string }> {
    const answer = within(STATUS_TIMEOUT_MS, member.call('/v3/maintenance/status', {}));
    return (await answer) as { leader?: string; raftTerm?: string }; // The gateway's own form.
  }
}

async function readMemberIds(cluster: EtcdCluster): Promise<readonly string[]> {
  const [first] = cluster.members;
  if (!first) throw new Error('a cluster has members');
  const { members } = (await first.call('/v3/cluster/member/list', {})) as {
    members: readonly { ID: string; name: string }[];
  }; // The gateway's own form.
  return members
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map(({ ID }) => BigInt(ID).toString(16));
}

async function readVersion(): Promise<string> {
  const etcd = process.env['HOLDFAST_TEST_ETCD'] ?? '/usr/bin/etcd';
  const { stdout } = await promisify(execFile)(etcd, ['--version']);
  return `etcd ${/etcd Version: (\S+)/.exec(stdout)?.[1] ?? 'unknown'}`;
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

async function within<T>(limitMs: number, answer: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = delay(limitMs, undefined, { signal: over.signal }).then(() => {
    throw new Error(`no answer within ${limitMs} ms`);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    over.abort();
    late.catch(() => undefined); // It was told to end.
    answer.catch(() => undefined); // Whoever waited has been told.
  }
}
