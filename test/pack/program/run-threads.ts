// Tasks in threads, from a module in TypeScript and from one in JavaScript.
import { silentLogger, TerminalError } from '@holdfast/core';
import { ThreadPool } from '@holdfast/worker';

const ctx = {
  ...{ idempotencyKey: 'job/task/1', fence: 1n, attempt: 1, try: 1, jobId: 'job', task: 'task' },
  signal: new AbortController().signal,
  log: silentLogger,
  progress: () => undefined,
  heartbeat: () => undefined,
  recordError: () => undefined,
};

await using threads = new ThreadPool({ threads: 1 });
await threads.start();
const countPrimes = threads.run<{ below: number }, { primes: number }>(
  new URL('./count-primes.ts', import.meta.url),
);
const refuse = threads.run<object, void>(new URL('./refuse.js', import.meta.url), {
  exportName: 'refuse',
});
console.log(await countPrimes({ below: 1000 }, ctx));
await refuse({}, ctx).catch((error: unknown) => console.log(error instanceof TerminalError));
