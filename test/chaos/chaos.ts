// npm run chaos -- --store etcd|zookeeper [--minutes M] [--seed N] [--json FILE] [--quiet]
//
// Without --minutes each fault strikes at least once, in about two minutes. The last line is the verdict;
// the exit status is 1 when anything was violated, or no round could be judged. Ctrl-C ends the campaign
// once the faults under way have healed, a second one at once. Nothing that it has started is left then.
//
// The campaign runs in a child with a process group of its own: a terminal sends Ctrl-C to the whole
// group, and the store would be gone before the campaign has ended.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '@holdfast/core';
import { SignalEcho } from '@holdfast/worker';
import { runCampaign } from './campaign.ts';
import type { ChaosStoreKind } from './chaos-store.ts';
import { formatReport } from './report.ts';
import type { CampaignReport } from './tally.ts';

/** The exit status of a command that was interrupted, as shells have it. */
const INTERRUPTED_STATUS = 130;
const STORES: readonly ChaosStoreKind[] = ['etcd', 'zookeeper'];

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'etcd' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    json: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});

const store = STORES.find((kind) => kind === values.store);
if (!store) throw new Error(`--store is ${values.store}; allowed: ${STORES.join(', ')}`);
const seed = wholeNumber('--seed', values.seed) ?? Math.floor(Math.random() * 2 ** 32);
const minutes = wholeNumber('--minutes', values.minutes);

if (process.send) await runHere(store);
else await runInChild();

async function runHere(kind: ChaosStoreKind): Promise<void> {
  const interrupt = new AbortController();
  const stop = (): void => {
    // Leaving runs the exit hooks of all that was started, and they kill and remove it.
    if (interrupt.signal.aborted) process.exit(INTERRUPTED_STATUS);
    console.log('chaos: ending once what is under way has healed; once more to leave at once');
    interrupt.abort();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.once('disconnect', () => process.exit(INTERRUPTED_STATUS));
  console.log(`chaos: ${kind}, seed ${seed}`);
  const report = await runCampaign({
    store: kind,
    seed,
    length: minutes === undefined ? { kind: 'once' } : { kind: 'minutes', minutes },
    signal: interrupt.signal,
    say: values.quiet ? undefined : (line) => console.log(line),
    judged: tell,
  });
  const isFine = report.violations.length === 0 && report.rounds > 0;
  process.exit(isFine ? 0 : 1);
}

async function tell(report: CampaignReport): Promise<void> {
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  console.log(formatReport(report));
}

async function runInChild(): Promise<void> {
  const child = fork(process.argv[1] ?? '', process.argv.slice(2), { detached: true });
  // npm passes an interrupt on that the terminal has sent to this process already.
  const echo = new SignalEcho(systemClock);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (!echo.isEcho(signal)) child.kill('SIGTERM');
    });
  }
  await once(child, 'exit');
  process.exitCode = child.exitCode ?? 1;
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text !== '' && Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value;
  throw new Error(`${option} is ${text}; allowed: a whole number`);
}
