// Carries groups of commits to etcd.
//
// etcd judges the guards of all transactions nested in one before any of them writes. GroupCommit
// sees to it that no member of a group guards or writes a key that another one writes, so that makes
// no difference, and each member has the verdict that it would have had alone.
//
// Invariants:
//   I1. A commit with a session travels alone: when its lease is gone, etcd fails the whole request.
//   I2. No level of a request holds more than 128 operations, counted as etcd does: a nested
//       transaction may have as many as the levels around it have left.
//   I3. A commit that waited for its turn longer than a call may take is not sent any more: while etcd
//       hangs, those that queue up fail when they are due to, not one group after the other.
//   I4. A commit is encoded when it is handed in, so what the caller does to its values later is of
//       no consequence.

import type { Commit, CommitOutcome, CommitResult, Guard, Session, Write } from '@holdfast/coord';
import { committedAt, guardHolds, readCommitAnswer, refusedBy, staleCall } from '@holdfast/coord';
import type { Clock } from '@holdfast/core';
import { assert, HoldfastError } from '@holdfast/core';
import { CallFailure, commitError, REFUSAL, STORE } from './call-failure.ts';
import type { EtcdSessions } from './etcd-sessions.ts';
import { CALL_DEADLINE_MS, type EtcdTransport } from './etcd-transport.ts';
import {
  decodeTxnReply,
  firstKeyOf,
  type KvEncoder,
  type Leases,
  type OpReply,
  type TxnReply,
} from './kv-codec.ts';

/** etcd's `--max-txn-ops`, which a server may raise but should not lower. */
export const MAX_TXN_OPS = 128;

/**
 * A commit ready to be sent. A class of its own, so that it is known again when it comes back from
 * GroupCommit, and never one of the caller's objects, who may hand in the same one twice.
 */
class PreparedCommit implements Commit {
  readonly when: readonly Guard[];
  readonly write: readonly Write[];
  readonly leases: Leases;
  readonly request: Buffer;
  /** When it was handed in, on the monotonic clock. */
  readonly handedInAtMs: number;

  constructor(
    commit: Commit,
    made: { readonly leases: Leases; readonly request: Buffer; readonly handedInAtMs: number },
  ) {
    this.when = commit.when;
    this.write = commit.write;
    this.leases = made.leases;
    this.request = made.request;
    this.handedInAtMs = made.handedInAtMs;
  }
}

export interface CommitSenderOptions {
  readonly transport: EtcdTransport;
  readonly sessions: EtcdSessions;
  readonly encoder: KvEncoder;
  readonly clock: Clock;
  /** Told after each request the store's revision, and how many keys it may have written. */
  readonly onSent: (revision: bigint, writes: number) => void;
}

/** See the head of this file. */
export class CommitSender {
  readonly #options: CommitSenderOptions;
  #requests = 0;

  constructor(options: CommitSenderOptions) {
    this.#options = options;
  }

  /** Requests sent so far. */
  get requests(): number {
    return this.#requests;
  }

  /**
   * Encodes a commit; what it returns goes through GroupCommit and comes back in {@link send}. Throws
   * SessionLostError or InvalidArgumentError when a session of it can't be used.
   */
  prepare(commit: Commit): Commit {
    const { encoder, sessions, clock } = this.#options;
    const leases = leasesOf(commit, sessions);
    const request = encoder.commit(commit, leases);
    return new PreparedCommit(commit, { leases, request, handedInAtMs: clock.monotonicMs() });
  }

  /** Sends a group that is free of conflicts; answers for each member and never rejects. */
  async send(group: readonly Commit[]): Promise<readonly CommitOutcome[]> {
    const staleAtMs = this.#options.clock.monotonicMs() - CALL_DEADLINE_MS;
    const { nested, alone, stale } = split(group, staleAtMs);
    if (nested.length === group.length) return this.#sendNested(nested);
    const answers = await Promise.all([
      this.#sendNested(nested),
      Promise.all(alone.map((commit) => this.#sendAlone(commit))),
    ]);
    const unsent = stale.map(
      (): CommitOutcome => ({ kind: 'failed', error: staleCall(STORE, 'commit') }),
    );
    const outcomes = [...answers.flat(), ...unsent];
    const byCommit = new Map<Commit, CommitOutcome | undefined>();
    for (const [index, commit] of [...nested, ...alone, ...stale].entries()) {
      byCommit.set(commit, outcomes[index]);
    }
    return group.map((commit) => {
      const outcome = byCommit.get(commit);
      assert(outcome, 'each member of a group has an outcome');
      return outcome;
    });
  }

  async #sendAlone(commit: PreparedCommit): Promise<CommitOutcome> {
    const { leases, request } = commit;
    try {
      return verdict(commit, await this.#call(request, commit.write.length));
    } catch (error) {
      const isLeaseGone = error instanceof CallFailure && error.details === REFUSAL.leaseNotFound;
      // Of several leases, etcd does not say which one it misses; their keep-alives will.
      const [session] = isLeaseGone && leases.size === 1 ? leases.keys() : [];
      if (session) this.#options.sessions.markGone(session);
      return { kind: 'failed', error: commitError(error) };
    }
  }

  async #sendNested(commits: readonly PreparedCommit[]): Promise<readonly CommitOutcome[]> {
    if (commits.length === 0) return [];
    try {
      const request = this.#options.encoder.group(commits.map((commit) => commit.request));
      const writes = commits.reduce((sum, commit) => sum + commit.write.length, 0);
      const { replies, revision } = await this.#call(request, writes);
      return commits.map((commit, index) => {
        const reply = replies[index];
        assert(reply?.kind === 'txn', 'etcd answers each nested transaction');
        return verdict(commit, { ...reply, revision });
      });
    } catch (error) {
      // The request is one transaction, so whatever became of it became of every member.
      const outcome: CommitOutcome = { kind: 'failed', error: commitError(error) };
      return commits.map(() => outcome);
    }
  }

  async #call(request: Buffer, writes: number): Promise<TxnReply> {
    this.#requests += 1;
    const bytes = await this.#options.transport.unary('txn', request);
    const reply = readCommitAnswer('etcd', () => decodeTxnReply(bytes));
    this.#options.onSent(reply.revision, writes);
    return reply;
  }
}

const NO_LEASES: Leases = new Map();

function leasesOf(commit: Commit, sessions: EtcdSessions): Leases {
  let leases: Map<Session, bigint> | undefined;
  for (const write of commit.write) {
    if (write.kind !== 'put' || !write.session) continue;
    leases ??= new Map();
    leases.set(write.session, sessions.leaseOf(write.session));
  }
  return leases ?? NO_LEASES;
}

/** Which members travel in one request, which by themselves, and which not any more. */
function split(
  group: readonly Commit[],
  staleAtMs: number,
): Readonly<Record<'nested' | 'alone' | 'stale', readonly PreparedCommit[]>> {
  const nested: PreparedCommit[] = [];
  const alone: PreparedCommit[] = [];
  const stale: PreparedCommit[] = [];
  const maxWidth = MAX_TXN_OPS - group.length;
  for (const commit of group) {
    assert(commit instanceof PreparedCommit, 'a group holds commits that were prepared');
    const canNest = commit.leases.size === 0 && widthOf(commit) <= maxWidth; // I1, I2
    if (commit.handedInAtMs < staleAtMs) stale.push(commit);
    else (canNest ? nested : alone).push(commit);
  }
  // Nesting a single one would only cost.
  if (nested.length === 1) alone.push(...nested.splice(0));
  return { nested, alone, stale };
}

/** Operations at one level as etcd counts them: the longest of compares, success and failure. */
function widthOf(commit: Commit): number {
  return Math.max(commit.when.length, commit.write.length);
}

function verdict(commit: Commit, reply: TxnReply): CommitOutcome {
  const result = reply.succeeded
    ? committedAt(commit, reply.revision)
    : refusal(commit, reply.replies);
  return { kind: 'verdict', result };
}

function refusal(commit: Commit, replies: readonly OpReply[]): CommitResult {
  const failed = commit.when.find(
    (guard, index) => !guardHolds(guard, firstKeyOf(replies[index])?.modRevision),
  );
  if (failed) return refusedBy(failed);
  throw new HoldfastError('INTERNAL', 'etcd refused a commit all of whose guards hold');
}
