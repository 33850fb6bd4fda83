// Writes protobuf from its end to its start, so that a message's length is known by the time its
// length prefix is written: one pass, one buffer, nothing measured beforehand.
//
// Why not the generic encoder of the client library: it checks and copies each message into an object
// of its own kind before it writes it, which costs as much as etcd's whole answer. Commits are the
// hot path of Holdfast; everything else still goes through the library.

const INITIAL_BYTES = 4096;
/** Beyond this a bitwise operation would see a negative number. */
const MAX_BITWISE = 0x7fff_ffff;
const MAX_VARINT_BYTES = 10;

export const WIRE_VARINT = 0;
export const WIRE_BYTES = 2;

/** Everything is prepended: call the fields of a message in reverse. */
export class ProtobufWriter {
  #buffer: Buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  /** Index of the first byte written; everything behind it is the message so far. */
  #start: number = INITIAL_BYTES;

  /** Bytes written so far; remember it before a nested message, and hand it to {@link delimit} after. */
  get length(): number {
    return this.#buffer.length - this.#start;
  }

  /** Drops what was written, also what an error left behind; the writer itself, to write the next message. */
  clear(): this {
    this.#start = this.#buffer.length;
    return this;
  }

  /** Makes what was written since `length` was `mark` a field of the message around it. */
  delimit(field: number, mark: number): void {
    this.#varint(this.length - mark);
    this.#varint(field * 8 + WIRE_BYTES);
  }

  /** Prepends bytes, without tag or length. */
  bytes(data: Uint8Array): void {
    this.#reserve(data.byteLength);
    this.#start -= data.byteLength;
    this.#buffer.set(data, this.#start);
  }

  /** Prepends text as UTF-8, without tag or length. */
  text(text: string): void {
    const size = Buffer.byteLength(text);
    this.#reserve(size);
    this.#start -= size;
    this.#buffer.write(text, this.#start, size, 'utf8');
  }

  /** A field of type int64 (not negative), bool or enum. */
  integer(field: number, value: number | bigint): void {
    if (typeof value === 'number') this.#varint(value);
    else if (value <= BigInt(Number.MAX_SAFE_INTEGER)) this.#varint(Number(value));
    else this.#bigVarint(value);
    this.#varint(field * 8 + WIRE_VARINT);
  }

  /** The finished message, as a buffer of its own; the writer is empty afterwards. */
  finish(): Buffer {
    const message = Buffer.allocUnsafe(this.length);
    this.#buffer.copy(message, 0, this.#start);
    this.#start = this.#buffer.length;
    return message;
  }

  #varint(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
    this.#reserve(size);
    this.#start -= size;
    let index = this.#start;
    let rest = value;
    for (; rest > MAX_BITWISE; rest = Math.floor(rest / 128)) {
      this.#buffer[index] = (rest % 128) + 128;
      index += 1;
    }
    for (; rest >= 128; rest >>>= 7) {
      this.#buffer[index] = (rest & 127) | 128;
      index += 1;
    }
    this.#buffer[index] = rest;
  }

  #bigVarint(value: bigint): void {
    const groups: number[] = [];
    let rest = value;
    for (; rest >= 128n; rest >>= 7n) groups.push(Number(rest & 127n) | 128);
    groups.push(Number(rest));
    this.bytes(Uint8Array.from(groups));
  }

  #reserve(size: number): void {
    if (this.#start >= size + MAX_VARINT_BYTES) return;
    const written = this.length;
    const larger = Buffer.allocUnsafe(2 * (this.#buffer.length + size + MAX_VARINT_BYTES));
    this.#buffer.copy(larger, larger.length - written, this.#start);
    this.#start = larger.length - written;
    this.#buffer = larger;
  }
}
