import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fifo } from './fifo.ts';

describe('a fifo', () => {
  test('gives items in the order in which they came, each once at a time', () => {
    const step = fc.oneof(fc.nat(9), fc.constant('take' as const));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const fifo = new Fifo<number>();
        const expected: number[] = [];
        for (const each of steps) {
          const taken = each === 'take' ? fifo.take() : fifo.add(each);
          const isNew = each !== 'take' && !expected.includes(each);
          expect(taken).toBe(each === 'take' ? expected.shift() : undefined);
          if (isNew) expected.push(each);
          expect([fifo.size, fifo.first]).toEqual([expected.length, expected[0]]);
          const held = Array.from({ length: 10 }, (_, item) => item).filter((item) =>
            fifo.has(item),
          );
          expect(held).toEqual(expected.toSorted((one, other) => one - other));
        }
      }),
    );
  });
});
