// One process's way to the store: a memory driver's handle behind a network.
//
// Calls arrive late, or not at all; answers get lost; commits may happen after their caller gave up.
// What is done at the store is done by the memory driver, in one instant, so the seam's promises
// (linearizable reads, whole commits) hold as they do on a real store. Sessions are the drivers' own
// SessionLease: it asks over this network, and judges by the process's clock.
import {
  type CallOptions,
  type Commit,
  type CommitResult,
  type Coord,
  type CoordLimits,
  type CoordStats,
  type Entry,
  type Key,
  type ListRange,
  type MemoryStore,
  openMemoryCoord,
  type Page,
  type Session,
  SessionLease,
  type Watch,
} from '@holdfast/coord';
import {
  type Clock,
  HoldfastError,
  OutcomeUnknownError,
  SessionLostError,
  UnavailableError,
} from '@holdfast/core';
import type { Tamper } from './planted-bugs.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { Chance, SimulatedWorld } from './simulated-world.ts';
import type { Network } from './weather.ts';

/** Watches what happens at the store. */
export interface StoreWitness {
  /** Called around a commit that has arrived; the witness learns whose it is. */
  during(
    process: SimulatedProcess,
    commit: Commit,
    apply: () => Promise<CommitResult>,
  ): Promise<CommitResult>;
  /** A range is about to be listed. */
  listed(process: SimulatedProcess, range: ListRange): void;
}

export interface SimulatedCoordParts {
  readonly world: SimulatedWorld;
  readonly process: SimulatedProcess;
  readonly store: MemoryStore;
  readonly storeClock: Clock;
  readonly network: Network;
  readonly witness: StoreWitness;
  /** Changes commits on their way, for planted bugs. */
  readonly tamper: Tamper;
  /** Called when a commit has happened, before its answer is on its way. */
  readonly committed: (process: SimulatedProcess) => void;
  readonly sessionOpened: (id: string) => void;
}

/** How long a dead process's requests may still arrive, in milliseconds. */
const LINGER_MS = 60_000;

/** See the head of this file. */
export class SimulatedCoord implements Coord {
  readonly description = 'a simulated store';
  readonly #parts: SimulatedCoordParts;
  readonly #handle: Coord;
  readonly #storeChance: Chance;
  readonly #leases = new Map<string, SessionLease>();

  constructor(parts: SimulatedCoordParts) {
    this.#parts = parts;
    this.#storeChance = parts.process.chance.fork();
    this.#handle = openMemoryCoord(parts.store, {
      clock: parts.storeClock,
      random: this.#storeChance,
    });
    parts.process.onDeath(() => {
      parts.world.schedule(LINGER_MS, () => void this.#handle.stop());
    });
  }

  get limits(): CoordLimits {
    return this.#handle.limits;
  }

  get stats(): CoordStats {
    return this.#handle.stats;
  }

  async start(): Promise<void> {
    await this.#handle.start();
  }

  async stop(): Promise<void> {
    for (const lease of this.#leases.values()) lease.abandon();
    await this.#handle.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get(keys: readonly Key[], options?: CallOptions): Promise<ReadonlyMap<Key, Entry>> {
    return this.#call(() => this.#handle.get(keys), { ...options, isCommit: false });
  }

  list(range: ListRange, options?: CallOptions): Promise<Page> {
    return this.#call(
      () => {
        this.#parts.witness.listed(this.#parts.process, range);
        return this.#handle.list(range);
      },
      { ...options, isCommit: false },
    );
  }

  commit(commit: Commit, options?: CallOptions): Promise<CommitResult> {
    const sent = this.#parts.tamper(commit, [...this.#parts.process.memberIds].at(-1));
    return this.#call(() => this.#apply(sent), { ...options, isCommit: true });
  }

  watch(prefix: string, wake: () => void): Watch {
    const { world, process, network } = this.#parts;
    let inner: Watch | undefined;
    let isClosed = false;
    const close = (): void => {
      isClosed = true;
      void inner?.close();
    };
    const woken = (): void => {
      for (const delayMs of network.fateOfWakeUp(process)) {
        process.deliver(delayMs, () => {
          if (!isClosed) wake();
        });
      }
    };
    process.onDeath(close);
    const armed = new Promise<void>((resolve) => {
      world.schedule(process.chance.between(0.1, 20), () => {
        if (isClosed) return resolve();
        inner = this.#handle.watch(prefix, woken);
        process.deliver(1, resolve);
      });
    });
    return {
      armed,
      close: async () => close(),
    };
  }

  async openSession(options: { readonly ttlMs: number }): Promise<Session> {
    const { process, store } = this.#parts;
    const { ttlMs } = options;
    const grantSentAtMs = process.clock.monotonicMs();
    const id = await this.#call(
      async () => {
        const opened = store.openSession(ttlMs, this.#storeChance);
        this.#parts.sessionOpened(opened);
        return opened;
      },
      { isCommit: false },
    );
    const lease = new SessionLease({
      id,
      ttlMs,
      grantSentAtMs,
      clock: process.clock,
      logger: process.logger,
      store: {
        keepAlive: () => this.#call(async () => store.keepAlive(id), { isCommit: false }),
        revoke: () => this.#call(async () => store.endSession(id), { isCommit: false }),
      },
    });
    this.#leases.set(id, lease);
    return lease;
  }

  async #apply(commit: Commit): Promise<CommitResult> {
    const { process, witness } = this.#parts;
    try {
      const result = await witness.during(process, commit, () => this.#handle.commit(commit));
      if (result.committed) this.#parts.committed(process);
      return result;
    } catch (error) {
      if (error instanceof SessionLostError) {
        this.#leases.get(error.ids['session'] ?? '')?.markGone();
      }
      throw error;
    }
  }

  /** Carries one call to the store and its answer back, as far as the network lets it. */
  #call<Answer>(
    perform: () => Promise<Answer>,
    options: CallOptions & { readonly isCommit: boolean },
  ): Promise<Answer> {
    const { world, process, network } = this.#parts;
    const { signal, isCommit } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(givenUp(isCommit));
      signal?.addEventListener('abort', () => reject(givenUp(isCommit)), { once: true });
      const fate = network.fateOfCall(process);
      switch (fate.kind) {
        case 'refused':
          process.deliver(fate.backMs, () => reject(new UnavailableError('the store refuses')));
          return;
        case 'lost':
          process.deliver(fate.timeoutMs, () => reject(noAnswer(isCommit)));
          return;
        case 'unanswered':
          process.deliver(fate.timeoutMs, () => reject(noAnswer(isCommit)));
          // Nobody waits for what comes of it.
          world.schedule(fate.outMs, () => void perform().catch(() => undefined));
          return;
        case 'answered':
          world.schedule(fate.outMs, () => {
            void perform().then(
              (answer) => void process.deliver(fate.backMs, () => resolve(answer)),
              (error: unknown) => void process.deliver(fate.backMs, () => reject(error)),
            );
          });
          return;
        default:
          fate satisfies never;
      }
    });
  }
}

function noAnswer(isCommit: boolean): HoldfastError {
  return isCommit
    ? new OutcomeUnknownError('the answer to a commit was lost')
    : new UnavailableError('the store did not answer');
}

function givenUp(isCommit: boolean): HoldfastError {
  return isCommit
    ? new OutcomeUnknownError('the caller gave up on a commit')
    : new HoldfastError('CANCELLED', 'the caller gave up');
}
