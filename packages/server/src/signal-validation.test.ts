import { create } from '@bufbuild/protobuf';
import { encodeJson, InvalidArgumentError, LIMITS, PayloadTooLargeError } from '@holdfast/core';
import { payloadToProto, type SignalJobRequest, SignalJobRequestSchema } from '@holdfast/wire';
import { describe, expect, it } from 'vitest';
import { InputSchemas } from './input-schemas.ts';
import { parseSignal } from './signal-validation.ts';

const id = '01k9zsvm4p8x2q7c5t3r6y1w0n';

function request(
  overrides: Parameters<typeof create<typeof SignalJobRequestSchema>>[1],
): SignalJobRequest {
  return create(SignalJobRequestSchema, { id, name: 'approved', ...overrides });
}

function violationsOf(message: SignalJobRequest): readonly string[] {
  try {
    parseSignal(message, new InputSchemas());
  } catch (error) {
    if (error instanceof InvalidArgumentError) return error.violations.map(({ field }) => field);
    throw error;
  }
  return [];
}

describe('a signal', () => {
  it('without payload and key has null for its payload, and no key', () => {
    expect(parseSignal(request({}), new InputSchemas())).toEqual({
      id,
      signal: { name: 'approved', payload: encodeJson(null), idempotencyKey: undefined },
    });
  });

  it('carries payload and key', () => {
    const payload = encodeJson({ by: 'ada' });
    const message = request({ payload: payloadToProto(payload), idempotencyKey: 'k' });
    expect(parseSignal(message, new InputSchemas()).signal).toEqual({
      name: 'approved',
      payload,
      idempotencyKey: 'k',
    });
  });

  it('that is malformed is refused with every field', () => {
    const data = Buffer.from('{');
    const payload = { contentType: 'application/json', data };
    const message = request({
      id: 'x',
      name: 'not a name',
      payload,
      idempotencyKey: 'k'.repeat(LIMITS.idempotencyKeyLength + 1),
    });
    expect(violationsOf(message)).toEqual(['id', 'name', 'payload', 'idempotency_key']);
    const strange = request({ payload: { contentType: 'no type', data } });
    expect(violationsOf(strange)).toEqual(['payload.content_type']);
  });

  it('that is too large is refused by its size', () => {
    const data = new Uint8Array(LIMITS.payloadBytes + 1);
    const message = request({ payload: { contentType: 'a/b', data } });
    expect(() => parseSignal(message, new InputSchemas())).toThrow(PayloadTooLargeError);
  });
});
