// Reads protobuf fields one after the other, and skips what nobody asked for without looking at it.
// Values stay where they are: `bytes` is a view of the message.
import { HoldfastError } from '@holdfast/core';

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;
/** Seven groups of seven bits fit a number exactly; what is longer is read as a bigint. */
const SAFE_GROUPS = 7;
const MAX_GROUPS = 10;

/** Walks over one message: `while (reader.next()) switch (reader.field) …`. */
export class ProtobufReader {
  readonly #buffer: Uint8Array;
  readonly #end: number;
  #position: number;
  #wire = 0;
  #field = 0;
  /** True while the present field's value has not been read. */
  #isPending = false;

  constructor(buffer: Uint8Array, start = 0, end: number = buffer.length) {
    this.#buffer = buffer;
    this.#position = start;
    this.#end = end;
  }

  /** Number of the present field. */
  get field(): number {
    return this.#field;
  }

  /** Goes to the next field, past a value that was not read; false at the end of the message. */
  next(): boolean {
    if (this.#isPending) this.#skip();
    if (this.#position >= this.#end) return false;
    const tag = this.#varint();
    this.#field = Math.floor(tag / 8);
    this.#wire = tag % 8;
    this.#isPending = true;
    return true;
  }

  /** The value as a whole number; exact up to 2^53. */
  number(): number {
    return Number(this.int64());
  }

  /** The value as an int64. */
  int64(): bigint {
    this.#expect(WIRE_VARINT);
    return this.#bigVarint();
  }

  bool(): boolean {
    this.#expect(WIRE_VARINT);
    return this.#varint() !== 0;
  }

  /** The value as a view of the message. */
  bytes(): Uint8Array {
    const start = this.#enter();
    return this.#buffer.subarray(start, this.#position);
  }

  /** The value as a message of its own. */
  message(): ProtobufReader {
    const start = this.#enter();
    return new ProtobufReader(this.#buffer, start, this.#position);
  }

  /** Passes over a length-delimited value; returns where it starts. */
  #enter(): number {
    this.#expect(WIRE_BYTES);
    const size = this.#varint();
    const start = this.#position;
    this.#advance(size);
    return start;
  }

  #expect(wire: number): void {
    if (this.#wire !== wire || !this.#isPending) {
      throw malformed(
        `field ${this.#field} has wire type ${this.#wire} where ${wire} was expected`,
      );
    }
    this.#isPending = false;
  }

  #skip(): void {
    this.#isPending = false;
    switch (this.#wire) {
      case WIRE_VARINT:
        while (this.#byte() >= 128);
        return;
      case WIRE_FIXED64:
        this.#advance(8);
        return;
      case WIRE_BYTES:
        this.#advance(this.#varint());
        return;
      case WIRE_FIXED32:
        this.#advance(4);
        return;
      default:
        throw malformed(`field ${this.#field} has the unknown wire type ${this.#wire}`);
    }
  }

  #advance(bytes: number): void {
    this.#position += bytes;
    if (this.#position > this.#end) throw malformed(`field ${this.#field} is cut off`);
  }

  #byte(): number {
    const byte = this.#position < this.#end ? this.#buffer[this.#position] : undefined;
    if (byte === undefined) throw malformed('a number is cut off');
    this.#position += 1;
    return byte;
  }

  /** A varint that is known to be small: a tag, a length, a flag. */
  #varint(): number {
    let value = 0;
    let weight = 1;
    for (let group = 0; group < SAFE_GROUPS; group += 1) {
      const byte = this.#byte();
      value += (byte & 127) * weight;
      if (byte < 128) return value;
      weight *= 128;
    }
    throw malformed('a tag or a length is too long');
  }

  #bigVarint(): bigint {
    let value = 0;
    let weight = 1;
    for (let group = 0; group < SAFE_GROUPS; group += 1) {
      const byte = this.#byte();
      value += (byte & 127) * weight;
      if (byte < 128) return BigInt(value);
      weight *= 128;
    }
    let long = BigInt(value);
    for (let group = SAFE_GROUPS; group < MAX_GROUPS; group += 1) {
      const byte = this.#byte();
      long |= BigInt(byte & 127) << BigInt(7 * group);
      if (byte < 128) return BigInt.asIntN(64, long);
    }
    throw malformed('a number is longer than 64 bits');
  }
}

function malformed(what: string): HoldfastError {
  return new HoldfastError('INTERNAL', `an answer of etcd can't be read: ${what}`);
}
