import { Command } from 'commander';
import type { CommandContext } from './command-context.ts';
import { addRetryCommand, addSetCommand, addSkipCommand } from './commands/change.ts';
import { addDevCommand } from './commands/dev.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addDrainCommand, addFlowsCommand, addWorkersCommand } from './commands/fleet.ts';
import { addFlowCommand } from './commands/flow.ts';
import { addForkCommand } from './commands/fork.ts';
import { addCancelCommand, addJobCommand, addReviveCommand } from './commands/job.ts';
import { addJobsCommand } from './commands/jobs.ts';
import { addPostCommand } from './commands/post.ts';
import { addResolveCommand, addRevertCommand } from './commands/revert.ts';
import { addRunCommand } from './commands/run.ts';
import { addServerCommand } from './commands/server.ts';
import { addSignalCommand } from './commands/signal.ts';
import { addResumeCommand, addSuspendCommand } from './commands/suspend.ts';
import { addWatchCommand } from './commands/watch.ts';
import { addWorkerCommand } from './commands/worker.ts';
import { readVersion } from './version.ts';

const EPILOGUE = `
Settings:
  HOLDFAST_STORE      the store, where --store isn't given
  HOLDFAST_ADDRESS    the server, where --address isn't given
  HOLDFAST_TOKEN      the token, where --token isn't given
  HOLDFAST_LOG_LEVEL  debug (adds stack traces), info, warn, error or silent
  OTEL_*              OpenTelemetry's own: where traces and metrics go

Exit status: 0 done, 1 the job failed, 2 wrong input, 3 not found, 7 server or
store away; the README of the core package has the whole table.

holdfast COMMAND --help has examples.`;

/** The whole command line. */
export function createProgram(context: CommandContext): Command {
  const { terminal } = context;
  const program = new Command('holdfast')
    .description('Post jobs to a durable board, and run them on a fleet of workers.')
    .version(readVersion())
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      // Commander's own complaints look like ours.
      outputError: (text, write) =>
        write(
          `${terminal.errorColors.red('holdfast:')} ${oneLine(text.replace(/^error: /, ''))}\n`,
        ),
      getOutHelpWidth: () => terminal.columns,
      getErrHelpWidth: () => terminal.columns,
    })
    .configureHelp({
      styleTitle: (title) => terminal.colors.bold(title),
      subcommandTerm,
      minWidthToWrap: HELP_COLUMN_MIN,
    })
    .helpCommand(false)
    .exitOverride()
    .addHelpText('after', EPILOGUE);
  program.commandsGroup('Run:');
  addDevCommand(program, context);
  addRunCommand(program, context);
  addServerCommand(program);
  addWorkerCommand(program, context);
  program.commandsGroup('Jobs:');
  addPostCommand(program, context);
  addJobsCommand(program, context);
  addJobCommand(program, context);
  addWatchCommand(program, context);
  addSignalCommand(program, context);
  addSuspendCommand(program, context);
  addResumeCommand(program, context);
  addCancelCommand(program, context);
  addReviveCommand(program, context);
  program.commandsGroup('Stopped jobs:');
  addRetryCommand(program, context);
  addSetCommand(program, context);
  addSkipCommand(program, context);
  addRevertCommand(program, context);
  addResolveCommand(program, context);
  addForkCommand(program, context);
  program.commandsGroup('Fleet:');
  addFlowsCommand(program, context);
  addFlowCommand(program, context);
  addWorkersCommand(program, context);
  addDrainCommand(program, context);
  addDoctorCommand(program, context);
  return program;
}

/** A description is broken into lines even where it has so few columns, beside a long option. */
const HELP_COLUMN_MIN = 20;

/** A command with its arguments; that it has options goes without saying. */
function subcommandTerm(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...words].join(' ');
}

/** Commander puts its "Did you mean" on a line of its own. */
function oneLine(text: string): string {
  const line = text.trim().replaceAll(/\s*\n\s*/g, ' ');
  const isLost = line.startsWith('unknown command') && !line.includes('Did you mean');
  return isLost ? `${line}; holdfast --help lists them all` : line;
}
