// One board of a bench: a server process, a client, and workers as they are wanted.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@holdfast/client';
import type { BenchStore } from './bench-store.ts';
import { BenchProcess } from './child-process.ts';
import type { hold, noop, stamp } from './flows.ts';

const FILL_BULK = 1000;
const FILL_LANES = 4;

/** A worker under a supervisor, as `holdfast worker` runs it. */
export interface SupervisedWorker extends AsyncDisposable {
  /** SIGKILLs the process that does the work, not the supervisor. */
  killChild(): void;
}

/** See the head of this file; made by {@link openBenchBoard}. */
export class BenchBoard implements AsyncDisposable {
  readonly client: Client;
  readonly #url: string;
  readonly #server: BenchProcess;
  // Types of the flows that are posted to by name.
  declare readonly noop: typeof noop;
  declare readonly stamp: typeof stamp;
  declare readonly hold: typeof hold;

  constructor(parts: {
    readonly url: string;
    readonly server: BenchProcess;
    readonly client: Client;
  }) {
    this.#url = parts.url;
    this.#server = parts.server;
    this.client = parts.client;
  }

  /** Posts no-op jobs in one request. */
  async postMany(jobs: number): Promise<void> {
    await this.#postBulk({ flow: 'bench-noop', input: {}, jobs });
  }

  /** Posts jobs in bulk until so many wait. */
  async fill(work: {
    readonly flow: string;
    readonly input: object;
    readonly jobs: number;
  }): Promise<void> {
    let left = work.jobs;
    const lane = async (): Promise<void> => {
      while (left > 0) {
        const jobs = Math.min(FILL_BULK, left);
        left -= jobs;
        await this.#postBulk({ ...work, jobs });
      }
    };
    await Promise.all(Array.from({ length: FILL_LANES }, lane));
  }

  /** A worker process; ready when this resolves. */
  async startWorker(concurrency: number): Promise<BenchProcess> {
    const { process } = await BenchProcess.start('./worker-process.ts', [
      this.#url,
      String(concurrency),
    ]);
    return process;
  }

  /** A worker under its supervisor; ready when the board lists it. */
  async startSupervisedWorker(): Promise<SupervisedWorker> {
    const command = fileURLToPath(new URL('../packages/cli/bin/holdfast.js', import.meta.url));
    const flows = fileURLToPath(new URL('./flows.ts', import.meta.url));
    const args = [command, 'worker', '--store', this.#url, '--flows', flows, '--name', 'victim'];
    const supervisor = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, HOLDFAST_LOG_LEVEL: 'error' },
    });
    await this.#untilJoined('victim-', supervisor);
    return {
      killChild: () => {
        for (const pid of childrenOf(supervisor.pid ?? 0)) process.kill(pid, 'SIGKILL');
      },
      [Symbol.asyncDispose]: async () => {
        if (supervisor.exitCode !== null || supervisor.signalCode !== null) return;
        const ended = once(supervisor, 'exit');
        supervisor.kill('SIGTERM');
        await ended;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await this.#server[Symbol.asyncDispose]();
  }

  async #untilJoined(prefix: string, supervisor: ChildProcess): Promise<void> {
    while (supervisor.exitCode === null) {
      for await (const worker of this.client.workers())
        if (worker.info.id.startsWith(prefix)) return;
    }
    throw new Error(`holdfast worker ended with status ${supervisor.exitCode} before it joined`);
  }

  async #postBulk(work: {
    readonly flow: string;
    readonly input: object;
    readonly jobs: number;
  }): Promise<void> {
    const { flow, input, jobs } = work;
    const outcomes = await this.client.postMany(
      Array.from({ length: jobs }, () => ({ flow, input, idempotencyKey: '' })),
      { deadlineMs: 60_000 },
    );
    for (const outcome of outcomes) if (outcome.kind === 'refused') throw outcome.error;
  }
}

/** Opens an empty board: server process, client, and the flows registered by a first worker. */
export async function openBenchBoard(store: BenchStore): Promise<BenchBoard> {
  const url = store.freshUrl();
  const { process: server, hello } = await BenchProcess.start('./server-process.ts', [url]);
  const board = new BenchBoard({
    url,
    server,
    client: createClient({ address: String(hello['address']) }),
  });
  const registrar = await board.startWorker(1);
  await registrar[Symbol.asyncDispose]();
  return board;
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}
