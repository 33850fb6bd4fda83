// What the etcd driver does when etcd, the network or the process itself misbehaves.
import { createServer } from 'node:net';
import type { Coord } from '@holdfast/coord';
import { CALL_DEADLINE_MS, type EtcdCoordOptions, openEtcdCoord } from '@holdfast/coord-etcd';
import {
  HoldfastError,
  OutcomeUnknownError,
  sleep,
  systemClock,
  systemRandom,
  UnavailableError,
} from '@holdfast/core';
import { afterEach, describe, expect, it } from 'vitest';
import { type EtcdServer, startEtcd, startEtcdCluster } from '../support/etcd-server.ts';

const WAIT_LIMIT_MS = 20_000;
const text = new TextEncoder();

let perTest = new AsyncDisposableStack();
afterEach(async () => {
  await perTest.disposeAsync();
  perTest = new AsyncDisposableStack();
});

function open(endpoints: readonly string[], options: Partial<EtcdCoordOptions> = {}): Coord {
  const coord = openEtcdCoord({ endpoints, clock: systemClock, random: systemRandom, ...options });
  perTest.use(coord);
  return coord;
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + WAIT_LIMIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > endsAt) throw new Error(`waited ${WAIT_LIMIT_MS} ms for: ${what}`);
    await sleep(systemClock, 20);
  }
}

async function failureOf(promise: Promise<unknown>): Promise<HoldfastError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('the call succeeded, though it had to fail');
}

/** Two keys that belong together: both are there, or none. */
function pair(coord: Coord, name: string): Promise<unknown> {
  const value = text.encode(name);
  return coord.commit({
    when: [{ kind: 'absent', key: `left/${name}` }],
    write: [
      { kind: 'put', key: `left/${name}`, value },
      { kind: 'put', key: `right/${name}`, value },
    ],
  });
}

async function allKeys(coord: Coord, prefix: string): Promise<Set<string>> {
  const keys = new Set<string>();
  for (let after: string | undefined, more = true; more; ) {
    const page = await coord.list({ prefix, after, limit: 1000 });
    for (const { key } of page.entries) keys.add(key.slice(prefix.length));
    after = page.entries.at(-1)?.key;
    more = page.more;
  }
  return keys;
}

describe('etcd restarted under load', () => {
  it.each(['killed', 'ended in order'])(
    'half applies nothing and loses nothing acknowledged, when %s; later commits succeed',
    async (how) => {
      const server = perTest.use(await startEtcd());
      const coord = open([server.endpoint]);
      await coord.start();
      const outcomes = new Map<string, HoldfastError | 'committed'>();
      let isLoaded = true;
      const clients = Array.from({ length: 32 }, async (_, client) => {
        for (let n = 0; isLoaded; n += 1) {
          const name = `${client}-${n}`;
          try {
            await pair(coord, name);
            outcomes.set(name, 'committed');
          } catch (error) {
            if (!(error instanceof HoldfastError)) throw error;
            outcomes.set(name, error);
            await sleep(systemClock, 10);
          }
        }
      });
      const failed = (): number => [...outcomes.values()].filter((o) => o !== 'committed').length;
      await until('the load runs', () => outcomes.size > 500);
      if (how === 'killed') await server.kill();
      await server.restart();
      const failedBefore = failed();
      const sizeBefore = outcomes.size;
      await until('commits succeed again', () => outcomes.size - failed() > 1000);
      isLoaded = false;
      await Promise.all(clients);
      expect(failedBefore).toBeGreaterThan(0);
      expect(sizeBefore).toBeGreaterThan(500);

      const [left, right] = [await allKeys(coord, 'left/'), await allKeys(coord, 'right/')];
      expect(left).toEqual(right);
      const named = (wanted: (outcome: unknown) => boolean): string[] =>
        [...outcomes].flatMap(([name, outcome]) => (wanted(outcome) ? [name] : []));
      const committed = named((outcome) => outcome === 'committed');
      const refused = named((outcome) => outcome instanceof UnavailableError);
      const unknown = named((outcome) => outcome instanceof OutcomeUnknownError);
      expect(committed.filter((name) => !left.has(name))).toEqual([]);
      expect(refused.filter((name) => left.has(name))).toEqual([]);
      expect(unknown.length).toBeGreaterThan(0);
      expect(committed.length + refused.length + unknown.length).toBe(outcomes.size);
    },
  );

  it('goes on with its watches and its sessions', async () => {
    const server = perTest.use(await startEtcd());
    // So slow a resync that any wake-up below is the watch's own.
    const coord = open([server.endpoint], { resyncMs: 600_000 });
    await coord.start();
    const session = await coord.openSession({ ttlMs: 10_000 });
    await coord.commit({
      when: [],
      write: [{ kind: 'put', key: 'w/session', value: text.encode('x'), session }],
    });
    let wakes = 0;
    const watch = coord.watch('w/', () => {
      wakes += 1;
    });
    await watch.armed;
    await server.kill();
    await server.restart();
    await until('the watch is armed anew, and says so', () => wakes > 0);
    const before = wakes;
    await until('a commit succeeds', async () => {
      await coord.commit({
        when: [{ kind: 'exists', key: 'w/session' }],
        write: [{ kind: 'put', key: 'w/other', value: text.encode('x') }],
      });
      return true;
    });
    await until('the watch wakes', () => wakes > before);
    expect(session.isTrusted()).toBe(true);
    await watch.close();
  });
});

describe('etcd that hangs', () => {
  it('fails calls by their deadline, ends trust in time, and is found again when it goes on', async () => {
    const server = perTest.use(await startEtcd());
    const coord = open([server.endpoint], { resyncMs: 600_000 });
    await coord.start();
    const session = await coord.openSession({ ttlMs: 3000 });
    let wakes = 0;
    const watch = coord.watch('', () => {
      wakes += 1;
    });
    await watch.armed;
    server.pause();
    const pausedAt = performance.now();
    let lostAfterMs = 0;
    session.lost.addEventListener('abort', () => {
      lostAfterMs = performance.now() - pausedAt;
    });
    const calls = [failureOf(pair(coord, 'x')), failureOf(coord.get(['left/x']))];
    // Far more than may be on their way at a time.
    const queue = Array.from({ length: 2000 }, (_, n) => [
      failureOf(pair(coord, `queued-${n}`)),
      failureOf(coord.get([`left/${n}`])),
    ]).flat();
    const [commit, read] = await Promise.all(calls);
    expect(performance.now() - pausedAt).toBeLessThan(CALL_DEADLINE_MS + 1500);
    expect(commit).toBeInstanceOf(OutcomeUnknownError);
    expect(read).toBeInstanceOf(UnavailableError);
    expect(session.isTrusted()).toBe(false);
    expect(lostAfterMs).toBeGreaterThan(0);
    expect(lostAfterMs).toBeLessThan(session.ttlMs);
    const failures = await Promise.all(queue);
    expect(performance.now() - pausedAt).toBeLessThan(2 * CALL_DEADLINE_MS + 2000);
    const notSent = failures.filter((failure) => /was not sent/.test(failure.message));
    expect(notSent.length).toBeGreaterThan(2000);
    expect(notSent.every((failure) => failure instanceof UnavailableError)).toBe(true);
    server.resume();
    await until('etcd answers', () =>
      coord.get(['left/x']).then(
        () => true,
        () => false,
      ),
    );
    const before = wakes;
    await pair(coord, 'y');
    await until('the watch wakes', () => wakes > before);
    await watch.close();
  });
});

describe('start', () => {
  it('fails fast, in one line, when nothing listens at the endpoint', async () => {
    const coord = open(['127.0.0.1:1']);
    const startedAt = performance.now();
    const error = await failureOf(coord.start());
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toMatch(/^no etcd answers at 127\.0\.0\.1:1 \(.*ECONNREFUSED[^\n]*$/);
    expect(performance.now() - startedAt).toBeLessThan(3000);
    expect(await failureOf(coord.get(['k']))).toBeInstanceOf(UnavailableError);
  });

  it('fails within the dial timeout when something listens and says nothing', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    perTest.defer(() => void silent.close());
    const address = silent.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const coord = open([`127.0.0.1:${address.port}`], { dialTimeoutMs: 300 });
    const error = await failureOf(coord.start());
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toMatch(/^no etcd answers at .* \(no answer within 300 ms\)$/);
  });

  it('may be tried again', async () => {
    const server = perTest.use(await startEtcd());
    const coord = open([server.endpoint]);
    await server.kill();
    expect(await failureOf(coord.start())).toBeInstanceOf(UnavailableError);
    await server.restart();
    await coord.start();
    await pair(coord, 'x');
  });
});

describe('several endpoints', () => {
  it('are tried one after the other, so that the first may be dead', async () => {
    const server = perTest.use(await startEtcd());
    const first = { next: () => 0, bytes: (length: number) => systemRandom.bytes(length) };
    const coord = open(['127.0.0.1:1', server.endpoint], { random: first });
    await coord.start();
    await pair(coord, 'x');
    const watch = coord.watch('', () => {});
    await watch.armed;
    const session = await coord.openSession({ ttlMs: 2000 });
    expect(session.isTrusted()).toBe(true);
    await session.close();
  });

  it('are all named when none answers', async () => {
    const error = await failureOf(open(['127.0.0.1:1', '127.0.0.1:2']).start());
    expect(error.message).toMatch(/^no etcd answers at 127\.0\.0\.1:1, 127\.0\.0\.1:2 \(/);
  });

  it('of a cluster survive the loss of each member in turn', async () => {
    const cluster = perTest.use(await startEtcdCluster());
    const coord = open(cluster.endpoints);
    await coord.start();
    const session = await coord.openSession({ ttlMs: 15_000 });
    let n = 0;
    const commitOnce = async (): Promise<boolean> => {
      n += 1;
      try {
        await pair(coord, `${n}`);
        return true;
      } catch (error) {
        if (error instanceof UnavailableError || error instanceof OutcomeUnknownError) return false;
        throw error;
      }
    };
    for (const member of cluster.members) {
      await member.kill();
      await until('the other two take commits', commitOnce);
      await member.restart();
    }
    expect(session.isTrusted()).toBe(true);
    expect(await allKeys(coord, 'left/')).toEqual(await allKeys(coord, 'right/'));
  });
});

describe('a full database', () => {
  it('refuses commits with advice, and still answers reads', async () => {
    const server = perTest.use(await startEtcd({ args: ['--quota-backend-bytes', '16777216'] }));
    const coord = open([server.endpoint], { compaction: 'off' });
    await coord.start();
    const value = new Uint8Array(900_000);
    let error: unknown;
    for (let n = 0; n < 40 && !error; n += 1) {
      const commit = coord.commit({ when: [], write: [{ kind: 'put', key: `k${n}`, value }] });
      error = await commit.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    }
    expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect(String(error)).toMatch(/defragment/);
    expect((await coord.get(['k0'])).size).toBe(1);
  });
});

describe('prefixes', () => {
  it('keep boards apart, also when one prefix continues the other', async () => {
    const server = perTest.use(await startEtcd());
    const outer = open([server.endpoint], { prefix: '/a' });
    const inner = open([server.endpoint], { prefix: '/a/b' });
    await Promise.all([outer.start(), inner.start()]);
    let wakes = 0;
    const watch = outer.watch('', () => {
      wakes += 1;
    });
    await watch.armed;
    await outer.get(['k']); // Gives the wake-up that comes with the arming its time.
    wakes = 0;
    await pair(inner, 'x');
    expect((await outer.list({ prefix: '', limit: 10 })).entries).toEqual([]);
    expect(await allKeys(inner, 'left/')).toEqual(new Set(['x']));
    expect(wakes).toBe(0);
  });
});

describe('compaction', () => {
  it('follows the revisions, by one process at a time, and watches go on', async () => {
    const server = perTest.use(await startEtcd());
    const compaction = { everyRevisions: 1000, keepRevisions: 100 };
    const coords = [
      open([server.endpoint], { compaction }),
      open([server.endpoint], { compaction }),
    ];
    await Promise.all(coords.map((coord) => coord.start()));
    const [coord, other] = coords;
    if (!coord || !other) throw new Error('two handles were opened');
    let wakes = 0;
    const watch = coord.watch('left/', () => {
      wakes += 1;
    });
    await watch.armed;
    expect(await compactedTo(server)).toBe(0);
    for (let n = 0; n < 1300; n += 50) {
      // One after the other on each handle: each is a revision of its own.
      await Promise.all(coords.map((one, index) => writeOneByOne(one, `${index}-${n}`, 50)));
    }
    await until('the history was compacted', async () => (await compactedTo(server)) >= 1000);
    const before = wakes;
    await pair(other, 'after');
    await until('the watch wakes', () => wakes > before);
    await watch.close();
  });

  it('comes sooner when few revisions hold many writes', async () => {
    const server = perTest.use(await startEtcd());
    const compaction = { everyRevisions: 1000, keepRevisions: 10 };
    const coord = open([server.endpoint], { compaction });
    await coord.start();
    for (let n = 0; n < 120; n += 1) {
      const write = Array.from({ length: 100 }, (_, index) => {
        return { kind: 'put', key: `left/${index}`, value: text.encode(`${n}`) } as const;
      });
      await coord.commit({ when: [], write });
    }
    await until('the history was compacted', async () => (await compactedTo(server)) > 0);
    expect(await compactedTo(server)).toBeLessThan(1000);
  });

  it('can be left to others', async () => {
    const server = perTest.use(await startEtcd());
    const coord = open([server.endpoint], { compaction: 'off' });
    await coord.start();
    await writeOneByOne(coord, 'x', 1500);
    expect(await compactedTo(server)).toBe(0);
  });
});

async function writeOneByOne(coord: Coord, name: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await coord.commit({
      when: [],
      write: [{ kind: 'put', key: `left/${name}`, value: text.encode(`${n}`) }],
    });
  }
}

/** Up to which revision etcd's history is compacted, found by asking for old ones; 0 when it isn't. */
async function compactedTo(server: EtcdServer): Promise<number> {
  const key = Buffer.from('/').toString('base64');
  const isThere = async (revision: number): Promise<boolean> => {
    try {
      await server.call('/v3/kv/range', { key, revision: `${revision}` });
      return true;
    } catch (error) {
      if (/has been compacted/.test(String(error))) return false;
      if (/is a future revision/.test(String(error))) return true;
      throw error;
    }
  };
  if (await isThere(1)) return 0;
  let [gone, there] = [1, 2];
  while (!(await isThere(there))) [gone, there] = [there, there * 2];
  while (there - gone > 1) {
    const middle = Math.floor((gone + there) / 2);
    if (await isThere(middle)) there = middle;
    else gone = middle;
  }
  return there;
}
