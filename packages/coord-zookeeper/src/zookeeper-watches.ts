// All watches of one process over the one connection that reads go over.
//
// ZooKeeper's classic watches fire once and have to be set anew with each read, one for each node. From
// 3.6 on it also has watches that last, for a directory and all that is below it, and these are used:
// one for each directory that something is watched in, however many prefixes that are. What they
// report is the path, which tells the key; the value is not looked at.
//
// NOT guaranteed: that a watch sees every change. While there is no connection there are none; the
// wake-up after each arming and the resync make up for that. A prefix that ends in the middle of a
// spread part (see key-layout.ts) is watched where the key of that very name lies.
//
// Invariants:
//   W1. While a prefix is watched, its place was asked to be watched on the present connection, or
//       there is none.
//   W2. Each time a place is armed, everything watched there is woken once: what happened before went
//       unseen. So whoever reads after a wake-up has no gap.
//   W3. The last to leave a place has the watch removed.
import type { Watch } from '@holdfast/coord';
import { WatchSet } from '@holdfast/coord';
import type { Clock, Logger, Random } from '@holdfast/core';
import { CallFailure } from './call-failure.ts';
import type { KeyLayout } from './key-layout.ts';
import { decodeEventPath, encodeAddWatch, encodeRemoveWatches, FAULT, OP } from './messages.ts';
import type { ZooKeeperLink } from './zookeeper-link.ts';

export interface ZooKeeperWatchesOptions {
  readonly layout: KeyLayout;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** See WatchSet. */
  readonly resyncMs?: number | undefined;
}

/** A node or directory that is watched with all below it. */
interface Place {
  readonly path: string;
  /** The prefixes watched there, and by how many. */
  readonly prefixes: Map<string, number>;
  readonly armed: PromiseWithResolvers<void>;
}

/** See the head of this file. */
export class ZooKeeperWatches {
  readonly #options: ZooKeeperWatchesOptions;
  readonly #set: WatchSet;
  readonly #places = new Map<string, Place>();
  #link: ZooKeeperLink | undefined;
  #isClosed = false;

  constructor(options: ZooKeeperWatchesOptions) {
    const { clock, random, resyncMs } = options;
    this.#options = options;
    this.#set = new WatchSet({ clock, random, resyncMs });
  }

  watch(prefix: string, wake: () => void): Watch {
    const place = this.#use(prefix);
    return this.#set.add(prefix, wake, {
      armed: place.armed.promise,
      onClose: () => this.#release(place, prefix),
    });
  }

  /** A connection stands, on which nothing is watched yet. */
  connected(link: ZooKeeperLink): void {
    this.#link = link;
    for (const place of this.#places.values()) this.#arm(place);
  }

  /** An event of a watch. */
  event(body: Buffer): void {
    const key = this.#options.layout.keyAt(decodeEventPath(body));
    if (key !== undefined) this.#set.changed(key);
  }

  /** Ends all watches. Those that wait to be armed are told so, because nobody will arm them. */
  close(): void {
    this.#isClosed = true;
    this.#set.clear();
    for (const place of this.#places.values()) place.armed.resolve();
    this.#places.clear();
  }

  #use(prefix: string): Place {
    const path = placeOf(this.#options.layout, prefix);
    let place = this.#places.get(path);
    if (!place) {
      place = { path, prefixes: new Map(), armed: Promise.withResolvers() };
      this.#places.set(path, place);
      if (this.#isClosed) place.armed.resolve();
      else this.#arm(place);
    }
    place.prefixes.set(prefix, (place.prefixes.get(prefix) ?? 0) + 1);
    return place;
  }

  async #release(place: Place, prefix: string): Promise<void> {
    const users = (place.prefixes.get(prefix) ?? 0) - 1;
    if (users > 0) place.prefixes.set(prefix, users);
    else place.prefixes.delete(prefix);
    if (place.prefixes.size > 0 || this.#places.get(place.path) !== place) return;
    this.#places.delete(place.path);
    place.armed.resolve();
    await this.#send(OP.removeWatches, encodeRemoveWatches(place.path), () => undefined); // W3
  }

  #arm(place: Place): void {
    void this.#send(OP.addWatch, encodeAddWatch(place.path), () => {
      place.armed.resolve();
      for (const prefix of place.prefixes.keys()) this.#set.changed(prefix); // W2
    });
  }

  /** Tells ZooKeeper about a watch. A connection that fails is followed by another one, where all are armed. */
  async #send(type: number, body: Buffer, done: () => void): Promise<void> {
    const link = this.#link;
    if (!link?.isConnected || this.#isClosed) return;
    try {
      await link.request(type, body);
      done();
    } catch (error) {
      const isOver = error instanceof CallFailure && error.fault === 0;
      const isGone = error instanceof CallFailure && error.fault === FAULT.noWatcher;
      if (isOver || isGone) return;
      this.#options.logger.warn(
        { error: String(error) },
        'ZooKeeper refused a watch; resyncs go on',
      );
    }
  }
}

/** The node to watch for a prefix: one that all its keys are at or below, as far as that can be told. */
function placeOf(layout: KeyLayout, prefix: string): string {
  const location = layout.locate(prefix === '' ? '/' : prefix);
  const directory = layout.directoryOf(prefix).path;
  const isSpread = location.directories.length > 0 && location.directories.at(-1) !== directory;
  return isSpread && directory !== layout.root.path ? location.path : directory;
}
