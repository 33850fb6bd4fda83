import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameReader } from './frame-reader.ts';

function frameOf(body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

it('messages come out as they went in, however the stream is cut', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 10 });
  fc.assert(
    fc.property(
      bodies,
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }),
      (sent, cuts) => {
        const stream = Buffer.concat(sent.map(frameOf));
        const reader = new FrameReader();
        const received: string[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const end = at + (cuts[turn % cuts.length] ?? 1);
          reader.push(stream.subarray(at, end), (frame) => received.push(frame.toString('hex')));
          at = end;
        }
        expect(received).toEqual(sent.map((body) => frameOf(body).toString('hex')));
      },
    ),
  );
});

it('a length that cannot be is refused', () => {
  const reader = new FrameReader();
  expect(() => reader.push(Buffer.from('ffffffff', 'hex'), () => undefined)).toThrow(RangeError);
});
