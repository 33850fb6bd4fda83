import { plainText } from './table.ts';

/**
 * JSON for people: what fits in `width` characters stays on one line, all else goes over several. It
 * is whole, and still JSON, so a text longer than a line isn't broken: the terminal does that.
 */
export function formatValue(value: unknown, width: number): string {
  return plainText(layOut(value, { width, indent: '', room: width }));
}

/** Text moved to the right by so many columns, but for its first line. */
export function hang(text: string, columns: number): string {
  return text.replaceAll('\n', `\n${' '.repeat(columns)}`);
}

interface Place {
  readonly width: number;
  readonly indent: string;
  /** What is left of the line. */
  readonly room: number;
}

function layOut(value: unknown, { width, indent, room }: Place): string {
  const line = JSON.stringify(value);
  if (line.length <= room || typeof value !== 'object' || value === null) return line;
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  const lines = Object.entries(value).map(([key, each]) => {
    const label = isList ? '' : `${JSON.stringify(key)}: `;
    // A comma may follow.
    const left = width - inner.length - label.length - 1;
    return `${inner}${label}${layOut(each, { width, indent: inner, room: left })}`;
  });
  if (lines.length === 0) return line;
  const [open, close] = isList ? '[]' : '{}';
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}
