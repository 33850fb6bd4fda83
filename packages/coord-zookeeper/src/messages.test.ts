// Holds the layouts against the records of node-zookeeper-client, whose own code wrote the expected bytes.
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { ANY_VERSION, decodeMultiReply, encodeAcl, encodeMulti, OP } from './messages.ts';

interface JuteRecord {
  byteLength(): number;
  serialize(buffer: Buffer, offset: number): number;
}

interface Jute {
  readonly OP_CODES: Readonly<Record<string, number>>;
  readonly TransactionRequest: new (ops: readonly unknown[]) => JuteRecord;
}

const require = createRequire(import.meta.url);
const jute = require('node-zookeeper-client/lib/jute') as Jute; // The client has no types.
const acl = require('node-zookeeper-client/lib/ACL.js') as { OPEN_ACL_UNSAFE: unknown }; // As above.

describe('a multi', () => {
  it('is laid out as the client lays out its transactions', () => {
    const data = Buffer.from('value');
    const records = new jute.TransactionRequest([
      { type: OP.check, path: '/a', version: 7 },
      { type: OP.create, path: '/b/ü', data, acls: acl.OPEN_ACL_UNSAFE, mode: 1 },
      { type: OP.setData, path: '/c', data, version: 3 },
      { type: OP.delete, path: '/d', version: -1 },
    ]);
    const expected = Buffer.alloc(records.byteLength());
    records.serialize(expected, 0);
    const encoded = encodeMulti(
      [
        { kind: 'check', path: '/a', version: 7 },
        { kind: 'create', path: '/b/ü', data, mode: 'ephemeral' },
        { kind: 'set', path: '/c', data, version: 3 },
        { kind: 'delete', path: '/d', version: ANY_VERSION },
      ],
      encodeAcl(false),
    );
    expect(encoded.toString('hex')).toBe(expected.toString('hex'));
  });

  it('guards on version 0 as such, which the client turns into any version', () => {
    const encoded = encodeMulti([{ kind: 'check', path: '/a', version: 0 }], encodeAcl(false));
    // Header of 9 bytes, the path of 2 after its length, then the version.
    expect(encoded.readInt32BE(9 + 6)).toBe(0);
  });

  it('has its codes from the protocol', () => {
    const { CREATE, DELETE, GET_DATA, SET_DATA, GET_CHILDREN, SYNC, CHECK, MULTI } = jute.OP_CODES;
    expect([CREATE, DELETE, GET_DATA, SET_DATA, GET_CHILDREN, SYNC, CHECK, MULTI]).toEqual([
      OP.create,
      OP.delete,
      OP.getData,
      OP.setData,
      OP.getChildren,
      OP.sync,
      OP.check,
      OP.multi,
    ]);
  });

  it('that is answered with less than it says is refused', () => {
    expect(() => decodeMultiReply(Buffer.alloc(9))).toThrow(RangeError);
  });
});
