import { InvalidArgumentError, isFinal, NotFoundError } from '@holdfast/core';
import { Command, Option } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from '../client-options.ts';
import { type CommandContext, printText } from '../command-context.ts';
import { toAscii } from '../drawing-ascii.ts';
import { toDot } from '../drawing-dot.ts';
import { toMermaid } from '../drawing-mermaid.ts';
import { toSvg } from '../drawing-svg.ts';
import { findFlow } from '../find-flow.ts';
import { chooseFlow } from '../flow-choice.ts';
import { createDrawing, type FlowDrawing } from '../flow-drawing.ts';

const FORMATS = ['ascii', 'mermaid', 'dot', 'svg'] as const;
type Format = (typeof FORMATS)[number];

interface Options extends ClientOptions {
  readonly flow?: string | undefined;
  readonly job?: string | undefined;
  readonly format: Format;
}

const EXAMPLES = `
Examples:
  holdfast flow graph ./my-flows.ts --flow welcome
  holdfast flow graph ./my-flows.ts --flow welcome --format svg > welcome.svg
  holdfast flow graph --job 01k9zsvm4p8x2q7c5t3r6y1w0n

A file is drawn as it stands there, without a server; a job as its flow is
registered, with the states of its tasks. In ascii, tasks that share a box run
side by side, + is where lines meet, and o is a point where all above it has to
be done.`;

/** `holdfast flow`: what can be done with one flow. */
export function addFlowCommand(program: Command, context: CommandContext): void {
  const group = program
    .command('flow')
    .description('draw a flow, or the flow of a job')
    .helpCommand(false);
  // Made by itself, so that its name stands for a part of `flow` and not for a command.
  const graph = new Command('graph')
    .copyInheritedSettings(group)
    .argument('[file]', 'module with flows')
    .description('draw the tasks of a flow and what they wait for')
    .option('--flow <name>', 'which one, where the file has several')
    .option('--job <id>', 'draw the flow of this job, with the states of its tasks')
    .addOption(
      new Option('--format <format>', `${FORMATS.join(', ')}`)
        .argParser(parseFormat)
        .default('ascii'),
    );
  addClientOptions(graph)
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined) => drawGraph(file, graph.opts<Options>(), context));
  group.addCommand(graph);
}

async function drawGraph(
  file: string | undefined,
  options: Options,
  { terminal }: CommandContext,
): Promise<void> {
  const drawing = await loadDrawing(file, options);
  printText(terminal, await render(drawing, options.format, terminal.columns));
}

async function loadDrawing(file: string | undefined, options: Options): Promise<FlowDrawing> {
  const { flow: name, job } = options;
  if (file !== undefined && job !== undefined) {
    throw refused('--job', 'is given, and a file too; draw one of them');
  }
  if (job !== undefined && name !== undefined) {
    throw refused('--flow', "is given, and a job too; a job's flow is known");
  }
  if (job !== undefined) return await jobDrawing(job, options);
  if (file === undefined) {
    throw refused('file', 'is missing; name a module with flows, or a job with --job');
  }
  const flow = await chooseFlow(file, name);
  return createDrawing({ name: flow.name, ...flow.graph });
}

async function jobDrawing(id: string, options: Options): Promise<FlowDrawing> {
  return await withClient(options, async (client) => {
    const { spec, status, atoms } = await client.job(id).get();
    const flow = await findFlow(client, spec.flow);
    if (!flow) {
      throw new NotFoundError(
        `flow ${spec.flow} of job ${id} is not registered any more, so its graph is not known; ` +
          'a worker that serves it registers it, and its file can be drawn by itself',
        { ids: { flow: spec.flow, jobId: id } },
      );
    }
    return createDrawing(flow, {
      title: `job ${id} ${status.phase.kind}: flow ${flow.name}`,
      atoms,
      isOver: isFinal(status.phase.kind),
    });
  });
}

async function render(drawing: FlowDrawing, format: Format, width: number): Promise<string> {
  switch (format) {
    case 'ascii':
      return toAscii(drawing, width);
    case 'mermaid':
      return toMermaid(drawing);
    case 'dot':
      return toDot(drawing);
    case 'svg':
      return await toSvg(drawing);
    default:
      return format satisfies never;
  }
}

function parseFormat(text: string): Format {
  const format = FORMATS.find((known) => known === text.toLowerCase());
  if (format) return format;
  throw new InvalidArgumentError('--format', { value: text, allowed: FORMATS.join(', ') });
}

function refused(field: string, description: string): InvalidArgumentError {
  return new InvalidArgumentError([{ field, description }]);
}
