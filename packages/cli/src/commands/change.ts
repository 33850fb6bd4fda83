import type { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';
import { addEditOptions, type EditOptions, editJob } from '../job-edit.ts';
import { readTaskValues } from '../task-values.ts';

interface RetryOptions extends EditOptions {
  readonly from: string;
  readonly resume: boolean;
}

interface ResumeOptions extends EditOptions {
  readonly resume?: boolean | undefined;
}

const RETRY_EXAMPLES = `
Examples:
  holdfast retry 01k9zsvm4p8x2q7c5t3r6y1w0n --from deploy
  holdfast retry 01k9zsvm4p8x2q7c5t3r6y1w0n --from 'scan[3]' --dry-run

For a job that is suspended, failed, cancelled or dead. The task, everything
after it and everything that has not succeeded is done again, under new keys;
what succeeded before and was not undone stays. Exit status: 2 for a task that
the flow doesn't have, 5 where what the task needs isn't there: then retry from
there, or set or skip it.`;

const SET_EXAMPLES = `
Examples:
  holdfast set 01k9zsvm4p8x2q7c5t3r6y1w0n resolve 'address="10.0.0.7"'
  holdfast set 01k9zsvm4p8x2q7c5t3r6y1w0n scan report=@report.json --resume

The task counts as succeeded, with these values besides those that it has. They
are checked by the tasks that take them. What ran with the old ones does not run
again by that: see holdfast retry.`;

const SKIP_EXAMPLES = `
Examples:
  holdfast skip 01k9zsvm4p8x2q7c5t3r6y1w0n notify --reason 'no mail' --resume
  holdfast skip 01k9zsvm4p8x2q7c5t3r6y1w0n approve 'by="ada"' --resume

The task is passed over. One whose values others need counts as succeeded with
the values that are given instead.`;

const RESUME = 'make the job ready too, to go on with all that has not succeeded';

/** `holdfast retry`. */
export function addRetryCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('retry <id>')
    .description('let a stopped job go on from a task')
    .requiredOption('--from <task>', 'where it begins')
    .option('--no-resume', 'leave the job stopped');
  addEditOptions(command)
    .addHelpText('after', RETRY_EXAMPLES)
    .action(async (id: string) => {
      const options = command.opts<RetryOptions>();
      const { from: task, resume } = options;
      const hint = goOn(id);
      const changes = [{ kind: 'retryFrom', task }] as const;
      await editJob({ id, changes, resume, hint }, options, context.terminal);
    });
}

/** `holdfast set`. */
export function addSetCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('set <id> <task> [name=json...]')
    .description('set values that a task of a stopped job provides')
    .option('--resume', RESUME);
  addEditOptions(command)
    .addHelpText('after', SET_EXAMPLES)
    .action(async (id: string, task: string, texts: readonly string[]) => {
      const { terminal } = context;
      const options = command.opts<ResumeOptions>();
      const { resume = false } = options;
      const values = await readTaskValues(texts, terminal.stdin);
      const changes = [{ kind: 'setResult', task, values }] as const;
      await editJob({ id, changes, resume, hint: goOn(id) }, options, terminal);
    });
}

/** `holdfast skip`. */
export function addSkipCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('skip <id> <task> [name=json...]')
    .description('pass over a task of a stopped job')
    .option('--resume', RESUME);
  addEditOptions(command)
    .addHelpText('after', SKIP_EXAMPLES)
    .action(async (id: string, task: string, texts: readonly string[]) => {
      const { terminal } = context;
      const options = command.opts<ResumeOptions>();
      const { resume = false } = options;
      const values = texts.length === 0 ? undefined : await readTaskValues(texts, terminal.stdin);
      const changes = [{ kind: 'skip', task, values }] as const;
      await editJob({ id, changes, resume, hint: goOn(id) }, options, terminal);
    });
}

function goOn(id: string): string {
  return `Let it go on with: holdfast retry ${id} --from TASK`;
}
