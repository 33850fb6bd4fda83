import { LIMITS } from './limits.ts';

/**
 * A user's value as it is stored and sent: bytes and what they are. Holdfast itself writes JSON;
 * a codec of the user's may put anything here, compressed or encrypted.
 */
export interface Payload {
  /** A media type, such as `application/json`. */
  readonly contentType: string;
  readonly data: Uint8Array;
}

/** The content type of every payload that Holdfast encodes by itself. */
export const JSON_CONTENT_TYPE = 'application/json';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Encodes a value as a JSON payload; `undefined` becomes `null`.
 * Throws a TypeError for what JSON can't hold at all, a BigInt or a cycle, and for what is nested
 * deeper than `LIMITS.jsonDepth`.
 */
export function encodeJson(value: unknown): Payload {
  const data = encoder.encode(stringify(value === undefined ? null : value));
  checkJsonDepth(data);
  return { contentType: JSON_CONTENT_TYPE, data };
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    // The stack runs out far beyond the limit.
    throw error instanceof RangeError ? tooDeep() : error;
  }
}

/** Throws a TypeError when the JSON in these bytes is nested deeper than `LIMITS.jsonDepth`. */
export function checkJsonDepth(data: Uint8Array): void {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < data.length; at += 1) {
    const byte = data[at];
    if (isInString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) isInString = true;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth += 1;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth -= 1;
    if (depth > LIMITS.jsonDepth) throw tooDeep();
  }
}

function tooDeep(): TypeError {
  return new TypeError(
    `arrays and objects are nested more than ${LIMITS.jsonDepth} deep, which is the limit`,
  );
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Decodes a JSON payload. Throws a TypeError when the content type is another one, and a
 * SyntaxError or TypeError when the bytes aren't JSON in UTF-8, or are nested deeper than
 * `LIMITS.jsonDepth`.
 */
export function decodeJson(payload: Payload): unknown {
  if (payload.contentType !== JSON_CONTENT_TYPE) {
    throw new TypeError(
      `a payload of content type ${payload.contentType} can't be read as ${JSON_CONTENT_TYPE}`,
    );
  }
  checkJsonDepth(payload.data);
  return JSON.parse(decoder.decode(payload.data)) as unknown;
}
