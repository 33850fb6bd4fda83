import { userInfo } from 'node:os';
import type { OperatorOptions } from '@holdfast/client';
import { type Command, Option } from 'commander';
import type { Terminal } from './terminal.ts';

/** Who changes a job, and why, as options name it. */
export interface WhoOptions {
  readonly by?: string | undefined;
  readonly reason?: string | undefined;
}

/** Adds `--reason` and `--by`. */
export function addWhoOptions(command: Command): Command {
  return command
    .option('--reason <text>', 'why, for the history of the job')
    .addOption(new Option('--by <name>', "who (default: the user's name)"));
}

/** Who and why. */
export function whoOf({ by, reason }: WhoOptions, terminal: Terminal): OperatorOptions {
  return { by: by ?? userName(terminal), reason };
}

function userName({ env }: Terminal): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that has no name; the environment may know better.
    return env['USER'] ?? env['USERNAME'] ?? 'unknown';
  }
}
