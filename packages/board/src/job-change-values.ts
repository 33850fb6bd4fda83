import {
  type AtomRecord,
  decodeJson,
  encodeJson,
  type FieldViolation,
  JSON_CONTENT_TYPE,
  LIMITS,
  type Payload,
  PayloadTooLargeError,
} from '@holdfast/core';
import type { JobTask } from './job-change-graph.ts';

/** A result with values of an operator's in it, or what is wrong with them; fields are relative. */
export type MergedResult =
  | { readonly kind: 'merged'; readonly result: Payload }
  | { readonly kind: 'wrong'; readonly violations: readonly FieldViolation[] };

/**
 * The values that a task has stored, with `values` in their place where given. Names are those that the
 * flow has for them. Throws PayloadTooLargeError.
 */
export function mergeResult(
  { name, node }: JobTask,
  atom: AtomRecord | undefined,
  values: Payload,
): MergedResult {
  const given = readObject(values);
  if (!given) return wrong('', 'is not a JSON object');
  const { provides, storedAs = {} } = node;
  const violations: FieldViolation[] = [];
  const result: Record<string, unknown> = {};
  const stored = atom?.result ? readObject(atom.result) : {};
  for (const value of provides) {
    const own = Object.hasOwn(storedAs, value) ? (storedAs[value] ?? value) : value;
    if (Object.hasOwn(given, value)) result[own] = given[value];
    else if (stored && Object.hasOwn(stored, own)) result[own] = stored[own];
    else
      violations.push({ field: `.${value}`, description: `is missing: task ${name} has none yet` });
  }
  for (const value of Object.keys(given)) {
    if (provides.includes(value)) continue;
    const has = provides.length === 0 ? 'provides nothing' : `provides ${provides.join(', ')}`;
    violations.push({
      field: `.${value}`,
      description: `is no value of task ${name}, which ${has}`,
    });
  }
  if (violations.length > 0) return { kind: 'wrong', violations };
  const payload = encodeJson(result);
  const sizeBytes = payload.data.length;
  if (sizeBytes <= LIMITS.payloadBytes) return { kind: 'merged', result: payload };
  const limits = { sizeBytes, limitBytes: LIMITS.payloadBytes };
  throw new PayloadTooLargeError(`the result of task ${name}`, limits);
}

function wrong(field: string, description: string): MergedResult {
  return { kind: 'wrong', violations: [{ field, description }] };
}

/** Undefined for what is no JSON object; what a codec of the user's wrote can't be read here. */
function readObject(payload: Payload): Readonly<Record<string, unknown>> | undefined {
  if (payload.contentType !== JSON_CONTENT_TYPE) return undefined;
  let value: unknown;
  try {
    value = decodeJson(payload);
  } catch {
    return undefined; // Whoever calls says what was expected instead.
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, unknown>>) : undefined; // just checked
}
