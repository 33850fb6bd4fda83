import { ERROR_TABLE, fromUnknown, type HoldfastError, InvalidArgumentError } from '@holdfast/core';
import { plainText } from './table.ts';
import type { Colors } from './terminal.ts';

/** How a failure is told. */
export interface ErrorStyle {
  readonly colors: Colors;
  /** Adds the stack trace: for HOLDFAST_LOG_LEVEL=debug. */
  readonly withStack: boolean;
}

/** One line `holdfast: <message>`, and one more for each wrong field. Ends with a line feed. */
export function formatError(thrown: unknown, style: ErrorStyle): string {
  const error = fromUnknown(thrown);
  const lines = [`${style.colors.red('holdfast:')} ${firstLine(error)}`];
  if (error instanceof InvalidArgumentError && error.violations.length > 1) {
    for (const { field, description } of error.violations) {
      lines.push(`  ${style.colors.bold(plainText(field))}: ${oneLine(description)}`);
    }
  }
  if (style.withStack) lines.push(plainText(stackOf(thrown)));
  return `${lines.join('\n')}\n`;
}

/** The exit status that the error table gives this failure. */
export function exitStatusOf(thrown: unknown): number {
  return ERROR_TABLE[fromUnknown(thrown).code].exit;
}

function firstLine(error: HoldfastError): string {
  if (error instanceof InvalidArgumentError && error.violations.length > 1) {
    return `${error.violations.length} fields are wrong`;
  }
  return oneLine(error.message);
}

function oneLine(text: string): string {
  return plainText(text).replaceAll(/\s*\n\s*/g, ' ');
}

function stackOf(thrown: unknown): string {
  const lines: string[] = [];
  for (let error = thrown; error instanceof Error; error = error.cause) {
    lines.push(error.stack ?? error.message);
  }
  return lines.join('\ncaused by: ');
}
