import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { sleep, systemClock } from '@holdfast/core';

/** A process that the demo started. */
export interface StartedProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves when it has ended and its output is read to the end. */
  readonly ended: Promise<void>;
}

export interface StartOptions {
  readonly name: string;
  /** Arguments of this same Node. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called for each line of its standard error, where Holdfast logs. */
  readonly onLine: (line: string) => void;
}

// A process that was asked to end and hasn't after this time is killed.
const STOP_TIMEOUT_MS = 10_000;
// Lines of each process that are kept, to be shown when something went wrong.
const KEPT_LINES = 20;

type Child = ChildProcessByStdio<null, null, Readable>;

/** Every process that the demo started, so that none of them is left behind. */
export class ProcessGroup {
  readonly #children = new Map<Child, StartedProcess & { readonly lastLines: string[] }>();
  #isStopping = false;

  start(options: StartOptions): StartedProcess {
    const child = spawn(process.execPath, options.args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: options.env,
    });
    if (child.pid === undefined) throw new Error(`${options.name} could not be started`);
    const lastLines: string[] = [];
    createInterface({ input: child.stderr, crlfDelay: Infinity }).on('line', (line) => {
      lastLines.push(line);
      if (lastLines.length > KEPT_LINES) lastLines.shift();
      options.onLine(line);
    });
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => {
        if (this.#isStopping) this.#children.delete(child);
        resolve();
      });
    });
    const started = { name: options.name, pid: child.pid, ended, lastLines };
    this.#children.set(child, started);
    return started;
  }

  /** The last lines of a process that ended though nobody asked it to; undefined when all are well. */
  findEnded(): string | undefined {
    for (const [child, { name, lastLines }] of this.#children) {
      if (child.exitCode === null && child.signalCode === null) continue;
      const how = child.signalCode ?? `exit status ${child.exitCode}`;
      return `${name} ended by itself (${how}):\n${lastLines.join('\n')}`;
    }
    return undefined;
  }

  /** Ends every process, in order where it can be; resolves when none of them runs any more. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      [...this.#children].map(async ([child, { ended }]) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGTERM');
        const inTime = new AbortController();
        void ended.then(() => inTime.abort());
        await sleep(systemClock, STOP_TIMEOUT_MS, { signal: inTime.signal });
        if (!inTime.signal.aborted) child.kill('SIGKILL');
        await ended;
      }),
    );
  }
}
