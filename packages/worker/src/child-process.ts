// A worker process as its supervisor sees it: one child, the worker ids it has used, and its end.
//
// Invariant:
//   C1. The end is told only after everything that the child wrote into the pipe was read, so the ids
//       it left behind are complete.
import { type ChildProcess as NodeChildProcess, spawn } from 'node:child_process';
import { type Clock, fromUnknown, type Logger, sleep, type WorkerId } from '@holdfast/core';
import { parseChildMessage, WORKER_ID_VARIABLE } from './supervisor-link.ts';

/** How long to wait for the rest of a dead child's pipe, in milliseconds. It is there already. */
const PIPE_GRACE_MS = 500;

/** What a supervisor runs. */
export interface WorkerCommand {
  /** A program that ends up as Node: the wire to it is Node's. */
  readonly file: string;
  readonly args: readonly string[];
  /** Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly cwd?: string | undefined;
}

/** How a child ended. */
export interface ChildEnd {
  /** Its exit status; undefined when a signal killed it, or it never ran. */
  readonly status?: number | undefined;
  readonly signal?: NodeJS.Signals | undefined;
  /** Why it never ran. */
  readonly error?: Error | undefined;
  readonly livedMs: number;
  /** Ids under which it may be a member still. */
  readonly leftBehind: readonly WorkerId[];
  /** True when it went to join the fleet at least once. */
  readonly hasJoined: boolean;
  /** True when its last membership ended in order. */
  readonly hasLeft: boolean;
  readonly pid?: number | undefined;
}

export class ChildProcess {
  readonly ended: Promise<ChildEnd>;
  readonly #process: NodeChildProcess;
  readonly #spawned: Promise<void>;
  readonly #ids: Set<WorkerId>;
  #hasJoined = false;
  #hasLeft = false;

  constructor(
    command: WorkerCommand,
    options: { readonly workerId: WorkerId; readonly clock: Clock; readonly logger: Logger },
  ) {
    const { workerId, clock, logger } = options;
    this.#ids = new Set([workerId]);
    const bornMs = clock.monotonicMs();
    const child = spawn(command.file, [...command.args], {
      cwd: command.cwd,
      env: { ...(command.env ?? process.env), [WORKER_ID_VARIABLE]: workerId },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#process = child;
    child.on('message', (message) => this.#read(message, logger));
    this.#spawned = new Promise((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    this.#spawned.catch(() => undefined); // `ended` tells of it too.
    this.ended = this.#awaitEnd(clock).then((end) => ({
      ...end,
      livedMs: clock.monotonicMs() - bornMs,
      leftBehind: [...this.#ids],
      hasJoined: this.#hasJoined,
      hasLeft: this.#hasLeft,
      pid: child.pid,
    }));
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Resolves once it runs; rejects when its program can't be started. */
  get spawned(): Promise<void> {
    return this.#spawned;
  }

  /** Sends a signal; does nothing when the child is gone. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#process.kill(signal);
  }

  async #awaitEnd(clock: Clock): Promise<Pick<ChildEnd, 'status' | 'signal' | 'error'>> {
    const child = this.#process;
    const isRead = new AbortController();
    child.once('disconnect', () => isRead.abort());
    const end = await new Promise<Pick<ChildEnd, 'status' | 'signal' | 'error'>>((resolve) => {
      child.once('exit', (status, signal) =>
        resolve({ status: status ?? undefined, signal: signal ?? undefined }),
      );
      child.once('error', (error) => {
        // Of a child that runs, an error is only about a signal or message that didn't reach it.
        if (child.pid === undefined) resolve({ error });
      });
    });
    if (child.connected) await sleep(clock, PIPE_GRACE_MS, { signal: isRead.signal }); // C1
    return end;
  }

  #read(message: unknown, logger: Logger): void {
    try {
      const read = parseChildMessage(message);
      if (!read) return;
      if (read.kind === 'left') this.#ids.delete(read.workerId);
      else this.#ids.add(read.workerId);
      this.#hasLeft = read.kind === 'left';
      logger.debug(
        { childPid: this.#process.pid, worker: read.workerId },
        read.kind === 'left' ? 'worker process has left' : 'worker process joins',
      );
      this.#hasJoined ||= read.kind === 'joining';
    } catch (error) {
      logger.warn({ error: fromUnknown(error).message }, 'a worker process sent nonsense');
    }
  }
}
