import { createClient } from '@holdfast/client';
import type { CallOptions, Commit, CommitResult, Coord } from '@holdfast/coord';
import { fromUnknown, LIMITS } from '@holdfast/core';
import { createServer } from '@holdfast/server';
import { describe, expect, test } from 'vitest';
import { MemoryBoards, registerFlow } from '../support/memory-board.ts';

const FLOW = 'hello';
const ROOM = { postingJobs: 1000, postingBytes: 8_388_608 };
const PRODUCERS = 40;
const JOBS_EACH = 100;

describe('a flood of posts that the store does not take', () => {
  test('is turned away with advice to come back, and what was acknowledged is there', async () => {
    await using boards = new MemoryBoards();
    const store = new CommitGate();
    const board = await boards.openBoard((coord) => store.before(coord));
    await registerFlow(board, FLOW, '');
    await using server = createServer({
      board,
      listen: { host: '127.0.0.1', port: 0 },
      limits: ROOM,
    });
    await server.start();
    // No retries of the client's own: a test of what the server says.
    await using client = createClient({ address: server.address, retry: { attempts: 1 } });
    store.hold();
    const posts = Array.from({ length: PRODUCERS }, (_, n) =>
      client.postMany(
        Array.from({ length: JOBS_EACH }, (_unused, m) => ({
          flow: FLOW,
          input: `${n}-${m} ${'x'.repeat(500)}`,
          idempotencyKey: `${n}-${m}`,
        })),
      ),
    );
    const refused = await firstRefusals(posts, PRODUCERS - ROOM.postingJobs / JOBS_EACH);
    for (const error of refused) {
      expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryable: true });
      expect(error.message).toMatch(/takes 1000 of 8388608 bytes at once; nothing was posted/);
    }
    expect(store.held, 'jobs that wait for the store').toBeLessThanOrEqual(ROOM.postingJobs);
    store.release();
    const settled = await Promise.allSettled(posts);
    const acknowledged = settled.flatMap((post) =>
      post.status === 'fulfilled'
        ? post.value.flatMap((outcome) => (outcome.kind === 'posted' ? [outcome.job.id] : []))
        : [],
    );
    expect(acknowledged).toHaveLength(ROOM.postingJobs);
    for (const id of acknowledged)
      expect((await board.getJob(id))?.status.phase.kind).toBe('ready');
    const stored = await board.listJobs({ pageSize: LIMITS.pageSizeMax });
    expect(stored.jobs.length).toBeLessThanOrEqual(acknowledged.length);
    // The way is free again.
    const again = await client.post(FLOW, 'again', { idempotencyKey: 'again' });
    expect(again.created).toBe(true);
  });
});

/** Resolves to the failures of the first so many posts that fail. */
async function firstRefusals(
  posts: readonly Promise<unknown>[],
  count: number,
): Promise<readonly ReturnType<typeof fromUnknown>[]> {
  const refusals: ReturnType<typeof fromUnknown>[] = [];
  return await new Promise((resolve) => {
    for (const post of posts) {
      post.catch((error: unknown) => {
        refusals.push(fromUnknown(error));
        if (refusals.length === count) resolve(refusals);
      });
    }
  });
}

/** Makes a store hang at will: commits wait until they are released. */
class CommitGate {
  /** Commits of posts that have come so far. */
  held = 0;
  #gate: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;

  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    this.#open = resolve;
  }

  release(): void {
    this.#open();
  }

  /** The store behind this gate. */
  before(coord: Coord): Coord {
    const commit = async (what: Commit, options?: CallOptions): Promise<CommitResult> => {
      if (what.write.some(({ key }) => key.startsWith('spec/'))) this.held += 1;
      await this.#gate;
      return await coord.commit(what, options);
    };
    return new Proxy(coord, {
      get(target, name) {
        if (name === 'commit') return commit;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
}
