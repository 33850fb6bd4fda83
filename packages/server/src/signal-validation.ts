/** What a signal may say, field by field (G9). Pure, but for the validators of schemas. */
import type { NewSignal } from '@holdfast/board';
import { encodeJson, type JobId, LIMITS, parseJobId } from '@holdfast/core';
import type { SignalJobRequest } from '@holdfast/wire';
import { FieldViolations } from './field-violations.ts';
import type { InputSchemas } from './input-schemas.ts';
import { checkPayload } from './job-validation.ts';

/** Any JSON will do: what a signal has to be is judged by the flow that waits for it. */
const ANY_JSON = { name: 'signal', inputSchemaJson: '' };

/**
 * The signal that the request asks for. Throws InvalidArgumentError with every violation, or
 * PayloadTooLargeError when the payload's size is all that is wrong.
 */
export function parseSignal(
  request: SignalJobRequest,
  schemas: InputSchemas,
): { readonly id: JobId; readonly signal: NewSignal } {
  const violations = new FieldViolations();
  violations.attempt(() => parseJobId(request.id));
  violations.name('name', request.name);
  const payload = request.payload
    ? checkPayload(request.payload, { violations, path: 'payload' })
    : encodeJson(null);
  if (payload.data.length <= LIMITS.payloadBytes)
    schemas.check(payload, ANY_JSON, { violations, path: 'payload' });
  violations.length('idempotency_key', request.idempotencyKey, LIMITS.idempotencyKeyLength);
  violations.throwIfAny();
  const idempotencyKey = request.idempotencyKey === '' ? undefined : request.idempotencyKey;
  return { id: parseJobId(request.id), signal: { name: request.name, payload, idempotencyKey } };
}
