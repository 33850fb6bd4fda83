import type { JobEdit } from '@holdfast/client';
import type { Command } from 'commander';
import { formatChangedTasks } from './change-text.ts';
import { addClientOptions, type ClientOptions, withClient } from './client-options.ts';
import { printHint, printJson, printText, textStyle } from './command-context.ts';
import { changeToJson } from './job-json.ts';
import { addWhoOptions, type WhoOptions, whoOf } from './operator-options.ts';
import type { Terminal } from './terminal.ts';

/** What every command takes that changes a stopped job. */
export interface EditOptions extends ClientOptions, WhoOptions {
  readonly dryRun?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Adds what every command takes that changes a stopped job. */
export function addEditOptions(command: Command): Command {
  addWhoOptions(command)
    .option('--dry-run', 'change nothing, show what would be changed')
    .option('--json', 'print one JSON document');
  return addClientOptions(command);
}

/** Changes a job, and prints what that did, or would do. */
export async function editJob(
  edit: {
    readonly id: string;
    readonly changes: readonly JobEdit[];
    readonly resume: boolean;
    /** Printed where the job stays stopped. */
    readonly hint?: string | undefined;
  },
  options: EditOptions,
  terminal: Terminal,
): Promise<void> {
  const { id, changes, resume, hint } = edit;
  const { dryRun = false } = options;
  await withClient(options, async (client) => {
    const who = whoOf(options, terminal);
    const { change, status } = await client.job(id).change(changes, { ...who, resume, dryRun });
    const state = status.phase.kind;
    if (options.json) {
      printJson(terminal, { id, state, dryRun, change: changeToJson(change) });
      return;
    }
    const isSame = change.tasks.length === 0;
    const tasks = formatChangedTasks(change.tasks, textStyle(terminal), !dryRun);
    if (dryRun) printText(terminal, `job ${id} is ${state}; nothing is changed`);
    else printText(terminal, `job ${id} is changed, and ${resume ? '' : 'still '}${state}`);
    printText(terminal, isSame ? 'no task is another one by that' : tasks);
    if (!resume && !dryRun && hint !== undefined) printHint(terminal, hint);
  });
}
