// A member of the fleet, for as long as its process lives: one membership after the other.
//
// Invariants:
//   W1. Each membership has a worker id and a session of its own; neither is ever used again.
//   W2. Nothing that passes ends the worker: it ends when it is told to, or drained by an operator.
import { hostname } from 'node:os';
import type { WorkerInfo } from '@holdfast/board';
import {
  backoffMs,
  createWorkerId,
  FailedPreconditionError,
  fromUnknown,
  type Service,
  sleep,
  type WorkerId,
} from '@holdfast/core';
import { toFlowRecord } from './flow-record.ts';
import { REJOIN_BACKOFF, STEADY_SESSION_MS } from './limits.ts';
import { Membership, type StopSignals } from './membership.ts';
import { isPassing } from './patience.ts';
import { servedFlow } from './served-flow.ts';
import { VERSION } from './version.ts';
import { type WorkerOptions, type WorkerParts, workerParts } from './worker-parts.ts';

/** How to stop a worker. */
export interface StopOptions {
  /** Hand back what runs at once, instead of letting it finish. Default: false. */
  readonly immediately?: boolean | undefined;
}

/**
 * Claims jobs of its flows and queues, and runs them. Runs once: a worker that has stopped stays so.
 *
 * Throws InvalidArgumentError for wrong options.
 */
export class Worker implements Service {
  readonly #parts: WorkerParts;
  readonly #drain = new AbortController();
  readonly #immediately = new AbortController();
  readonly #joined = Promise.withResolvers<void>();
  readonly #finished = Promise.withResolvers<void>();
  #nextId: WorkerId | undefined;
  #isStarted = false;
  #hasJoined = false;
  #membership: Membership | undefined;

  constructor(options: WorkerOptions) {
    this.#parts = workerParts(options);
    this.#nextId = options.workerId ?? options.supervisor?.workerId;
  }

  /** Its current worker id; undefined while it is no member. */
  get id(): WorkerId | undefined {
    return this.#membership?.id;
  }

  /** Jobs that run now. */
  get jobs(): number {
    return this.#membership?.jobs ?? 0;
  }

  /** Resolves once this worker has left for good: stopped, or drained by an operator. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /**
   * Resolves once it has joined the fleet, or was stopped before. While the store is away it keeps
   * trying. Rejects when the store refuses the flows or the worker for good, or when it was stopped
   * before it was started.
   */
  async start(): Promise<void> {
    if (!this.#isStarted) {
      if (this.#drain.signal.aborted) {
        throw new FailedPreconditionError('a stopped worker cannot be started; make a new one');
      }
      this.#isStarted = true;
      // Rejects for defects only, and those are to end the process.
      void this.#run();
    }
    await this.#joined.promise;
  }

  /** Takes no new jobs, lets those that run finish within the drain timeout, hands back the rest, leaves. */
  async drain(): Promise<void> {
    this.#drain.abort();
    if (this.#isStarted) await this.#finished.promise;
  }

  /** Drains; `immediately` hands back what runs at once, also when a drain is under way. */
  async stop(options: StopOptions = {}): Promise<void> {
    if (options.immediately) this.#immediately.abort();
    await this.drain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    try {
      await this.#serve();
    } catch (error) {
      if (this.#hasJoined) throw error;
      this.#joined.reject(error); // Whoever started it is told.
    } finally {
      await this.#parts.listeners.stop();
      this.#joined.resolve();
      this.#finished.resolve();
    }
  }

  async #serve(): Promise<void> {
    const { clock, random, supervisor } = this.#parts;
    const stop: StopSignals = {
      drain: this.#drain.signal,
      immediately: this.#immediately.signal,
    };
    await this.#registerFlows();
    let losses = 0;
    for (;;) {
      const membership = await this.#join();
      if (!membership) return;
      this.#membership = membership;
      this.#hasJoined = true;
      this.#joined.resolve();
      const sinceMs = clock.monotonicMs();
      const end = await membership.serve(stop);
      this.#membership = undefined;
      if (end === 'left') await supervisor?.left(membership.id);
      if (end === 'left' || membership.isDraining) return;
      losses = clock.monotonicMs() - sinceMs >= STEADY_SESSION_MS ? 1 : losses + 1;
      await sleep(clock, backoffMs(REJOIN_BACKOFF, losses, random), { signal: stop.drain });
    }
  }

  async #registerFlows(): Promise<void> {
    const { board, clock, flows, name, patience } = this.#parts;
    const { signal } = this.#drain;
    for (const flow of flows.values()) {
      const record = toFlowRecord(flow, { by: name, atUnixMs: clock.nowUnixMs() });
      try {
        await patience.keepTrying(() => board.registerFlow(record), {
          signal,
          what: 'register a flow',
        });
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
    }
  }

  /** Joins the fleet, however long that takes; undefined when told to stop meanwhile. */
  async #join(): Promise<Membership | undefined> {
    const { patience } = this.#parts;
    const { signal } = this.#drain;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        const membership = await this.#joinOnce();
        patience.succeeded();
        return membership;
      } catch (error) {
        await this.#pauseAfter(error, { failures, signal });
      }
    }
    return undefined;
  }

  /** W1: whatever comes of it, the id isn't used again. */
  async #joinOnce(): Promise<Membership> {
    const { board, coord, leaseTtlMs, supervisor, logger } = this.#parts;
    const session = await coord.openSession({ ttlMs: leaseTtlMs });
    const id = this.#nextId ?? createWorkerId(this.#parts.name, this.#parts);
    this.#nextId = undefined;
    try {
      await supervisor?.announce(id);
      const member = await board.join(this.#info(id), session);
      logger.info({ worker: id, leaseTtlMs }, 'joined the fleet');
      return new Membership(this.#parts, session, member);
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** W2: once it was a member, a worker goes on trying whatever it is that keeps it from joining. */
  async #pauseAfter(
    thrown: unknown,
    options: { readonly failures: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { clock, random, logger, patience } = this.#parts;
    const error = fromUnknown(thrown);
    if (isPassing(error))
      return await patience.pause(error, { ...options, what: 'join the fleet' });
    if (!this.#hasJoined && error.code !== 'SESSION_LOST') throw thrown;
    logger.error({ code: error.code, error }, 'could not join the fleet; trying again');
    await sleep(clock, backoffMs(REJOIN_BACKOFF, options.failures, random), options);
  }

  #info(id: WorkerId): WorkerInfo {
    const { clock, concurrency, flows, labels, leaseTtlMs, queues } = this.#parts;
    return {
      id,
      host: hostname(),
      pid: process.pid,
      queues,
      flows: [...flows.keys()],
      concurrency,
      startedAtUnixMs: clock.nowUnixMs(),
      leaseTtlMs,
      version: VERSION,
      isDraining: false,
      labels,
      served: [...flows.values()].map((flow) => servedFlow(flow, labels)),
    };
  }
}
