// The fleet of the demo: a server and three workers, each a process of its own, as on a real machine.
// They log JSON to their standard error; the witness and the start-up are read from there.
import { sleep, systemClock } from '@holdfast/core';
import type { ProcessGroup, StartedProcess } from './process-group.ts';
import { parseTaskLine, type TaskLine } from './witness.ts';

export interface ClusterOptions {
  readonly processes: ProcessGroup;
  /** Store URL. */
  readonly store: string;
  /** Module with the flows. */
  readonly flows: string;
  /** Variables that make the processes report their spans. */
  readonly telemetry: Readonly<Record<string, string>>;
  readonly onTaskLine: (line: TaskLine) => void;
  readonly signal: AbortSignal;
}

/** A running fleet. */
export interface Cluster {
  /** Where the server listens. */
  readonly address: string;
}

export const WORKERS = 3;
/** Jobs at once on each worker. */
export const CONCURRENCY = 4;
const START_TIMEOUT_MS = 60_000;
const LOOK_EVERY_MS = 20;

const HOLDFAST = new URL('../bin/holdfast.js', import.meta.resolve('@holdfast/cli')).pathname;

/** Starts the fleet; resolves once the server listens and every worker has joined. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  let address: string | undefined;
  const joined = new Set<string>();
  startProcess(options, {
    name: 'server',
    args: ['server', '--listen', '127.0.0.1:0'],
    onLine: (line) => {
      address ??= /"address":"([^"]+)".*"msg":"the server listens"/.exec(line)?.[1];
    },
  });
  for (let number = 1; number <= WORKERS; number += 1) {
    const name = `worker-${number}`;
    startProcess(options, {
      name,
      args: [
        ...['worker', '--name', name, '--flows', options.flows],
        ...['--concurrency', `${CONCURRENCY}`],
      ],
      onLine: (line) => {
        if (line.includes('"msg":"joined the fleet"')) joined.add(name);
        const taskLine = parseTaskLine(line);
        if (taskLine) options.onTaskLine(taskLine);
      },
    });
  }
  await until(() => address !== undefined && joined.size === WORKERS, options);
  return { address: address ?? '' };
}

function startProcess(
  options: ClusterOptions,
  wanted: {
    readonly name: string;
    readonly args: readonly string[];
    readonly onLine: (line: string) => void;
  },
): StartedProcess {
  return options.processes.start({
    name: wanted.name,
    args: [HOLDFAST, ...wanted.args, '--store', options.store],
    env: { ...process.env, ...options.telemetry, HOLDFAST_LOG_LEVEL: 'debug' },
    onLine: wanted.onLine,
  });
}

/** Waits for the condition; throws when a process of the fleet has ended or time is up. */
async function until(
  condition: () => boolean,
  { processes, signal }: ClusterOptions,
): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + START_TIMEOUT_MS;
  while (!condition()) {
    signal.throwIfAborted();
    const ended = processes.findEnded();
    if (ended !== undefined) throw new Error(ended);
    if (systemClock.monotonicMs() > deadlineMs) {
      throw new Error(`the fleet did not start within ${START_TIMEOUT_MS} ms`);
    }
    await sleep(systemClock, LOOK_EVERY_MS, { signal });
  }
}
