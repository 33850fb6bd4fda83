/**
 * Stored records as bytes.
 *
 * Every record type has an `encode…` and a `decode…` made here from its conversion to and from the
 * generated message.
 *
 * R1. `decode(encode(record))` equals `record`; what is absent stays absent.
 * R2. Bytes that aren't such a record, or hold a value this version has no name for, throw
 *     HoldfastError INTERNAL naming the record and where it was read: never a half-filled record.
 * R3. Text is kept as UTF-8, so a lone surrogate becomes U+FFFD; nothing else is changed or cut.
 */

import type { Message } from '@bufbuild/protobuf';
import { fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import { fromUnknown, HoldfastError } from '@holdfast/core';

/** A record type as bytes in the store. */
export interface RecordCodec<Record> {
  /** Throws HoldfastError INTERNAL when the record holds what its message can't, such as a fraction. */
  encode(record: Record): Uint8Array;
  /** `place` is where the bytes were read, such as a key: it is part of the error for damaged bytes. */
  decode(bytes: Uint8Array, place?: string): Record;
}

interface RecordConversion<Record, Shape extends Message> {
  readonly schema: GenMessage<Shape>;
  toProto(record: Record): MessageShape<GenMessage<Shape>>;
  fromProto(message: MessageShape<GenMessage<Shape>>): Record;
}

/** Makes the codec of one record type from its conversions. */
export function recordCodec<Record, Shape extends Message>(
  conversion: RecordConversion<Record, Shape>,
): RecordCodec<Record> {
  const { schema } = conversion;
  return {
    encode(record) {
      try {
        return toBinary(schema, conversion.toProto(record));
      } catch (cause) {
        throw recordError(`record ${schema.name} cannot be written`, cause);
      }
    },
    decode(bytes, place) {
      try {
        return conversion.fromProto(fromBinary(schema, bytes));
      } catch (cause) {
        const where = place === undefined ? '' : ` at ${place}`;
        throw recordError(`record ${schema.name}${where} cannot be read`, cause);
      }
    },
  };
}

function recordError(what: string, cause: unknown): HoldfastError {
  return new HoldfastError('INTERNAL', `${what}: ${fromUnknown(cause).message}`, { cause });
}
