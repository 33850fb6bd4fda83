import { describe, expect, it } from 'vitest';
import { committedAt, refusedBy } from '../commit-result.ts';
import type { Commit } from '../coord.ts';
import { absent, bytes, exists, put, remove, unchanged } from './conformance-store.ts';
import { findOrder, type Operation } from './linearizability.ts';

function commit(times: readonly [number, number], commit: Commit, version: bigint): Operation {
  const [calledAt, returnedAt] = times;
  return { kind: 'commit', commit, result: committedAt(commit, version), calledAt, returnedAt };
}

function refused(times: readonly [number, number], commit: Commit, guard: number): Operation {
  const [calledAt, returnedAt] = times;
  const failed = commit.when[guard];
  if (!failed) throw new Error('there is no such guard');
  return { kind: 'commit', commit, result: refusedBy(failed), calledAt, returnedAt };
}

function read(times: readonly [number, number], key: string, seen?: [string, bigint]): Operation {
  const [calledAt, returnedAt] = times;
  const entries = seen ? [{ key, value: bytes(seen[0]), version: seen[1] }] : [];
  return { kind: 'read', keys: [key], entries, calledAt, returnedAt };
}

function writes(...write: Commit['write']): Commit {
  return { when: [], write };
}

describe('the checker of histories', () => {
  it('explains a history by an order of what overlaps', () => {
    const history = [
      read([1, 8], 'k', ['b', 2n]),
      commit([2, 4], writes(put('k', 'a')), 1n),
      commit([3, 7], writes(put('k', 'b')), 2n),
      read([5, 6], 'k', ['a', 1n]),
    ];
    expect(findOrder(history)?.map((operation) => history.indexOf(operation))).toEqual([
      1, 3, 2, 0,
    ]);
  });

  it.each<[string, Operation[]]>([
    [
      'a read that misses an acknowledged write',
      [commit([1, 2], writes(put('k', 'a')), 1n), read([3, 4], 'k')],
    ],
    [
      'a read that goes back in time',
      [
        commit([1, 2], writes(put('k', 'a')), 1n),
        commit([3, 8], writes(put('k', 'b')), 2n),
        read([4, 5], 'k', ['b', 2n]),
        read([6, 7], 'k', ['a', 1n]),
      ],
    ],
    [
      'a lost update',
      [
        commit([1, 2], writes(put('k', 'a')), 1n),
        commit([3, 6], { when: [unchanged('k', 1n)], write: [put('k', 'b')] }, 2n),
        commit([4, 5], { when: [unchanged('k', 1n)], write: [put('k', 'c')] }, 3n),
      ],
    ],
    [
      'write skew',
      [
        commit([1, 4], { when: [absent('x')], write: [put('y', '1')] }, 1n),
        commit([2, 3], { when: [absent('y')], write: [put('x', '1')] }, 2n),
      ],
    ],
    [
      'a guard that is refused though it holds',
      [refused([1, 2], { when: [absent('k')], write: [put('k', 'a')] }, 0)],
    ],
    [
      'a refusal that names the wrong guard',
      [refused([1, 2], { when: [exists('k'), exists('l')], write: [remove('k')] }, 1)],
    ],
    [
      'a version that does not grow',
      [commit([1, 2], writes(put('k', 'a')), 2n), commit([3, 4], writes(put('k', 'b')), 2n)],
    ],
    [
      'half a commit',
      [
        commit([1, 4], writes(put('k', 'a'), put('l', 'a')), 1n),
        { ...read([2, 3], 'k', ['a', 1n]), keys: ['k', 'l'] } as Operation,
      ],
    ],
  ])('finds no order for %s', (_, history) => {
    expect(findOrder(history)).toBeUndefined();
  });
});
