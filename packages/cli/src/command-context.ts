import type { Json } from './job-json.ts';
import type { TextStyle } from './job-text.ts';
import type { Terminal } from './terminal.ts';

/** What every command is given. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** Ends the command with this exit status although it throws nothing. Default: 0. */
  setExitStatus(status: number): void;
}

/** How to print for people, as the terminal is now. `isVerbose` adds stack traces, and so does HOLDFAST_LOG_LEVEL=debug. */
export function textStyle(terminal: Terminal, isVerbose?: boolean): TextStyle {
  const { clock, colors, columns } = terminal;
  return {
    colors,
    width: columns,
    nowUnixMs: clock.nowUnixMs(),
    withStacks: isVerbose === true || isDebugging(terminal),
  };
}

/** Whether stack traces are wanted wherever there are some. */
export function isDebugging({ env }: Terminal): boolean {
  return env['HOLDFAST_LOG_LEVEL']?.toLowerCase() === 'debug';
}

/** Prints text for people on standard output. */
export function printText({ stdout }: Terminal, text: string): void {
  stdout.write(`${text}\n`);
}

/** Prints one JSON document on standard output: indented for a reader, on one line for NDJSON. */
export function printJson({ stdout }: Terminal, value: Json, indent: 0 | 2 = 2): void {
  stdout.write(`${JSON.stringify(value, null, indent)}\n`);
}

/** Prints something beside the result, on standard error. */
export function printHint({ stderr, errorColors }: Terminal, text: string): void {
  stderr.write(`${errorColors.dim(text)}\n`);
}
