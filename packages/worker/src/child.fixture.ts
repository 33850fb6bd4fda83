// A worker process for the supervisor's tests, without a store: it tells its supervisor what a worker
// would tell, and ends in the way its argument says.
import { silentLogger } from '@holdfast/core';
import { runUntilStopped } from './run-until-stopped.ts';
import { connectToSupervisor } from './supervisor-link.ts';

const [mode = 'serve'] = process.argv.slice(2);

if (mode === 'refuse') process.exit(2);
const supervisor = connectToSupervisor();
if (!supervisor) throw new Error('this script is for a supervisor to start');
const { workerId } = supervisor;

const finished = Promise.withResolvers<void>();
await runUntilStopped(
  {
    finished: finished.promise,
    async start() {
      await supervisor.announce(workerId);
      if (mode === 'crash') process.exit(3);
    },
    async stop() {
      if (mode === 'stubborn') return;
      await supervisor.left(workerId);
      process.stdout.write('left in order\n');
      finished.resolve();
    },
  },
  { logger: silentLogger, supervisor },
);
