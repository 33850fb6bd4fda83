import type { Clock } from '@holdfast/core';
import { systemClock } from '@holdfast/core';
import picocolors from 'picocolors';

/** The colour functions of picocolors; each returns its text unchanged where colours are off. */
export type Colors = ReturnType<typeof picocolors.createColors>;

/** What the command talks to: everything of the process that a command may use. */
export interface Terminal {
  /** Results: tables for people, JSON for programs. */
  readonly stdout: NodeJS.WriteStream;
  /** Everything else: errors, logs, hints. */
  readonly stderr: NodeJS.WriteStream;
  readonly stdin: NodeJS.ReadStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Colours for `stdout`; off unless it is a terminal and NO_COLOR is unset. */
  readonly colors: Colors;
  /** Colours for `stderr`. */
  readonly errorColors: Colors;
  /** Characters in a line of `stdout`: the terminal's, else COLUMNS, else 80. */
  readonly columns: number;
}

const DEFAULT_COLUMNS = 80;
// Narrower than this no table of ours can be read; it runs over the edge instead.
const MIN_COLUMNS = 40;

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const { stdout, stderr, stdin, env } = process;
  return {
    stdout,
    stderr,
    stdin,
    env,
    clock: systemClock,
    colors: colorsFor(stdout, env),
    errorColors: colorsFor(stderr, env),
    get columns() {
      return Math.max(MIN_COLUMNS, stdout.columns ?? (Number(env['COLUMNS']) || DEFAULT_COLUMNS));
    },
  };
}

function colorsFor(stream: NodeJS.WriteStream, env: Terminal['env']): Colors {
  const isWanted = stream.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return picocolors.createColors(isWanted);
}
