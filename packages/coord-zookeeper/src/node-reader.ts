// Reads nodes, each read as one snapshot that is no older than the call.
//
// A server answers reads from its own state, which may lag behind. So a `sync` goes before them on the
// same connection, one for all reads that wait: the server answers what comes after it only once it has
// seen all that was committed before the leader saw the `sync`. All nodes of one read are in one
// `multiRead`: servers apply no transaction while they answer a request.
//
// Invariants:
//   R1. Every read is written after a `sync` that was written after the read was asked for.
//   R2. At most MAX_IN_FLIGHT reads are on their way and MAX_QUEUED wait, in a ReadQueue.
//
// NOT guaranteed: a leader that was cut off from the others answers a `sync` until it notices, within
// `syncLimit` ticks. A client of that side may read what was overwritten meanwhile on the other one.
// Its commits fail: they need the majority.
import type { CallOptions, QueuedRead } from '@holdfast/coord';
import { ReadQueue } from '@holdfast/coord';
import type { Clock } from '@holdfast/core';
import { CallFailure, readError, STORE } from './call-failure.ts';
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

type Pending = QueuedRead<Buffer, readonly ReadResult[]>;

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
  readonly #queue: ReadQueue<Buffer, readonly ReadResult[]>;
  #inFlight = 0;
  #sending: Promise<void> | undefined;

  constructor(options: NodeReaderOptions) {
    const { clock } = options;
    this.#options = options;
    this.#queue = new ReadQueue({
      store: STORE,
      maxQueued: MAX_QUEUED,
      maxWaitMs: CALL_DEADLINE_MS,
      clock,
    });
    this.#sync = encodeSync(options.rootPath);
  }

  /** One result for each of `reads`: what was found, or `noNode`. Rejects like `Coord.get`. */
  read(reads: readonly Read[], options?: CallOptions): Promise<readonly ReadResult[]> {
    const results = this.#queue.ask(encodeMultiRead(reads), options);
    this.#pump();
    return results;
  }

  /** Fails the reads that wait. Those on their way end with the connection. */
  close(): void {
    this.#queue.close();
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
      this.#queue.fail(readError(error));
      return;
    }
    let room = MAX_IN_FLIGHT - this.#inFlight;
    const batch = this.#queue.take(() => room-- > 0); // R2
    if (batch.length === 0) return;
    const synced = connection.request(OP.sync, this.#sync); // R1
    for (const pending of batch) void this.#answer(pending, synced); // Tells its failures to its caller.
    // A failed `sync` is told by each read of the batch.
    await Promise.allSettled([synced]);
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
