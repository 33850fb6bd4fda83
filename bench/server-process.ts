// A gRPC server in a process of its own. Argument: store URL. Tells its parent its address.
import { Board } from '@holdfast/board';
import { openStore } from '@holdfast/cli';
import { silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { createServer } from '@holdfast/server';

const [url = ''] = process.argv.slice(2);
const coord = await openStore(url, {
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
});
const server = createServer({
  board: new Board({ coord }),
  listen: { host: '127.0.0.1', port: 0 },
});
await server.start();
process.send?.({ address: server.address });
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => {
  void server
    .stop()
    .then(() => coord.stop())
    .then(() => process.exit());
});
