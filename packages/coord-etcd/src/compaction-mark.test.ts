import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CompactionMark,
  formatCompactionMark,
  mayCompact,
  parseCompactionMark,
} from './compaction-mark.ts';

const number = fc.bigInt(0n, 10n ** 18n - 1n);

describe('a compaction mark', () => {
  it('is read back as it was written', () => {
    const mark: fc.Arbitrary<CompactionMark> = fc.oneof(
      fc.record({ kind: fc.constant('idle' as const), compactedTo: number }),
      fc.record({ kind: fc.constant('running' as const), compactedTo: number, startedAt: number }),
    );
    fc.assert(
      fc.property(mark, (one) => {
        expect(parseCompactionMark(formatCompactionMark(one), 10n ** 18n)).toEqual(one);
      }),
    );
  });

  it.each([undefined, '', 'idle', 'idle -1', 'idle 1x', 'running 5', 'idle 101', 'running 5 101'])(
    'that is missing, garbled or from the future stands for nothing compacted: %s',
    (text) => {
      expect(parseCompactionMark(text, 100n)).toEqual({ kind: 'idle', compactedTo: 0n });
    },
  );
});

describe('a process may compact', () => {
  const ask = {
    trigger: 'revisions',
    revision: 5100n,
    target: 5000n,
    everyRevisions: 1000n,
  } as const;

  it('when the store has gone on far enough since the last time', () => {
    expect(mayCompact({ kind: 'idle', compactedTo: 4000n }, ask)).toBe(true);
    expect(mayCompact({ kind: 'idle', compactedTo: 4001n }, ask)).toBe(false);
  });

  it('sooner when it has written much itself', () => {
    const trigger = 'writes';
    expect(mayCompact({ kind: 'idle', compactedTo: 4999n }, { ...ask, trigger })).toBe(true);
    expect(mayCompact({ kind: 'idle', compactedTo: 5000n }, { ...ask, trigger })).toBe(false);
  });

  it('not while another one does, unless that one must be dead', () => {
    const running: CompactionMark = { kind: 'running', compactedTo: 1n, startedAt: 200n };
    for (const trigger of ['revisions', 'writes'] as const) {
      expect(mayCompact(running, { ...ask, trigger })).toBe(false);
      expect(mayCompact(running, { ...ask, trigger, revision: 10_200n })).toBe(true);
    }
  });
});
