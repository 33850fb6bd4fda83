// Keeps etcd's history short while the board is busy: a range in etcd costs what lies in it, and keys
// removed since the last compaction lie in it still.
//
// It owns one key, outside the seam's key space: the compaction mark. Of all the processes on one
// prefix, the one whose compare-and-set of the mark succeeds compacts; the others take note. It is
// paced by revisions and, because one revision may hold a hundred commits, by what this process has
// written; so an idle board compacts nothing. It waits until etcd is done with one compaction before
// the next: etcd goes through all its keys for it, which takes 8 s for half a million of them, and
// would put one after the other in a queue of its own.
//
// NOT guaranteed: that every step is compacted: when the process dies at it, a later step includes it.
//
// Invariants:
//   I1. It never delays a commit: `observe` only counts, and starts work of its own.
//   I2. At most one compaction runs on one prefix, as long as the processes live.
//   I3. The last `keepRevisions` revisions are never compacted.
import type { Guard } from '@holdfast/coord';
import type { Logger } from '@holdfast/core';
import { CallFailure, REFUSAL, readError } from './call-failure.ts';
import {
  type CompactionMark,
  type CompactionTrigger,
  formatCompactionMark,
  mayCompact,
  parseCompactionMark,
} from './compaction-mark.ts';
import type { EtcdTransport } from './etcd-transport.ts';
import { COMPACTION_KEY, type KeySpace } from './key-space.ts';
import { decodeTxnReply, firstKeyOf, KvEncoder } from './kv-codec.ts';

/** How the history is compacted. */
export interface CompactionOptions {
  /** Compact when the store is this many revisions past the last compaction. 1,000 to 10,000,000. */
  readonly everyRevisions: number;
  /** Revisions that are kept for others who read the history; Holdfast does not. 0 to 10,000,000. */
  readonly keepRevisions: number;
}

export const DEFAULT_COMPACTION: CompactionOptions = {
  everyRevisions: 10_000,
  keepRevisions: 100,
};

/** A process that has written this many times `everyRevisions` keys compacts before its revisions are full. */
const WRITES_PER_REVISION = 10;
/** How long one compaction may take, in milliseconds. */
const COMPACTION_DEADLINE_MS = 300_000;

export interface CompactorOptions extends CompactionOptions {
  readonly transport: EtcdTransport;
  readonly keys: KeySpace;
  readonly logger: Logger;
}

/** See the head of this file. */
export class Compactor {
  readonly #options: CompactorOptions;
  readonly #encoder: KvEncoder;
  /** Nothing is due below this revision, unless by writes. */
  #dueAt: bigint;
  #writes = 0;
  #work: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#encoder = new KvEncoder(options.keys.ownRoot);
    this.#dueAt = BigInt(options.everyRevisions);
  }

  /** Tells that a request wrote `writes` keys at most, and the store's revision after it. */
  observe(revision: bigint, writes: number): void {
    this.#writes += writes;
    if (this.#work || this.#isStopped) return;
    const isMuchWritten = this.#writes >= this.#options.everyRevisions * WRITES_PER_REVISION;
    if (revision < this.#dueAt && !isMuchWritten) return;
    this.#work = this.#compact(revision, isMuchWritten ? 'writes' : 'revisions').finally(() => {
      this.#work = undefined;
    });
  }

  /** Resolves when no work runs; none is started afterwards. What runs ends with the connection. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#work;
  }

  async #compact(revision: bigint, trigger: CompactionTrigger): Promise<void> {
    const { everyRevisions, keepRevisions, logger } = this.#options;
    // Whatever happens below, the next try is not before as many revisions, or writes, more.
    this.#dueAt = revision + BigInt(everyRevisions);
    this.#writes = 0;
    const target = revision - BigInt(keepRevisions);
    try {
      const { mark, guard } = await this.#readMark(revision);
      const ask = { trigger, revision, target, everyRevisions: BigInt(everyRevisions) };
      if (!mayCompact(mark, ask)) return;
      const { compactedTo } = mark;
      const claim: CompactionMark = { kind: 'running', compactedTo, startedAt: revision };
      const claimed = await this.#writeMark(claim, guard);
      if (claimed === undefined) return;
      await this.#compactTo(target);
      const done = { kind: 'unchanged', key: COMPACTION_KEY, version: claimed } as const;
      await this.#writeMark({ kind: 'idle', compactedTo: target }, done);
      logger.debug({ revision: `${target}`, trigger }, 'compacted the history of etcd');
    } catch (error) {
      if (this.#isStopped) return;
      const { code, message } = readError(error);
      logger.warn({ code, error: message }, 'the history of etcd could not be compacted');
    }
  }

  async #compactTo(target: bigint): Promise<void> {
    try {
      await this.#options.transport.unary(
        'compact',
        { revision: target.toString(), physical: true },
        { deadlineMs: COMPACTION_DEADLINE_MS },
      );
    } catch (error) {
      // Somebody else has compacted further, perhaps etcd itself; that is as good.
      if (!(error instanceof CallFailure) || error.details !== REFUSAL.compacted) throw error;
    }
  }

  async #readMark(revision: bigint): Promise<{ mark: CompactionMark; guard: Guard }> {
    const request = this.#encoder.get([COMPACTION_KEY]);
    const reply = decodeTxnReply(await this.#options.transport.unary('txn', request));
    const stored = firstKeyOf(reply.replies[0]);
    const text = stored && Buffer.from(stored.value).toString();
    const mark = parseCompactionMark(text, revision);
    if (!stored) return { mark, guard: { kind: 'absent', key: COMPACTION_KEY } };
    const version = stored.modRevision;
    return { mark, guard: { kind: 'unchanged', key: COMPACTION_KEY, version } };
  }

  /** The mark's new version; undefined when another process was first. */
  async #writeMark(mark: CompactionMark, guard: Guard): Promise<bigint | undefined> {
    const value = Buffer.from(formatCompactionMark(mark));
    const request = this.#encoder.commit({
      when: [guard],
      write: [{ kind: 'put', key: COMPACTION_KEY, value }],
    });
    const reply = decodeTxnReply(await this.#options.transport.unary('txn', request));
    return reply.succeeded ? reply.revision : undefined;
  }
}
