// Concurrent reads of one process share a round trip, because a gRPC call costs this process more than
// etcd's answer costs etcd.
//
// It owns the queue of reads that wait and the decision which of them travel together. A lone read
// is sent at once.
//
// Invariants:
//   I1. All keys of one read are in one request, so they come from one snapshot.
//   I2. A read is sent only after it was asked for, so it sees what was acknowledged before.
//   I3. A request names at most `MAX_KEYS` keys, each once; at most `MAX_IN_FLIGHT` requests run and
//       `MAX_QUEUED` reads wait.
//   I4. A read that waited for its turn longer than a call may take fails instead of being sent.
import type { CallOptions, Key } from '@holdfast/coord';
import type { Clock } from '@holdfast/core';
import { HoldfastError, UnavailableError } from '@holdfast/core';
import { readError, staleError } from './call-failure.ts';
import { MAX_TXN_OPS } from './commit-sender.ts';
import { CALL_DEADLINE_MS, type EtcdTransport } from './etcd-transport.ts';
import { decodeTxnReply, firstKeyOf, type KvEncoder, type StoredKey } from './kv-codec.ts';

/** Keys of one request: a read of a key is an operation of a transaction. */
const MAX_KEYS: number = MAX_TXN_OPS;
const MAX_IN_FLIGHT = 4;
const MAX_QUEUED = 100_000;

/** What was found, by key. */
type Found = ReadonlyMap<Key, StoredKey>;

interface Pending {
  readonly keys: readonly Key[];
  /** On the monotonic clock. */
  readonly askedAtMs: number;
  settle(outcome: Found | HoldfastError): void;
}

export interface ReadBatchOptions {
  readonly transport: EtcdTransport;
  readonly encoder: KvEncoder;
  readonly clock: Clock;
}

/** See the head of this file. */
export class ReadBatch {
  readonly #options: ReadBatchOptions;
  readonly #queue = new Set<Pending>();
  readonly #running = new Set<Promise<void>>();
  #isPumpDue = false;
  #isClosed = false;

  constructor(options: ReadBatchOptions) {
    this.#options = options;
  }

  /**
   * Reads at most `MAX_KEYS` keys, each named once. The answer may hold other keys too. Rejects with
   * CANCELLED when `signal` aborts, RESOURCE_EXHAUSTED when too many reads wait, or what `readError`
   * makes of the call's failure.
   */
  get(keys: readonly Key[], { signal }: CallOptions = {}): Promise<Found> {
    if (this.#isClosed) return Promise.reject(closedError());
    if (this.#queue.size >= MAX_QUEUED) return Promise.reject(fullError());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => pending.settle(cancelledError(signal));
      const pending: Pending = {
        keys,
        askedAtMs: this.#options.clock.monotonicMs(),
        settle: (outcome) => {
          this.#queue.delete(pending);
          signal?.removeEventListener('abort', onAbort);
          if (outcome instanceof HoldfastError) reject(outcome);
          else resolve(outcome);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.add(pending);
      this.#schedulePump();
    });
  }

  /** Fails the reads that wait, and resolves when no request runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const pending of this.#queue) pending.settle(closedError());
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
    const batch: Pending[] = [];
    const keys = new Set<Key>();
    const staleAtMs = this.#options.clock.monotonicMs() - CALL_DEADLINE_MS;
    for (const pending of this.#queue) {
      if (pending.askedAtMs < staleAtMs) {
        pending.settle(staleError('read')); // I4
        continue;
      }
      if (keys.size + pending.keys.length > MAX_KEYS && batch.length > 0) break; // I1, I3
      for (const key of pending.keys) keys.add(key);
      this.#queue.delete(pending);
      batch.push(pending);
    }
    if (batch.length === 0) return;
    const request = this.#send([...keys], batch).finally(() => {
      this.#running.delete(request);
      this.#schedulePump();
    });
    this.#running.add(request);
  }

  async #send(keys: readonly Key[], batch: readonly Pending[]): Promise<void> {
    const outcome = await this.#read(keys);
    for (const pending of batch) pending.settle(outcome);
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

function closedError(): UnavailableError {
  return new UnavailableError('the store was stopped');
}

function cancelledError(signal: AbortSignal | undefined): HoldfastError {
  return new HoldfastError('CANCELLED', 'the caller gave up before etcd answered', {
    cause: signal?.reason,
  });
}

function fullError(): HoldfastError {
  return new HoldfastError(
    'RESOURCE_EXHAUSTED',
    `${MAX_QUEUED} reads wait for etcd already, which is the limit; ask less at a time, or try again after a pause`,
  );
}
