import type { Command } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import {
  type CommandContext,
  printHint,
  printJson,
  printText,
  textStyle,
} from '../command-context.ts';
import { findFlow } from '../find-flow.ts';
import { jobToJson } from '../job-json.ts';
import { formatJob } from '../job-text.ts';
import { findTaskJobs } from '../task-jobs.ts';

interface Options extends ClientOptions {
  readonly json?: boolean | undefined;
  readonly reason?: string | undefined;
  readonly revert?: boolean | undefined;
  readonly verbose?: boolean | undefined;
}

const JOB_EXAMPLES = `
Examples:
  holdfast job 01k9zsvm4p8x2q7c5t3r6y1w0n
  holdfast job 01k9zsvm4p8x2q7c5t3r6y1w0n --verbose
  holdfast job 01k9zsvm4p8x2q7c5t3r6y1w0n --json | jq .output`;

const CANCEL_EXAMPLES = `
Examples:
  holdfast cancel 01k9zsvm4p8x2q7c5t3r6y1w0n --reason 'posted by mistake'
  holdfast cancel 01k9zsvm4p8x2q7c5t3r6y1w0n --revert

A job that waits is cancelled at once; one that runs has its tasks told to stop.
What tasks have done is reverted with --revert only, by a worker, before the job
ends. A cancel without it stops one that takes too long.`;

const REVIVE_EXAMPLES = `
Example:
  holdfast revive 01k9zsvm4p8x2q7c5t3r6y1w0n

Makes a dead, failed or cancelled job ready again, with its attempts counted
anew. Results of tasks that were committed are kept.`;

/** `holdfast job`: everything that is known of one job. */
export function addJobCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('job <id>')
    .description('show a job: state, attempts, tasks, failures')
    .option('--verbose', 'with the stack traces of failures')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', JOB_EXAMPLES)
    .action((id: string) => showJob(id, command.opts<Options>(), context));
}

/** `holdfast cancel`. */
export function addCancelCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('cancel <id>')
    .description('cancel a job')
    .option('--reason <text>', 'why, for people')
    .option('--revert', 'first revert what its tasks have done')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', CANCEL_EXAMPLES)
    .action((id: string) => cancelJob(id, command.opts<Options>(), context));
}

/** `holdfast revive`. */
export function addReviveCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('revive <id>')
    .description('make a dead, failed or cancelled job ready again')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', REVIVE_EXAMPLES)
    .action((id: string) => reviveJob(id, command.opts<Options>(), context));
}

async function showJob(id: string, options: Options, { terminal }: CommandContext): Promise<void> {
  await withClient(options, async (client) => {
    const view = await client.job(id).get();
    if (options.json) {
      printJson(terminal, jobToJson(view));
      return;
    }
    // A task job has but one of the flow's tasks.
    const flow = view.spec.remoteTask ? undefined : await findFlow(client, view.spec.flow);
    const viewed = { ...view, taskJobs: await findTaskJobs(client, view) };
    printText(terminal, formatJob(viewed, flow, textStyle(terminal, options.verbose)));
  });
}

async function cancelJob(id: string, options: Options, context: CommandContext): Promise<void> {
  const { terminal } = context;
  await withClient(options, async (client) => {
    const { reason, revert } = options;
    const { phase } = await client.job(id).cancel({ reason, revert });
    if (options.json) printJson(terminal, { id, state: phase.kind });
    else if (phase.kind === 'cancelled') printText(terminal, `job ${id} is cancelled`);
    else {
      printText(terminal, `job ${id} ${revert ? 'is to be reverted' : 'is told to stop'}`);
      printHint(terminal, `See it end with: holdfast watch ${id}`);
    }
  });
}

async function reviveJob(
  id: string,
  options: Options,
  { terminal }: CommandContext,
): Promise<void> {
  await withClient(options, async (client) => {
    const { phase } = await client.revive(client.job(id).id);
    if (options.json) printJson(terminal, { id, state: phase.kind });
    else printText(terminal, `job ${id} is ${phase.kind} again`);
  });
}
