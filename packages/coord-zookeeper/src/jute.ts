// Jute, the serialization of ZooKeeper's protocol: big-endian numbers; texts and bytes after their
// length, -1 for none; lists after their count.

/** Writes one message; grows as needed. */
export class JuteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(expectedBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(expectedBytes);
  }

  get length(): number {
    return this.#length;
  }

  int(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeInt32BE(value, at);
    return this;
  }

  bool(value: boolean): this {
    const at = this.#reserve(1);
    this.#buffer[at] = value ? 1 : 0;
    return this;
  }

  text(value: string): this {
    const length = Buffer.byteLength(value);
    this.int(length);
    const at = this.#reserve(length);
    this.#buffer.write(value, at);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.int(value.byteLength);
    return this.raw(value);
  }

  /** Bytes that are laid out already. */
  raw(value: Uint8Array): this {
    const at = this.#reserve(value.byteLength);
    this.#buffer.set(value, at);
    return this;
  }

  /** What was written; not to be written to any more. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#length = needed;
    return at;
  }
}

/** Reads one message. Throws a RangeError when it is shorter than what is asked of it. */
export class JuteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  int(): number {
    const value = this.#buffer.readInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  long(): bigint {
    const value = this.#buffer.readBigInt64BE(this.#at);
    this.#at += 8;
    return value;
  }

  bool(): boolean {
    const value = this.#buffer.readUInt8(this.#at);
    this.#at += 1;
    return value !== 0;
  }

  text(): string {
    const end = this.#end();
    const value = this.#buffer.toString('utf8', this.#at, end);
    this.#at = end;
    return value;
  }

  /** A view of the message's own bytes. */
  bytes(): Buffer {
    const end = this.#end();
    const value = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  skip(count: number): void {
    this.#at += count;
    if (this.#at > this.#buffer.length) throw new RangeError('a message ends too early');
  }

  #end(): number {
    const length = Math.max(0, this.int());
    const end = this.#at + length;
    if (end > this.#buffer.length) throw new RangeError('a message ends too early');
    return end;
  }
}
