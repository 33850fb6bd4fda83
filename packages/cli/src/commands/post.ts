import type { Client, JobHandle, PostOptions } from '@holdfast/client';
import { LIMITS } from '@holdfast/core';
import { type Command, Option } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import { type CommandContext, printHint, printJson, textStyle } from '../command-context.ts';
import { parseDuration } from '../duration.ts';
import { findFlow } from '../find-flow.ts';
import { readJobInput } from '../job-input.ts';
import type { Json } from '../job-json.ts';
import { createJobProgress } from '../job-progress.ts';
import { collectLabel, parseInteger, parseTime } from '../option-values.ts';
import { INTERRUPTED_STATUS, withInterrupt } from '../stop-signals.ts';
import { plainText } from '../table.ts';
import type { Terminal } from '../terminal.ts';

interface Options extends ClientOptions {
  readonly input: string;
  readonly queue?: string | undefined;
  readonly priority?: number | undefined;
  readonly delay?: number | undefined;
  readonly runAt?: number | undefined;
  readonly key?: string | undefined;
  readonly label?: Readonly<Record<string, string>> | undefined;
  readonly maxAttempts?: number | undefined;
  readonly queueDeadline?: number | undefined;
  readonly attemptDeadline?: number | undefined;
  readonly totalDeadline?: number | undefined;
  readonly retention?: number | undefined;
  readonly wait?: boolean | undefined;
  readonly json?: boolean | undefined;
}

const EXAMPLES = `
Examples:
  holdfast post hello --input '{"who":"world"}' --wait
  holdfast post repo-check --input @check.json --queue slow --priority 9
  make-input | holdfast post nightly --input - --run-at 2027-01-31T02:00:00Z
  holdfast post invoice --input @1042.json --key invoice-1042

Prints the job's id; with --wait the flow's output as JSON once the job has
succeeded. Exit status with --wait: 1 when the job failed, 10 when cancelled.
Posting again with the same --key and the same content gives the same job.`;

/** `holdfast post`: posts a job, and waits for it where that is asked for. */
export function addPostCommand(program: Command, context: CommandContext): void {
  const command = program.command('post <flow>').description('post a job to a flow');
  addJobOptions(command)
    .option('--wait', "wait for the job and print the flow's output")
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((flow: string) => runPost(flow, command.opts<Options>(), context));
}

function addJobOptions(command: Command): Command {
  const duration = (name: string, text: string): Option =>
    new Option(`${name} <duration>`, text).argParser((value) => parseDuration(value, name));
  return command
    .addOption(new Option('--input <json>', 'JSON, @FILE, or - for standard input').default('{}'))
    .option('--queue <name>', 'queue to put the job in (default: "default")')
    .addOption(
      new Option('--priority <0-9>', '9 is claimed first (default: 5)').argParser((text) =>
        parseInteger(text, '--priority', { min: LIMITS.priorityMin, max: LIMITS.priorityMax }),
      ),
    )
    .addOption(duration('--delay', 'not before this long from now').conflicts('runAt'))
    .addOption(
      new Option('--run-at <time>', 'not before this time, in ISO 8601 with a zone').argParser(
        (text) => parseTime(text, '--run-at'),
      ),
    )
    .option('--key <text>', 'idempotency key')
    .addOption(
      new Option('--label <name=value>', 'label; may be given several times').argParser(
        (text, labels: Readonly<Record<string, string>> | undefined) =>
          collectLabel(text, '--label', labels ?? {}),
      ),
    )
    .addOption(
      new Option(
        '--max-attempts <n>',
        `attempts that may be lost to crashes (default: ${LIMITS.maxAttemptsDefault})`,
      ).argParser((text) =>
        parseInteger(text, '--max-attempts', { min: 1, max: LIMITS.maxAttemptsMax }),
      ),
    )
    .addOption(duration('--queue-deadline', 'longest wait for a worker'))
    .addOption(duration('--attempt-deadline', 'longest run of one attempt'))
    .addOption(duration('--total-deadline', 'longest time from the post to the end'))
    .addOption(duration('--retention', 'how long the finished job is kept (default: 7d)'));
}

async function runPost(flow: string, options: Options, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const input = await readJobInput(options.input, terminal.stdin);
  await withClient(options, async (client) => {
    const job = await client.post(flow, input, postOptions(options));
    if (options.wait) return await waitFor(job, flow, { client, context });
    if (options.json) printJson(terminal, { id: job.id, created: job.created });
    else terminal.stdout.write(`${job.id}\n`);
    if (!job.created) printHint(terminal, 'This key was used before; this is the job it led to.');
  });
}

function postOptions(options: Options): PostOptions {
  return {
    queue: options.queue,
    priority: options.priority,
    delayMs: options.delay,
    runAtUnixMs: options.runAt,
    maxAttempts: options.maxAttempts,
    deadlines: {
      queueMs: options.queueDeadline,
      attemptMs: options.attemptDeadline,
      totalMs: options.totalDeadline,
    },
    retentionMs: options.retention,
    labels: options.label,
    idempotencyKey: options.key,
  };
}

/** Shows the job until it is final, then prints its output; throws what made it fail. */
async function waitFor(
  job: JobHandle,
  flowName: string,
  parts: { readonly client: Client; readonly context: CommandContext },
): Promise<void> {
  const { client, context } = parts;
  const { terminal } = context;
  await withInterrupt(async (signal) => {
    try {
      if (terminal.stderr.isTTY) {
        const flow = await findFlow(client, flowName);
        const progress = createJobProgress({
          output: terminal.stderr,
          flow,
          style: () => ({ ...textStyle(terminal), colors: terminal.errorColors }),
        });
        for await (const view of job.watch({ signal })) progress.show(view);
        progress.finish();
      } else {
        printHint(terminal, `posted job ${job.id}`);
        await tellWaits(job, { signal, terminal });
      }
      // What came out of a flow was stored as JSON.
      printJson(terminal, (await job.result({ signal })) as Json);
    } catch (error) {
      if (!signal.aborted) throw error;
      printHint(terminal, `The job goes on; follow it with: holdfast watch ${job.id}`);
      context.setExitStatus(INTERRUPTED_STATUS);
    }
  });
}

/** Says why the job waits whenever it does, until it ends. */
async function tellWaits(
  job: JobHandle,
  { signal, terminal }: { readonly signal: AbortSignal; readonly terminal: Terminal },
): Promise<void> {
  let told = '';
  for await (const { waitingReason } of job.watch({ signal })) {
    if (waitingReason !== '' && waitingReason !== told) {
      printHint(terminal, `job ${job.id} waits: ${plainText(waitingReason)}`);
    }
    told = waitingReason;
  }
}
