// The requests and answers of etcd's KV service that Holdfast uses, and those of its watches.
//
// It owns the layout of these messages: which fields there are, with the numbers that `etcdserverpb`
// (rpc.proto of etcd) gives them; a test holds them against the definitions that the etcd3 package
// carries. The wire format is that of @bufbuild/protobuf.
//
// Why not etcd3's own encoder, which knows the layouts already: it checks and copies each message into
// an object of its own kind before it writes it, and reads every field into one. Commits are the hot
// path of Holdfast, and the README has the figures. Every other message still goes through it.

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Commit, Guard, Key, Session, Write } from '@holdfast/coord';
import { assert, fromUnknown, HoldfastError } from '@holdfast/core';
import type { KeyRange } from './key-space.ts';

const { Varint, LengthDelimited } = WireType;

const TXN = { compare: 1, success: 2, failure: 3 } as const;
const REQUEST_OP = { range: 1, put: 2, deleteRange: 3, txn: 4 } as const;
const RANGE = { key: 1, rangeEnd: 2, limit: 3, keysOnly: 8 } as const;
const PUT = { key: 1, value: 2, lease: 3 } as const;
const DELETE_RANGE = { key: 1 } as const;
const COMPARE = { result: 1, target: 2, key: 3, version: 4, createRevision: 5, modRevision: 6 };
const RESULT = { equal: 0, greater: 1, less: 2 } as const;
const TARGET = { version: 0, create: 1, mod: 2 } as const;

const HEADER = { revision: 3 } as const;
const TXN_ANSWER = { header: 1, succeeded: 2, responses: 3 } as const;
const RESPONSE_OP = { range: 1, txn: 4 } as const;
const RANGE_ANSWER = { header: 1, kvs: 2, more: 3, count: 4 } as const;
const KEY_VALUE = { key: 1, modRevision: 3, value: 5 } as const;
const WATCH_ANSWER = { watchId: 2, created: 3, canceled: 4, cancelReason: 6 } as const;

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
  readonly #root: Uint8Array;
  /** One for all requests: to grow a new one to a request's size costs more than to write it. */
  readonly #writer = new BinaryWriter();

  constructor(root: Uint8Array) {
    this.#root = root;
  }

  /**
   * The TxnRequest of one commit. When its guards don't hold, it answers with the present revision of
   * each guarded key, in their order, so that the first one that failed can be told.
   */
  commit(commit: Commit, leases: Leases = NO_LEASES): Buffer {
    const writer = this.#empty();
    for (const guard of commit.when) this.#compare(writer, guard);
    for (const write of commit.write) this.#write(writer, write, leases);
    for (const guard of commit.when) this.#guardRange(writer, guard);
    return finish(writer);
  }

  /** One TxnRequest without guards that holds other TxnRequests. */
  group(members: readonly Uint8Array[]): Buffer {
    const writer = this.#empty();
    for (const member of members) {
      begin(writer, TXN.success);
      writer.tag(REQUEST_OP.txn, LengthDelimited).bytes(member);
      writer.join();
    }
    return finish(writer);
  }

  /** One TxnRequest that reads keys from one snapshot; its answers are in the order of `keys`. */
  get(keys: readonly Key[]): Buffer {
    const writer = this.#empty();
    for (const key of keys) {
      begin(begin(writer, TXN.success), REQUEST_OP.range);
      this.#key(writer, RANGE.key, key);
      writer.join().join();
    }
    return finish(writer);
  }

  /** A RangeRequest; etcd answers in key order unless asked for another, and a sort would cost. */
  range(range: KeyRange, limit: number): Buffer {
    const writer = this.#empty();
    writer.tag(RANGE.key, LengthDelimited).bytes(range.start);
    writer.tag(RANGE.rangeEnd, LengthDelimited).bytes(range.end);
    writer.tag(RANGE.limit, Varint).int64(limit);
    return finish(writer);
  }

  /** The writer, without what an error may have left in it. */
  #empty(): BinaryWriter {
    this.#writer.finish();
    return this.#writer;
  }

  #compare(writer: BinaryWriter, guard: Guard): void {
    const { result, target, field, number } = comparisonOf(guard);
    begin(writer, TXN.compare);
    writer.tag(COMPARE.result, Varint).int32(result);
    writer.tag(COMPARE.target, Varint).int32(target);
    this.#key(writer, COMPARE.key, guard.key);
    writer.tag(field, Varint).int64(number);
    writer.join();
  }

  #write(writer: BinaryWriter, write: Write, leases: Leases): void {
    begin(writer, TXN.success);
    if (write.kind === 'put') {
      begin(writer, REQUEST_OP.put);
      this.#key(writer, PUT.key, write.key);
      writer.tag(PUT.value, LengthDelimited).bytes(write.value);
      if (write.session) writer.tag(PUT.lease, Varint).int64(leaseOf(write.session, leases));
    } else {
      begin(writer, REQUEST_OP.deleteRange);
      this.#key(writer, DELETE_RANGE.key, write.key);
    }
    writer.join().join();
  }

  #guardRange(writer: BinaryWriter, guard: Guard): void {
    begin(begin(writer, TXN.failure), REQUEST_OP.range);
    this.#key(writer, RANGE.key, guard.key);
    writer.tag(RANGE.keysOnly, Varint).bool(true);
    writer.join().join();
  }

  #key(writer: BinaryWriter, field: number, key: Key): void {
    begin(writer, field).raw(this.#root).raw(Buffer.from(key)).join();
  }
}

/** Begins a field that is a message, or is put together from parts; `join` ends it. */
function begin(writer: BinaryWriter, field: number): BinaryWriter {
  return writer.tag(field, LengthDelimited).fork();
}

/** The same bytes as a Buffer, which is what grpc-js sends. */
function finish(writer: BinaryWriter): Buffer {
  const { buffer, byteOffset, byteLength } = writer.finish();
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** What a guard compares with what; `field` is the one that holds `number`. */
interface Comparison {
  readonly result: number;
  readonly target: number;
  readonly field: number;
  readonly number: bigint;
}

function comparisonOf(guard: Guard): Comparison {
  switch (guard.kind) {
    case 'absent':
      return {
        result: RESULT.equal,
        target: TARGET.create,
        field: COMPARE.createRevision,
        number: 0n,
      };
    case 'exists':
      return { result: RESULT.greater, target: TARGET.version, field: COMPARE.version, number: 0n };
    case 'unchanged': {
      // etcd gives a key that isn't there the revision 0, so asking for equality with 0 would hold for
      // it. No key has version 0: this guard never holds, and no revision is less than 0 either.
      const result = guard.version === 0n ? RESULT.less : RESULT.equal;
      const { mod } = TARGET;
      return { result, target: mod, field: COMPARE.modRevision, number: guard.version };
    }
    default:
      throw guard satisfies never;
  }
}

function leaseOf(session: Session, leases: Leases): bigint {
  const lease = leases.get(session);
  assert(lease !== undefined, 'a commit is encoded with the lease of each session it uses');
  return lease;
}

/** Reads a TxnResponse. Throws INTERNAL when it can't be read. */
export function decodeTxnReply(buffer: Uint8Array): TxnReply {
  return decode(buffer, readTxn);
}

/** Reads a RangeResponse. Throws INTERNAL when it can't be read. */
export function decodeRangeReply(buffer: Uint8Array): RangeReply {
  return decode(buffer, readRange);
}

function decode<Reply>(buffer: Uint8Array, read: (reader: BinaryReader) => Reply): Reply {
  // Not as a Buffer: views of the answer become values, and those are plain arrays for all.
  const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  try {
    return read(new BinaryReader(bytes));
  } catch (error) {
    const { message } = fromUnknown(error);
    throw new HoldfastError('INTERNAL', `an answer of etcd can't be read: ${message}`, {
      cause: error,
    });
  }
}

function readTxn(reader: BinaryReader, end: number = reader.len): TxnReply {
  let revision = 0n;
  let succeeded = false;
  const replies: OpReply[] = [];
  while (hasField(reader, end)) {
    const [field, type] = reader.tag();
    if (field === TXN_ANSWER.header) revision = readRevision(reader, endOf(reader, type));
    else if (field === TXN_ANSWER.succeeded) succeeded = varint(reader, type).bool();
    else if (field === TXN_ANSWER.responses) replies.push(readOp(reader, endOf(reader, type)));
    else reader.skip(type, field);
  }
  return { kind: 'txn', revision, succeeded, replies };
}

function readOp(reader: BinaryReader, end: number): OpReply {
  let reply = WRITTEN;
  while (hasField(reader, end)) {
    const [field, type] = reader.tag();
    if (field === RESPONSE_OP.range) reply = readRange(reader, endOf(reader, type));
    else if (field === RESPONSE_OP.txn) reply = readTxn(reader, endOf(reader, type));
    else reader.skip(type, field);
  }
  return reply;
}

function readRange(reader: BinaryReader, end: number = reader.len): RangeReply {
  let revision = 0n;
  let more = false;
  let count = 0;
  const keys: StoredKey[] = [];
  while (hasField(reader, end)) {
    const [field, type] = reader.tag();
    if (field === RANGE_ANSWER.header) revision = readRevision(reader, endOf(reader, type));
    else if (field === RANGE_ANSWER.kvs) keys.push(readKey(reader, endOf(reader, type)));
    else if (field === RANGE_ANSWER.more) more = varint(reader, type).bool();
    else if (field === RANGE_ANSWER.count) count = Number(varint(reader, type).int64());
    else reader.skip(type, field);
  }
  return { kind: 'range', keys, more, count, revision };
}

const EMPTY = new Uint8Array();

function readKey(reader: BinaryReader, end: number): StoredKey {
  let key: Uint8Array = EMPTY;
  let value: Uint8Array = EMPTY;
  let modRevision = 0n;
  while (hasField(reader, end)) {
    const [field, type] = reader.tag();
    if (field === KEY_VALUE.key) key = delimited(reader, type).bytes();
    else if (field === KEY_VALUE.modRevision) modRevision = BigInt(varint(reader, type).int64());
    else if (field === KEY_VALUE.value) value = delimited(reader, type).bytes();
    else reader.skip(type, field);
  }
  return { key, value, modRevision };
}

function readRevision(reader: BinaryReader, end: number): bigint {
  let revision = 0n;
  while (hasField(reader, end)) {
    const [field, type] = reader.tag();
    if (field === HEADER.revision) revision = BigInt(varint(reader, type).int64());
    else reader.skip(type, field);
  }
  return revision;
}

/** True while a field follows; throws when the last one reached past the end of its message. */
function hasField(reader: BinaryReader, end: number): boolean {
  if (reader.pos > end) throw new Error('a field is longer than its message');
  return reader.pos < end;
}

/** Reads how long the message is that follows; returns where it ends. */
function endOf(reader: BinaryReader, type: WireType): number {
  const length = delimited(reader, type).uint32();
  return reader.pos + length;
}

/** The reader, at a number or a flag; throws where there is something else. */
function varint(reader: BinaryReader, type: WireType): BinaryReader {
  if (type !== Varint) throw new Error(`a number has wire type ${type}`);
  return reader;
}

/** The reader, at bytes, a text or a message; throws where there is something else. */
function delimited(reader: BinaryReader, type: WireType): BinaryReader {
  if (type !== LengthDelimited) throw new Error(`bytes have wire type ${type}`);
  return reader;
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

/**
 * Reads a WatchResponse and passes over the events, which may be large and many. Throws INTERNAL when
 * it can't be read.
 */
export function decodeWatchReply(buffer: Uint8Array): WatchReply {
  return decode(buffer, readWatch);
}

function readWatch(reader: BinaryReader): WatchReply {
  let watchId = 0;
  let created = false;
  let canceled = false;
  let cancelReason = '';
  while (hasField(reader, reader.len)) {
    const [field, type] = reader.tag();
    if (field === WATCH_ANSWER.watchId) watchId = Number(varint(reader, type).int64());
    else if (field === WATCH_ANSWER.created) created = varint(reader, type).bool();
    else if (field === WATCH_ANSWER.canceled) canceled = varint(reader, type).bool();
    else if (field === WATCH_ANSWER.cancelReason) cancelReason = delimited(reader, type).string();
    else reader.skip(type, field);
  }
  return { watchId, created, canceled, cancelReason };
}
