import { Caretaker } from '@holdfast/board';
import type { AnyFlow } from '@holdfast/flow';
import { createServer, type Server } from '@holdfast/server';
import type { Command } from 'commander';
import { type BoardHost, openBoard } from '../board-host.ts';
import type { CommandContext } from '../command-context.ts';
import { DevWorker } from '../dev-worker.ts';
import { formatError } from '../error-text.ts';
import { FlowReloader } from '../flow-reload.ts';
import { sampleInput } from '../sample-input.ts';
import {
  addServerOptions,
  DEFAULT_ADDRESS,
  readServerTls,
  type ServerOptions,
} from '../server-options.ts';
import { untilAskedToStop } from '../stop-signals.ts';
import { addStoreOption } from '../store-options.ts';
import type { Terminal } from '../terminal.ts';
import { addWorkerOptions, type WorkerSettings } from '../worker-options.ts';

interface Options extends ServerOptions, WorkerSettings {
  readonly store: string;
}

const EXAMPLES = `
Examples:
  holdfast dev --flows ./my-flows.ts
  holdfast dev --flows ./my-flows.ts --store memory:

Server, worker and embedded store in one process, for developing flows. The
modules are loaded again when a file of theirs changes; one that is broken
prints its error, and the flows loaded before go on.`;

/** `holdfast dev`: everything in one process. */
export function addDevCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('dev')
    .description('server, worker and store in one process, for developing flows');
  addStoreOption(addServerOptions(addWorkerOptions(command)))
    .addHelpText('after', EXAMPLES)
    .action(() => runDev(command.opts<Options>(), context));
}

async function runDev(options: Options, { terminal }: CommandContext): Promise<void> {
  const paths = options.flows ?? [];
  const tls = await readServerTls(options);
  await using host = await openBoard({ store: options.store, name: 'dev' });
  const { board, clock, logger } = host;
  const failed = Promise.withResolvers<never>();
  await using caretaker = new Caretaker({ board });
  await caretaker.start();
  await using server = createServer({
    board,
    listen: options.listen,
    token: options.token,
    tls,
    clock,
    logger,
  });
  await server.start();
  await using worker = new DevWorker(host, { settings: options, onFailure: failed.reject });
  const screen = new DevScreen(terminal, { server, host, options });
  await using reloader = new FlowReloader({
    paths,
    clock,
    onLoad: async (flows) => {
      await worker.serve(flows);
      screen.loaded(flows);
    },
    onError: (error) => screen.broken(error),
  });
  if (paths.length > 0) await reloader.start();
  screen.started();
  await Promise.race([untilAskedToStop(), failed.promise]);
  terminal.stdout.write('\nstopping\n');
}

/** What `holdfast dev` tells the one who sits before it. */
class DevScreen {
  readonly #terminal: Terminal;
  readonly #parts: {
    readonly server: Server;
    readonly host: BoardHost;
    readonly options: Options;
  };
  #flows: readonly AnyFlow[] = [];
  #isStarted = false;

  constructor(
    terminal: Terminal,
    parts: { readonly server: Server; readonly host: BoardHost; readonly options: Options },
  ) {
    this.#terminal = terminal;
    this.#parts = parts;
  }

  started(): void {
    this.#isStarted = true;
    const { colors } = this.#terminal;
    const { server, host, options } = this.#parts;
    const names = this.#flows.map((flow) => flow.name).join(', ');
    const none = options.flows === undefined ? 'none; give a module with --flows FILE' : 'none yet';
    this.#print([
      `${colors.bold('Holdfast dev')}`,
      `  server  ${server.address}`,
      `  store   ${host.coord.description}`,
      `  flows   ${names === '' ? colors.yellow(none) : names}`,
      '',
      ...this.#suggestions(),
    ]);
  }

  loaded(flows: readonly AnyFlow[]): void {
    this.#flows = flows;
    if (!this.#isStarted) return;
    const names = flows.map((flow) => flow.name).join(', ');
    this.#print([`${this.#terminal.colors.green('loaded')} ${names}`]);
  }

  broken(error: unknown): void {
    const { stderr, errorColors, env } = this.#terminal;
    const withStack = env['HOLDFAST_LOG_LEVEL']?.toLowerCase() === 'debug';
    stderr.write(formatError(error, { colors: errorColors, withStack }));
    if (this.#flows.length > 0) stderr.write('  the flows loaded before go on\n');
  }

  #suggestions(): readonly string[] {
    const { colors } = this.#terminal;
    const { address } = this.#parts.server;
    const [first] = this.#flows;
    const where = address === DEFAULT_ADDRESS ? '' : ` --address ${address}`;
    const post = first
      ? [
          `  holdfast post ${first.name} --input '${sampleInput(first.inputSchemaJson)}' --wait${where}`,
        ]
      : [];
    return [
      colors.dim('Try in another terminal:'),
      ...post,
      `  holdfast jobs${where}`,
      `  holdfast flows${where}`,
      colors.dim('Ctrl-C stops.'),
    ];
  }

  #print(lines: readonly string[]): void {
    this.#terminal.stdout.write(`${lines.join('\n')}\n`);
  }
}
