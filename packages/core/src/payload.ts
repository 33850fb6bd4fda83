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
 * Throws a TypeError for what JSON can't hold at all: a BigInt or a cycle.
 */
export function encodeJson(value: unknown): Payload {
  return {
    contentType: JSON_CONTENT_TYPE,
    data: encoder.encode(JSON.stringify(value === undefined ? null : value)),
  };
}

/**
 * Decodes a JSON payload. Throws a TypeError when the content type is another one, and a
 * SyntaxError or TypeError when the bytes aren't JSON in UTF-8.
 */
export function decodeJson(payload: Payload): unknown {
  if (payload.contentType !== JSON_CONTENT_TYPE) {
    throw new TypeError(
      `a payload of content type ${payload.contentType} can't be read as ${JSON_CONTENT_TYPE}`,
    );
  }
  return JSON.parse(decoder.decode(payload.data)) as unknown;
}
