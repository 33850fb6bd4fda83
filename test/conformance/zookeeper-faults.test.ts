// What the ZooKeeper driver promises beyond the seam's contract: what happens when servers and answers
// go missing, who may use its nodes, and what a large board costs.
import type { Coord } from '@holdfast/coord';
import { openZooKeeperCoord, type ZooKeeperCoordOptions } from '@holdfast/coord-zookeeper';
import {
  createUniqueId,
  HoldfastError,
  OutcomeUnknownError,
  PayloadTooLargeError,
  sleep,
  systemClock,
  systemRandom,
  UnavailableError,
} from '@holdfast/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TcpProxy } from '../support/tcp-proxy.ts';
import {
  startZooKeeper,
  startZooKeeperEnsemble,
  type ZooKeeperServer,
} from '../support/zookeeper-server.ts';

const WAIT_LIMIT_MS = 20_000;
const value = new TextEncoder().encode('x');

let server: ZooKeeperServer;
let prefixes = 0;
let perTest = new AsyncDisposableStack();

beforeAll(async () => {
  server = await startZooKeeper();
});

afterAll(async () => {
  await server.stop();
});

afterEach(async () => {
  await perTest.disposeAsync();
  perTest = new AsyncDisposableStack();
});

async function start(options: Partial<ZooKeeperCoordOptions> = {}): Promise<Coord> {
  const coord = perTest.use(
    openZooKeeperCoord({
      servers: [server.endpoint],
      tickTimeMs: server.tickTimeMs,
      clock: systemClock,
      random: systemRandom,
      ...options,
    }),
  );
  await coord.start();
  return coord;
}

function freshPrefix(): string {
  prefixes += 1;
  return `/faults-${prefixes}`;
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

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + WAIT_LIMIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > endsAt) throw new Error(`waited ${WAIT_LIMIT_MS} ms for: ${what}`);
    await sleep(systemClock, 10);
  }
}

const put = (key: string): { kind: 'put'; key: string; value: Uint8Array } => ({
  kind: 'put',
  key,
  value,
});

describe('answers that are lost', () => {
  it('leave the outcome of a commit unknown, and nothing is sent twice', async () => {
    const proxy = perTest.use(await TcpProxy.open(server.endpoint));
    const coord = await start({ servers: [proxy.address], prefix: freshPrefix() });
    await coord.commit({ when: [], write: [put('k')] });
    const before = (await coord.get(['k'])).get('k');
    const lost = proxy.loseNextAnswer();
    const unchanged = { kind: 'unchanged', key: 'k', version: before?.version ?? 0n } as const;
    const failure = failureOf(coord.commit({ when: [unchanged], write: [put('k')] }));
    await lost;
    expect(await failure).toBeInstanceOf(OutcomeUnknownError);
    // It did happen, once.
    const after = (await coord.get(['k'])).get('k');
    expect(after?.version).toBe((before?.version ?? 0n) + 2n);
  });

  it('of a server that is away are told as such, in one line', async () => {
    const gone = await startZooKeeper();
    const coord = await start({ servers: [gone.endpoint], dialTimeoutMs: 500 });
    await gone.kill();
    for (const call of [coord.get(['k']), coord.commit({ when: [], write: [put('k')] })]) {
      const error = await failureOf(call);
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error.message).toMatch(/^no ZooKeeper answers at .*|.*did not answer.*/);
    }
    await gone.restart();
    await until('it takes commits again', async () => {
      const result = await coord.commit({ when: [], write: [put('k')] }).catch(() => undefined);
      return result?.committed === true;
    });
    await coord.stop();
    await gone.stop();
  });
});

describe('an ensemble', () => {
  it('loses one member after the other, and sessions, watches and commits go on', async () => {
    const ensemble = perTest.use(await startZooKeeperEnsemble());
    const coord = await start({ servers: ensemble.endpoints });
    const session = await coord.openSession({ ttlMs: 8000 });
    await coord.commit({ when: [], write: [{ ...put('w/session'), session }] });
    let wakes = 0;
    const watch = coord.watch('w/', () => {
      wakes += 1;
    });
    await watch.armed;
    for (const [index, member] of ensemble.members.entries()) {
      await member.kill();
      const before = wakes;
      await until('a commit succeeds', async () => {
        const commit = coord.commit({ when: [], write: [put(`w/${index}`)] });
        return (await commit.catch(() => undefined))?.committed === true;
      });
      await until('the watch wakes', () => wakes > before);
      expect(session.lost.aborted).toBe(false);
      await member.restart();
      await ensemble.leader();
    }
    expect([...(await coord.get(['w/session', 'w/0', 'w/1', 'w/2'])).keys()]).toHaveLength(4);
    expect(session.isTrusted()).toBe(true);
    await session.close();
    expect((await coord.get(['w/session'])).size).toBe(0);
    await watch.close();
  });
});

describe('user and password', () => {
  const auth = { user: 'worker', password: 'not a secret' };

  it('make nodes that nobody else may use', async () => {
    const prefix = freshPrefix();
    const coord = await start({ prefix, auth });
    const session = await coord.openSession({ ttlMs: 1000 });
    await coord.commit({ when: [], write: [put('a'), { ...put('b'), session }] });
    expect((await coord.list({ prefix: '', limit: 10 })).entries).toHaveLength(2);
    await session.close();
    for (const other of [undefined, { ...auth, password: 'wrong' }]) {
      const error = await failureOf(start({ prefix, auth: other }));
      expect(error.code).toBe('UNAUTHENTICATED');
      expect(error.message).not.toContain('wrong');
    }
  });
});

describe('keys and sessions', () => {
  it('a key that moves between sessions keeps its version growing (C3)', async () => {
    const coord = await start({ prefix: freshPrefix() });
    const session = await coord.openSession({ ttlMs: 1000 });
    const versions: bigint[] = [];
    for (const owner of [undefined, undefined, session, session, undefined]) {
      const write = { ...put('k'), session: owner };
      const result = await coord.commit({ when: [], write: [write] });
      if (result.committed) versions.push(result.versionOf('k'));
      expect((await coord.get(['k'])).get('k')?.version).toBe(versions.at(-1));
    }
    expect(versions).toHaveLength(5);
    expect(versions).toEqual([...versions].sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(versions).size).toBe(5);
  });

  it('a commit whose keys need more room than a request has is refused before it is sent', async () => {
    const coord = await start({ prefix: freshPrefix() });
    const { maxValueBytes, maxOpsPerCommit } = coord.limits;
    const names = Array.from({ length: maxOpsPerCommit - 1 }, (_, n) => `${n}${'é'.repeat(250)}`);
    const large = { kind: 'put', key: 'large', value: new Uint8Array(maxValueBytes) } as const;
    const when = names.map((key) => ({ kind: 'absent', key }) as const);
    const error = await failureOf(coord.commit({ when, write: [large] }));
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect((await coord.list({ prefix: '', limit: 1 })).entries).toEqual([]);
  });

  it('a directory that ZooKeeper has cleared away is made anew', async () => {
    const settings = { 'znode.container.checkIntervalMs': '100' };
    const jvmArgs = Object.entries(settings).map(([name, text]) => `-D${name}=${text}`);
    const quick = perTest.use(await startZooKeeper({ jvmArgs }));
    const coord = await start({ servers: [quick.endpoint] });
    for (let round = 0; round < 3; round += 1) {
      await coord.commit({ when: [], write: [put('a/b/c')] });
      await coord.commit({ when: [], write: [{ kind: 'remove', key: 'a/b/c' }] });
      await until('the directories are gone', async () =>
        /Node count: [0-9]$/m.test(await quick.ask('srvr').then((text) => text.trim())),
      );
    }
    expect((await coord.commit({ when: [], write: [put('a/b/c')] })).committed).toBe(true);
  });
});

describe('a large board', () => {
  it('of 100,000 keys is listed from either end at the cost of a few directories', async () => {
    const coord = await start({ prefix: freshPrefix() });
    const keys: string[] = [];
    // As if posted within twenty seconds.
    for (let index = 0; index < 100_000; index += 1) {
      const clock = { ...systemClock, nowUnixMs: () => 1_790_000_000_000 + index / 5 };
      keys.push(`status/${createUniqueId({ clock, random: systemRandom })}`);
    }
    const commits: Promise<unknown>[] = [];
    for (let at = 0; at < keys.length; at += 100) {
      const write = keys.slice(at, at + 100).map(put);
      commits.push(coord.commit({ when: [], write }));
    }
    await Promise.all(commits);
    const ordered = keys.toSorted();
    const first = await coord.list({ prefix: 'status/', limit: 10 });
    expect(first.entries.map(({ key }) => key)).toEqual(ordered.slice(0, 10));
    expect(first.visited).toBeLessThan(10_000);
    const after = ordered.at(-6);
    const last = await coord.list({ prefix: 'status/', after, limit: 10 });
    expect(last.entries.map(({ key }) => key)).toEqual(ordered.slice(-5));
    expect(last.visited).toBeLessThan(10_000);
    expect(last.more).toBe(false);
  });
});

describe('no thundering herd', () => {
  it('one change under a prefix that 50 idle handles watch costs each of them one wake-up', async () => {
    const prefix = freshPrefix();
    const writer = await start({ prefix });
    await writer.commit({ when: [], write: [put('ready/q/f/b/0')] });
    const wakes = Array.from({ length: 50 }, () => 0);
    const handles = await Promise.all(
      wakes.map(async (_, index) => {
        const coord = await start({ prefix, resyncMs: 600_000 });
        const watch = coord.watch('ready/q/', () => {
          wakes[index] = (wakes[index] ?? 0) + 1;
        });
        await watch.armed;
        return coord;
      }),
    );
    await until('all were woken by being armed', () => wakes.every((count) => count === 1));
    const readsBefore = await serverCount('zk_packets_received');
    await writer.commit({ when: [], write: [put('ready/q/f/b/1')] });
    await until('all are woken', () => wakes.every((count) => count === 2));
    await sleep(systemClock, 200);
    expect(Math.max(...wakes)).toBe(2);
    // The commit, its directory, and what asks for the count; pings come every few seconds.
    expect((await serverCount('zk_packets_received')) - readsBefore).toBeLessThan(60);
    expect(handles.reduce((sum, { stats }) => sum + stats.reads, 0)).toBe(0);
  });
});

async function serverCount(name: string): Promise<number> {
  const line = new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(await server.ask('mntr'));
  return Number(line?.[1]);
}
