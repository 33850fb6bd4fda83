import type { Command } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import { type CommandContext, printHint, printJson, printText } from '../command-context.ts';

interface Options extends ClientOptions {
  readonly json?: boolean | undefined;
  readonly reason?: string | undefined;
}

const SUSPEND_EXAMPLES = `
Example:
  holdfast suspend 01k9zsvm4p8x2q7c5t3r6y1w0n --reason 'the database is moved'

A job that runs starts no further task, and is suspended once those that run
have ended. Nothing runs of it until it is resumed; its deadlines go on.`;

const RESUME_EXAMPLES = `
Example:
  holdfast resume 01k9zsvm4p8x2q7c5t3r6y1w0n

Goes on where it stopped: results of tasks that were committed are kept. One
that was scheduled for a time that is still to come waits for that.`;

/** `holdfast suspend`. */
export function addSuspendCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('suspend <id>')
    .description('stop a job in order, until it is resumed')
    .option('--reason <text>', 'why, for people')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', SUSPEND_EXAMPLES)
    .action((id: string) => suspendJob(id, command.opts<Options>(), context));
}

/** `holdfast resume`. */
export function addResumeCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('resume <id>')
    .description('let a suspended job go on')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', RESUME_EXAMPLES)
    .action((id: string) => resumeJob(id, command.opts<Options>(), context));
}

async function suspendJob(
  id: string,
  options: Options,
  { terminal }: CommandContext,
): Promise<void> {
  await withClient(options, async (client) => {
    const { phase } = await client.job(id).suspend({ reason: options.reason });
    if (options.json) printJson(terminal, { id, state: phase.kind });
    else if (phase.kind === 'suspended') printText(terminal, `job ${id} is suspended`);
    else {
      printText(terminal, `job ${id} is told to stop in order`);
      printHint(terminal, `See how far it is with: holdfast job ${id}`);
    }
  });
}

async function resumeJob(
  id: string,
  options: Options,
  { terminal }: CommandContext,
): Promise<void> {
  await withClient(options, async (client) => {
    const { phase } = await client.job(id).resume();
    if (options.json) printJson(terminal, { id, state: phase.kind });
    else printText(terminal, `job ${id} is ${phase.kind}`);
  });
}
