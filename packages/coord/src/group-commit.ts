// Group commit: concurrent commits of one process share a round trip.
//
// It owns the queue of commits that wait, the decision which of them travel together, and the limits
// of both. It does not judge guards and knows no store: `send` does, and answers for each member.
// It does NOT promise that commits which have nothing to do with each other keep their order.
//
// Invariants:
//   I1. Two commits conflict when one writes a key that the other guards or writes. Of two that
//       conflict, at most one is in a group or in flight at any time. (etcd judges the guards of all
//       the transactions nested in one before any of them writes, so without this rule two members
//       could each pass a guard that the other one breaks.)
//   I2. Commits that conflict are sent in the order in which they were handed in: each is sent once
//       the one before it has been answered.
//   I3. No commit is overtaken by a later one that conflicts with it, so none starves.
//   I4. Every commit gets exactly one answer: its own verdict, its own error, or that of its group.
//   I5. At most `maxQueued` commits wait and `maxInFlight` groups are in flight.
//
// How: a lock table. Each key has a line of commits that want to read (guard) or write it, in order
// of arrival. A commit enters all its lines at once, is ready when it is admitted in every one, and
// leaves them when it has been answered. Because all lines are entered at once, in one order, there
// is no deadlock, and any set of ready commits is free of conflicts. The cost is the number of
// operations of a commit, however many others wait.
import { assert, HoldfastError, OutcomeUnknownError, UnavailableError } from '@holdfast/core';
import { measureCommit } from './commit-validation.ts';
import type { CallOptions, Commit, CommitResult } from './coord.ts';
import { type LockRequest, LockTable } from './lock-table.ts';

/** What became of one member of a group. */
export type CommitOutcome =
  | { readonly kind: 'verdict'; readonly result: CommitResult }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface GroupCommitOptions {
  /**
   * Carries a group to the store; answers for each member, in the order given. When it rejects,
   * every member fails with that error.
   */
  send(group: readonly Commit[]): Promise<readonly CommitOutcome[]>;
  /** Commits in one group; at least 1. */
  readonly maxCommits: number;
  /** Guards and writes of one group, all members together. A single commit with more goes alone. */
  readonly maxOps: number;
  /** Bytes of keys and values of one group, all members together. A single larger commit goes alone. */
  readonly maxBytes: number;
  /** Groups on their way at the same time; at least 1. */
  readonly maxInFlight: number;
  /** Commits that may wait to be sent. One more fails with RESOURCE_EXHAUSTED. */
  readonly maxQueued: number;
  /**
   * Set when `send` judges the members one after the other, each seeing what those before it wrote,
   * and only one group is in flight. Then conflicts need not be kept apart (I1 becomes the store's
   * own doing, I2 follows from the order in the group). Default false.
   */
  readonly isSequential?: boolean | undefined;
  /**
   * Runs a callback soon; a group is formed then, of what was handed in until then. Default:
   * `queueMicrotask`, so that a lone commit isn't delayed at all.
   */
  readonly defer?: ((callback: () => void) => void) | undefined;
}

/** What group commit did so far and holds now. */
export interface GroupCommitStats {
  /** Commits that were sent. */
  readonly commits: number;
  /** Groups that were sent; `commits / groups` is the mean size of a group. */
  readonly groups: number;
  /** Commits that wait to be sent now. */
  readonly queued: number;
  /** Groups in flight now. */
  readonly inFlight: number;
}

interface Pending {
  readonly commit: Commit;
  readonly ops: number;
  readonly bytes: number;
  /** Its places in the lines of its keys; undefined when conflicts are not kept apart. */
  readonly locks: LockRequest<Pending> | undefined;
  state: 'waiting' | 'ready' | 'sent' | 'settled';
  settle(outcome: CommitOutcome): void;
}

/** Lets concurrent commits of one process share round trips; see the head of this file. */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #defer: (callback: () => void) => void;
  readonly #locks = new LockTable<Pending>();
  /** Commits that nothing holds back, in the order in which they became so. */
  #ready: Pending[] = [];
  #readyHead = 0;
  readonly #waiting = new Set<Pending>();
  readonly #groupsInFlight = new Set<Promise<void>>();
  #isPumpDue = false;
  #isClosed = false;
  #commits = 0;
  #groups = 0;

  constructor(options: GroupCommitOptions) {
    assert(options.maxCommits >= 1, 'maxCommits is at least 1');
    assert(options.maxInFlight >= 1, 'maxInFlight is at least 1');
    assert(
      !options.isSequential || options.maxInFlight === 1,
      'isSequential needs maxInFlight 1: only within one group is there an order',
    );
    this.#options = options;
    this.#defer = options.defer ?? queueMicrotask;
  }

  get stats(): GroupCommitStats {
    return {
      commits: this.#commits,
      groups: this.#groups,
      queued: this.#waiting.size,
      inFlight: this.#groupsInFlight.size,
    };
  }

  /**
   * Hands in a commit that has been checked against the store's limits. Rejects with
   * - RESOURCE_EXHAUSTED when `maxQueued` commits wait already, and UNAVAILABLE after {@link close};
   * - CANCELLED when `signal` aborts before the commit was sent (it never will be), and
   *   OutcomeUnknownError when it aborts afterwards;
   * - whatever `send` failed with.
   */
  commit(commit: Commit, options: CallOptions = {}): Promise<CommitResult> {
    const { signal } = options;
    if (this.#isClosed) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(cancelledError(signal));
    if (this.#waiting.size >= this.#options.maxQueued) return Promise.reject(this.#fullError());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#giveUp(pending, signal);
      const pending: Pending = {
        commit,
        ...measureCommit(commit),
        locks: this.#options.isSequential ? undefined : this.#locks.request(commit),
        state: 'waiting',
        settle(outcome) {
          if (pending.state === 'settled') return;
          pending.state = 'settled';
          signal?.removeEventListener('abort', onAbort);
          if (outcome.kind === 'verdict') resolve(outcome.result);
          else reject(outcome.error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#enqueue(pending);
    });
  }

  /**
   * Refuses all further commits, fails those not yet sent with an UnavailableError, and resolves
   * once every group in flight was answered.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    const unsent = [...this.#waiting];
    this.#waiting.clear();
    this.#ready = [];
    this.#readyHead = 0;
    for (const pending of unsent) pending.settle({ kind: 'failed', error: closedError() });
    await Promise.all(this.#groupsInFlight);
  }

  #enqueue(pending: Pending): void {
    this.#waiting.add(pending);
    if (!pending.locks || this.#locks.enter(pending.locks, pending)) this.#becomeReady(pending);
    this.#schedulePump();
  }

  #becomeReady(pending: Pending): void {
    pending.state = 'ready';
    this.#ready.push(pending);
  }

  #schedulePump(): void {
    if (this.#isPumpDue || this.#readyHead >= this.#ready.length) return;
    if (this.#groupsInFlight.size >= this.#options.maxInFlight) return;
    this.#isPumpDue = true;
    this.#defer(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#groupsInFlight.size < this.#options.maxInFlight) {
      const group = this.#takeGroup();
      if (group.length === 0) return;
      const inFlight = this.#sendGroup(group).finally(() => {
        this.#groupsInFlight.delete(inFlight);
        this.#schedulePump();
      });
      this.#groupsInFlight.add(inFlight);
    }
  }

  /** The next group from the head of the ready line; whole commits only, at least one if there is one. */
  #takeGroup(): Pending[] {
    const group: Pending[] = [];
    let ops = 0;
    let bytes = 0;
    for (; group.length < this.#options.maxCommits; this.#readyHead += 1) {
      const pending = this.#ready[this.#readyHead];
      if (!pending) break;
      if (pending.state !== 'ready') continue; // It was given up while it was ready.
      ops += pending.ops;
      bytes += pending.bytes;
      const isFull = ops > this.#options.maxOps || bytes > this.#options.maxBytes;
      if (isFull && group.length > 0) break;
      pending.state = 'sent';
      this.#waiting.delete(pending);
      group.push(pending);
    }
    this.#compactReady();
    return group;
  }

  /** Drops what was taken from the head, once it is the larger part, so that taking stays cheap. */
  #compactReady(): void {
    if (this.#readyHead * 2 < this.#ready.length) return;
    this.#ready = this.#ready.slice(this.#readyHead);
    this.#readyHead = 0;
  }

  async #sendGroup(group: readonly Pending[]): Promise<void> {
    this.#groups += 1;
    this.#commits += group.length;
    const outcomes = await this.#outcomesOf(group);
    for (const [index, pending] of group.entries()) {
      // The locks go first, so that whoever is told the verdict finds its successors already ready.
      this.#release(pending);
      const outcome = outcomes[index];
      assert(outcome, 'outcomesOf answers for each member');
      pending.settle(outcome);
    }
  }

  async #outcomesOf(group: readonly Pending[]): Promise<readonly CommitOutcome[]> {
    try {
      const outcomes = await this.#options.send(group.map((pending) => pending.commit));
      assert(outcomes.length === group.length, 'send answers for each member of a group');
      return outcomes;
    } catch (error) {
      return group.map(() => ({ kind: 'failed', error }));
    }
  }

  #giveUp(pending: Pending, signal: AbortSignal | undefined): void {
    if (pending.state === 'sent') {
      pending.settle({ kind: 'failed', error: unknownOutcomeError(signal) });
      return;
    }
    this.#waiting.delete(pending);
    pending.settle({ kind: 'failed', error: cancelledError(signal) });
    this.#release(pending);
    this.#schedulePump();
  }

  #release(pending: Pending): void {
    if (!pending.locks) return;
    for (const next of this.#locks.leave(pending.locks)) {
      if (next.state === 'waiting') this.#becomeReady(next);
    }
  }

  #fullError(): HoldfastError {
    return new HoldfastError(
      'RESOURCE_EXHAUSTED',
      `${this.#waiting.size} commits wait for the store already, which is the limit; ` +
        'hand in fewer at a time, or try again after a pause',
    );
  }
}

function closedError(): UnavailableError {
  return new UnavailableError('the store was stopped; the commit was not sent');
}

function cancelledError(signal: AbortSignal | undefined): HoldfastError {
  return new HoldfastError('CANCELLED', 'the caller gave up before the commit was sent', {
    cause: signal?.reason,
  });
}

function unknownOutcomeError(signal: AbortSignal | undefined): OutcomeUnknownError {
  return new OutcomeUnknownError(
    'the caller gave up on a commit that was sent already, so it may have happened; read before you act again',
    { cause: signal?.reason },
  );
}
