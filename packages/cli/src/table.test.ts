import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { type Column, formatTable, plainText } from './table.ts';

const colors = picocolors.createColors(false);
const columns: readonly Column[] = [
  { title: 'ID' },
  { title: 'NOTE', isFlexible: true },
  { title: 'N', align: 'right' },
];

describe('a table', () => {
  it('is as wide as its content when that fits', () => {
    const text = formatTable(columns, [['a', 'short', '7']], { width: 80, colors });
    expect(text).toBe('ID  NOTE   N\na   short  7');
  });

  it('cuts flexible columns, visibly, and never the others', () => {
    const id = 'x'.repeat(30);
    const text = formatTable(columns, [[id, 'y'.repeat(100), '7']], { width: 50, colors });
    const lines = text.split('\n');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(50);
    expect(lines[1]).toBe(`${id}  ${'y'.repeat(14)}…  7`);
  });

  it('runs over the edge rather than cut what may not be cut', () => {
    const id = 'x'.repeat(60);
    const text = formatTable(columns, [[id, 'a note that is long', '7']], { width: 40, colors });
    expect(text).toContain(id);
    expect(text).toContain('a note …');
  });

  it('measures coloured text by what is seen of it', () => {
    const red = picocolors.createColors(true).red;
    const text = formatTable(columns, [['a', red('short'), '7']], { width: 80, colors });
    expect(text).toBe(`ID  NOTE   N\na   ${red('short')}  7`);
  });

  it('cuts nothing of a flexible column that wraps, long words neither', () => {
    const note = `a ${'y'.repeat(40)} z`;
    const text = formatTable(columns, [['a', note, '7']], { width: 30, colors, wraps: true });
    const lines = text.split('\n');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(30);
    expect(text.replaceAll(/[^yz]/g, '')).toBe(`${'y'.repeat(40)}z`);
    expect(text).not.toContain('…');
  });

  it('keeps a row on one line', () => {
    const text = formatTable(columns, [['a', 'two\n  lines', '7']], { width: 80, colors });
    expect(text.split('\n')).toHaveLength(2);
  });
});

describe('text of unknown origin', () => {
  it('is shown, not obeyed', () => {
    expect(plainText('\u001b[31mred\u001b[0m \u001b]0;title\u0007 bell\u0007\nnext')).toBe(
      'red  bell·\nnext',
    );
  });
});
