import { VirtualClock } from '@holdfast/core';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WaitingRoom } from './waiting-room.ts';

type Step =
  | { readonly kind: 'add'; readonly index: number; readonly ms: number }
  | { readonly kind: 'remove'; readonly indexes: readonly number[] }
  | { readonly kind: 'advance'; readonly ms: number };

const index = fc.nat(12);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), index, ms: fc.nat(50) }) },
  fc.record({ kind: fc.constant('remove' as const), indexes: fc.array(index, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(20) }),
);

/** Who waits, and until when: the first first. */
function inOrder(waiting: ReadonlyMap<number, number>): { index: number; untilUnixMs: number }[] {
  return Array.from(waiting, ([each, untilUnixMs]) => ({ index: each, untilUnixMs })).sort(
    (one, other) => one.untilUnixMs - other.untilUnixMs || one.index - other.index,
  );
}

describe('a waiting room', () => {
  test('knows the first, and gives each once when the time has come that it was given last', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const clock = new VirtualClock();
        const room = new WaitingRoom(clock, () => undefined);
        const waiting = new Map<number, number>();
        for (const each of steps) {
          if (each.kind === 'add') {
            const untilUnixMs = clock.nowUnixMs() + each.ms;
            room.add(each.index, untilUnixMs);
            waiting.set(each.index, untilUnixMs);
          } else if (each.kind === 'remove') {
            room.remove(each.indexes);
            for (const gone of each.indexes) waiting.delete(gone);
          } else {
            await clock.advance(each.ms);
          }
          const due = inOrder(waiting).filter((one) => one.untilUnixMs <= clock.nowUnixMs());
          expect(room.takeDue()).toEqual(due.map((one) => one.index));
          for (const one of due) waiting.delete(one.index);
          expect({ first: room.first, size: room.size }).toEqual({
            first: inOrder(waiting)[0],
            size: waiting.size,
          });
        }
      }),
    );
  });

  test('wakes at the time of the first, whoever is removed meanwhile', async () => {
    const clock = new VirtualClock();
    let woken = 0;
    const room = new WaitingRoom(clock, () => {
      woken += 1;
    });
    room.add(1, clock.nowUnixMs() + 10);
    room.add(2, clock.nowUnixMs() + 20);
    room.arm();
    room.remove([1]);
    room.arm();
    await clock.advance(15);
    expect(woken).toBe(0);
    await clock.advance(5);
    expect(woken).toBe(1);
  });
});
