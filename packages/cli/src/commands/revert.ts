import type { Command } from 'commander';
import type { CommandContext } from '../command-context.ts';
import { addEditOptions, type EditOptions, editJob } from '../job-edit.ts';

interface ResolveOptions extends EditOptions {
  readonly resume?: boolean | undefined;
}

const REVERT_EXAMPLES = `
Examples:
  holdfast revert 01k9zsvm4p8x2q7c5t3r6y1w0n --reason 'half of it is worse'
  holdfast revert 01k9zsvm4p8x2q7c5t3r6y1w0n create-volume

For a job that is suspended, failed, cancelled or dead: everything that it has
done is reverted, and it ends cancelled. With tasks only their reverts, which
failed, are tried again, and what they kept from being reverted follows.
A job that runs or waits is reverted by: holdfast cancel ID --revert`;

const RESOLVE_EXAMPLES = `
Examples:
  holdfast resolve 01k9zsvm4p8x2q7c5t3r6y1w0n mount --reason 'deleted by hand'
  holdfast resolve 01k9zsvm4p8x2q7c5t3r6y1w0n create-volume --resume

Says that what a task did was undone by hand, after its revert had failed or was
cut off: it counts as reverted. With --resume what comes before it is reverted
then; without it the job can be retried, or reverted later.`;

/** `holdfast revert`. */
export function addRevertCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('revert <id> [task...]')
    .description('revert a stopped job, or try failed reverts again');
  addEditOptions(command)
    .addHelpText('after', REVERT_EXAMPLES)
    .action(async (id: string, tasks: readonly string[]) => {
      const changes =
        tasks.length === 0
          ? ([{ kind: 'revert' }] as const)
          : tasks.map((task) => ({ kind: 'retryRevert', task }) as const);
      const options = command.opts<EditOptions>();
      await editJob({ id, changes, resume: true }, options, context.terminal);
    });
}

/** `holdfast resolve`. */
export function addResolveCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('resolve <id> <task...>')
    .description('say that a failed revert of a task was done by hand')
    .option('--resume', 'make the job ready too, to revert what is left');
  addEditOptions(command)
    .addHelpText('after', RESOLVE_EXAMPLES)
    .action(async (id: string, tasks: readonly string[]) => {
      const options = command.opts<ResolveOptions>();
      const { resume = false } = options;
      const changes = tasks.map((task) => ({ kind: 'resolveRevert', task }) as const);
      const hint = `Revert what is left with: holdfast revert ${id}`;
      await editJob({ id, changes, resume, hint }, options, context.terminal);
    });
}
