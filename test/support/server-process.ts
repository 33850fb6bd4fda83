// A store's server as a process that tests start, kill, stop, wake, and start again.
//
// Nothing is left running: when the process that started it ends without ending it, an exit hook does,
// and where `setpriv` is installed the kernel does so even after a SIGKILL.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

const SETPRIV = '/usr/bin/setpriv';
const STOP_TIMEOUT_MS = 10_000;
const LINES_KEPT = 20;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** One server, over all its incarnations. */
export class ServerProcess {
  readonly #name: string;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #lastLines: string[] = [];

  /** `name` is for people, such as `etcd at 127.0.0.1:2379`. */
  constructor(name: string) {
    this.#name = name;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.#name} does not run`);
    return pid;
  }

  /** Starts it, and reads its log to the end, so that a full pipe never stops it. */
  start(file: string, args: readonly string[], onLine?: (line: string) => void): ChildProcess {
    const isGuarded = existsSync(SETPRIV);
    const guard = isGuarded ? ['--pdeathsig', 'KILL', file] : [];
    const child = spawn(isGuarded ? SETPRIV : file, [...guard, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'] },
    });
    this.#child = child;
    running.add(child);
    this.#exited = new Promise((resolve) => {
      const finish = (): void => {
        running.delete(child);
        resolve();
      };
      child.once('close', finish); // Its log has been read by then.
      child.once('error', finish);
    });
    this.#lastLines = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#lastLines.push(line);
      if (this.#lastLines.length > LINES_KEPT) this.#lastLines.shift();
      onLine?.(line);
    });
    return child;
  }

  /** Resolves once the present incarnation is gone and its log was read. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /** An error with the last lines of its log. */
  failure(what: string): Error {
    return new Error(`${this.#name} ${what}; its last lines:\n${this.#lastLines.join('\n')}`);
  }

  /** SIGSTOP: connections stay open and nobody answers. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  /** SIGCONT. */
  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** Resolves when it is gone; SIGKILL follows a SIGTERM that doesn't suffice. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    // A paused process acts on SIGTERM only once it runs again.
    if (signal === 'SIGTERM') child.kill('SIGCONT');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** Ports that nobody listened on a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port was given');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
