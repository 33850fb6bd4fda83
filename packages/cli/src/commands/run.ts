import { type Client, JobFailedError } from '@holdfast/client';
import {
  type AtomRecord,
  decodeJson,
  encodeJson,
  FailedPreconditionError,
  pendingAtom,
  silentLogger,
  sleep,
  systemRandom,
} from '@holdfast/core';
import { type AnyFlow, TASK_CONCURRENCY_MAX } from '@holdfast/flow';
import { FieldViolations, InputSchemas } from '@holdfast/server/in-process';
import { createLogger } from '@holdfast/telemetry';
import type { FlowFields } from '@holdfast/wire';
import { toFlowRecord } from '@holdfast/worker';
import { type Command, Option } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import {
  type CommandContext,
  printHint,
  printJson,
  printText,
  textStyle,
} from '../command-context.ts';
import { chooseFlow } from '../flow-choice.ts';
import { readJobInput } from '../job-input.ts';
import { jobToJson } from '../job-json.ts';
import { createJobProgress } from '../job-progress.ts';
import { formatJob } from '../job-text.ts';
import { LocalJob } from '../local-job.ts';
import { neededTasks } from '../needed-tasks.ts';
import { parseInteger } from '../option-values.ts';
import { INTERRUPTED_STATUS, unlessAborted, withInterrupt } from '../stop-signals.ts';
import type { Terminal } from '../terminal.ts';

interface Options extends ClientOptions {
  readonly flow?: string | undefined;
  readonly input?: string | undefined;
  readonly until?: string | undefined;
  readonly from?: string | undefined;
  readonly concurrency?: number | undefined;
  readonly verbose?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** How often the picture on a terminal is drawn again, in milliseconds. */
const PROGRESS_INTERVAL_MS = 100;

const EXAMPLES = `
Examples:
  holdfast run ./my-flows.ts --flow welcome --input '{"who":"world"}'
  holdfast run ./my-flows.ts --flow welcome --input @who.json --json | jq .state
  holdfast run ./my-flows.ts --flow build --until compile
  holdfast run ./my-flows.ts --flow build --from 01k9zsvm4p8x2q7c5t3r6y1w0n

Runs the flow in this process, without a server, and prints the job as
"holdfast job" prints one that a worker ran. Nothing of it is kept.
--from asks a server for the results of a job, and takes that job's input where
none is given. Logs of the tasks are printed where HOLDFAST_LOG_LEVEL is set.
Exit status: 0 when the flow succeeded, 1 when it failed.`;

/** `holdfast run`: runs a flow locally. */
export function addRunCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('run <file>')
    .description('run a flow here, without a server')
    .option('--flow <name>', 'which one, where the file has several')
    .option('--input <json>', 'JSON, @FILE, or - for standard input (default: {})')
    .option('--until <task>', 'run only what this task needs, and end with it')
    .option('--from <job>', 'start from the results of this job')
    .addOption(
      new Option('--concurrency <n>', 'tasks at once (default: as in a worker)').argParser((text) =>
        parseInteger(text, '--concurrency', { min: 1, max: TASK_CONCURRENCY_MAX }),
      ),
    )
    .option('--verbose', 'with the stack traces of failures')
    .option('--json', 'print one JSON document');
  addClientOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((file: string) => runLocally(file, command.opts<Options>(), context));
}

async function runLocally(file: string, options: Options, context: CommandContext): Promise<void> {
  await withInterrupt(async (signal) => {
    const prepared = await unlessAborted(prepareRun(file, options, context), signal);
    if (!prepared) {
      printHint(
        context.terminal,
        'The run was interrupted before its flow began; no task has run.',
      );
      context.setExitStatus(INTERRUPTED_STATUS);
      return;
    }
    const { job, flow } = prepared;
    await runShown(job, flow, { signal, context });
    report(job, flow, { options, context });
  });
}

interface PreparedRun {
  readonly job: LocalJob;
  readonly flow: AnyFlow;
}

/** Everything that comes before the flow: loading it may take long, and so may asking a server. */
async function prepareRun(
  file: string,
  options: Options,
  context: CommandContext,
): Promise<PreparedRun> {
  const { terminal } = context;
  const flow = await chooseFlow(file, options.flow);
  const ignored = options.until === undefined ? [] : ignoredAtoms(flow, options.until);
  const given =
    options.input === undefined ? undefined : await readJobInput(options.input, terminal.stdin);
  const start =
    options.from === undefined
      ? { atoms: [], input: {} }
      : await readStart(options.from, { flow, options, context });
  const input = given === undefined ? start.input : given;
  checkInput(flow, input);
  const kept = start.atoms.filter(({ name }) => !ignored.some((atom) => atom.name === name));
  const job = new LocalJob({
    flow,
    input,
    atoms: [...kept, ...ignored],
    concurrency: options.concurrency,
    clock: terminal.clock,
    random: systemRandom,
    logger: wantsLogs(terminal) ? createLogger({ name: 'run' }) : silentLogger,
  });
  return { job, flow };
}

/** Runs the job, with a picture of it on a terminal where no logs get in its way. */
async function runShown(
  job: LocalJob,
  flow: AnyFlow,
  { signal, context }: { readonly signal: AbortSignal; readonly context: CommandContext },
): Promise<void> {
  const { terminal } = context;
  const progress = createJobProgress({
    output: terminal.stderr,
    flow: flowFields(flow),
    style: () => ({ ...textStyle(terminal), colors: terminal.errorColors }),
  });
  const isShown = terminal.stderr.isTTY && !wantsLogs(terminal);
  const over = new AbortController();
  const running = job.run(signal).finally(() => over.abort('over'));
  running.catch(() => undefined); // Awaited below, once the picture is done with.
  // Without a picture too: tasks that wait for nothing but their signal don't keep a process alive.
  while (!over.signal.aborted) {
    if (isShown) progress.show(job.view);
    await sleep(terminal.clock, PROGRESS_INTERVAL_MS, { signal: over.signal });
  }
  if (isShown) progress.clear(); // The result has all that it showed.
  await running;
}

/** Who sets a level wants to read what the tasks log; otherwise the picture and the result do. */
function wantsLogs({ env }: Terminal): boolean {
  return (env['HOLDFAST_LOG_LEVEL'] ?? '') !== '';
}

/** Prints the job; throws what made it fail, and so gives the exit status. */
function report(
  job: LocalJob,
  flow: AnyFlow,
  parts: {
    readonly options: Options;
    readonly context: CommandContext;
  },
): void {
  const { options, context } = parts;
  const { terminal } = context;
  const { view } = job;
  if (options.json) printJson(terminal, jobToJson(view));
  else printText(terminal, formatJob(view, flowFields(flow), textStyle(terminal, options.verbose)));
  const { phase } = view.status;
  if (phase.kind === 'failed') throw new JobFailedError(view, 'failed', phase.failure);
  // A run without an interruption ends, or waits.
  if (phase.kind === 'ready' || phase.kind === 'scheduled') {
    printHint(terminal, `The run was interrupted ${howFar(job, flow)}; nothing of it is kept.`);
    context.setExitStatus(INTERRUPTED_STATUS);
  } else if (phase.kind === 'waiting') {
    throw new FailedPreconditionError(
      `flow ${flow.name} waits for a signal, which a local run can't receive (${phase.reason}); ` +
        'post it to a server, and send the signal there',
      { ids: { flow: flow.name } },
    );
  }
}

/** How many tasks are done, where it is known how many there are. */
function howFar({ view }: LocalJob, { graph }: AnyFlow): string {
  const done = view.atoms.filter(({ state }) => state === 'success' || state === 'ignore');
  // A durable function, or one with maps, has tasks that nobody has counted.
  const isCounted = graph.nodes.length > 0 && graph.nodes.every(({ body }) => body === undefined);
  if (isCounted) return `with ${done.length} of ${graph.nodes.length} tasks done`;
  return `with ${done.length} tasks done`;
}

/** Tasks that the wanted one doesn't need are done with from the start. */
function ignoredAtoms(flow: AnyFlow, until: string): readonly AtomRecord[] {
  const needed = neededTasks({ name: flow.name, ...flow.graph }, until);
  return flow.graph.nodes
    .filter(({ name }) => !needed.has(name))
    .map(({ name }) => ({
      ...pendingAtom(name),
      state: 'ignore',
      intention: 'ignore',
      // As a decider would that says no to this very task.
      blocked: 'atom',
    }));
}

interface Start {
  readonly atoms: readonly AtomRecord[];
  readonly input: unknown;
}

/** The results of another job, and its input. */
async function readStart(
  id: string,
  parts: {
    readonly flow: AnyFlow;
    readonly options: Options;
    readonly context: CommandContext;
  },
): Promise<Start> {
  const { flow, options, context } = parts;
  const { spec, atoms } = await withClient(options, (client: Client) => client.job(id).get());
  if (spec.flow !== flow.name) {
    throw new FailedPreconditionError(
      `job ${id} is of flow ${spec.flow}, so its results are of no use to flow ${flow.name}; ` +
        'name a job of the same flow',
      { ids: { jobId: id, flow: flow.name } },
    );
  }
  // What failed, was reverted or is under way is done anew.
  const kept = atoms.filter(({ state }) => state === 'success' || state === 'ignore');
  printHint(
    context.terminal,
    `Starts with the results of ${kept.length} of the ${atoms.length} tasks that job ${id} has begun.`,
  );
  return { atoms: kept, input: decodeJson(spec.input) };
}

/** Refuses an input as the door of a server does. */
function checkInput(flow: AnyFlow, input: unknown): void {
  const violations = new FieldViolations();
  new InputSchemas().check(encodeJson(input), flow, { violations, path: 'input' });
  violations.throwIfAny();
}

/** The flow as a worker would register it. */
function flowFields(flow: AnyFlow): FlowFields {
  return toFlowRecord(flow, { by: '', atUnixMs: 0 });
}
