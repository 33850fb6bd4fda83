// A whole Holdfast as its users run it: `holdfast server` and `holdfast worker` processes on a real
// store. Everything that was started is stopped again by pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Board } from '@holdfast/board';
import { openStore } from '@holdfast/cli';
import { type Client, createClient } from '@holdfast/client';
import type { Coord } from '@holdfast/coord';
import { silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { type EtcdServer, startEtcd } from './etcd-server.ts';
import { startZooKeeper, type ZooKeeperServer } from './zookeeper-server.ts';

const COMMAND = fileURLToPath(new URL('../../packages/cli/bin/holdfast.js', import.meta.url));
const FLOWS = fileURLToPath(new URL('./ledger-flows.ts', import.meta.url));

const PROBE_MS = 500;

/** Which store a cluster stands on. */
export type ClusterStore = 'etcd' | 'sqlite' | 'zookeeper';

/** One line of a process's log. */
export interface LogLine {
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface WorkerSettings {
  readonly name: string;
  /** The module whose flows it serves. Default: ledger-flows.ts. */
  readonly flows?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly leaseTtlMs?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A `holdfast` process and what it has logged. */
export class CommandProcess {
  readonly child: ChildProcess;
  readonly log: LogLine[] = [];
  #rest = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [COMMAND, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', HOLDFAST_LOG_LEVEL: 'debug', ...env },
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#take(text));
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the process could not be started');
    return this.child.pid;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The processes that this one has started and that still run. */
  get children(): readonly number[] {
    try {
      return readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8')
        .split(' ')
        .filter(Boolean)
        .map(Number);
    } catch {
      return []; // It has ended, and so it has no children.
    }
  }

  /** Sends a signal to this process and, where `withChildren`, to those that it has started. */
  signal(signal: NodeJS.Signals, withChildren = false): void {
    const pids = withChildren ? [this.pid, ...this.children] : [this.pid];
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // ended meanwhile
      }
    }
  }

  async ended(): Promise<void> {
    if (!this.hasEnded) await once(this.child, 'exit');
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('{')) this.log.push(JSON.parse(line) as LogLine); // pino's lines
    }
  }
}

/** A `holdfast worker`: a supervisor and its child. */
export class WorkerProcess extends CommandProcess {
  /** The process that does the work; undefined while there is none. */
  get childPid(): number | undefined {
    return this.children[0];
  }

  /** Sends a signal to the process that does the work. */
  signalChild(signal: NodeJS.Signals): void {
    const pid = this.childPid;
    if (pid === undefined) throw new Error('the worker has no child now');
    process.kill(pid, signal);
  }
}

/** See the head of this file; made by {@link Cluster.open}. */
export class Cluster implements AsyncDisposable {
  readonly folder: string;
  readonly url: string;
  /** The server that holds the board; undefined where a file does. */
  readonly server: EtcdServer | ZooKeeperServer | undefined;
  /** A board of the test's own on the same store. */
  readonly board: Board;
  readonly #coord: Coord;
  readonly #processes: CommandProcess[] = [];
  readonly #clients: Client[] = [];

  private constructor(parts: {
    readonly folder: string;
    readonly url: string;
    readonly server: EtcdServer | ZooKeeperServer | undefined;
    readonly coord: Coord;
  }) {
    this.folder = parts.folder;
    this.url = parts.url;
    this.server = parts.server;
    this.#coord = parts.coord;
    this.board = new Board({ coord: parts.coord });
  }

  static async open(store: ClusterStore): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
    const { server, url } = await startStore(store, folder);
    const coord = await openStore(url, {
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    return new Cluster({ folder, url, server, coord });
  }

  get ledger(): string {
    return join(this.folder, 'ledger.jsonl');
  }

  /** A server; resolves when it answers. */
  async startServer(
    port?: number,
  ): Promise<{ readonly process: CommandProcess; readonly client: Client; readonly port: number }> {
    const chosen = port ?? (await freePort());
    const address = `127.0.0.1:${chosen}`;
    const server = new CommandProcess(['server', '--store', this.url, '--listen', address]);
    this.#processes.push(server);
    const client = createClient({ address });
    this.#clients.push(client);
    await eventually('the server answers', async () => {
      if (server.hasEnded)
        throw new Error(`holdfast server ended: ${JSON.stringify(server.log.at(-1))}`);
      for await (const _flow of client.flows({ deadlineMs: 2000 })) break;
      return true;
    });
    return { process: server, client, port: chosen };
  }

  /** A worker under its supervisor; resolves when it has joined. */
  async startWorker(settings: WorkerSettings): Promise<WorkerProcess> {
    const { name, flows = FLOWS, labels = {}, env } = settings;
    const { leaseTtlMs = 10_000, concurrency = 8 } = settings;
    const args = ['worker', '--store', this.url, '--flows', flows, '--name', name];
    const labelArgs = Object.entries(labels).flatMap(([key, value]) => [
      '--label',
      `${key}=${value}`,
    ]);
    const worker = new WorkerProcess(
      [
        ...args,
        ...labelArgs,
        ...['--lease-ttl', `${leaseTtlMs}ms`, '--concurrency', String(concurrency)],
      ],
      env,
    );
    this.#processes.push(worker);
    await eventually(`worker ${name} joins`, async () => {
      if (worker.hasEnded)
        throw new Error(`holdfast worker ended: ${JSON.stringify(worker.log.at(-1))}`);
      return (await this.liveWorkers()).some((id) => id.startsWith(`${name}-`));
    });
    return worker;
  }

  /**
   * Stops a worker's processes where they stand (SIGSTOP). One that stands amid a SQLite transaction
   * keeps the file locked for everybody, which coord-sqlite doesn't promise otherwise: it is woken and
   * stopped again, until the store takes writes.
   */
  async stopProcesses(worker: WorkerProcess): Promise<void> {
    for (;;) {
      worker.signal('SIGSTOP', true);
      const probe = this.#coord.commit({
        when: [],
        write: [{ kind: 'remove', key: 'test/probe' }],
      });
      const isFree = await Promise.race([probe.then(() => true), delay(PROBE_MS, false)]);
      if (isFree) return;
      worker.signal('SIGCONT', true);
      await probe;
    }
  }

  /** Ids of the workers whose session lives. */
  async liveWorkers(): Promise<readonly string[]> {
    const { items } = await this.board.listWorkers({ pageSize: 1000 });
    return items.filter((worker) => worker.isLive).map((worker) => worker.info.id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const one of this.#processes) one.signal('SIGCONT', true);
    for (const one of this.#processes) one.signal('SIGKILL', true);
    await Promise.all(this.#processes.map((one) => one.ended()));
    await this.#coord.stop();
    await this.server?.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function startStore(
  store: ClusterStore,
  folder: string,
): Promise<{
  readonly server: EtcdServer | ZooKeeperServer | undefined;
  readonly url: string;
}> {
  switch (store) {
    case 'etcd': {
      const server = await startEtcd();
      return { server, url: `etcd://${server.endpoint}/test` };
    }
    case 'zookeeper': {
      const server = await startZooKeeper();
      return { server, url: `zk://${server.endpoint}/test?tick=${server.tickTimeMs}` };
    }
    case 'sqlite':
      return { server: undefined, url: `sqlite:${join(folder, 'board.db')}` };
    default:
      return store satisfies never;
  }
}

/** Asks again until the answer is true; fails after `limitMs` with the last error, if there was one. */
export async function eventually(
  what: string,
  ask: () => Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  let failure: unknown;
  while (performance.now() < endMs) {
    try {
      if (await ask()) return;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    await delay(10);
  }
  throw new Error(`not within ${limitMs} ms: ${what}`, { cause: failure });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
