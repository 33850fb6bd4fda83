// The ZooKeeper driver of the coordination seam.
//
// It owns the life of the driver's parts. Where keys lie is key-layout.ts, how a session of ZooKeeper is
// held zookeeper-link.ts, what commits look like commit-plan.ts, how they are sent commit-sender.ts,
// reads node-reader.ts and key-listing.ts, sessions zookeeper-sessions.ts, watches
// zookeeper-watches.ts.
//
// Versions start again at 0 when a key is made anew, as C3 allows.
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
  checkCommit,
  checkKeys,
  checkPrefix,
  checkRange,
  DriverLife,
  GroupCommit,
} from '@holdfast/coord';
import type { Logger } from '@holdfast/core';
import { silentLogger } from '@holdfast/core';
import { CallFailure, readError } from './call-failure.ts';
import { CommitSender } from './commit-sender.ts';
import { DirectoryBook } from './directory-book.ts';
import { DEFAULT_PREFIX, KeyLayout } from './key-layout.ts';
import { KeyListing } from './key-listing.ts';
import { entryOf } from './key-versions.ts';
import { MainConnection } from './main-connection.ts';
import { encodeAcl, encodePersistent, FAULT, OP } from './messages.ts';
import { NodeReader } from './node-reader.ts';
import {
  checkZooKeeperOptions,
  DEFAULT_DIAL_TIMEOUT_MS,
  DEFAULT_TICK_TIME_MS,
  type ZooKeeperCoordOptions,
} from './zookeeper-options.ts';
import { ZooKeeperSessions } from './zookeeper-sessions.ts';
import { ZooKeeperWatches } from './zookeeper-watches.ts';

/**
 * ZooKeeper takes requests of 1 MiB less a byte unless it is told otherwise. Besides its own keys and
 * values, a request names the prefix and its directories with each key, and who may use it.
 */
const ZOOKEEPER_LIMITS: CoordLimits = {
  maxKeyBytes: 512,
  maxValueBytes: 819_200,
  maxOpsPerCommit: 128,
  maxCommitBytes: 917_504,
  maxPageEntries: 1000,
  maxKeysPerGet: 128,
};

/** What goes out in one piece; see README.md for the measurements behind it. */
const GROUP_LIMITS = {
  maxCommits: 64,
  maxOps: 1000,
  maxBytes: 1_048_576,
  maxInFlight: 8,
  maxQueued: 100_000,
} as const;

/**
 * Opens a handle on a ZooKeeper ensemble, version 3.6 or later. It has to be started before use, like
 * every {@link Coord}; `start` fails with an UnavailableError when no ZooKeeper answers at any of the
 * servers, and with the code UNAUTHENTICATED when the user may not use the prefix.
 *
 * Throws InvalidArgumentError naming the option that is out of bounds.
 *
 * @example
 * const coord = openZooKeeperCoord({
 *   servers: ['127.0.0.1:2181'],
 *   clock: systemClock,
 *   random: systemRandom,
 * });
 * await coord.start();
 */
export function openZooKeeperCoord(options: ZooKeeperCoordOptions): Coord {
  checkZooKeeperOptions(options);
  return new ZooKeeperCoord(options);
}

/** What there is while the driver runs. */
interface Parts {
  readonly connection: MainConnection;
  readonly sessions: ZooKeeperSessions;
  readonly watches: ZooKeeperWatches;
  readonly sender: CommitSender;
  readonly group: GroupCommit;
  readonly reader: NodeReader;
  readonly listing: KeyListing;
}

class ZooKeeperCoord implements Coord {
  readonly description: string;
  readonly limits: CoordLimits = ZOOKEEPER_LIMITS;
  readonly #options: ZooKeeperCoordOptions;
  readonly #logger: Logger;
  readonly #layout: KeyLayout;
  readonly #acl: Buffer;
  readonly #life: DriverLife<Parts>;

  constructor(options: ZooKeeperCoordOptions) {
    const { prefix = DEFAULT_PREFIX, servers, auth } = options;
    this.#options = options;
    this.#layout = new KeyLayout(prefix);
    this.#acl = encodeAcl(auth !== undefined);
    this.description = `zk://${servers.join(',')}${prefix}`;
    this.#logger = (options.logger ?? silentLogger).child({ store: this.description });
    this.#life = new DriverLife({
      open: () => this.#open(),
      close,
      count: ({ group: { stats } }) => ({ commits: stats.commits, groups: stats.groups }),
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
    const { reader } = this.#life.running(options);
    const wanted = [...new Set(keys)];
    if (wanted.length === 0) return new Map();
    this.#life.countRead();
    const paths = wanted.map((key) => this.#layout.locate(key).path);
    const results = await reader.read(
      paths.map((path) => ({ kind: 'data', path })),
      options,
    );
    const found = new Map<Key, Entry>();
    for (const [index, key] of wanted.entries()) {
      const result = results[index];
      if (result?.kind === 'data') found.set(key, entryOf(key, result));
    }
    return found;
  }

  async list(range: ListRange, options?: CallOptions): Promise<Page> {
    checkRange(range, this.limits);
    const { listing } = this.#life.running(options);
    this.#life.countRead();
    return await listing.page(range, options);
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

  async #open(): Promise<Parts> {
    const { servers, auth, clock, random } = this.#options;
    const dialTimeoutMs = this.#options.dialTimeoutMs ?? DEFAULT_DIAL_TIMEOUT_MS;
    const logger = this.#logger;
    const connection = new MainConnection({ servers, auth, dialTimeoutMs, clock, random, logger });
    const parts = this.#assemble(connection, dialTimeoutMs);
    try {
      await this.#makeRoot(connection);
      // Shows that the server knows reads of this kind, and lets the user read.
      await parts.reader.read([{ kind: 'children', path: this.#layout.root.path }]);
    } catch (error) {
      await connection.stop();
      throw readError(error);
    }
    connection.listen({
      connected: (link) => parts.watches.connected(link),
      event: (body) => parts.watches.event(body),
    });
    return parts;
  }

  #assemble(connection: MainConnection, dialTimeoutMs: number): Parts {
    const { servers, auth, clock, random, resyncMs } = this.#options;
    const tickTimeMs = this.#options.tickTimeMs ?? DEFAULT_TICK_TIME_MS;
    const layout = this.#layout;
    const acl = this.#acl;
    const logger = this.#logger;
    const rootPath = layout.root.path;
    const shared = { servers, auth, dialTimeoutMs, clock, random, logger };
    const sessions = new ZooKeeperSessions({ ...shared, tickTimeMs, rootPath });
    const reader = new NodeReader({ servers: servers.join(','), connection, rootPath, clock });
    const listing = new KeyListing({ reader, layout });
    const watches = new ZooKeeperWatches({ layout, clock, random, logger, resyncMs });
    const sender = new CommitSender({
      servers: servers.join(','),
      connection,
      sessions,
      reader,
      layout,
      directories: new DirectoryBook(acl),
      acl,
      clock,
    });
    const group = new GroupCommit({ ...GROUP_LIMITS, send: (members) => sender.send(members) });
    return { connection, sessions, watches, sender, group, reader, listing };
  }

  /** Makes the prefix and the root of the keys where they are missing. */
  async #makeRoot(connection: MainConnection): Promise<void> {
    await connection.link();
    for (const path of this.#layout.rootPaths) {
      try {
        await connection.request(OP.create, encodePersistent(path, this.#acl));
      } catch (error) {
        const fault = error instanceof CallFailure ? error.fault : undefined;
        if (fault !== FAULT.nodeExists) throw error;
      }
    }
  }
}

async function close(parts: Parts): Promise<void> {
  // Only commits on their way are waited for: how they end is worth knowing.
  parts.watches.close();
  parts.reader.close();
  const isQuiet = parts.group.close();
  await Promise.all([isQuiet, parts.sessions.stop()]);
  await parts.connection.stop();
}
