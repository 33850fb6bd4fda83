// Reads nodes, each read as one snapshot that is no older than the call.
//
// A server answers reads from its own state, which may lag behind. So a `sync` goes before them on the
// same connection, one for all reads that wait: the server answers what comes after it only once it has
// seen all that was committed before the leader saw the `sync`. All nodes of one read are in one
// `multiRead`: servers apply no transaction while they answer a request.
//
// Invariants:
//   R1. Every read is written after a `sync` that was written after the read was asked for.
//   R2. At most MAX_IN_FLIGHT reads are on their way and MAX_QUEUED wait; one that waited longer than
//       a call may take fails instead of being sent.
//
// NOT guaranteed: a leader that was cut off from the others answers a `sync` until it notices, within
// `syncLimit` ticks. A client of that side may read what was overwritten meanwhile on the other one.
// Its commits fail: they need the majority.
import type { CallOptions } from '@holdfast/coord';
import type { Clock } from '@holdfast/core';
import { HoldfastError, UnavailableError } from '@holdfast/core';
import { CallFailure, readError, staleError } from './call-failure.ts';
import type { MainConnection } from './main-connection.ts';
import {
  decodeMultiReadReply,
  encodeMultiRead,
  encodeSync,
  FAULT,
  OP,
  type Read,
  type ReadResult,
} from './messages.ts';
import { CALL_DEADLINE_MS } from './zookeeper-link.ts';

const MAX_IN_FLIGHT = 256;
const MAX_QUEUED = 100_000;

interface Pending {
  readonly request: Buffer;
  /** On the monotonic clock. */
  readonly askedAtMs: number;
  settle(outcome: readonly ReadResult[] | HoldfastError): void;
}

export interface NodeReaderOptions {
  /** HOST:PORT of each server, for messages. */
  readonly servers: string;
  readonly connection: MainConnection;
  /** A node for `sync` to name. */
  readonly rootPath: string;
  readonly clock: Clock;
}

/** See the head of this file. */
export class NodeReader {
  readonly #options: NodeReaderOptions;
  readonly #sync: Buffer;
  readonly #queue = new Set<Pending>();
  #inFlight = 0;
  #sending: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: NodeReaderOptions) {
    this.#options = options;
    this.#sync = encodeSync(options.rootPath);
  }

  /** One result for each of `reads`: what was found, or `noNode`. Rejects like `Coord.get`. */
  read(reads: readonly Read[], { signal }: CallOptions = {}): Promise<readonly ReadResult[]> {
    if (this.#isClosed) return Promise.reject(closedError());
    if (this.#queue.size >= MAX_QUEUED) return Promise.reject(fullError());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => pending.settle(cancelledError(signal));
      const pending: Pending = {
        request: encodeMultiRead(reads),
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
      this.#pump();
    });
  }

  /** Fails the reads that wait. Those on their way end with the connection. */
  close(): void {
    this.#isClosed = true;
    for (const pending of this.#queue) pending.settle(closedError());
  }

  /** Sends what waits, once what the present turn of the event loop asks for is there too. */
  #pump(): void {
    if (this.#sending || this.#queue.size === 0 || this.#inFlight >= MAX_IN_FLIGHT) return;
    this.#sending = this.#send().finally(() => {
      this.#sending = undefined;
      this.#pump();
    });
  }

  async #send(): Promise<void> {
    const { connection } = this.#options;
    try {
      await connection.link();
    } catch (error) {
      const failure = readError(error);
      for (const pending of [...this.#queue]) pending.settle(failure);
      return;
    }
    const batch = this.#takeBatch();
    if (batch.length === 0) return;
    const synced = connection.request(OP.sync, this.#sync); // R1
    for (const pending of batch) void this.#answer(pending, synced); // Tells its failures to its caller.
    // A failed `sync` is told by each read of the batch.
    await Promise.allSettled([synced]);
  }

  #takeBatch(): Pending[] {
    const batch: Pending[] = [];
    const staleAtMs = this.#options.clock.monotonicMs() - CALL_DEADLINE_MS;
    for (const pending of this.#queue) {
      if (this.#inFlight + batch.length >= MAX_IN_FLIGHT) break;
      if (pending.askedAtMs < staleAtMs) {
        pending.settle(staleError('read'));
        continue;
      }
      this.#queue.delete(pending);
      batch.push(pending);
    }
    return batch;
  }

  /** A node that is not there is a result; anything else that went wrong with one fails the read. */
  #checked(results: readonly ReadResult[]): readonly ReadResult[] {
    for (const result of results) {
      if (result.kind !== 'fault' || result.fault === FAULT.noNode) continue;
      const { servers } = this.#options;
      const details = `code ${result.fault}`;
      throw new CallFailure('refused', { servers, details, fault: result.fault });
    }
    return results;
  }

  async #answer(pending: Pending, synced: Promise<Buffer>): Promise<void> {
    this.#inFlight += 1;
    try {
      const reply = this.#options.connection.request(OP.multiRead, pending.request);
      const [, body] = await Promise.all([synced, reply]);
      pending.settle(this.#checked(decodeMultiReadReply(body)));
    } catch (error) {
      pending.settle(readError(error));
    } finally {
      this.#inFlight -= 1;
      this.#pump();
    }
  }
}

function closedError(): UnavailableError {
  return new UnavailableError('the store was stopped');
}

function cancelledError(signal: AbortSignal | undefined): HoldfastError {
  return new HoldfastError('CANCELLED', 'the caller gave up before ZooKeeper answered', {
    cause: signal?.reason,
  });
}

function fullError(): HoldfastError {
  return new HoldfastError(
    'RESOURCE_EXHAUSTED',
    `${MAX_QUEUED} reads wait for ZooKeeper already, which is the limit; ask less at a time, or try again after a pause`,
  );
}
