// Commits that share a request, at the limits of what etcd takes in one.
import type { Commit, Coord } from '@holdfast/coord';
import { openEtcdCoord } from '@holdfast/coord-etcd';
import { SessionLostError, systemClock, systemRandom } from '@holdfast/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EtcdServer, startEtcd } from '../support/etcd-server.ts';

const value = new TextEncoder().encode('x');

let server: EtcdServer;
let coord: Coord;

beforeAll(async () => {
  server = await startEtcd();
  coord = openEtcdCoord({
    endpoints: [server.endpoint],
    // As long as a prefix may be, because each operation of a request carries it.
    prefix: `/${'p'.repeat(63)}`,
    clock: systemClock,
    random: systemRandom,
  });
  await coord.start();
});

afterAll(async () => {
  await coord.stop();
  await server.stop();
});

function puts(name: string, count: number): Commit {
  return {
    when: [{ kind: 'absent', key: `${name}/0` }],
    write: Array.from({ length: count }, (_, n) => ({ kind: 'put', key: `${name}/${n}`, value })),
  };
}

describe('concurrent commits', () => {
  it('of any width keep to the 128 operations that etcd takes', async () => {
    const widths = Array.from({ length: 300 }, (_, n) => 1 + ((n * 37) % 127));
    const results = await Promise.all(
      widths.map((width, n) => coord.commit(puts(`width/${n}`, width))),
    );
    expect(results.every((result) => result.committed)).toBe(true);
    const pages = await Promise.all(
      widths.map((_, n) => coord.list({ prefix: `width/${n}/`, limit: 200 })),
    );
    expect(pages.map((page) => page.entries.length)).toEqual(widths);
  });

  it('as large as the limits allow fit a request, alone and together', async () => {
    const { maxKeyBytes, maxCommitBytes, maxOpsPerCommit } = coord.limits;
    const longKey = (n: number, m: number): string => `${n}/${m}/`.padEnd(maxKeyBytes, 'k');
    const guarded = (n: number): Commit => ({
      when: Array.from({ length: maxOpsPerCommit - 1 }, (_, m) => {
        return { kind: 'absent', key: longKey(n, m) } as const;
      }),
      write: [{ kind: 'put', key: `large/${n}`, value }],
    });
    const keyBytes = (maxOpsPerCommit - 1) * maxKeyBytes + Buffer.byteLength('large/0');
    const largest: Commit = {
      ...guarded(0),
      write: [{ kind: 'put', key: 'large/0', value: new Uint8Array(maxCommitBytes - keyBytes) }],
    };
    const commits = [largest, ...Array.from({ length: 20 }, (_, n) => guarded(n + 1))];
    const results = await Promise.all(commits.map((commit) => coord.commit(commit)));
    expect(results.every((result) => result.committed)).toBe(true);
  });

  it('are not disturbed by one whose lease etcd has given away', async () => {
    const session = await coord.openSession({ ttlMs: 10_000 });
    await server.call('/v3/lease/revoke', { ID: BigInt(`0x${session.id}`).toString() });
    const doomed: Commit = {
      when: [],
      write: [
        { kind: 'put', key: 'lease/doomed', value, session },
        { kind: 'put', key: 'lease/with', value },
      ],
    };
    const [before, refused, after] = await Promise.allSettled([
      coord.commit(puts('lease/before', 2)),
      coord.commit(doomed),
      coord.commit(puts('lease/after', 2)),
    ]);
    expect([before.status, after.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(SessionLostError) });
    expect((await coord.get(['lease/doomed', 'lease/with'])).size).toBe(0);
    expect(session.lost.aborted).toBe(true);
  });
});

describe('concurrent reads', () => {
  it('share requests, and each gets its own keys, whatever their number', async () => {
    const { maxKeysPerGet } = coord.limits;
    for (const part of [0, 1]) await coord.commit(puts(`read/${part}`, maxKeysPerGet - 1));
    const reads = Array.from({ length: 200 }, (_, n) => {
      const count = 1 + ((n * 53) % maxKeysPerGet);
      return Array.from({ length: count }, (__, m) => `read/${n % 2}/${(m + n) % maxKeysPerGet}`);
    });
    const answers = await Promise.all(reads.map((keys) => coord.get(keys)));
    const missing = `/${maxKeysPerGet - 1}`;
    expect(answers.map((answer) => [...answer.keys()])).toEqual(
      reads.map((keys) => keys.filter((key) => !key.endsWith(missing))),
    );
  });

  it('never share the bytes of a value', async () => {
    await coord.commit(puts('mine', 1));
    const [first, second] = await Promise.all([coord.get(['mine/0']), coord.get(['mine/0'])]);
    first.get('mine/0')?.value.fill(0);
    expect(second.get('mine/0')?.value).toEqual(value);
  });

  it('are given up one by one', async () => {
    const giveUp = new AbortController();
    const aborted = coord.get(['mine/0'], { signal: giveUp.signal });
    const kept = coord.get(['mine/0']);
    giveUp.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'CANCELLED' });
    expect((await kept).size).toBe(1);
  });
});
