import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
import type { Colors } from './terminal.ts';

/** A column of a table for people. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right' | undefined;
  /**
   * Gets what room the other columns leave, and is cut, visibly, where that isn't enough. The others
   * are never cut: ids have to be copied from a table.
   */
  readonly isFlexible?: boolean | undefined;
}

export interface TableStyle {
  /** Characters in a line. */
  readonly width: number;
  readonly colors: Colors;
  /** A flexible column goes over several lines where it has to, and is never cut. Default: false. */
  readonly wraps?: boolean | undefined;
}

const GAP = 2;
// A flexible column keeps this much, even when the line then runs over the edge.
const MIN_FLEXIBLE_WIDTH = 8;
const NO_LINES = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left']
    .concat(['bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'])
    .map((name) => [name, '']),
);

/** A table without lines, that fits in `style.width` characters. Ends without a line feed. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: TableStyle,
): string {
  const widths = fitWidths(columns, rows, style.width);
  const table = new Table({
    head: columns.map((column) => style.colors.dim(column.title)),
    chars: NO_LINES,
    colAligns: columns.map((column) => column.align ?? 'left'),
    // The library counts the gap after a cell as part of its column.
    colWidths: widths.map((width) => width + GAP),
    style: { 'padding-left': 0, 'padding-right': GAP, head: [], border: [], compact: true },
    truncate: '…',
    wordWrap: style.wraps ?? false,
  });
  for (const row of rows) {
    const cells = row.map(printable);
    table.push(
      style.wraps ? cells.map((cell, index) => breakWords(cell, widths[index] ?? 0)) : cells,
    );
  }
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Goes on in the next line within words for which a line has no room: the library would cut them. */
function breakWords(text: string, width: number): string {
  return text
    .split(' ')
    .map((word) => {
      // What is coloured is short, and can't be taken apart so.
      if (word.length <= width || stripVTControlCharacters(word) !== word) return word;
      return (word.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []).join('\n');
    })
    .join(' ');
}

function fitWidths(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): number[] {
  const natural = columns.map((column, index) =>
    Math.max(...[column.title, ...rows.map((row) => row[index] ?? '')].map(visibleLength)),
  );
  const flexible = columns.flatMap((column, index) => (column.isFlexible ? [index] : []));
  let surplus = sum(natural) + GAP * (columns.length - 1) - width;
  // The widest flexible column gives way first.
  while (surplus > 0) {
    const widest = flexible.reduce<number | undefined>(
      (best, index) =>
        (natural[index] ?? 0) > MIN_FLEXIBLE_WIDTH &&
        (best === undefined || (natural[index] ?? 0) > (natural[best] ?? 0))
          ? index
          : best,
      undefined,
    );
    if (widest === undefined) break;
    natural[widest] = (natural[widest] ?? 0) - 1;
    surplus -= 1;
  }
  return natural;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(printable(text)).length;
}

/**
 * One line that does nothing to a terminal but show characters: what people and flows wrote is
 * shown, not obeyed. Our own colours are kept.
 */
function printable(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}

/** `text` of unknown origin, made safe to print: no escape sequences, line feeds kept. */
export function plainText(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/[^\P{Cc}\n\t]/gu, '·');
}
