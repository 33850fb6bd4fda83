// Who does the fleet's housekeeping. A leader saves the others work and nothing else: whatever it
// does is guarded like everyone's writes, and followers do the same things a little later, so two
// leaders, or none, do no harm.

import type { Coord, Session } from '@holdfast/coord';
import { type Clock, fromUnknown, type Logger } from '@holdfast/core';
import { LEADER_KEY } from './keys.ts';

const encoder = new TextEncoder();

/** Keeps trying to lead; ask {@link Leadership.isLeader}. */
export class Leadership {
  readonly #coord: Coord;
  readonly #logger: Logger;
  readonly #holder: string;
  readonly #ttlMs: number;
  #session: Session | undefined;
  #holds = false;

  constructor(parts: {
    readonly coord: Coord;
    readonly clock: Clock;
    readonly logger: Logger;
    /** Written into the leader's record: the worker's id, so that expelling it frees the place. */
    readonly holder: string;
    readonly ttlMs: number;
  }) {
    this.#coord = parts.coord;
    this.#logger = parts.logger;
    this.#holder = parts.holder;
    this.#ttlMs = parts.ttlMs;
  }

  /** True while this process leads, as far as it can know. */
  get isLeader(): boolean {
    return this.#holds && (this.#session?.isTrusted() ?? false);
  }

  /** Looks whether the place is free, and takes it. Throws when the store is away. */
  async tryToLead(): Promise<void> {
    const entry = (await this.#coord.get([LEADER_KEY])).get(LEADER_KEY);
    if (entry) {
      // Also when the answer to our own commit was lost; `isLeader` asks the session besides.
      this.#holds = Buffer.from(entry.value).toString('utf8') === this.#holder;
      return;
    }
    this.#holds = false;
    const session = await this.#openSession();
    const result = await this.#coord.commit({
      when: [{ kind: 'absent', key: LEADER_KEY }],
      write: [{ kind: 'put', key: LEADER_KEY, value: encoder.encode(this.#holder), session }],
    });
    this.#holds = result.committed;
    if (this.#holds) this.#logger.debug({ holder: this.#holder }, 'leads the housekeeping');
  }

  /** Gives the place up. */
  async resign(): Promise<void> {
    this.#holds = false;
    const session = this.#session;
    this.#session = undefined;
    try {
      await session?.close();
    } catch (error) {
      // The lease lapses by itself; followers do the work a little later meanwhile.
      this.#logger.debug({ error: fromUnknown(error).message }, 'leadership not resigned in order');
    }
  }

  async #openSession(): Promise<Session> {
    if (this.#session && !this.#session.isTrusted()) await this.resign();
    this.#session ??= await this.#coord.openSession({ ttlMs: this.#ttlMs });
    return this.#session;
  }
}
