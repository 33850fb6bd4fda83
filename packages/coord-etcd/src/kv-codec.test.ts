import type { Client, ServiceClientConstructor } from '@grpc/grpc-js';
import type { Commit, Guard, Session, Write } from '@holdfast/coord';
import { HoldfastError } from '@holdfast/core';
import { Etcd3 } from 'etcd3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeySpace } from './key-space.ts';
import { decodeRangeReply, decodeTxnReply, decodeWatchReply, KvEncoder } from './kv-codec.ts';

/** etcd's own definitions, as etcd3 carries them: what they read and write is right by definition. */
interface Definition {
  requestDeserialize(bytes: Buffer): unknown;
  requestSerialize(value: unknown): Buffer;
  responseSerialize(value: unknown): Buffer;
}

class Definitions extends Etcd3 {
  async of(service: 'KV' | 'Watch'): Promise<Record<string, Definition>> {
    // Nothing connects: only the class of the client is of interest.
    const client: Client = await this.pool.withConnection(service, (made) => made.client);
    return (client.constructor as ServiceClientConstructor).service as never;
  }
}

const etcd = new Definitions({ hosts: '127.0.0.1:1' });
let kv: Record<string, Definition>;
let watch: Record<string, Definition>;

beforeAll(async () => {
  kv = await etcd.of('KV');
  watch = await etcd.of('Watch');
});
afterAll(() => etcd.close());

function definition(from: Record<string, Definition>, name: string): Definition {
  const found = from[name];
  if (!found) throw new Error(`no definition of ${name}`);
  return found;
}

const keys = new KeySpace('/test');
const encoder = new KvEncoder(keys.root);
const session = { id: 'one' } as unknown as Session; // Only its identity counts here.
const leases = new Map([[session, 2n ** 62n + 12_345n]]);

const MAX_INT64 = 2n ** 63n - 1n;
const key = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const bytes = fc.uint8Array({ maxLength: 300 });
const revision = fc.oneof(fc.bigInt(1n, MAX_INT64), fc.bigInt(1n, 300n));
const guard: fc.Arbitrary<Guard> = fc.oneof(
  fc.record({ kind: fc.constant('absent' as const), key }),
  fc.record({ kind: fc.constant('exists' as const), key }),
  fc.record({ kind: fc.constant('unchanged' as const), key, version: revision }),
);
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), key, value: bytes }),
  fc.record({
    kind: fc.constant('put' as const),
    key,
    value: bytes,
    session: fc.constant(session),
  }),
  fc.record({ kind: fc.constant('remove' as const), key }),
);
const commit: fc.Arbitrary<Commit> = fc.record({
  when: fc.array(guard, { maxLength: 6 }),
  write: fc.array(write, { maxLength: 6 }),
});

/** What the generic decoder gives for a commit; written down once more, by hand. */
function expectedTxn({ when, write: writes }: Commit): object {
  const stored = (text: string): Buffer => Buffer.from(`/test/!k/${text}`);
  return {
    compare: when.map((one) => {
      const head = { key: stored(one.key), range_end: Buffer.alloc(0) };
      if (one.kind === 'absent') {
        const create = { create_revision: '0', target_union: 'create_revision' };
        return { ...head, result: 'Equal', target: 'Create', ...create };
      }
      if (one.kind === 'exists') {
        return {
          ...head,
          result: 'Greater',
          target: 'Version',
          version: '0',
          target_union: 'version',
        };
      }
      const mod = { mod_revision: `${one.version}`, target_union: 'mod_revision' };
      return { ...head, result: 'Equal', target: 'Mod', ...mod };
    }),
    success: writes.map((one) => {
      if (one.kind === 'remove') {
        const request = { key: stored(one.key), range_end: Buffer.alloc(0), prev_kv: false };
        return { request_delete_range: request, request: 'request_delete_range' };
      }
      const request = {
        key: stored(one.key),
        value: Buffer.from(one.value),
        lease: one.session ? `${leases.get(session)}` : '0',
        prev_kv: false,
        ignore_value: false,
        ignore_lease: false,
      };
      return { request_put: request, request: 'request_put' };
    }),
    failure: when.map((one) => ({
      request_range: expect.objectContaining({
        key: stored(one.key),
        range_end: Buffer.alloc(0),
        keys_only: true,
        count_only: false,
        serializable: false,
        limit: '0',
      }),
      request: 'request_range',
    })),
  };
}

describe('requests', () => {
  it('of any commit read back as what was meant', () => {
    const txn = definition(kv, 'Txn');
    fc.assert(
      fc.property(commit, (one) => {
        expect(txn.requestDeserialize(encoder.commit(one, leases))).toEqual(expectedTxn(one));
      }),
    );
  });

  it('of a group hold each commit as it is alone', () => {
    const txn = definition(kv, 'Txn');
    fc.assert(
      fc.property(fc.array(commit, { maxLength: 5 }), (commits) => {
        const request = encoder.group(commits.map((one) => encoder.commit(one, leases)));
        expect(txn.requestDeserialize(request)).toEqual({
          compare: [],
          success: commits.map((one) => ({
            request_txn: expectedTxn(one),
            request: 'request_txn',
          })),
          failure: [],
        });
      }),
    );
  });

  it('for a version that no key has never hold, not even for a key that is not there', () => {
    const request = encoder.commit({
      when: [{ kind: 'unchanged', key: 'k', version: 0n }],
      write: [],
    });
    expect(definition(kv, 'Txn').requestDeserialize(request)).toMatchObject({
      compare: [{ result: 'Less', target: 'Mod', mod_revision: '0' }],
    });
  });

  it('of a read name each key once, from the live state', () => {
    const request = encoder.get(['a', 'é']);
    expect(definition(kv, 'Txn').requestDeserialize(request)).toMatchObject({
      compare: [],
      success: ['a', 'é'].map((text) => ({
        request_range: {
          key: Buffer.from(`/test/!k/${text}`),
          keys_only: false,
          serializable: false,
        },
      })),
      failure: [],
    });
  });

  it('of a listing have both bounds and the limit, and ask for no sort', () => {
    const request = encoder.range(keys.prefixRange('jobs/'), 1000);
    expect(definition(kv, 'Range').requestDeserialize(request)).toMatchObject({
      key: Buffer.from('/test/!k/jobs/'),
      range_end: Buffer.from('/test/!k/jobs0'),
      limit: '1000',
      sort_order: 'None',
      serializable: false,
    });
  });

  it('are written afresh after one that failed half-way', () => {
    const bad: Commit = {
      when: [],
      write: [{ kind: 'put', key: 'k', value: new Uint8Array(3), session }],
    };
    expect(() => encoder.commit({ ...bad, when: [{ kind: 'absent', key: 'x' }] })).toThrow(/lease/);
    const good = { when: [], write: [{ kind: 'remove' as const, key: 'k' }] };
    expect(definition(kv, 'Txn').requestDeserialize(encoder.commit(good))).toEqual(
      expectedTxn(good),
    );
  });
});

/** The code of the error that reading failed with, if it did; what is no HoldfastError is thrown on. */
function attempt(read: (bytes: Uint8Array) => unknown, bytes: Uint8Array): string {
  try {
    read(bytes);
    return 'read';
  } catch (error) {
    if (error instanceof HoldfastError) return error.code;
    throw error;
  }
}

describe('answers', () => {
  // The largest numbers a header can have: they are ten bytes long.
  const header = {
    cluster_id: '18446744073709551615',
    member_id: '18446744073709551614',
    raft_term: '7',
  };

  it('to a transaction are read with what nested ones found', () => {
    const kvs = fc.array(fc.record({ key: bytes, value: bytes, mod_revision: revision }));
    fc.assert(
      fc.property(revision, kvs, fc.boolean(), (at, found, succeeded) => {
        const range = {
          kvs: found.map((one) => ({ ...one, mod_revision: `${one.mod_revision}`, lease: '-1' })),
          more: succeeded,
          count: '4294967296',
        };
        const nested = { header, succeeded: !succeeded, responses: [{ response_range: range }] };
        const reply = decodeTxnReply(
          definition(kv, 'Txn').responseSerialize({
            header: { ...header, revision: `${at}` },
            succeeded,
            responses: [
              { response_put: { header } },
              { response_txn: nested },
              { response_delete_range: { header, deleted: '1' } },
            ],
          }),
        );
        const replies = [
          {
            kind: 'range',
            keys: found.map((one) => ({
              key: one.key,
              value: one.value,
              modRevision: one.mod_revision,
            })),
            more: succeeded,
            count: 4_294_967_296,
            revision: 0n,
          },
        ];
        expect(reply).toEqual({
          kind: 'txn',
          revision: at,
          succeeded,
          replies: [
            { kind: 'write' },
            { kind: 'txn', revision: 0n, succeeded: !succeeded, replies },
            { kind: 'write' },
          ],
        });
      }),
    );
  });

  it('to a range are read, and values are plain arrays', () => {
    const reply = decodeRangeReply(
      definition(kv, 'Range').responseSerialize({
        header: { ...header, revision: '9' },
        kvs: [{ key: Buffer.from('k'), value: Buffer.from('v'), mod_revision: '8', version: '2' }],
        count: '1',
      }),
    );
    expect(reply).toMatchObject({ revision: 9n, count: 1, more: false });
    expect(reply.keys[0]?.value).toEqual(Uint8Array.from([118]));
    expect(Buffer.isBuffer(reply.keys[0]?.value)).toBe(false);
  });

  it('to a watch are read without their events', () => {
    const events = [{ type: 'Put', kv: { key: Buffer.from('k'), value: Buffer.alloc(70_000) } }];
    const watched = definition(watch, 'Watch').responseSerialize({ header, watch_id: '7', events });
    expect(decodeWatchReply(watched)).toEqual({
      watchId: 7,
      created: false,
      canceled: false,
      cancelReason: '',
    });
    const refused = { watch_id: '-1', created: true, canceled: true, cancel_reason: 'é: no' };
    expect(decodeWatchReply(definition(watch, 'Watch').responseSerialize(refused))).toEqual({
      watchId: -1,
      created: true,
      canceled: true,
      cancelReason: 'é: no',
    });
  });

  it('that are cut off or garbled are refused, and never read past their end', () => {
    const answer = definition(kv, 'Range').responseSerialize({
      header,
      kvs: [{ key: Buffer.from('key'), value: Buffer.from('value'), mod_revision: '8' }],
    });
    const cuts = Array.from({ length: answer.length }, (_, length) => answer.subarray(0, length));
    for (const cut of cuts) expect(['read', 'INTERNAL']).toContain(attempt(decodeRangeReply, cut));
    expect(cuts.filter((cut) => attempt(decodeRangeReply, cut) === 'INTERNAL')).not.toEqual([]);
    fc.assert(
      fc.property(fc.uint8Array(), (garbage) => {
        expect(['read', 'INTERNAL']).toContain(attempt(decodeTxnReply, garbage));
      }),
    );
  });

  it('with a value of another type, or one longer than its message, are refused', () => {
    const SUCCEEDED_AS_BYTES = Uint8Array.of(0x12, 0);
    const HEADER_AS_NUMBER = Uint8Array.of(0x08, 0);
    expect(attempt(decodeTxnReply, SUCCEEDED_AS_BYTES)).toBe('INTERNAL');
    expect(attempt(decodeTxnReply, HEADER_AS_NUMBER)).toBe('INTERNAL');
    const KV_OF_2_WITH_KEY_OF_3 = Uint8Array.of(0x12, 2, 0x0a, 3, 97, 98, 99);
    const KV_OF_5_WITH_KEY_OF_3 = Uint8Array.of(0x12, 5, 0x0a, 3, 97, 98, 99);
    expect(attempt(decodeRangeReply, KV_OF_2_WITH_KEY_OF_3)).toBe('INTERNAL');
    expect(attempt(decodeRangeReply, KV_OF_5_WITH_KEY_OF_3)).toBe('read');
  });
});
