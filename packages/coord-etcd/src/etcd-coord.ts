// The etcd driver of the coordination seam.
//
// It owns the life of the driver's parts, and the reads. How calls find a member is etcd-transport.ts,
// what commits look like commit-sender.ts and kv-codec.ts, sessions etcd-sessions.ts, watches
// etcd-watches.ts, the length of etcd's history compactor.ts.
//
// Versions are etcd's mod_revision, so they never start again, not even when a key was removed.
import type {
  CallOptions,
  Commit,
  CommitResult,
  Coord,
  CoordLimits,
  CoordStats,
  Entry,
  Key,
  ListRange,
  Page,
  Session,
  Watch,
} from '@holdfast/coord';
import {
  cancelledRead,
  checkCommit,
  checkKeys,
  checkPrefix,
  checkRange,
  DriverLife,
  GroupCommit,
} from '@holdfast/coord';
import type { Logger } from '@holdfast/core';
import { silentLogger } from '@holdfast/core';
import { readError, STORE } from './call-failure.ts';
import { CommitSender, MAX_TXN_OPS } from './commit-sender.ts';
import { Compactor, DEFAULT_COMPACTION } from './compactor.ts';
import { checkEtcdOptions, type EtcdCoordOptions, readTlsMaterial } from './etcd-options.ts';
import { EtcdSessions } from './etcd-sessions.ts';
import { DEFAULT_DIAL_TIMEOUT_MS, EtcdTransport } from './etcd-transport.ts';
import { EtcdWatches } from './etcd-watches.ts';
import { COMPACTION_KEY, DEFAULT_PREFIX, KeySpace } from './key-space.ts';
import { decodeRangeReply, KvEncoder, type StoredKey } from './kv-codec.ts';
import { ReadBatch } from './read-batch.ts';

/**
 * etcd takes requests of 1.5 MiB and 128 operations unless it is told otherwise. Besides its own keys
 * and values, a request names each guarded key twice, and the prefix with each.
 */
const ETCD_LIMITS: CoordLimits = {
  maxKeyBytes: 1024,
  maxValueBytes: 1_032_192,
  maxOpsPerCommit: MAX_TXN_OPS,
  maxCommitBytes: 1_048_576,
  maxPageEntries: 1000,
  maxKeysPerGet: MAX_TXN_OPS,
};

/** What shares one request; see README.md for the measurements behind it. */
const GROUP_LIMITS = {
  maxCommits: 100,
  maxOps: 1000,
  maxBytes: 524_288,
  maxInFlight: 4,
  maxQueued: 100_000,
} as const;

/**
 * Opens a handle on an etcd cluster. It has to be started before use, like every {@link Coord}; `start`
 * fails with an UnavailableError when no etcd answers at any endpoint, and with the code
 * UNAUTHENTICATED when it refuses user, password or certificate.
 *
 * Throws InvalidArgumentError naming the option that is out of bounds.
 *
 * @example
 * const coord = openEtcdCoord({
 *   endpoints: ['127.0.0.1:2379'],
 *   clock: systemClock,
 *   random: systemRandom,
 * });
 * await coord.start();
 */
export function openEtcdCoord(options: EtcdCoordOptions): Coord {
  checkEtcdOptions(options);
  return new EtcdCoord(options);
}

/** What there is while the driver runs. */
interface Parts {
  readonly transport: EtcdTransport;
  readonly sessions: EtcdSessions;
  readonly watches: EtcdWatches;
  readonly sender: CommitSender;
  readonly group: GroupCommit;
  readonly reads: ReadBatch;
  readonly compactor: Compactor | undefined;
}

class EtcdCoord implements Coord {
  readonly description: string;
  readonly limits: CoordLimits = ETCD_LIMITS;
  readonly #options: EtcdCoordOptions;
  readonly #logger: Logger;
  readonly #keys: KeySpace;
  readonly #encoder: KvEncoder;
  readonly #life: DriverLife<Parts>;

  constructor(options: EtcdCoordOptions) {
    const { prefix = DEFAULT_PREFIX, endpoints } = options;
    this.#options = options;
    this.#keys = new KeySpace(prefix);
    this.#encoder = new KvEncoder(this.#keys.root);
    this.description = `etcd://${endpoints.join(',')}${prefix}`;
    this.#logger = (options.logger ?? silentLogger).child({ store: this.description });
    this.#life = new DriverLife({
      open: () => this.#open(),
      close,
      count: ({ group, sender }) => ({ commits: group.stats.commits, groups: sender.requests }),
    });
  }

  get stats(): CoordStats {
    return this.#life.stats;
  }

  start(): Promise<void> {
    return this.#life.start();
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async get(keys: readonly Key[], options?: CallOptions): Promise<ReadonlyMap<Key, Entry>> {
    checkKeys(keys, this.limits);
    const { reads } = this.#life.running(options);
    const wanted = [...new Set(keys)];
    if (wanted.length === 0) return new Map();
    this.#life.countRead();
    const answer = await reads.get(wanted, options);
    const found = new Map<Key, Entry>();
    for (const key of wanted) {
      const stored = answer.get(key);
      if (stored) found.set(key, { key, value: ownValue(stored), version: stored.modRevision });
    }
    return found;
  }

  async list(range: ListRange, options?: CallOptions): Promise<Page> {
    checkRange(range, this.limits);
    const { transport } = this.#life.running(options);
    const keyRange = this.#keys.listRange(range);
    if (!keyRange) return { entries: [], more: false, visited: 0 };
    this.#life.countRead();
    const request = this.#encoder.range(keyRange, range.limit);
    const answer = await reading(transport.unary('range', request, options), options);
    const { keys, more, count } = decodeRangeReply(answer);
    return { entries: keys.map((stored) => this.#entry(stored)), more, visited: count };
  }

  async commit(commit: Commit, options?: CallOptions): Promise<CommitResult> {
    checkCommit(commit, this.limits);
    const { group, sender } = this.#life.running(options);
    return group.commit(sender.prepare(commit), options);
  }

  watch(prefix: string, wake: () => void): Watch {
    checkPrefix(prefix, this.limits);
    return this.#life.running().watches.watch(prefix, wake);
  }

  async openSession({ ttlMs }: { readonly ttlMs: number }): Promise<Session> {
    return this.#life.running().sessions.open(ttlMs);
  }

  #entry(stored: StoredKey): Entry {
    const { key, value, modRevision } = stored;
    return { key: this.#keys.fromStore(key), value, version: modRevision };
  }

  async #open(): Promise<Parts> {
    const { endpoints, auth, tls, clock, random, dialTimeoutMs } = this.#options;
    const transport = await EtcdTransport.create({
      endpoints,
      auth,
      tls: tls && (await readTlsMaterial(tls)),
      dialTimeoutMs: dialTimeoutMs ?? DEFAULT_DIAL_TIMEOUT_MS,
      clock,
      random,
      logger: this.#logger,
    });
    try {
      // A read of this driver's own key shows that etcd answers, has a leader and knows the user.
      const request = new KvEncoder(this.#keys.ownRoot).get([COMPACTION_KEY]);
      await reading(transport.unary('txn', request));
    } catch (error) {
      transport.close();
      throw error;
    }
    return this.#assemble(transport);
  }

  #assemble(transport: EtcdTransport): Parts {
    const { clock, random, resyncMs, compaction = DEFAULT_COMPACTION } = this.#options;
    const keys = this.#keys;
    const logger = this.#logger;
    const sessions = new EtcdSessions(transport, { clock, logger });
    const compactor =
      compaction === 'off' ? undefined : new Compactor({ ...compaction, transport, keys, logger });
    const sender = new CommitSender({
      transport,
      sessions,
      encoder: this.#encoder,
      clock,
      onSent: (revision, writes) => compactor?.observe(revision, writes),
    });
    const group = new GroupCommit({ ...GROUP_LIMITS, send: (members) => sender.send(members) });
    const watches = new EtcdWatches({ transport, keys, clock, random, logger, resyncMs });
    const reads = new ReadBatch({ transport, encoder: this.#encoder, clock });
    return { transport, sessions, watches, sender, group, reads, compactor };
  }
}

async function close(parts: Parts): Promise<void> {
  parts.sessions.stop();
  // All are told to stop at once. Only commits on their way are waited for: how they end is worth
  // knowing. Closing the connection ends the rest.
  const isQuiet = Promise.all([parts.reads.close(), parts.compactor?.stop()]);
  await Promise.all([parts.watches.close(), parts.group.close()]);
  parts.transport.close();
  await isQuiet;
}

/** The value as its reader may keep and change it: reads that shared a request may share its bytes. */
function ownValue({ value }: StoredKey): Uint8Array {
  return value.slice();
}

/** Gives a read's failure the words its caller knows. */
async function reading<Answer>(answer: Promise<Answer>, options?: CallOptions): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    if (!options?.signal?.aborted) throw readError(error);
    throw cancelledRead(STORE, error);
  }
}
