import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIMITS } from './limits.ts';
import { checkJsonDepth, decodeJson, encodeJson, JSON_CONTENT_TYPE } from './payload.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function nested(depth: number): string {
  return `${'[{"a":'.repeat(depth / 2)}0${'}]'.repeat(depth / 2)}`;
}

describe('JSON payloads', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.stringify(decodeJson(encodeJson(value)))).toBe(JSON.stringify(value));
      }),
    );
  });

  test('are nested as deep as the limit, and no deeper', () => {
    const [most, tooMuch] = [nested(LIMITS.jsonDepth), nested(LIMITS.jsonDepth + 2)];
    const payload = (text: string) => ({ contentType: JSON_CONTENT_TYPE, data: bytes(text) });
    const value = decodeJson(payload(most));
    expect(encodeJson(value).data).toEqual(bytes(most));
    const problem = /nested more than 500 deep/;
    expect(() => decodeJson(payload(tooMuch))).toThrow(problem);
    expect(() => encodeJson([[value]])).toThrow(problem);
  });

  test('too deep for the stack are refused by the same words', () => {
    let value: unknown = 0;
    for (let depth = 0; depth < 200_000; depth += 1) value = [value];
    expect(() => encodeJson(value)).toThrow(/nested more than 500 deep/);
    expect(() => checkJsonDepth(bytes('['.repeat(200_000)))).toThrow(/nested more than 500 deep/);
  });

  test('with brackets and quotes in their texts are not deep', () => {
    const text = `${'['.repeat(1000)}\\"{{${'\\"['.repeat(1000)}`;
    expect(decodeJson(encodeJson({ [text]: [text] }))).toEqual({ [text]: [text] });
  });
});
