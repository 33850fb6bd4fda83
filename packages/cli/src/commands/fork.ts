import type { JobEdit } from '@holdfast/client';
import { InvalidArgumentError } from '@holdfast/core';
import { type Command, Option } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import { type CommandContext, printHint, printJson } from '../command-context.ts';
import { readJobInput } from '../job-input.ts';
import { addWhoOptions, type WhoOptions, whoOf } from '../operator-options.ts';
import { readTaskValues } from '../task-values.ts';
import type { Terminal } from '../terminal.ts';

interface Options extends ClientOptions, WhoOptions {
  readonly from?: string | undefined;
  readonly input?: string | undefined;
  readonly set: readonly string[];
  readonly skip: readonly string[];
  readonly queue?: string | undefined;
  readonly key?: string | undefined;
  readonly json?: boolean | undefined;
}

const EXAMPLES = `
Examples:
  holdfast fork 01k9zsvm4p8x2q7c5t3r6y1w0n --from deploy
  holdfast fork 01k9zsvm4p8x2q7c5t3r6y1w0n --set resolve:region='"eu"'
  holdfast fork 01k9zsvm4p8x2q7c5t3r6y1w0n --input @other.json --queue slow

Posts a new job that begins with the results of a stopped or finished one, and
prints its id. Without --from it begins at whatever has not succeeded. What it
takes over it never reverts: that belongs to the job that it comes from.`;

/** `holdfast fork`. */
export function addForkCommand(program: Command, context: CommandContext): void {
  const collect = (text: string, before: readonly string[]): readonly string[] => [...before, text];
  const command = program
    .command('fork <id>')
    .description('post a new job that begins with the results of a stopped one')
    .option('--from <task>', 'where it begins')
    .option('--input <json>', "another input: JSON, @FILE, or - (default: the job's)")
    .addOption(
      new Option('--set <task:name=json>', 'a value that a task has provided; several times')
        .argParser(collect)
        .default([], 'none'),
    )
    .addOption(
      new Option('--skip <task>', 'a task that is passed over; several times')
        .argParser(collect)
        .default([], 'none'),
    )
    .option('--queue <name>', "another queue (default: the job's)")
    .option('--key <text>', 'idempotency key');
  addWhoOptions(command).option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((id: string) => forkJob(id, command.opts<Options>(), context));
}

async function forkJob(id: string, options: Options, { terminal }: CommandContext): Promise<void> {
  const { from: fromTask, queue, key: idempotencyKey } = options;
  const input =
    options.input === undefined ? undefined : await readJobInput(options.input, terminal.stdin);
  const changes = await readChanges(options, terminal);
  await withClient(options, async (client) => {
    const who = whoOf(options, terminal);
    const job = await client
      .job(id)
      .fork({ ...who, fromTask, input, changes, queue, idempotencyKey });
    if (options.json) printJson(terminal, { id: job.id, created: job.created, forkedFrom: id });
    else terminal.stdout.write(`${job.id}\n`);
    if (!job.created) printHint(terminal, 'This key was used before; this is the job it led to.');
  });
}

/** The values of one task may be given by several options. */
async function readChanges(
  { set, skip }: Options,
  { stdin }: Terminal,
): Promise<readonly JobEdit[]> {
  const texts = new Map<string, string[]>();
  for (const text of set) {
    const cut = text.indexOf(':');
    if (cut < 1) {
      const allowed = 'TASK:NAME=JSON, such as resolve:region="eu"';
      throw new InvalidArgumentError('--set', { value: text, allowed });
    }
    const task = text.slice(0, cut);
    texts.set(task, [...(texts.get(task) ?? []), text.slice(cut + 1)]);
  }
  const changes: JobEdit[] = skip.map((task) => ({ kind: 'skip', task }));
  for (const [task, given] of texts) {
    changes.push({ kind: 'setResult', task, values: await readTaskValues(given, stdin) });
  }
  return changes;
}
