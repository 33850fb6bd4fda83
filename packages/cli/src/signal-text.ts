import type { JobSignal } from '@holdfast/core';
import { formatAge } from './duration.ts';
import { payloadToJson } from './job-json.ts';
import { formatTable, type TableStyle } from './table.ts';
import { formatValue, hang } from './value-text.ts';

/** Signals shown; `--json` has all. */
const SIGNALS_SHOWN = 20;
/** A payload of more characters stands below its signal. */
const PAYLOAD_IN_ROW_MAX = 30;
const INDENT = 8;

/** What a job was told, the last of it last; empty for a job that was told nothing. */
export function formatSignals(
  signals: readonly JobSignal[],
  style: TableStyle & { readonly nowUnixMs: number },
): string {
  if (signals.length === 0) return '';
  const columns = [
    { title: 'SIGNAL', align: 'right' as const },
    { title: 'NAME' },
    { title: 'RECEIVED' },
    { title: 'PAYLOAD' },
  ];
  const told = signals.slice(-SIGNALS_SHOWN).map(({ seq, name, atUnixMs, payload }) => {
    const text = formatValue(payloadToJson(payload), style.width - INDENT);
    const isShort = text.length <= PAYLOAD_IN_ROW_MAX;
    return {
      row: [`${seq}`, name, formatAge(atUnixMs, style.nowUnixMs), isShort ? text : ''],
      below: isShort ? [] : [`${' '.repeat(INDENT)}${hang(text, INDENT)}`],
    };
  });
  const rows = told.map(({ row }) => row);
  const [head = '', ...lines] = formatTable(columns, rows, style).split('\n');
  const dropped = signals.length - told.length;
  return [
    head,
    ...(dropped === 0 ? [] : [`(${dropped} older signals not listed)`]),
    ...lines.flatMap((line, index) => [line, ...(told[index]?.below ?? [])]),
  ].join('\n');
}
