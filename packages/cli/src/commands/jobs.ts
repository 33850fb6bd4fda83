import type { JobListQuery } from '@holdfast/client';
import type { JobState } from '@holdfast/core';
import type { JobSummaryFields } from '@holdfast/wire';
import { type Command, Option } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import {
  type CommandContext,
  printHint,
  printJson,
  printText,
  textStyle,
} from '../command-context.ts';
import { parseDuration } from '../duration.ts';
import { summaryToJson } from '../job-json.ts';
import { formatJobs } from '../listing-text.ts';
import { parseInteger, parseJobStates } from '../option-values.ts';

interface Options extends ClientOptions {
  readonly state?: readonly JobState[] | undefined;
  readonly flow?: string | undefined;
  readonly queue?: string | undefined;
  readonly worker?: string | undefined;
  readonly since?: number | undefined;
  readonly taskJobs?: boolean | undefined;
  readonly limit: number;
  readonly json?: boolean | undefined;
}

const EXAMPLES = `
Examples:
  holdfast jobs
  holdfast jobs --state failed,dead --since 1d
  holdfast jobs --flow repo-check --limit 1000 --json | jq '.jobs[].id'`;

const MAX_LIMIT = 100_000;
const DEFAULT_LIMIT = 50;
const MAX_PAGE = 1000;

/** `holdfast jobs`: lists jobs. */
export function addJobsCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('jobs')
    .description('list jobs, newest first')
    .addOption(
      new Option('--state <states>', 'only these, separated by commas').argParser((text) =>
        parseJobStates(text, '--state'),
      ),
    )
    .option('--flow <name>', 'only jobs of this flow')
    .option('--queue <name>', 'only jobs of this queue')
    .option('--worker <id>', 'only jobs that this worker runs')
    .addOption(
      new Option('--since <duration>', 'only jobs posted within this time').argParser((text) =>
        parseDuration(text, '--since'),
      ),
    )
    .option('--task-jobs', 'also the jobs that run remote tasks of others')
    .addOption(
      new Option('--limit <n>', 'how many at most')
        .argParser((text) => parseInteger(text, '--limit', { min: 1, max: MAX_LIMIT }))
        .default(DEFAULT_LIMIT),
    )
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(() => runJobs(command.opts<Options>(), context));
}

async function runJobs(options: Options, { terminal }: CommandContext): Promise<void> {
  const query: JobListQuery = {
    states: options.state,
    flow: options.flow,
    queue: options.queue,
    worker: options.worker,
    postedAfterUnixMs:
      options.since === undefined ? undefined : terminal.clock.nowUnixMs() - options.since,
    taskJobs: options.taskJobs,
    pageSize: Math.min(options.limit, MAX_PAGE),
  };
  const jobs: JobSummaryFields[] = [];
  let hasMore = false;
  await withClient(options, async (client) => {
    for await (const job of client.jobs(query)) {
      hasMore = jobs.length === options.limit;
      if (hasMore) break;
      jobs.push(job);
    }
  });
  if (options.json) {
    printJson(terminal, { jobs: jobs.map(summaryToJson), hasMore });
    return;
  }
  if (jobs.length === 0) printHint(terminal, 'No jobs.');
  else printText(terminal, formatJobs(jobs, textStyle(terminal)));
  if (hasMore) printHint(terminal, `There are more; --limit shows up to ${MAX_LIMIT}.`);
}
