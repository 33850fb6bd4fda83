import { Caretaker } from '@holdfast/board';
import { createServer } from '@holdfast/server';
import type { Command } from 'commander';
import { openBoard } from '../board-host.ts';
import { addServerOptions, readServerTls, type ServerOptions } from '../server-options.ts';
import { untilAskedToStop } from '../stop-signals.ts';
import { addStoreOption } from '../store-options.ts';

interface Options extends ServerOptions {
  readonly store: string;
}

const EXAMPLES = `
Examples:
  holdfast server
  holdfast server --store etcd://10.0.0.1:2379,10.0.0.2:2379/holdfast
  HOLDFAST_TOKEN=… holdfast server --listen 0.0.0.0:4600

Any number of servers can stand on one store. To be reached from other machines
it has to be given a token or TLS.`;

/** `holdfast server`: the gRPC API on a store. */
export function addServerCommand(program: Command): void {
  const command = program.command('server').description('serve the gRPC API on a store');
  addStoreOption(addServerOptions(command))
    .addHelpText('after', EXAMPLES)
    .action(() => runServer(command.opts<Options>()));
}

async function runServer(options: Options): Promise<void> {
  // Everything that can be wrong with the options is, before the store is touched.
  const tls = await readServerTls(options);
  await using host = await openBoard({ store: options.store, name: 'server' });
  const { board, clock, logger } = host;
  const server = createServer({
    board,
    listen: options.listen,
    token: options.token,
    tls,
    clock,
    logger,
  });
  await using caretaker = new Caretaker({ board });
  await using started = server;
  await caretaker.start();
  await started.start();
  await untilAskedToStop();
}
