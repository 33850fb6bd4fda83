// Concurrent reads of one process share a round trip, because a gRPC call costs this process more than
// etcd's answer costs etcd.
//
// It owns the decision which reads travel together; ReadQueue owns those that wait. A lone read is
// sent at once.
//
// Invariants:
//   I1. All keys of one read are in one request, so they come from one snapshot.
//   I2. A read is sent only after it was asked for, so it sees what was acknowledged before.
//   I3. A request names at most `MAX_KEYS` keys, each once; at most `MAX_IN_FLIGHT` requests run and
//       `MAX_QUEUED` reads wait.
import type { CallOptions, Key, QueuedRead } from '@holdfast/coord';
import { ReadQueue } from '@holdfast/coord';
import type { Clock, HoldfastError } from '@holdfast/core';
import { readError, STORE } from './call-failure.ts';
import { MAX_TXN_OPS } from './commit-sender.ts';
import { CALL_DEADLINE_MS, type EtcdTransport } from './etcd-transport.ts';
import { decodeTxnReply, firstKeyOf, type KvEncoder, type StoredKey } from './kv-codec.ts';

/** Keys of one request: a read of a key is an operation of a transaction. */
const MAX_KEYS: number = MAX_TXN_OPS;
const MAX_IN_FLIGHT = 4;
const MAX_QUEUED = 100_000;

/** What was found, by key. */
type Found = ReadonlyMap<Key, StoredKey>;

export interface ReadBatchOptions {
  readonly transport: EtcdTransport;
  readonly encoder: KvEncoder;
  readonly clock: Clock;
}

/** See the head of this file. */
export class ReadBatch {
  readonly #options: ReadBatchOptions;
  readonly #queue: ReadQueue<readonly Key[], Found>;
  readonly #running = new Set<Promise<void>>();
  #isPumpDue = false;

  constructor(options: ReadBatchOptions) {
    const { clock } = options;
    this.#options = options;
    this.#queue = new ReadQueue({
      store: STORE,
      maxQueued: MAX_QUEUED,
      maxWaitMs: CALL_DEADLINE_MS,
      clock,
    });
  }

  /**
   * Reads at most `MAX_KEYS` keys, each named once. The answer may hold other keys too. Rejects like
   * {@link ReadQueue.ask}, or with what `readError` makes of the call's failure.
   */
  get(keys: readonly Key[], options?: CallOptions): Promise<Found> {
    const found = this.#queue.ask(keys, options);
    this.#schedulePump();
    return found;
  }

  /** Fails the reads that wait, and resolves when no request runs. */
  async close(): Promise<void> {
    this.#queue.close();
    await Promise.all(this.#running);
  }

  #schedulePump(): void {
    if (this.#isPumpDue || this.#queue.size === 0 || this.#running.size >= MAX_IN_FLIGHT) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      while (this.#queue.size > 0 && this.#running.size < MAX_IN_FLIGHT) this.#sendNext();
    });
  }

  #sendNext(): void {
    const keys = new Set<Key>();
    const batch = this.#queue.take((wanted) => {
      if (keys.size > 0 && keys.size + wanted.length > MAX_KEYS) return false; // I1, I3
      for (const key of wanted) keys.add(key);
      return true;
    });
    if (batch.length === 0) return;
    const request = this.#send([...keys], batch).finally(() => {
      this.#running.delete(request);
      this.#schedulePump();
    });
    this.#running.add(request);
  }

  async #send(
    keys: readonly Key[],
    batch: readonly QueuedRead<readonly Key[], Found>[],
  ): Promise<void> {
    const outcome = await this.#read(keys);
    for (const read of batch) read.settle(outcome);
  }

  async #read(keys: readonly Key[]): Promise<Found | HoldfastError> {
    try {
      const reply = decodeTxnReply(
        await this.#options.transport.unary('txn', this.#options.encoder.get(keys)),
      );
      const found = new Map<Key, StoredKey>();
      for (const [index, key] of keys.entries()) {
        const stored = firstKeyOf(reply.replies[index]);
        if (stored) found.set(key, stored);
      }
      return found;
    } catch (error) {
      return readError(error);
    }
  }
}
