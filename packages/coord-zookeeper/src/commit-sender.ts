// Carries groups of commits to ZooKeeper: each commit is a multi, and all of a group are written one
// after the other without waiting, so that they share what a round trip costs.
//
// Invariants:
//   I1. A multi is sent again only after ZooKeeper has said that it did not happen.
//   I2. A commit that waited for its turn longer than a call may take is not sent any more: while
//       ZooKeeper hangs, those that queue up fail when they are due to, not one group after the other.
//   I3. Values are copied when a commit is handed in, so what the caller does to them later is of no
//       consequence.
//   I4. A commit that puts keys with a session goes over that session's connection. With several
//       sessions it goes over the first one's, and the keys of the others are handed over before the
//       commit is acknowledged. All sessions of a commit belong to this process, so whoever ends between
//       the two is this process, and then all of them do.
import type { Commit, CommitOutcome, CommitResult, Guard, Key, Write } from '@holdfast/coord';
import { readCommitAnswer, staleCall } from '@holdfast/coord';
import type { Clock } from '@holdfast/core';
import {
  HoldfastError,
  OutcomeUnknownError,
  PayloadTooLargeError,
  UnavailableError,
} from '@holdfast/core';
import { CallFailure, commitError, STORE } from './call-failure.ts';
import {
  type CommitPlan,
  guessedKeys,
  judgePlan,
  type KnownNodes,
  planCommit,
} from './commit-plan.ts';
import type { DirectoryBook } from './directory-book.ts';
import type { KeyLayout } from './key-layout.ts';
import { nodeVersionOf } from './key-versions.ts';
import type { MainConnection } from './main-connection.ts';
import { decodeMultiReply, encodeMulti, type NodeStat, OP } from './messages.ts';
import type { NodeReader } from './node-reader.ts';
import { CALL_DEADLINE_MS, type ZooKeeperLink } from './zookeeper-link.ts';
import type { HeldSession, ZooKeeperSessions } from './zookeeper-sessions.ts';

/** ZooKeeper's `jute.maxbuffer`, less what goes around a request. A longer one ends the connection. */
export const MAX_REQUEST_BYTES: number = 1_048_575 - 1024;
/** How often a commit is planned again while others change the same keys. */
const MAX_TRIES = 50;

type Put = Extract<Write, { kind: 'put' }>;

/** A commit ready to be sent: never one of the caller's objects, who may hand in the same one twice. */
class PreparedCommit implements Commit {
  readonly when: readonly Guard[];
  readonly write: readonly Write[];
  /** When it was handed in, on the monotonic clock. */
  readonly handedInAtMs: number;
  /** The sessions of its puts, in their order. */
  readonly sessions: readonly HeldSession[];

  constructor(commit: Commit, sessions: readonly HeldSession[], handedInAtMs: number) {
    this.when = commit.when;
    this.write = commit.write.map((write) =>
      write.kind === 'put' ? { ...write, value: Uint8Array.from(write.value) } : write,
    ); // I3
    this.sessions = sessions;
    this.handedInAtMs = handedInAtMs;
  }
}

export interface CommitSenderOptions {
  /** HOST:PORT of each server, for messages. */
  readonly servers: string;
  readonly connection: MainConnection;
  readonly sessions: ZooKeeperSessions;
  readonly reader: NodeReader;
  readonly layout: KeyLayout;
  readonly directories: DirectoryBook;
  readonly acl: Buffer;
  readonly clock: Clock;
}

/** See the head of this file. */
export class CommitSender {
  readonly #options: CommitSenderOptions;

  constructor(options: CommitSenderOptions) {
    this.#options = options;
  }

  /**
   * What goes through GroupCommit and comes back in {@link send}. Throws SessionLostError or
   * InvalidArgumentError when a session of it can't be used.
   */
  prepare(commit: Commit): Commit {
    const sessions = new Map<unknown, HeldSession>();
    for (const write of commit.write) {
      if (write.kind !== 'put' || !write.session || sessions.has(write.session)) continue;
      sessions.set(write.session, this.#options.sessions.held(write.session));
    }
    return new PreparedCommit(commit, [...sessions.values()], this.#options.clock.monotonicMs());
  }

  /** Sends a group that is free of conflicts; answers for each member and never rejects. */
  send(group: readonly Commit[]): Promise<readonly CommitOutcome[]> {
    const staleAtMs = this.#options.clock.monotonicMs() - CALL_DEADLINE_MS;
    return Promise.all(group.map((commit) => this.#outcomeOf(commit, staleAtMs)));
  }

  async #outcomeOf(commit: Commit, staleAtMs: number): Promise<CommitOutcome> {
    try {
      if (!(commit instanceof PreparedCommit)) throw new TypeError('the commit was not prepared');
      if (commit.handedInAtMs < staleAtMs)
        return { kind: 'failed', error: staleCall(STORE, 'commit') }; // I2
      return { kind: 'verdict', result: await this.#commit(commit) };
    } catch (error) {
      return { kind: 'failed', error: commitError(error) };
    }
  }

  async #commit(commit: PreparedCommit): Promise<CommitResult> {
    if (commit.when.length + commit.write.length === 0) {
      return { committed: true, versionOf: nothingWasPut };
    }
    const [first, ...others] = commit.sessions;
    const result = await this.#execute(commit, first);
    if (!result.committed || !first || others.length === 0) return result;
    return await this.#handOver(commit, first, result);
  }

  /** Plans and sends until there is a verdict. */
  async #execute(
    commit: Commit,
    session: HeldSession | undefined,
    knownBefore?: KnownNodes,
  ): Promise<CommitResult> {
    const { layout, directories } = this.#options;
    let known: KnownNodes = knownBefore ?? new Map();
    const ownerOf = (write: Put): bigint | undefined => write.session && session?.owner;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const plan = planCommit(commit, { layout, known, ownerOf });
      const verdict = await this.#send(plan, session);
      switch (verdict.kind) {
        case 'result':
          return verdict.result;
        case 'noDirectory':
          directories.forget(plan.directories);
          break;
        case 'wrongGuess':
          known = await this.#readNodes(guessedKeys(commit));
          break;
        case 'refused':
          throw new CallFailure('refused', {
            servers: this.#options.servers,
            details: `code ${verdict.fault}`,
            fault: verdict.fault,
          });
        default:
          throw verdict satisfies never;
      }
    }
    throw new UnavailableError(
      `a commit was not done: others changed its keys ${MAX_TRIES} times while it was tried; try again after a pause`,
    );
  }

  async #send(
    plan: CommitPlan,
    session: HeldSession | undefined,
  ): Promise<ReturnType<typeof judgePlan>> {
    const { acl, directories } = this.#options;
    const body = encodeMulti(plan.ops, acl);
    if (body.length > MAX_REQUEST_BYTES) {
      throw new PayloadTooLargeError('commit', {
        sizeBytes: body.length,
        limitBytes: MAX_REQUEST_BYTES,
      });
    }
    const link = await this.#linkOf(session);
    try {
      const made = directories.make(link, plan.directories);
      // The multi is on its way behind them already; it alone decides.
      const [, reply] = await Promise.allSettled([made, link.request(OP.multi, body)]);
      if (reply.status === 'rejected') throw reply.reason;
      const answer = reply.value;
      return judgePlan(
        plan,
        readCommitAnswer('ZooKeeper', () => decodeMultiReply(answer)),
      );
    } catch (error) {
      throw this.#failureOf(error, session);
    }
  }

  async #linkOf(session: HeldSession | undefined): Promise<ZooKeeperLink> {
    if (!session) return this.#options.connection.link();
    try {
      // ZooKeeper doesn't answer a session that is gone, so a commit that it never saw would count as
      // one that may have happened. Whoever asks first knows.
      await this.#options.sessions.confirm(session.link);
      return session.link;
    } catch (error) {
      throw error instanceof CallFailure && error.kind === 'unanswered'
        ? new CallFailure('unreachable', { servers: error.servers, details: error.message })
        : this.#failureOf(error, session);
    }
  }

  /** Says of the loss of a session whose it was. */
  #failureOf(error: unknown, session: HeldSession | undefined): unknown {
    if (!(error instanceof CallFailure) || error.kind !== 'expired') return error;
    session?.markGone();
    if (session) return error;
    return new CallFailure('unreachable', { servers: error.servers, details: error.message });
  }

  async #readNodes(keys: readonly Key[]): Promise<KnownNodes> {
    const { reader, layout } = this.#options;
    const results = await reader.read(
      keys.map((key) => ({ kind: 'data', path: layout.locate(key).path })),
    );
    const known = new Map<Key, NodeStat | 'absent'>();
    for (const [index, key] of keys.entries()) {
      const result = results[index];
      known.set(key, result?.kind === 'data' ? result.stat : 'absent');
    }
    return known;
  }

  /** I4. A key that somebody wrote or removed meanwhile has left its session by that. */
  async #handOver(
    commit: PreparedCommit,
    first: HeldSession,
    result: Extract<CommitResult, { committed: true }>,
  ): Promise<CommitResult> {
    const versions = new Map<Key, bigint>();
    const others = commit.sessions.filter((session) => session !== first);
    await Promise.all(
      others.map(async (held) => {
        const puts = commit.write.filter(
          (write): write is Put => write.kind === 'put' && write.session === held.session,
        );
        for (const put of puts) {
          const version = await this.#handOverKey(put, { from: first, to: held, result });
          if (version !== undefined) versions.set(put.key, version);
        }
      }),
    );
    return { committed: true, versionOf: (key) => versions.get(key) ?? result.versionOf(key) };
  }

  async #handOverKey(
    put: Put,
    move: {
      readonly from: HeldSession;
      readonly to: HeldSession;
      readonly result: Extract<CommitResult, { committed: true }>;
    },
  ): Promise<bigint | undefined> {
    const version = move.result.versionOf(put.key);
    const node = { version: nodeVersionOf(version).version, owner: move.from.owner };
    const known = new Map([[put.key, node]]);
    const commit: Commit = { when: [{ kind: 'unchanged', key: put.key, version }], write: [put] };
    try {
      const moved = await this.#execute(commit, move.to, known);
      return moved.committed ? moved.versionOf(put.key) : undefined;
    } catch (error) {
      throw new OutcomeUnknownError(
        'a commit happened, but a key of it could not be given to its session; read before you act again',
        { cause: error },
      );
    }
  }
}

function nothingWasPut(key: Key): never {
  throw new HoldfastError('INTERNAL', `versionOf(${JSON.stringify(key)}): this commit put no key`);
}
