import { describe, expect, it } from 'vitest';
import { type Bar, drawWaterfall } from './waterfall.ts';

const bar = (of: Partial<Bar>): Bar => ({
  label: 'x',
  depth: 0,
  startUnixMs: 0,
  endUnixMs: 100,
  kind: 'span',
  note: '',
  ...of,
});

describe('a waterfall', () => {
  it('puts every bar on one scale', () => {
    const lines = drawWaterfall(
      [
        bar({ label: 'post', endUnixMs: 100 }),
        bar({ label: 'attempt 1', depth: 1, endUnixMs: 50, kind: 'cut', note: 'lost' }),
        bar({ label: 'attempt 2', depth: 1, startUnixMs: 50, note: 'succeeded' }),
      ],
      80,
    );
    expect(lines).toEqual([
      `${'post'.padEnd(26)} ${'█'.repeat(28)}   100 ms`,
      `${'  attempt 1'.padEnd(26)} ${'░'.repeat(14)}${' '.repeat(14)}    50 ms lost`,
      `${'  attempt 2'.padEnd(26)} ${' '.repeat(14)}${'█'.repeat(14)}    50 ms succeeded`,
    ]);
  });

  it('shows what took no time, and fits in its width', () => {
    const lines = drawWaterfall(
      [bar({}), bar({ label: 'a very long label that is cut', startUnixMs: 100 })],
      60,
    );
    expect(lines[1]).toContain('a very long label that is…');
    expect(lines[1]).toContain('█');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
  });
});
