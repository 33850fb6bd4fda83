import { Readable } from 'node:stream';
import { InvalidArgumentError, LIMITS, PayloadTooLargeError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { readJobInput } from './job-input.ts';

function read(argument: string, piped = ''): Promise<unknown> {
  // Only its bytes are read, as of any stream.
  return readJobInput(argument, Readable.from([Buffer.from(piped)]) as NodeJS.ReadStream);
}

describe('the input of a job', () => {
  it('is given as JSON, or piped in', async () => {
    expect(await read('{"a":[1,"ü"]}')).toEqual({ a: [1, 'ü'] });
    expect(await read('-', '{"a":1.50}')).toEqual({ a: 1.5 });
  });

  it.each(['{a:1}', '', '{"a":1} x'])('%j is refused as no JSON', async (text) => {
    await expect(read(text)).rejects.toThrow(InvalidArgumentError);
    await expect(read(text)).rejects.toThrow(/^--input: it can't be read as JSON: /);
    await expect(read('-', text)).rejects.toThrow(
      /^--input: what came on standard input can't be read as JSON/,
    );
  });

  it('names a file that cannot be read', async () => {
    await expect(read('@/nowhere/x.json')).rejects.toThrow(
      /^--input: \/nowhere\/x.json can't be read: ENOENT/,
    );
  });

  it('is refused when it is larger than the limit, with both sizes', async () => {
    const large = JSON.stringify('x'.repeat(LIMITS.payloadBytes));
    await expect(read(large)).rejects.toThrow(PayloadTooLargeError);
    await expect(read('-', large)).rejects.toThrow(`${LIMITS.payloadBytes}`);
  });

  it('is refused when a number in it would not arrive as it was written', async () => {
    await expect(read('{"id":12345678901234567890}')).rejects.toThrow(
      /^--input: 12345678901234567890 .*write it as a string/,
    );
    expect(await read('{"id":9007199254740991,"x":0.1,"y":1e3}')).toEqual({
      id: 9_007_199_254_740_991,
      x: 0.1,
      y: 1000,
    });
  });
});
