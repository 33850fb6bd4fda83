import { CommanderError } from 'commander';
import { isDebugging } from './command-context.ts';
import { exitStatusOf, formatError } from './error-text.ts';
import { createProgram } from './program.ts';
import { processTerminal, type Terminal } from './terminal.ts';

// What commander calls a wrong option or a missing argument, as the error table has it.
const USAGE_STATUS = 2;

/**
 * Runs the `holdfast` command. Resolves with its exit status once everything it started has stopped;
 * never rejects. `args` are the arguments after the command's own name.
 */
export async function main(args: readonly string[]): Promise<number> {
  const terminal = processTerminal();
  leaveQuietlyWithoutReader(terminal);
  let status = 0;
  const program = createProgram({
    terminal,
    setExitStatus: (wanted) => {
      status = wanted;
    },
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    // Commander has printed what was wrong, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_STATUS;
    terminal.stderr.write(
      formatError(error, {
        colors: terminal.errorColors,
        withStack: isDebugging(terminal),
      }),
    );
    return exitStatusOf(error);
  }
}

/** `holdfast jobs | head` is no error. */
function leaveQuietlyWithoutReader({ stdout }: Terminal): void {
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}
