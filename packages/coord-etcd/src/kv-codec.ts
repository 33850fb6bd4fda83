// The requests and answers of etcd's KV service that Holdfast uses, as protobuf (rpc.proto of etcd).
//
// Field numbers are those of `etcdserverpb`; a test holds this file against the definitions that the
// etcd3 package carries.

import type { Commit, Guard, Key, Session, Write } from '@holdfast/coord';
import { assert } from '@holdfast/core';
import type { KeyRange } from './key-space.ts';
import { ProtobufReader } from './protobuf-reader.ts';
import { ProtobufWriter } from './protobuf-writer.ts';

const TXN = { compare: 1, success: 2, failure: 3 } as const;
const REQUEST_OP = { range: 1, put: 2, deleteRange: 3, txn: 4 } as const;
const RANGE = { key: 1, rangeEnd: 2, limit: 3, keysOnly: 8 } as const;
const PUT = { key: 1, value: 2, lease: 3 } as const;
const DELETE_RANGE = { key: 1 } as const;
const COMPARE = { result: 1, target: 2, key: 3, version: 4, createRevision: 5, modRevision: 6 };
const RESULT = { equal: 0, greater: 1, less: 2 } as const;
const TARGET = { version: 0, create: 1, mod: 2 } as const;

/** A key as etcd answers it; `key` and `value` are views of the answer. */
export interface StoredKey {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly modRevision: bigint;
}

export interface RangeReply {
  readonly kind: 'range';
  readonly keys: readonly StoredKey[];
  readonly more: boolean;
  /** Keys in the range, whatever the limit. */
  readonly count: number;
  /** Of the store when it answered; 0 inside a transaction's answer. */
  readonly revision: bigint;
}

export interface TxnReply {
  readonly kind: 'txn';
  /** Of the store after the transaction; 0 in a nested answer. */
  readonly revision: bigint;
  /** Whether the compares held. */
  readonly succeeded: boolean;
  readonly replies: readonly OpReply[];
}

/** The answer to one operation of a transaction; of a write there is nothing to tell. */
export type OpReply = RangeReply | TxnReply | { readonly kind: 'write' };

const WRITTEN: OpReply = { kind: 'write' };

/** The lease of each session that a commit puts keys with. */
export type Leases = ReadonlyMap<Session, bigint>;

const NO_LEASES: Leases = new Map();

/** Writes requests, for keys that all lie under `root` in etcd. */
export class KvEncoder {
  readonly #writer = new ProtobufWriter();
  readonly #root: Uint8Array;

  constructor(root: Uint8Array) {
    this.#root = root;
  }

  /**
   * The TxnRequest of one commit. When its guards don't hold, it answers with the present revision of
   * each guarded key, in their order, so that the first one that failed can be told.
   */
  commit(commit: Commit, leases: Leases = NO_LEASES): Buffer {
    this.#writer.clear();
    for (const guard of commit.when.toReversed()) this.#guardRange(guard);
    for (const write of commit.write.toReversed()) this.#write(write, leases);
    for (const guard of commit.when.toReversed()) this.#compare(guard);
    return this.#writer.finish();
  }

  /** One TxnRequest without guards that holds other TxnRequests. */
  group(members: readonly Uint8Array[]): Buffer {
    const writer = this.#writer.clear();
    for (const member of members.toReversed()) {
      const mark = writer.length;
      writer.bytes(member);
      writer.delimit(REQUEST_OP.txn, mark);
      writer.delimit(TXN.success, mark);
    }
    return writer.finish();
  }

  /** One TxnRequest that reads keys from one snapshot; its answers are in the order of `keys`. */
  get(keys: readonly Key[]): Buffer {
    const writer = this.#writer.clear();
    for (const key of keys.toReversed()) {
      const mark = writer.length;
      this.#key(RANGE.key, key);
      writer.delimit(REQUEST_OP.range, mark);
      writer.delimit(TXN.success, mark);
    }
    return writer.finish();
  }

  /** A RangeRequest; etcd answers in key order unless asked for another, and a sort would cost. */
  range(range: KeyRange, limit: number): Buffer {
    const writer = this.#writer.clear();
    writer.integer(RANGE.limit, limit);
    this.#bytes(RANGE.rangeEnd, range.end);
    this.#bytes(RANGE.key, range.start);
    return writer.finish();
  }

  #guardRange(guard: Guard): void {
    const writer = this.#writer;
    const mark = writer.length;
    writer.integer(RANGE.keysOnly, 1);
    this.#key(RANGE.key, guard.key);
    writer.delimit(REQUEST_OP.range, mark);
    writer.delimit(TXN.failure, mark);
  }

  #write(write: Write, leases: Leases): void {
    const writer = this.#writer;
    const mark = writer.length;
    if (write.kind === 'put') {
      if (write.session) writer.integer(PUT.lease, leaseOf(write.session, leases));
      this.#bytes(PUT.value, write.value);
      this.#key(PUT.key, write.key);
      writer.delimit(REQUEST_OP.put, mark);
    } else {
      this.#key(DELETE_RANGE.key, write.key);
      writer.delimit(REQUEST_OP.deleteRange, mark);
    }
    writer.delimit(TXN.success, mark);
  }

  #compare(guard: Guard): void {
    const writer = this.#writer;
    const mark = writer.length;
    switch (guard.kind) {
      case 'absent':
        writer.integer(COMPARE.createRevision, 0);
        this.#compareHead(guard.key, TARGET.create, RESULT.equal);
        break;
      case 'exists':
        writer.integer(COMPARE.version, 0);
        this.#compareHead(guard.key, TARGET.version, RESULT.greater);
        break;
      case 'unchanged':
        this.#compareUnchanged(guard);
        break;
      default:
        throw guard satisfies never;
    }
    writer.delimit(TXN.compare, mark);
  }

  #compareUnchanged(guard: { readonly key: Key; readonly version: bigint }): void {
    this.#writer.integer(COMPARE.modRevision, guard.version);
    // etcd gives a key that isn't there the revision 0, so asking for equality with 0 would hold for
    // it. No key has version 0: this guard never holds, and no revision is less than 0 either.
    const result = guard.version === 0n ? RESULT.less : RESULT.equal;
    this.#compareHead(guard.key, TARGET.mod, result);
  }

  #compareHead(key: Key, target: number, result: number): void {
    this.#key(COMPARE.key, key);
    this.#writer.integer(COMPARE.target, target);
    this.#writer.integer(COMPARE.result, result);
  }

  #key(field: number, key: Key): void {
    const mark = this.#writer.length;
    this.#writer.text(key);
    this.#writer.bytes(this.#root);
    this.#writer.delimit(field, mark);
  }

  #bytes(field: number, data: Uint8Array): void {
    const mark = this.#writer.length;
    this.#writer.bytes(data);
    this.#writer.delimit(field, mark);
  }
}

function leaseOf(session: Session, leases: Leases): bigint {
  const lease = leases.get(session);
  assert(lease !== undefined, 'a commit is encoded with the lease of each session it uses');
  return lease;
}

/** Reads a TxnResponse. */
export function decodeTxnReply(buffer: Uint8Array): TxnReply {
  return readTxn(new ProtobufReader(asPlainBytes(buffer)));
}

/** Reads a RangeResponse. */
export function decodeRangeReply(buffer: Uint8Array): RangeReply {
  return readRange(new ProtobufReader(asPlainBytes(buffer)));
}

/** The same bytes, not as a Buffer: views of them become values, and those are plain arrays for all. */
function asPlainBytes(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function readTxn(reader: ProtobufReader): TxnReply {
  let revision = 0n;
  let succeeded = false;
  const replies: OpReply[] = [];
  while (reader.next()) {
    if (reader.field === 1) revision = readRevision(reader.message());
    else if (reader.field === 2) succeeded = reader.bool();
    else if (reader.field === 3) replies.push(readOp(reader.message()));
  }
  return { kind: 'txn', revision, succeeded, replies };
}

function readOp(reader: ProtobufReader): OpReply {
  let reply = WRITTEN;
  while (reader.next()) {
    if (reader.field === REQUEST_OP.range) reply = readRange(reader.message());
    else if (reader.field === REQUEST_OP.txn) reply = readTxn(reader.message());
  }
  return reply;
}

function readRange(reader: ProtobufReader): RangeReply {
  let revision = 0n;
  let more = false;
  let count = 0;
  const keys: StoredKey[] = [];
  while (reader.next()) {
    if (reader.field === 1) revision = readRevision(reader.message());
    else if (reader.field === 2) keys.push(readKey(reader.message()));
    else if (reader.field === 3) more = reader.bool();
    else if (reader.field === 4) count = reader.number();
  }
  return { kind: 'range', keys, more, count, revision };
}

const EMPTY = new Uint8Array();

function readKey(reader: ProtobufReader): StoredKey {
  let key: Uint8Array = EMPTY;
  let value: Uint8Array = EMPTY;
  let modRevision = 0n;
  while (reader.next()) {
    if (reader.field === 1) key = reader.bytes();
    else if (reader.field === 3) modRevision = reader.int64();
    else if (reader.field === 5) value = reader.bytes();
  }
  return { key, value, modRevision };
}

function readRevision(header: ProtobufReader): bigint {
  let revision = 0n;
  while (header.next()) if (header.field === 3) revision = header.int64();
  return revision;
}

/** The first key in the answer to a range; undefined when there is none. */
export function firstKeyOf(reply: OpReply | undefined): StoredKey | undefined {
  return reply?.kind === 'range' ? reply.keys[0] : undefined;
}

/** A WatchResponse without its events: a watch only wakes. */
export interface WatchReply {
  readonly watchId: number;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly cancelReason: string;
}

/** Reads a WatchResponse and passes over the events, which may be large and many. */
export function decodeWatchReply(buffer: Uint8Array): WatchReply {
  const reader = new ProtobufReader(buffer);
  let watchId = 0;
  let created = false;
  let canceled = false;
  let cancelReason = '';
  while (reader.next()) {
    if (reader.field === 2) watchId = reader.number();
    else if (reader.field === 3) created = reader.bool();
    else if (reader.field === 4) canceled = reader.bool();
    else if (reader.field === 6) cancelReason = Buffer.from(reader.bytes()).toString();
  }
  return { watchId, created, canceled, cancelReason };
}
