import { encodeJson, InvalidArgumentError, type Payload } from '@holdfast/core';

/** A caller's value as it is sent. Throws InvalidArgumentError naming `field` when it isn't JSON. */
export function jsonPayload(value: unknown, field: string): Payload {
  try {
    return encodeJson(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidArgumentError([
      { field, description: `cannot be written as JSON: ${reason}` },
    ]);
  }
}

/** Throws InvalidArgumentError naming `field` for a key that is not Unicode: two such keys would be sent as one. */
export function checkKey(idempotencyKey: string, field: string): void {
  if (idempotencyKey.isWellFormed()) return;
  throw new InvalidArgumentError(field, { value: idempotencyKey, allowed: 'well-formed Unicode' });
}
