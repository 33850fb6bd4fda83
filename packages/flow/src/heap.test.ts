import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Heap } from './heap.ts';

describe('a heap', () => {
  test('gives the least of what it holds', () => {
    const step = fc.oneof({ weight: 2, arbitrary: fc.nat(20) }, fc.constant('take' as const));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const heap = new Heap<number>((one, other) => one < other);
        const expected: number[] = [];
        for (const each of steps) {
          const taken = each === 'take' ? heap.take() : heap.add(each);
          expect(taken).toBe(each === 'take' ? expected.shift() : undefined);
          if (each !== 'take') expected.push(each);
          expected.sort((one, other) => one - other);
          expect([heap.size, heap.first]).toEqual([expected.length, expected[0]]);
        }
      }),
    );
  });
});
