// All watches of one process over one stream of etcd.
//
// It owns the stream: one watcher at etcd for each prefix that is watched here, and a new stream with
// all of them whenever the old one fails in whatever way. Who is woken, and the resync behind each
// watch, is WatchSet's business.
//
// NOT guaranteed: that a watch sees every change. etcd 3.4 is known to lose events, and while there
// is no stream there are none; the wake-up after each arming and the resync make up for both.
//
// Invariants:
//   I1. While a prefix is watched, either its watcher was asked for on the present stream, or a new
//       stream is being opened, or a timer for that runs.
//   I2. Each time a watcher is armed, its prefix is woken once: what happened before went unseen.
//   I3. Any event of etcd wakes its prefix. What it says is not read.

import type { Watch } from '@holdfast/coord';
import { WatchSet } from '@holdfast/coord';
import type { BackoffPolicy, Clock, Logger, Random, Timer } from '@holdfast/core';
import { backoffMs } from '@holdfast/core';
import type { CallFailure } from './call-failure.ts';
import { CALL_DEADLINE_MS, type EtcdTransport, type WatchCall } from './etcd-transport.ts';
import type { KeySpace } from './key-space.ts';
import { decodeWatchReply, type WatchReply } from './kv-codec.ts';

/** How long to wait before the next stream: 100 ms, doubled at each failure in a row, up to 5 s. */
const STREAM_BACKOFF: BackoffPolicy = { initialMs: 100, factor: 2, maxMs: 5000, jitter: 0.2 };

export interface EtcdWatchesOptions {
  readonly transport: EtcdTransport;
  readonly keys: KeySpace;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** See WatchSet. */
  readonly resyncMs?: number | undefined;
}

/** One prefix that is watched, by however many. */
interface Watcher {
  readonly prefix: string;
  /** Chosen here, unique in this process; etcd 3.4 and later take it. */
  readonly id: number;
  users: number;
  readonly armed: PromiseWithResolvers<void>;
}

interface Stream {
  readonly call: WatchCall;
  /** Watchers that were asked for and are not armed yet. */
  readonly arming: Set<number>;
  /** Runs while something is arming; an etcd that doesn't answer is left. */
  armTimer: Timer | undefined;
  readonly ended: Promise<void>;
}

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'opening'; readonly done: Promise<void> }
  | { readonly kind: 'open'; readonly stream: Stream }
  | { readonly kind: 'waiting'; readonly timer: Timer }
  | { readonly kind: 'closed' };

/** Watches of one process; see the head of this file. */
export class EtcdWatches {
  readonly #options: EtcdWatchesOptions;
  readonly #set: WatchSet;
  readonly #watchers = new Map<string, Watcher>();
  readonly #byId = new Map<number, Watcher>();
  #state: State = { kind: 'idle' };
  #failures = 0;
  #lastId = 0;

  constructor(options: EtcdWatchesOptions) {
    const { clock, random, resyncMs } = options;
    this.#options = options;
    this.#set = new WatchSet({ clock, random, resyncMs });
  }

  watch(prefix: string, wake: () => void): Watch {
    const watcher = this.#use(prefix);
    return this.#set.add(prefix, wake, {
      armed: watcher.armed.promise,
      onClose: () => this.#release(watcher),
    });
  }

  /** Ends all watches. Those that wait to be armed are told so, because nobody will arm them. */
  async close(): Promise<void> {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    this.#set.clear();
    for (const watcher of this.#watchers.values()) watcher.armed.resolve();
    this.#watchers.clear();
    this.#byId.clear();
    await this.#leave(state);
  }

  #use(prefix: string): Watcher {
    const known = this.#watchers.get(prefix);
    if (known) {
      known.users += 1;
      return known;
    }
    this.#lastId += 1;
    const watcher: Watcher = { prefix, id: this.#lastId, users: 1, armed: Promise.withResolvers() };
    this.#watchers.set(prefix, watcher);
    this.#byId.set(watcher.id, watcher);
    if (this.#state.kind === 'open') this.#arm(this.#state.stream, watcher);
    else if (this.#state.kind === 'idle') this.#open();
    else if (this.#state.kind === 'closed') watcher.armed.resolve();
    return watcher;
  }

  async #release(watcher: Watcher): Promise<void> {
    watcher.users -= 1;
    if (watcher.users > 0 || !this.#byId.delete(watcher.id)) return;
    this.#watchers.delete(watcher.prefix);
    watcher.armed.resolve();
    const state = this.#state;
    if (this.#watchers.size > 0) {
      if (state.kind !== 'open') return;
      state.stream.call.stream.write({ cancel_request: { watch_id: watcher.id } });
      this.#armed(state.stream, watcher.id);
      return;
    }
    this.#state = { kind: 'idle' };
    this.#failures = 0;
    await this.#leave(state);
  }

  /** Ends whatever the state was about; the state itself has moved on already. */
  async #leave(state: State): Promise<void> {
    if (state.kind === 'waiting') state.timer.cancel();
    if (state.kind === 'opening') await state.done;
    if (state.kind !== 'open') return;
    state.stream.armTimer?.cancel();
    state.stream.call.stream.cancel();
    await state.stream.ended;
  }

  #open(): void {
    const opening: { kind: 'opening'; done: Promise<void> } = {
      kind: 'opening',
      done: Promise.resolve(),
    };
    this.#state = opening;
    opening.done = this.#connect(opening);
  }

  async #connect(opening: State): Promise<void> {
    let call: WatchCall;
    try {
      call = await this.#options.transport.watch();
    } catch (error) {
      if (this.#state === opening) this.#retry(String(error));
      return;
    }
    const stream = this.#attach(call);
    if (this.#state !== opening) {
      // Nobody watches any more, or all was closed in the meantime.
      call.stream.cancel();
      await stream.ended;
      return;
    }
    this.#state = { kind: 'open', stream };
    for (const watcher of this.#byId.values()) this.#arm(stream, watcher);
  }

  #attach(call: WatchCall): Stream {
    const ended = Promise.withResolvers<void>();
    const stream: Stream = {
      call,
      arming: new Set(),
      armTimer: undefined,
      ended: ended.promise,
    };
    call.stream.on('data', (bytes: Buffer) => this.#received(stream, bytes));
    call.stream.on('error', (error) => {
      ended.resolve();
      this.#failed(stream, call.failureOf(error));
    });
    call.stream.on('end', () => {
      ended.resolve();
      this.#failed(stream, undefined);
    });
    return stream;
  }

  #arm(stream: Stream, watcher: Watcher): void {
    const { start, end } = this.#options.keys.prefixRange(watcher.prefix);
    stream.arming.add(watcher.id);
    stream.call.stream.write({
      create_request: { key: start, range_end: end, watch_id: watcher.id },
    });
    stream.armTimer ??= this.#options.clock.startTimer(CALL_DEADLINE_MS, () => {
      this.#failed(stream, undefined);
    });
  }

  #armed(stream: Stream, id: number): void {
    stream.arming.delete(id);
    if (stream.arming.size > 0) return;
    stream.armTimer?.cancel();
    stream.armTimer = undefined;
  }

  #received(stream: Stream, bytes: Buffer): void {
    if (!this.#isPresent(stream)) return;
    const reply = readReply(bytes);
    if (!reply) {
      this.#failed(stream, undefined, 'etcd sent bytes that are no answer to a watch');
      return;
    }
    const watcher = this.#byId.get(reply.watchId);
    if (reply.canceled) {
      // The answer to our own cancelling concerns nobody; any other has taken a watcher from us, and
      // when etcd refuses to create one, it does not say which. So all start afresh.
      const isOurs = !reply.created && !watcher;
      if (!isOurs) this.#failed(stream, undefined, reply.cancelReason);
      return;
    }
    if (!watcher) return;
    if (reply.created) {
      this.#failures = 0;
      this.#armed(stream, watcher.id);
      watcher.armed.resolve();
    }
    this.#set.changed(watcher.prefix); // I2, I3
  }

  #failed(stream: Stream, failure: CallFailure | undefined, reason?: string): void {
    if (!this.#isPresent(stream)) return;
    stream.armTimer?.cancel();
    stream.call.stream.cancel();
    this.#options.transport.noteStreamFailure(failure);
    this.#retry(reason ?? failure?.details ?? 'the stream ended or stayed silent');
  }

  #retry(reason: string): void {
    const { clock, random, logger } = this.#options;
    this.#failures += 1;
    const delayMs = backoffMs(STREAM_BACKOFF, this.#failures, random);
    const fields = { error: reason, failures: this.#failures, delayMs };
    logger.warn(fields, 'the watch stream of etcd failed; opening a new one');
    const timer = clock.startTimer(delayMs, () => this.#open());
    this.#state = { kind: 'waiting', timer };
  }

  #isPresent(stream: Stream): boolean {
    return this.#state.kind === 'open' && this.#state.stream === stream;
  }
}

function readReply(bytes: Buffer): WatchReply | undefined {
  try {
    return decodeWatchReply(bytes);
  } catch {
    return undefined; // What it would have said is unknown, so the stream is opened anew.
  }
}
