// The processes of a bench, and how they are ended.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { WorkerReport } from './worker-process.ts';

/** A forked script that has told that it is ready. */
export class BenchProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  #report: WorkerReport = { finished: 0, collisions: 0, lastFinishedAtUnixMs: 0 };
  #waiters: { readonly finished: number; readonly resolve: () => void }[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts `script` and waits for its first message, which is returned too. */
  static async start(
    script: string,
    args: readonly string[],
  ): Promise<{
    readonly process: BenchProcess;
    readonly hello: Readonly<Record<string, unknown>>;
  }> {
    const child = fork(new URL(script, import.meta.url), [...args]);
    const started = new BenchProcess(child);
    const [hello] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`${script} ended with status ${String(code)} before it was ready`);
      }),
    ])) as [Readonly<Record<string, unknown>>]; // what the scripts beside this file send
    child.on('message', (message) => started.#take(message as WorkerReport)); // likewise
    return { process: started, hello };
  }

  get report(): WorkerReport {
    return this.#report;
  }

  /** Resolves once the worker has finished so many jobs. */
  async finished(jobs: number): Promise<void> {
    if (this.#report.finished >= jobs) return;
    await new Promise<void>((resolve) => this.#waiters.push({ finished: jobs, resolve }));
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      await once(this.#child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }

  #take(report: WorkerReport): void {
    this.#report = report;
    const reached = this.#waiters.filter((waiter) => waiter.finished <= report.finished);
    this.#waiters = this.#waiters.filter((waiter) => waiter.finished > report.finished);
    for (const waiter of reached) waiter.resolve();
  }
}
