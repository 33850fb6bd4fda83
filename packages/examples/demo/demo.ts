// `npm run demo`: posts 24 jobs, kills a worker in the middle, and shows that nothing is lost.
// Exit status 1 if anything was lost or a committed task ran again, 130 if it was interrupted.
import { parseDemoOptions, USAGE } from '../src/demo/demo-options.ts';
import { runDemo } from '../src/demo/run-demo.ts';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
}

try {
  const options = parseDemoOptions(process.argv.slice(2));
  if (options === 'help') process.stdout.write(`${USAGE}\n`);
  else {
    const { signal } = interrupted;
    process.exitCode = await runDemo(options, { output: process.stdout, signal });
  }
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
