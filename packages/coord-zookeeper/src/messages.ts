// The messages of ZooKeeper's protocol that this driver sends and reads, laid out by hand.
//
// Why not node-zookeeper-client's own: it knows no reads in a multi, no lasting watches, no containers
// and no answer to `sync`; its transactions turn a guard on version 0 into a guard on any version; and
// it copies every value three times. A test holds the layouts against the client's own records.
import { JuteReader, JuteWriter } from './jute.ts';

/** Codes of requests (ZooDefs.OpCode). */
export const OP = {
  create: 1,
  delete: 2,
  getData: 4,
  setData: 5,
  getChildren: 8,
  sync: 9,
  check: 13,
  multi: 14,
  create2: 15,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  multiRead: 22,
  addWatch: 106,
  error: -1,
} as const;

/** Codes of errors (KeeperException.Code). */
export const FAULT = {
  runtimeInconsistency: -2,
  unimplemented: -6,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
  sessionMoved: -118,
  notReadOnly: -119,
  noWatcher: -121,
  throttled: -127,
} as const;

/** Matches every version of a node. */
export const ANY_VERSION = -1;

const CREATE_FLAGS = { persistent: 0, ephemeral: 1 } as const;
const CONTAINER_FLAGS = 4;
/** Events for the node and all below it, until the watch is removed or the connection ends. */
const PERSISTENT_RECURSIVE = 1;
/** Watches of every type. */
const WATCHER_TYPE_ANY = 3;
const STAT_BYTES = 68;
const ALL_PERMISSIONS = 31;

/** One operation of a multi. */
export type Op =
  | {
      readonly kind: 'create';
      readonly path: string;
      readonly data: Uint8Array;
      readonly mode: 'persistent' | 'ephemeral';
    }
  | {
      readonly kind: 'set';
      readonly path: string;
      readonly data: Uint8Array;
      readonly version: number;
    }
  | { readonly kind: 'delete' | 'check'; readonly path: string; readonly version: number };

/** One read of a multiRead. */
export interface Read {
  readonly kind: 'data' | 'children';
  readonly path: string;
}

/** What a node says of itself, as far as it matters here. */
export interface NodeStat {
  readonly version: number;
  /** The session that an ephemeral node belongs to; 0 for any other. */
  readonly owner: bigint;
}

/** What one operation of a multi came to. */
export type OpResult =
  | { readonly kind: 'done'; readonly stat: NodeStat | undefined }
  | { readonly kind: 'fault'; readonly fault: number };

/** What one read came to. */
export type ReadResult =
  | { readonly kind: 'data'; readonly data: Buffer; readonly stat: NodeStat }
  | { readonly kind: 'children'; readonly names: readonly string[] }
  | { readonly kind: 'fault'; readonly fault: number };

/** Who may do what with the nodes that are created, laid out: everybody everything, or only the user. */
export function encodeAcl(isOwned: boolean): Buffer {
  const writer = new JuteWriter(64).int(1).int(ALL_PERMISSIONS);
  // `auth` stands for whoever the connection has authenticated as.
  if (isOwned) writer.text('auth').text('');
  else writer.text('world').text('anyone');
  return writer.finish();
}

export function encodeMulti(ops: readonly Op[], acl: Buffer): Buffer {
  const writer = new JuteWriter(128 * (ops.length + 1));
  for (const op of ops) writeOp(writer, op, acl);
  return endMulti(writer);
}

export function encodeMultiRead(reads: readonly Read[]): Buffer {
  const writer = new JuteWriter(96 * (reads.length + 1));
  for (const { kind, path } of reads) {
    startPart(writer, kind === 'data' ? OP.getData : OP.getChildren)
      .text(path)
      .bool(false);
  }
  return endMulti(writer);
}

export function encodeContainer(path: string, acl: Buffer): Buffer {
  return new JuteWriter().text(path).int(0).raw(acl).int(CONTAINER_FLAGS).finish();
}

export function encodePersistent(path: string, acl: Buffer): Buffer {
  return new JuteWriter().text(path).int(0).raw(acl).int(CREATE_FLAGS.persistent).finish();
}

export function encodeSync(path: string): Buffer {
  return new JuteWriter().text(path).finish();
}

export function encodeAddWatch(path: string): Buffer {
  return new JuteWriter().text(path).int(PERSISTENT_RECURSIVE).finish();
}

export function encodeRemoveWatches(path: string): Buffer {
  return new JuteWriter().text(path).int(WATCHER_TYPE_ANY).finish();
}

/** Reads the answer to a multi: one result for each operation. */
export function decodeMultiReply(body: Buffer): OpResult[] {
  const reader = new JuteReader(body);
  const results: OpResult[] = [];
  for (;;) {
    const { type, isLast } = readHeader(reader);
    if (isLast) return results;
    results.push(readOpResult(reader, type));
  }
}

/** Reads the answer to a multiRead: one result for each read. */
export function decodeMultiReadReply(body: Buffer): ReadResult[] {
  const reader = new JuteReader(body);
  const results: ReadResult[] = [];
  for (;;) {
    const { type, isLast } = readHeader(reader);
    if (isLast) return results;
    results.push(readReadResult(reader, type));
  }
}

/** The path that an event of a watch is about. */
export function decodeEventPath(body: Buffer): string {
  const reader = new JuteReader(body);
  reader.int(); // What happened; a watch only wakes.
  reader.int(); // The state of the connection, which the connection itself tells.
  return reader.text();
}

function writeOp(writer: JuteWriter, op: Op, acl: Buffer): void {
  switch (op.kind) {
    case 'create':
      startPart(writer, OP.create).text(op.path).bytes(op.data).raw(acl).int(CREATE_FLAGS[op.mode]);
      return;
    case 'set':
      startPart(writer, OP.setData).text(op.path).bytes(op.data).int(op.version);
      return;
    case 'delete':
    case 'check':
      startPart(writer, OP[op.kind]).text(op.path).int(op.version);
      return;
    default:
      throw op satisfies never;
  }
}

function startPart(writer: JuteWriter, type: number): JuteWriter {
  return writer.int(type).bool(false).int(-1);
}

function endMulti(writer: JuteWriter): Buffer {
  return writer.int(-1).bool(true).int(-1).finish();
}

function readHeader(reader: JuteReader): { readonly type: number; readonly isLast: boolean } {
  const type = reader.int();
  const isLast = reader.bool();
  reader.int();
  return { type, isLast };
}

function readOpResult(reader: JuteReader, type: number): OpResult {
  switch (type) {
    case OP.create:
      reader.bytes();
      return { kind: 'done', stat: undefined };
    case OP.setData:
      return { kind: 'done', stat: readStat(reader) };
    case OP.delete:
    case OP.check:
      return { kind: 'done', stat: undefined };
    case OP.error:
      return { kind: 'fault', fault: reader.int() };
    default:
      throw new RangeError(`a multi has a result of the unknown type ${type}`);
  }
}

function readReadResult(reader: JuteReader, type: number): ReadResult {
  switch (type) {
    case OP.getData: {
      const data = reader.bytes();
      return { kind: 'data', data, stat: readStat(reader) };
    }
    case OP.getChildren: {
      const count = reader.int();
      const names: string[] = [];
      for (let index = 0; index < count; index += 1) names.push(reader.text());
      return { kind: 'children', names };
    }
    case OP.error:
      return { kind: 'fault', fault: reader.int() };
    default:
      throw new RangeError(`a multiRead has a result of the unknown type ${type}`);
  }
}

function readStat(reader: JuteReader): NodeStat {
  reader.skip(32); // czxid, mzxid, ctime, mtime
  const version = reader.int();
  reader.skip(8); // cversion, aversion
  const owner = reader.long();
  reader.skip(STAT_BYTES - 52); // dataLength, numChildren, pzxid
  return { version, owner };
}
