import { type Command, Option } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import { type CommandContext, printHint, printJson, printText } from '../command-context.ts';
import { findFlow } from '../find-flow.ts';
import { readJobInput } from '../job-input.ts';
import { hintOfSignal } from '../signal-hint.ts';

interface Options extends ClientOptions {
  readonly data: string;
  readonly key?: string | undefined;
  readonly json?: boolean | undefined;
}

const EXAMPLES = `
Examples:
  holdfast signal 01k9zsvm4p8x2q7c5t3r6y1w0n approved
  holdfast signal 01k9zsvm4p8x2q7c5t3r6y1w0n approved --data '{"by":"ada"}'
  holdfast signal 01k9zsvm4p8x2q7c5t3r6y1w0n answer --data @answer.json --key 7

The signal is kept with the job, also when nothing waits for it yet; a job that
waits goes on. Sending again with the same --key and the same content gives the
same signal. Exit status: 4 when the key belongs to another signal of the job,
5 when the job has ended, 8 when it takes no more signals.`;

/** `holdfast signal`: sends a signal to a job. */
export function addSignalCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('signal <id> <name>')
    .description('send a signal to a job that waits for one, or will')
    .addOption(new Option('--data <json>', 'JSON, @FILE, or - for standard input').default('null'))
    .option('--key <text>', 'idempotency key')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((id: string, name: string) =>
      sendSignal({ id, name }, command.opts<Options>(), context),
    );
}

async function sendSignal(
  { id, name }: { readonly id: string; readonly name: string },
  options: Options,
  { terminal }: CommandContext,
): Promise<void> {
  const data = await readJobInput(options.data, terminal.stdin, '--data');
  await withClient(options, async (client) => {
    const sent = await client.job(id).signal(name, data, { idempotencyKey: options.key });
    const { seq, created, status } = sent;
    if (options.json) printJson(terminal, { id, seq, created, state: status.phase.kind });
    else printText(terminal, `job ${id} has received ${name} as its signal ${seq}`);
    if (!created) printHint(terminal, 'This key was used before; this is the signal it led to.');
    const hint = hintOfSignal(await findFlow(client, status.flow), name);
    if (hint !== '') printHint(terminal, hint);
  });
}
