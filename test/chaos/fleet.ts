// The processes of a campaign: `holdfast worker` and `holdfast server` as users start them, each with
// links of its own to the store. Everything that was started is ended by pid.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@holdfast/client';
import { CommandProcess, type LogLine, WorkerProcess } from '../support/cluster.ts';
import type { ChaosStore } from './chaos-store.ts';
import { ProcessClock } from './process-clock.ts';
import { makeTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';
import { Wire } from './wire.ts';

const FLOWS = fileURLToPath(new URL('./chaos-flows.ts', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 40_000;
const CALL_DEADLINE_MS = 10_000;

export interface FleetOptions {
  readonly store: ChaosStore;
  readonly workers: number;
  readonly servers: number;
  readonly leaseTtlMs: number;
  readonly concurrency: number;
}

/** A place for a process: over its restarts it keeps its name, its links and its clock. */
export interface Slot<Process extends CommandProcess> {
  readonly name: string;
  readonly wire: Wire;
  /** Absent where libfaketime is not installed, or not wanted for this process. */
  readonly clock: ProcessClock | undefined;
  process: Process | undefined;
}

export interface ServerSlot extends Slot<CommandProcess> {
  readonly address: string;
  readonly client: Client;
}

export type WorkerSlot = Slot<WorkerProcess>;

/** See the head of this file. */
export class Fleet implements AsyncDisposable {
  readonly workers: WorkerSlot[] = [];
  readonly servers: ServerSlot[] = [];
  readonly #options: FleetOptions;
  readonly #folder: TemporaryFolder;
  readonly #started = new Set<CommandProcess>();

  private constructor(options: FleetOptions, folder: TemporaryFolder) {
    this.#options = options;
    this.#folder = folder;
    process.on('exit', this.#killAll);
  }

  /** Starts everything; resolves when servers answer and workers have joined. */
  static async open(options: FleetOptions): Promise<Fleet> {
    await using stack = new AsyncDisposableStack();
    const fleet = new Fleet(options, await makeTemporaryFolder('chaos'));
    stack.use(fleet);
    await fleet.#addSlots();
    await Promise.all(fleet.servers.map((slot) => fleet.startServer(slot)));
    await Promise.all(fleet.workers.map((slot) => fleet.startWorker(slot)));
    stack.move();
    return fleet;
  }

  /** True where processes have a clock that can jump. */
  get hasClocks(): boolean {
    return this.workers.some((slot) => slot.clock);
  }

  /** Resolves when the worker has joined. */
  async startWorker(slot: WorkerSlot): Promise<void> {
    const { leaseTtlMs, concurrency } = this.#options;
    const args = [
      ...['worker', '--store', this.#url(slot), '--flows', FLOWS, '--name', slot.name],
      ...['--lease-ttl', `${leaseTtlMs}ms`, '--concurrency', String(concurrency)],
      // Some jobs end by themselves within it, others have to be handed back.
      ...['--drain-timeout', '2s'],
    ];
    await this.#start(slot, () => new WorkerProcess(args, slot.clock?.env), 'joined the fleet');
  }

  /** Resolves when the server listens. */
  async startServer(slot: ServerSlot): Promise<void> {
    const args = ['server', '--store', this.#url(slot), '--listen', slot.address];
    const env = { HOLDFAST_LOG_LEVEL: 'info', ...slot.clock?.env };
    await this.#start(slot, () => new CommandProcess(args, env), 'the server listens');
  }

  /** Names of those whose process has ended although nobody ended it; they are started again. */
  async replaceEnded(): Promise<readonly string[]> {
    const ended = [...this.workers, ...this.servers].filter(({ process: one }) => one?.hasEnded);
    await Promise.all(
      this.workers.filter((slot) => ended.includes(slot)).map((slot) => this.startWorker(slot)),
    );
    await Promise.all(
      this.servers.filter((slot) => ended.includes(slot)).map((slot) => this.startServer(slot)),
    );
    return ended.map(({ name }) => name);
  }

  /** SIGTERM, and SIGKILL when that isn't enough; resolves when the process is gone. */
  async stop(slot: WorkerSlot | ServerSlot): Promise<void> {
    const stopped = slot.process;
    if (!stopped) return;
    stopped.signal('SIGTERM');
    const timer = setTimeout(() => stopped.signal('SIGKILL', true), STOP_TIMEOUT_MS);
    await stopped.ended();
    clearTimeout(timer);
  }

  /** The lines that all processes have logged since this was last called. */
  takeLog(): readonly LogLine[] {
    const lines: LogLine[] = [];
    for (const one of this.#started) {
      lines.push(...one.log.splice(0));
      if (one.hasEnded && !this.#isInSlot(one)) this.#started.delete(one);
    }
    return lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.servers) client.close();
    this.#killAll();
    await Promise.all([...this.#started].map((one) => one.ended()));
    process.off('exit', this.#killAll);
    await Promise.all([...this.workers, ...this.servers].map(({ wire }) => closeWire(wire)));
    await this.#folder[Symbol.asyncDispose]();
  }

  readonly #killAll = (): void => {
    for (const one of this.#started) {
      one.signal('SIGCONT', true);
      one.signal('SIGKILL', true);
    }
  };

  async #addSlots(): Promise<void> {
    const { store, workers, servers } = this.#options;
    const endpoints = store.members.map((member) => member.endpoint);
    // The last of each kind has a clock that can jump.
    for (let n = 0; n < workers; n += 1) {
      const clock = n === workers - 1 ? await this.#clock(`w${n}`) : undefined;
      const wire = await Wire.open(endpoints);
      this.workers.push({ name: `w${n}`, wire, clock, process: undefined });
    }
    for (let n = 0; n < servers; n += 1) {
      const clock = n === servers - 1 ? await this.#clock(`s${n}`) : undefined;
      const wire = await Wire.open(endpoints);
      const address = `127.0.0.1:${await freePort()}`;
      const client = createClient({ address, deadlineMs: CALL_DEADLINE_MS });
      this.servers.push({ name: `s${n}`, wire, clock, process: undefined, address, client });
    }
  }

  /**
   * Starts a process, again and again like a service manager: one that doesn't find its store within its
   * time limit ends. Resolves once it has logged the line.
   */
  async #start<Process extends CommandProcess>(
    slot: Slot<Process>,
    spawn: () => Process,
    line: string,
  ): Promise<void> {
    const endMs = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const started = spawn();
      this.#started.add(started);
      slot.process = started;
      if (await hasLogged(started, line)) return;
      if (performance.now() > endMs) throw new Error(`${slot.name} could not be started`);
    }
  }

  #clock(name: string): Promise<ProcessClock | undefined> {
    return ProcessClock.create(join(this.#folder.path, `${name}.clock`));
  }

  #url({ wire }: { readonly wire: Wire }): string {
    return this.#options.store.url(wire.endpoints);
  }

  #isInSlot(one: CommandProcess): boolean {
    return [...this.workers, ...this.servers].some((slot) => slot.process === one);
  }
}

/** Resolves to true once the process has logged the line, and to false when it has ended before. */
async function hasLogged(one: CommandProcess, line: string): Promise<boolean> {
  const logged = new Promise<boolean>((resolve) => {
    // Others take lines from the log meanwhile, so the text is looked at as it comes.
    let seen = '';
    const look = (text: string): void => {
      seen += text;
      if (!seen.includes(line)) return;
      one.child.stderr?.off('data', look);
      resolve(true);
    };
    one.child.stderr?.on('data', look);
  });
  return await Promise.race([logged, one.ended().then(() => false)]);
}

async function closeWire(wire: Wire): Promise<void> {
  await wire[Symbol.asyncDispose]();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
