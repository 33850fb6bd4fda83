// A supervisor in a process of its own, for the test that kills it.

import { Board } from '@holdfast/board';
import { createMemoryStore, openMemoryCoord } from '@holdfast/coord';
import { type Logger, silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { runUntilStopped } from './run-until-stopped.ts';
import { Supervisor } from './supervisor.ts';

const source = { clock: systemClock, random: systemRandom };
const coord = openMemoryCoord(createMemoryStore(source), source);
await coord.start();
const logger: Logger = {
  ...silentLogger,
  debug: (fields, message) => process.stdout.write(`${message} ${JSON.stringify(fields)}\n`),
};
const supervisor = new Supervisor({
  board: new Board({ coord }),
  command: {
    file: process.execPath,
    args: [new URL('child.fixture.ts', import.meta.url).pathname, 'serve'],
  },
  logger,
});
await runUntilStopped(supervisor, { logger });
