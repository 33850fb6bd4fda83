import type { FlowViewFields, WorkerViewFields } from '@holdfast/wire';
import type { Command } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import {
  type CommandContext,
  printHint,
  printJson,
  printText,
  textStyle,
} from '../command-context.ts';
import { formatFlow } from '../flow-text.ts';
import { flowToJson, workerToJson } from '../job-json.ts';
import { formatFlows, formatWorkers } from '../listing-text.ts';

interface Options extends ClientOptions {
  readonly json?: boolean | undefined;
}

const FLOWS_EXAMPLES = `
Examples:
  holdfast flows                                   all of them
  holdfast flows repo-check                        one: its tasks and its input
  holdfast flows repo-check --json | jq .inputSchema`;

const WORKERS_EXAMPLES = `
Examples:
  holdfast workers
  holdfast workers --json | jq -r '.workers[] | select(.claims == 0).id'`;

const DRAIN_EXAMPLES = `
Example:
  holdfast drain worker-1-01k9zsvm4p8x2q7c5t3r6y1w0n

The worker takes no new jobs, finishes or hands back those that run, and leaves.`;

/** `holdfast flows`: lists flows, or shows one. */
export function addFlowsCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('flows [name]')
    .description('list the flows that can be posted to, or show one')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', FLOWS_EXAMPLES)
    .action((name: string | undefined) => {
      const options = command.opts<Options>();
      return name === undefined ? listFlows(options, context) : showFlow(name, options, context);
    });
}

/** `holdfast workers`: lists workers. */
export function addWorkersCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('workers')
    .description('list workers and what they hold')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', WORKERS_EXAMPLES)
    .action(() => listWorkers(command.opts<Options>(), context));
}

/** `holdfast drain`: takes a worker out of service. */
export function addDrainCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('drain <worker>')
    .description('take a worker out of service')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', DRAIN_EXAMPLES)
    .action((id: string) => drainWorker(id, command.opts<Options>(), context));
}

async function listFlows(options: Options, { terminal }: CommandContext): Promise<void> {
  const flows = await withClient(options, (client) =>
    Array.fromAsync<FlowViewFields>(client.flows()),
  );
  if (options.json) printJson(terminal, { flows: flows.map(flowToJson) });
  else if (flows.length === 0) {
    printHint(
      terminal,
      'No flows; a worker registers those it serves: holdfast worker --flows FILE',
    );
  } else printText(terminal, formatFlows(flows, textStyle(terminal)));
}

async function showFlow(
  name: string,
  options: Options,
  { terminal }: CommandContext,
): Promise<void> {
  const flow = await withClient(options, (client) => client.flow(name));
  if (options.json) printJson(terminal, flowToJson(flow));
  else printText(terminal, formatFlow(flow, textStyle(terminal)));
}

async function listWorkers(options: Options, { terminal }: CommandContext): Promise<void> {
  const workers = await withClient(options, (client) =>
    Array.fromAsync<WorkerViewFields>(client.workers()),
  );
  if (options.json) printJson(terminal, { workers: workers.map(workerToJson) });
  else if (workers.length === 0) {
    printHint(terminal, 'No workers; start one with: holdfast worker --flows FILE');
  } else printText(terminal, formatWorkers(workers, textStyle(terminal)));
}

async function drainWorker(
  id: string,
  options: Options,
  { terminal }: CommandContext,
): Promise<void> {
  await withClient(options, (client) => client.drain(id));
  if (options.json) printJson(terminal, { id, draining: true });
  else
    printText(
      terminal,
      `worker ${id} takes no new jobs; it leaves when those it has are done or, after its drain timeout, handed back`,
    );
}
