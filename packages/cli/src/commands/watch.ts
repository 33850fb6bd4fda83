import type { Client } from '@holdfast/client';
import type { Command } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import { type CommandContext, printHint, printJson, textStyle } from '../command-context.ts';
import { findFlow } from '../find-flow.ts';
import { jobToJson } from '../job-json.ts';
import { createJobProgress, type JobProgress } from '../job-progress.ts';
import { INTERRUPTED_STATUS, withInterrupt } from '../stop-signals.ts';

interface Options extends ClientOptions {
  readonly json?: boolean | undefined;
}

const EXAMPLES = `
Examples:
  holdfast watch 01k9zsvm4p8x2q7c5t3r6y1w0n
  holdfast watch 01k9zsvm4p8x2q7c5t3r6y1w0n --json | jq -r .state

Ends with the job. Exit status: 0 when it succeeded, 1 when it failed, 10 when
it was cancelled. Survives restarts of the server.`;

/** `holdfast watch`: shows a job until it is final. */
export function addWatchCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('watch <id>')
    .description('show a job as it gets on, until it ends')
    .option('--json', 'print a JSON document for each change, one in a line');
  addClientOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((id: string) => runWatch(id, command.opts<Options>(), context));
}

async function runWatch(id: string, options: Options, context: CommandContext): Promise<void> {
  const { terminal } = context;
  await withClient(options, (client) =>
    withInterrupt(async (signal) => {
      const job = client.job(id);
      try {
        if (options.json) {
          for await (const view of job.watch({ signal })) printJson(terminal, jobToJson(view), 0);
        } else {
          const progress = await openProgress(client, id, context);
          for await (const view of job.watch({ signal })) progress.show(view);
          progress.finish();
        }
        // Throws what made the job fail, and so gives the exit status.
        await job.result({ signal });
      } catch (error) {
        if (!signal.aborted) throw error;
        printHint(terminal, 'The job goes on.');
        context.setExitStatus(INTERRUPTED_STATUS);
      }
    }),
  );
}

async function openProgress(
  client: Client,
  id: string,
  { terminal }: CommandContext,
): Promise<JobProgress> {
  const { flow } = await client.job(id).status();
  return createJobProgress({
    output: terminal.stdout,
    flow: await findFlow(client, flow),
    style: () => textStyle(terminal),
  });
}
