// A process whose threads can't start while NO_THREADS is set. Prints how its calls end, and ends by
// itself. It is started with an `--import` of THREAD_BREAKER.
import { silentLogger } from '@holdfast/core';
import { ThreadPool } from './thread-pool.ts';

const FUNCTIONS = new URL('./thread-functions.fixture.ts', import.meta.url);

await using pool = new ThreadPool({ threads: 2 });
await pool.start();
const double = pool.run<{ count: number }, unknown>(FUNCTIONS, { exportName: 'double' });

async function endOf(count: number): Promise<string> {
  const call = double(
    { count },
    {
      ...{ idempotencyKey: 'key', fence: 1n, attempt: 1, try: 1, jobId: 'job', task: 'double' },
      signal: new AbortController().signal,
      log: silentLogger,
      progress: () => undefined,
      heartbeat: () => undefined,
      recordError: () => undefined,
    },
  );
  return await call.then(
    (value) => JSON.stringify(value),
    (error: unknown) => String(error),
  );
}

async function printEnds(): Promise<void> {
  process.stdout.write(`${(await Promise.all([1, 2, 3, 4, 5].map(endOf))).join('\n')}\n`);
}

process.env['NO_THREADS'] = '1';
await printEnds();
delete process.env['NO_THREADS'];
await printEnds();
