import { createSeededRandom, type Random } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Commit, Coord, Guard, Key, Version, Write } from '../coord.ts';
import { absent, type CurrentStore, exists, put, remove, unchanged } from './conformance-store.ts';
import { findOrder, type Operation } from './linearizability.ts';

const KEYS: readonly Key[] = ['x/1', 'x/2', 'x/3'];
const CLIENTS_PER_HANDLE = 2;
const OPERATIONS_PER_CLIENT = 9;

export function describeHistories(current: CurrentStore): void {
  describe('concurrent histories', () => {
    it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
      'are linearizable: random commits and reads by three handles, seed %i (C1, C2, C4)',
      async (seed) => {
        const { coord, openAnother } = current();
        const handles = [coord, await openAnother(), await openAnother()];
        const history = await recordHistory(handles, createSeededRandom(seed));
        expect(findOrder(history), describeHistory(history)).toBeDefined();
      },
    );
  });
}

/** Lets clients on every handle act at random, and records when each act began and ended. */
async function recordHistory(handles: readonly Coord[], random: Random): Promise<Operation[]> {
  const history: Operation[] = [];
  const recorder = new Recorder(history);
  const clients = handles.flatMap((coord, handle) =>
    Array.from({ length: CLIENTS_PER_HANDLE }, async (_, number) => {
      const seen = new Map<Key, Version>();
      for (let step = 0; step < OPERATIONS_PER_CLIENT; step += 1) {
        const value = `${handle}.${number}.${step}`;
        await recorder.act(coord, { random, seen, value });
      }
    }),
  );
  await Promise.all(clients);
  return history;
}

interface Client {
  readonly random: Random;
  /** The versions this client last saw, to guard with. */
  readonly seen: Map<Key, Version>;
  /** What it writes next; no value is written twice. */
  readonly value: string;
}

class Recorder {
  readonly #history: Operation[];
  #time = 0;

  constructor(history: Operation[]) {
    this.#history = history;
  }

  async act(coord: Coord, client: Client): Promise<void> {
    const choice = client.random.next();
    if (choice < 0.25) await this.#get(coord, client);
    else if (choice < 0.35) await this.#list(coord, client);
    else await this.#commit(coord, client);
  }

  async #get(coord: Coord, { random, seen }: Client): Promise<void> {
    const keys = KEYS.filter(() => random.next() < 0.7);
    const calledAt = this.#tick();
    const entries = [...(await coord.get(keys)).values()];
    this.#history.push({ kind: 'read', keys, entries, calledAt, returnedAt: this.#tick() });
    for (const entry of entries) seen.set(entry.key, entry.version);
  }

  async #list(coord: Coord, { seen }: Client): Promise<void> {
    const calledAt = this.#tick();
    const { entries } = await coord.list({ prefix: 'x/', limit: KEYS.length });
    this.#history.push({ kind: 'read', keys: KEYS, entries, calledAt, returnedAt: this.#tick() });
    for (const entry of entries) seen.set(entry.key, entry.version);
  }

  async #commit(coord: Coord, client: Client): Promise<void> {
    const commit = randomCommit(client);
    const calledAt = this.#tick();
    const result = await coord.commit(commit);
    this.#history.push({ kind: 'commit', commit, result, calledAt, returnedAt: this.#tick() });
    if (!result.committed) return;
    for (const write of commit.write) {
      if (write.kind === 'put') client.seen.set(write.key, result.versionOf(write.key));
    }
  }

  #tick(): number {
    this.#time += 1;
    return this.#time;
  }
}

function randomCommit({ random, seen, value }: Client): Commit {
  const when: Guard[] = [];
  const write: Write[] = [];
  for (const key of KEYS) {
    const version = seen.get(key);
    const choice = random.next();
    if (choice < 0.25 && version !== undefined) when.push(unchanged(key, version));
    else if (choice < 0.35) when.push(absent(key));
    else if (choice < 0.45) when.push(exists(key));
    const action = random.next();
    if (action < 0.4) write.push(put(key, value));
    else if (action < 0.55) write.push(remove(key));
  }
  return { when, write };
}

function describeHistory(history: readonly Operation[]): string {
  const lines = history
    .toSorted((a, b) => a.calledAt - b.calledAt)
    .map((operation) =>
      JSON.stringify(operation, (_, value: unknown) =>
        typeof value === 'bigint' ? `${value}n` : value,
      ),
    );
  return `no order explains this history:\n${lines.join('\n')}`;
}
